/** A unit of work: a rollout log of any framework, and how much structure its groups have (PAPER.md §3). */
import { analyzeGroup, LogGatherer } from '../../analysis/index.js';
import { readRollouts } from '../../rollouts/files.js';
import { RolloutError } from '../../rollouts/index.js';
import type { WorkContext } from './context.js';

export interface LogSpec {
  readonly kind: 'log';
  readonly path: string;
  /** Path in the report: relative to the given folder. */
  readonly name: string;
  /** Size in bytes: a changed log is another unit. */
  readonly size: number;
}

export interface LogStructure {
  readonly name: string;
  readonly groups: number;
  /** Completions of the smallest and of the largest group. */
  readonly sizes: readonly [number, number];
  readonly tokens: number;
  /** Where token ids come from: the log, or text units. */
  readonly source: string;
  readonly flat: number;
  /** Means over completions. */
  readonly pathDepth: number;
  readonly intermediate: number;
  /** Share of tokens in steps that several completions share. */
  readonly shared: number;
  /** Mean intermediate proportion of each group, sorted, as at most 101 quantiles. */
  readonly sortedIntermediate: readonly number[];
  readonly sortedDepth: readonly number[];
}

/** @returns null for a log whose groups cannot be recovered */
export async function runLog({ path, name }: LogSpec, context: WorkContext): Promise<LogStructure | null> {
  const gatherer = new LogGatherer();
  const depths: number[] = [];
  const proportions: number[] = [];
  let [least, most] = [Number.POSITIVE_INFINITY, 0];
  try {
    for await (const group of readRollouts(path, { skipBad: true })) {
      const analysis = analyzeGroup(group);
      gatherer.add(group, analysis);
      depths.push(analysis.statistics.meanPathDepth);
      proportions.push(analysis.statistics.meanIntermediateProportion);
      least = Math.min(least, group.completions.length);
      most = Math.max(most, group.completions.length);
      context.progress(0.5);
    }
  } catch (error) {
    if (!(error instanceof RolloutError)) throw error;
  }
  if (depths.length === 0) return null;
  const { all } = gatherer.result();
  return {
    name,
    groups: all.groups,
    sizes: [least, most],
    tokens: all.tokens,
    source: Object.keys(all.tokenSources).join(', '),
    flat: all.flatGroups,
    pathDepth: all.meanPathDepth,
    intermediate: all.meanIntermediateProportion,
    shared: all.sharedTokenShare,
    sortedIntermediate: quantiles(proportions),
    sortedDepth: quantiles(depths),
  };
}

/** Sorted values; if there are more than 101, their percentiles. */
export function quantiles(values: readonly number[]): number[] {
  const sorted = [...values].sort((a, b) => a - b);
  const count = Math.min(101, sorted.length);
  return Array.from({ length: count }, (_, i) => {
    const at = count === 1 ? 0 : Math.round((i * (sorted.length - 1)) / (count - 1));
    return Number(sorted[at].toFixed(4));
  });
}
