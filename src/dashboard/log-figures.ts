/** The figures of a step of a log: those metrics of a run that follow from rewards, lengths and trees. */
import type { Group } from '../rollouts/index.js';
import { sum } from '../statistics/index.js';
import type { MetricsLine } from '../train/metrics.js';
import type { GroupRow } from './api.js';

/** Data that is kept of a group. */
export interface LogRow {
  /** 0 if the log does not name steps. */
  readonly step: number;
  readonly row: GroupRow;
  /** Completions that solve their problem; null: the log does not say. */
  readonly solved: number | null;
  /** Completions that were cut off at the maximum length; null: the log does not say. */
  readonly cutOff: number | null;
}

export function logRow({ step, completions }: Group, row: GroupRow): LogRow {
  const known = (values: readonly unknown[]): boolean => values.every((value) => value !== undefined);
  const solved = completions.map(({ success }) => success);
  const stops = completions.map(({ stop }) => stop);
  return {
    step: step ?? 0,
    row,
    solved: known(solved) ? solved.filter(Boolean).length : null,
    cutOff: known(stops) ? stops.filter((stop) => stop === 'length').length : null,
  };
}

/** @param before tokens of all earlier steps */
export function stepFigures(
  step: number,
  rows: readonly LogRow[],
  before: number,
): MetricsLine & { readonly tokens: number } {
  const groups = rows.map(({ row }) => row);
  const completions = sum(groups.map((group) => group.completions));
  const step_tokens = sum(groups.map(({ tokens }) => tokens));
  const tree_tokens = sum(groups.map(({ distinctTokens }) => distinctTokens));
  /** The mean over completions of a value that is a mean within each group. */
  const mean = (value: (group: GroupRow) => number): number =>
    sum(groups.map((group) => group.completions * value(group))) / completions;
  const share = (is: (group: GroupRow) => boolean): number => groups.filter(is).length / groups.length;
  const total = (part: (row: LogRow) => number | null): number | null => {
    const parts = rows.map(part);
    return parts.every((value) => value !== null) ? sum(parts as number[]) : null;
  };
  const mass = sum(groups.map((group) => group.mass.total));
  const solved = total((row) => row.solved);
  const cutOff = total((row) => row.cutOff);
  return {
    phase: 'train',
    step,
    reward_mean: mean(({ meanReward }) => meanReward),
    ...(solved === null ? {} : { success_rate: solved / completions }),
    ...(cutOff === null ? {} : { stopped_share: 1 - cutOff / completions }),
    completion_length: step_tokens / completions,
    path_depth: mean(({ pathDepth }) => pathDepth),
    intermediate_proportion: mean(({ intermediateProportion }) => intermediateProportion),
    ...(mass > 0 ? { shared_mass: sum(groups.map((group) => group.mass.shared)) / mass } : {}),
    flat_share: share(({ flat }) => flat),
    zero_variance_share: share(({ zeroVariance }) => zeroVariance !== null),
    all_right_share: share(({ zeroVariance }) => zeroVariance === 'right'),
    all_wrong_share: share(({ zeroVariance }) => zeroVariance === 'wrong'),
    tokens: before + step_tokens,
    step_tokens,
    tree_tokens,
    tokens_saved: step_tokens > 0 ? 1 - tree_tokens / step_tokens : 0,
  };
}
