/**
 * The summary that `analyze` prints: the figures of figures.ts as tables with bars, plain text of at most about 100
 * columns.
 */
import { creditRows, diagnosticRows, type LogAnalysis, type LogFigures } from '../analysis/index.js';
import { elide, paint, visible } from './format.js';
import { formatTable } from './table.js';

export interface SummaryOptions {
  /** Groups by format. */
  readonly formats: Readonly<Record<string, number>>;
  readonly files: number;
  /** Files that were skipped. */
  readonly leftOut?: number;
  /** Reasons why the figures may be wrong. */
  readonly warnings?: readonly string[];
  readonly colour?: boolean;
}

/** Explanation of each source of tokens and of groups, for every output. */
export const SOURCE_NOTES: Readonly<Record<string, string>> = {
  exact: 'token ids as sampled',
  retokenized: 'retokenized: ids computed from the text with --tokenizer',
  'text-units': 'TEXT UNITS: words and marks instead of tokens; --tokenizer gives token ids',
  explicit: 'by the group ids of the log',
  consecutive: 'consecutive rows',
  'prompt-text': 'by equal prompts; the log has no group ids',
};

const BAR = 24;
/** Maximum number of rows in the tables by depth and by training step. */
const DEPTHS = 8;
const STEPS = 16;
const SOURCES = 40;
const WARNINGS = 10;
/** Width of a source's label, in columns. */
const LABEL = 60;

/** The summary, with line end. */
export function summaryText(
  analysis: LogAnalysis,
  { formats, files, leftOut = 0, warnings = [], colour = false }: SummaryOptions,
): string {
  const { all, steps, sources } = analysis;
  const { bold } = paint(colour);
  const section = (title: string, body: string) => `\n${bold(title)}\n${body}`;
  const total = all.mass.up + all.mass.down;
  const parts = [
    `${count(files)} ${files === 1 ? 'file' : 'files'}${leftOut > 0 ? `, ${count(leftOut)} skipped` : ''}: ${listOf(formats)}\n`,
    ...(warnings.length > 0 ? [section('Warnings', warningLines(warnings))] : []),
    section('Groups and their trees', overview(all)),
  ];
  if (total === 0) parts.push('\nNo gradient: in no group do the rewards differ.\n');
  else {
    parts.push(
      section('Gradient mass |λ|·|Â| by |λ|: how many completions share the step', bySize(all)),
      section('Gradient mass by sign', bySign(all)),
      section('Gradient mass by depth of the step’s node', byDepth(all)),
      section(
        'Completions whose tokens are mostly (> 50%) pushed the wrong way',
        formatTable(
          ['', 'completions', 'of', ''],
          [
            [
              'good ones (a > 0) pushed down',
              count(all.good.pushedDown),
              count(all.good.completions),
              percent(all.good.pushedDown, all.good.completions),
            ],
            [
              'bad ones (a < 0) pushed up',
              count(all.bad.pushedUp),
              count(all.bad.completions),
              percent(all.bad.pushedUp, all.bad.completions),
            ],
          ],
        ),
      ),
    );
  }
  if (total > 0 && all.credit.length > 0)
    parts.push(section('Under credit rules: share of the push by sign and depth', creditTable(all)));
  parts.push(section('More from the tree', formatTable(['', 'value', ''], diagnosticRows(analysis))));
  if (sources.length > 0) parts.push(section('By source', bySource(sources)));
  if (steps.length > 0) parts.push(section('By training step', bySteps(steps)));
  return parts.join('');
}

function creditTable({ credit }: LogFigures): string {
  const { header, rows } = creditRows(credit);
  return formatTable(header, rows);
}

function overview(all: LogFigures): string {
  const { groups, completions, tokens } = all;
  const { right, wrong, other } = all.zeroVariance;
  const mixed = groups - all.zeroVarianceGroups;
  const rows: [string, string, string][] = [
    ['groups', count(groups), sources(all.groupSources)],
    ['completions', count(completions), `${fixed(completions / groups, 1)} per group`],
    ['tokens', count(tokens), sources(all.tokenSources)],
    [
      'zero-variance groups',
      count(all.zeroVarianceGroups),
      `${percent(all.zeroVarianceGroups, groups)}: ${count(right)} all right, ${count(wrong)} all wrong, ${count(other)} other`,
    ],
    ['mixed groups', count(mixed), `${percent(mixed, groups)}; their rewards differ`],
    [
      'flat groups',
      count(all.flatGroups),
      `${percent(all.flatGroups, groups)}; no step between root and leaves`,
    ],
    ['mean reward', fixed(all.meanReward, 4), ''],
    ['path depth', fixed(all.meanPathDepth, 2), 'intermediate nodes on a completion’s path, mean'],
    [
      'intermediate proportion',
      fixed(all.meanIntermediateProportion, 3),
      'share of a completion’s tokens in intermediate steps, mean',
    ],
    ['tokens in shared steps', percent(all.sharedTokenShare, 1), 'steps with |λ| > 1'],
    [
      'distinct tokens',
      count(all.distinctTokens),
      `computing shared tokens once saves ${percent(all.tokensSaved, 1)}`,
    ],
  ];
  if (all.singletonGroups > 0)
    rows.splice(5, 0, [
      'groups of one completion',
      count(all.singletonGroups),
      `${percent(all.singletonGroups, groups)}; counted as zero-variance and flat`,
    ]);
  return formatTable(['', 'value', ''], rows);
}

