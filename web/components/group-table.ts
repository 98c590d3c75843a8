/** The table of groups in the report and the dashboard. */
import type { ZeroVariance } from '../../src/objective/index.js';
import { type Column, type DataTable, dataTable } from './data-table.js';
import { count, percent, plain, visible } from './format.js';

const ZERO_VARIANCE = { right: 'all right', wrong: 'all wrong', other: 'equal rewards' } as const;

/** Properties of a group that both pages have. */
export interface GroupFigures {
  readonly id: string;
  /** The part of the prompt in which it differs from the others. */
  readonly question: string;
  readonly completions: number;
  readonly tokens: number;
  readonly distinctTokens: number;
  readonly meanReward: number;
  readonly flat: boolean;
  /** Null if rewards are mixed. */
  readonly zeroVariance: ZeroVariance | null;
  readonly pathDepth: number;
  readonly pushedDown: number;
  readonly worst: number;
  readonly flaw: number;
}

export interface GroupTableOptions<T> {
  readonly rows: readonly T[];
  readonly caption: string;
  /** Additional columns of the page, by the name of the common column that they follow. */
  readonly more?: Readonly<Record<string, Column<T>>>;
  readonly search: (row: T) => string;
  readonly onOpen: (row: T) => void;
}

/** A column of numbers. */
export function numberColumn<T>(
  name: string,
  value: (row: T) => number,
  text: (value: number) => string,
  meaning?: string,
): Column<T> {
  return {
    name,
    value,
    text: (row) => text(value(row)),
    number: true,
    ...(meaning === undefined ? {} : { meaning }),
  };
}

/** A column that is hidden on narrow pages. */
export function wide<T>(column: Column<T>): Column<T> {
  return { ...column, wide: true };
}

/** Sort order: most good completions pushed down first, then the largest flaw. */
export function groupTable<T extends GroupFigures>(options: GroupTableOptions<T>): DataTable<T> {
  const { rows, caption, more = {}, search, onOpen } = options;
  const common: Column<T>[] = [
    { name: 'group', text: ({ id }) => visible(id) },
    {
      name: 'prompt',
      text: ({ question }) => visible(question).slice(0, 160),
      meaning: 'where it differs from the prompts of the other groups',
      wraps: true,
    },
    wide(numberColumn('k', ({ completions }) => completions, String, 'completions')),
    numberColumn('reward', ({ meanReward }) => meanReward, plain, 'mean reward'),
    wide(numberColumn('tokens', ({ tokens }) => tokens, count)),
    wide(
      numberColumn(
        'saved',
        ({ tokens, distinctTokens }) => (tokens > 0 ? 1 - distinctTokens / tokens : 0),
        percent,
        'tokens that the tree saves',
      ),
    ),
    wide(
      numberColumn(
        'depth',
        ({ pathDepth }) => pathDepth,
        (value) => value.toFixed(2),
        'path depth: mean number of intermediate steps on a completion’s path',
      ),
    ),
    wide({
      name: 'shape',
      text: ({ zeroVariance, flat }) => (zeroVariance ? ZERO_VARIANCE[zeroVariance] : flat ? 'flat' : 'tree'),
    }),
    numberColumn(
      'pushed down',
      ({ pushedDown }) => pushedDown,
      String,
      'good completions with most of their tokens in steps with a negative advantage',
    ),
    wide(
      numberColumn(
        'worst',
        ({ worst }) => worst,
        percent,
        'largest share of a good completion’s tokens in steps with a negative advantage',
      ),
    ),
    wide(
      numberColumn(
        'flaw',
        ({ flaw }) => flaw,
        (value) => value.toFixed(2),
        'largest (|λ| − 1)·|Â|: how much GRPO adds to a step beyond counting it once',
      ),
    ),
  ];
  return dataTable({
    columns: common.flatMap((column) => [column, ...(more[column.name] ? [more[column.name]] : [])]),
    rows: [...rows].sort((a, b) => b.flaw - a.flaw),
    sortBy: 'pushed down',
    caption,
    search,
    filters: [
      { name: 'good ones pushed down', keeps: ({ pushedDown }) => pushedDown > 0 },
      { name: 'mixed rewards', keeps: ({ zeroVariance }) => !zeroVariance },
      { name: 'not flat', keeps: ({ flat }) => !flat },
    ],
    onOpen,
  });
}
