/**
 * Building the process tree, in nanoseconds per token of the group (all k·n tokens count), without and with the λ
 * weight of every token. The peer compares all pairs of completions at every prefix, O(k²n), as the paper's reference
 * code does. Both must give the same |λ|, or the benchmark stops. Groups are synthetic random trees; "shared" is the
 * share of tokens in steps with |λ| > 1, "intermediate" the paper's mean proportion (§3). Calls alternate between
 * several groups, so that caches and branch predictor cannot adapt to one.
 */

import { Stream } from '../src/random/stream.js';
import { pairwiseWeights, syntheticGroup, treeWeights } from '../src/reproduce/synthetic.js';
import { mean } from '../src/statistics/index.js';
import { intermediateProportion, ProcessTree, treeStatistics } from '../src/tree/index.js';
import { isMain, median, printRows } from './measure.js';

const GROUP_SIZES = [6, 16, 36, 64];
const LENGTHS = [1000, 2000, 4000];
/** Target mean intermediate proportions: the paper reports mostly below 0.2, and up to 0.8 when a policy converges. */
const PROPORTIONS = [0.05, 0.2, 0.5];
/**
 * Groups that calls alternate between. At k = 64, n = 4,000 their tokens take 8 MB, more than the caches of one core.
 */
const GROUPS = 8;
const ROUNDS = 15;
const WARM_UP = 3;
/** Shortest time of one round, ms. */
const ROUND_MS = 4;

export interface TreeBenchRow {
  readonly [name: string]: string | number;
  readonly k: number;
  readonly n: number;
  readonly intermediate: string;
  readonly shared: string;
  readonly 'build ns/token': string;
  readonly 'with weights ns/token': string;
  readonly 'pairwise ns/token': string;
  /** The peer's time divided by ours, both with the weights of all tokens. */
  readonly 'pairwise / ours': string;
}

/** Median nanoseconds per call, over rounds that alternate between the groups. */
function time(call: (group: readonly Int32Array[]) => unknown, groups: readonly Int32Array[][]): number {
  const round = (turns: number): number => {
    const from = performance.now();
    for (let turn = 0; turn < turns; turn++) for (const group of groups) call(group);
    return ((performance.now() - from) * 1e6) / (turns * groups.length);
  };
  const turns = Math.max(1, Math.ceil((ROUND_MS * 1e6) / (round(1) * groups.length)));
  for (let i = 0; i < WARM_UP; i++) round(turns);
  return median(Array.from({ length: ROUNDS }, () => round(turns)));
}

/**
 * Median of single calls, for the peer, which takes up to a tenth of a second per group: 60 ms of calls, at least 4.
 */
function timeSlow(call: (group: readonly Int32Array[]) => unknown, groups: readonly Int32Array[][]): number {
  const calls: number[] = [];
  const begin = performance.now();
  while (calls.length < 4 || performance.now() - begin < 60) {
    const from = performance.now();
    call(groups[calls.length % groups.length]);
    calls.push((performance.now() - from) * 1e6);
  }
  return median(calls);
}

/** Half a second of warm-up before the first measurement, so that the first row does not include compiling the code. */
function warmUp(): void {
  const group = syntheticGroup(16, 1000, 0.2, new Stream('tree bench', 'warm-up'));
  const out = group.map(({ length }) => new Float64Array(length));
  const until = performance.now() + 500;
  while (performance.now() < until) treeWeights(group, out);
}

export async function runTreeBench(): Promise<TreeBenchRow[]> {
  warmUp();
  const rows: TreeBenchRow[] = [];
  for (const k of GROUP_SIZES) {
    for (const n of LENGTHS) {
      for (const proportion of PROPORTIONS) {
        const groups = Array.from({ length: GROUPS }, (_, i) =>
          syntheticGroup(k, n, proportion, new Stream('tree bench', k, n, i)),
        );
        const expected = pairwiseWeights(groups[0]);
        const out = Array.from({ length: k }, () => new Float64Array(2 * n));
        treeWeights(groups[0], out);
        expected.forEach((weights, i) => {
          if (weights.some((w, t) => w !== out[i][t])) throw new Error(`completion ${i}: weights differ`);
        });
        const trees = groups.map((group) => ProcessTree.build(group));
        const tokens = mean(trees.map((tree) => tree.tokenCount));
        const build = time((group) => ProcessTree.build(group), groups) / tokens;
        const weighted = time((group) => treeWeights(group, out), groups) / tokens;
        const peer = timeSlow(pairwiseWeights, groups) / tokens;
        const percent = (value: number): string => `${(100 * value).toFixed(0)}%`;
        rows.push({
          k,
          n,
          intermediate: percent(mean(trees.map((tree) => mean([...intermediateProportion(tree)])))),
          shared: percent(mean(trees.map((tree) => treeStatistics(tree).sharedTokenShare))),
          'build ns/token': build.toFixed(3),
          'with weights ns/token': weighted.toFixed(3),
          'pairwise ns/token': peer.toFixed(1),
          'pairwise / ours': (peer / weighted).toFixed(0),
        });
      }
    }
  }
  return rows;
}

if (isMain(import.meta.url)) printRows('Process tree, ns per token', await runTreeBench());