/** |λ| one by one up to 8, else 1, 2, 3–4, 5–8, 9–16, … */
function bySize({ bySize, mass, lambdaMass }: LogFigures): string {
  const largest = bySize.at(-1)?.size ?? 1;
  const classOf = (size: number) => (largest <= 8 ? size : 2 ** Math.ceil(Math.log2(size)));
  const classes = new Map<number, { steps: number; tokens: number; mass: number; once: number }>();
  for (const { size, steps, tokens, mass } of bySize) {
    const sums = classes.get(classOf(size)) ?? { steps: 0, tokens: 0, mass: 0, once: 0 };
    sums.steps += steps;
    sums.tokens += tokens;
    sums.mass += mass;
    sums.once += mass / size;
    classes.set(classOf(size), sums);
  }
  const total = mass.up + mass.down;
  const once = lambdaMass.up + lambdaMass.down;
  return formatTable(
    ['|λ|', 'steps', 'tokens', 'λ-GRPO', 'GRPO', ''],
    [...classes].map(([to, sums]) => [
      largest <= 8 || to <= 2 ? String(to) : `${to / 2 + 1}–${Math.min(to, largest)}`,
      count(sums.steps),
      count(sums.tokens),
      percent(sums.once, once),
      percent(sums.mass, total),
      bar(sums.mass / total),
    ]),
  );
}

function bySign({ mass, lambdaMass }: LogFigures): string {
  const row = (name: string, { up, down }: { up: number; down: number }) => {
    const total = up + down;
    return [name, percent(up, total), bar(up / total), percent(down, total), bar(down / total)];
  };
  return formatTable(['', 'up', '', 'down', ''], [row('GRPO', mass), row('λ-GRPO', lambdaMass)]);
}

function byDepth({ byDepth, mass }: LogFigures): string {
  const total = mass.up + mass.down;
  const rows = byDepth.slice(0, DEPTHS).map(({ depth, up, down }) => ({ name: String(depth), up, down }));
  if (byDepth.length > DEPTHS) {
    const rest = { name: `${DEPTHS}+`, up: 0, down: 0 };
    for (const { up, down } of byDepth.slice(DEPTHS)) {
      rest.up += up;
      rest.down += down;
    }
    rows.push(rest);
  }
  return formatTable(
    ['depth', 'up', 'down', 'both', ''],
    rows.map(({ name, up, down }) => [
      name,
      percent(up, total),
      percent(down, total),
      percent(up + down, total),
      bar((up + down) / total),
    ]),
  );
}

/** One line per source. */
function bySource(sources: LogAnalysis['sources']): string {
  const shown = sources.slice(0, SOURCES);
  const table = figuresTable(
    'source',
    shown.map(({ label, all }) => [elide(visible(label), LABEL), all]),
  );
  const more = sources.length > SOURCES ? `${SOURCES} of ${sources.length} sources shown; ` : '';
  const steps = sources.some((source) => source.steps.length > 0)
    ? '--json has the training steps of each\n'
    : more === ''
      ? ''
      : '--json has all\n';
  return table + more + steps;
}

/** The first figures of each line's groups. */
function figuresTable(what: string, rows: readonly (readonly [string, LogFigures])[]): string {
  return formatTable(
    [
      what,
      'groups',
      'reward',
      'zero-var.',
      'flat',
      'depth',
      'interm.',
      'shared',
      'mass |λ|>1',
      'good ↓',
      'bad ↑',
    ],
    rows.map(([name, figures]) => {
      const mass = figures.mass.up + figures.mass.down;
      const alone = figures.bySize.find(({ size }) => size === 1)?.mass ?? 0;
      return [
        name,
        count(figures.groups),
        fixed(figures.meanReward, 3),
        percent(figures.zeroVarianceGroups, figures.groups),
        percent(figures.flatGroups, figures.groups),
        fixed(figures.meanPathDepth, 2),
        fixed(figures.meanIntermediateProportion, 3),
        percent(figures.sharedTokenShare, 1),
        percent(mass - alone, mass),
        percent(figures.good.pushedDown, figures.good.completions),
        percent(figures.bad.pushedUp, figures.bad.completions),
      ];
    }),
  );
}

function warningLines(warnings: readonly string[]): string {
  const shown = warnings.slice(0, WARNINGS).map((message) => `${visible(message)}\n`);
  const more = warnings.length - shown.length;
  return shown.join('') + (more > 0 ? `and ${more} more\n` : '');
}

/** The first, the last, and some items at even distances between them. */
function bySteps(steps: LogAnalysis['steps']): string {
  const shown = Math.min(STEPS, steps.length);
  const places = Array.from({ length: shown }, (_, i) =>
    shown === 1 ? 0 : Math.round((i * (steps.length - 1)) / (shown - 1)),
  );
  const table = figuresTable(
    'step',
    places.map((place) => [String(steps[place].step), steps[place].figures]),
  );
  return shown < steps.length ? `${table}${shown} of ${steps.length} steps shown; --json has all\n` : table;
}

function sources(counts: Readonly<Record<string, number>>): string {
  const all = Object.entries(counts);
  const note = (name: string) => SOURCE_NOTES[name] ?? name;
  if (all.length === 1) return note(all[0][0]);
  return all.map(([name, groups]) => `${count(groups)} groups ${note(name)}`).join('; ');
}

function listOf(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([name, groups]) => `${name}, ${count(groups)} ${groups === 1 ? 'group' : 'groups'}`)
    .join('; ');
}

function count(n: number): string {
  return n.toLocaleString('en-US');
}

function fixed(value: number, digits: number): string {
  return value.toFixed(digits).replace('-', '−');
}

function percent(part: number, whole: number): string {
  return whole > 0 ? `${((100 * part) / whole).toFixed(1)}%` : '–';
}

function bar(share: number): string {
  return '█'.repeat(Math.round(BAR * Math.max(0, Math.min(1, share)))) || (share > 0 ? '▏' : '');
}
