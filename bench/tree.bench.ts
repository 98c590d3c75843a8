/**
 * Building the process tree, in nanoseconds for each token of the group (k·n of them, read or not), alone and with
 * the λ weight of every token written out. The peer compares all pairs of completions at every prefix, O(k²n), as
 * the paper's reference code does; both must give the same |λ| or the benchmark stops. Groups are synthetic random
 * trees; "shared" is the share of tokens in steps with |λ| > 1, "intermediate" the paper's mean proportion (§3).
 * Several groups take turns, so that neither the caches nor the branch predictor know the next one by heart.
 */
import { lambdaWeights, tokenValues } from '../src/objective/index.js';
import { Stream } from '../src/random/stream.js';
import { intermediateProportion, ProcessTree, treeStatistics } from '../src/tree/index.js';
import { isMain, median, printRows } from './measure.js';

const GROUP_SIZES = [6, 16, 36, 64];
const LENGTHS = [1000, 2000, 4000];
/** Wanted mean intermediate proportions: the paper reports mostly below 0.2, up to 0.8 when a policy converges. */
const PROPORTIONS = [0.05, 0.2, 0.5];
const VOCABULARY = 150_000;
const ROOT_TOKENS = 3;
/** Groups that take turns; their tokens at k = 64, n = 4,000 are 8 MB, more than a core's own caches. */
const GROUPS = 8;
const ROUNDS = 15;
const WARM_UP = 3;
/** Milliseconds one round should at least take. */
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
  /** Peer's time over ours, both with the weights written out. */
  readonly 'pairwise / ours': string;
}

/**
 * A random tree of k completions of about n tokens (±20%): every set of completions that still agree splits in two to
 * four after an exponentially long step, scaled so that the mean intermediate proportion is the one wanted.
 */
function syntheticGroup(k: number, n: number, proportion: number, stream: Stream): Int32Array[] {
  const lengths = Array.from({ length: k }, () => Math.round(n * (0.8 + 0.4 * stream.uniform())));
  // Each inner set: its members and how far its step reaches, in units that are scaled below.
  const sets: { members: number[]; from: number; to: number }[] = [];
  const leafStart = new Float64Array(k);
  const waiting = [{ members: lengths.map((_, i) => i), from: 0, to: 0 }];
  for (let set = waiting.pop(); set; set = waiting.pop()) {
    sets.push(set);
    const branches = Math.min(set.members.length, 2 + stream.int(3));
    const parts = Array.from({ length: branches }, (): number[] => []);
    // One each, so that the set does branch; the others where chance puts them.
    set.members.forEach((i, at) => {
      parts[at < branches ? at : stream.int(branches)].push(i);
    });
    for (const members of parts) {
      if (members.length === 1) leafStart[members[0]] = set.to;
      else waiting.push({ members, from: set.to, to: set.to - Math.log(1 - stream.uniform()) });
    }
  }
  const cap = Math.floor(0.95 * Math.min(...lengths)) - ROOT_TOKENS;
  const reach = (x: number, scale: number): number => Math.min(cap, Math.round(x * scale));
  const meanProportion = (scale: number): number =>
    leafStart.reduce((sum, x, i) => sum + reach(x, scale) / lengths[i], 0) / k;
  let [low, high] = [0, n * 20];
  for (let i = 0; i < 40; i++) {
    const middle = (low + high) / 2;
    if (meanProportion(middle) < proportion) low = middle;
    else high = middle;
  }
  const group = lengths.map((length) => Int32Array.from({ length }, () => stream.int(VOCABULARY)));
  for (const { members, from, to } of sets) {
    const start = from === 0 && to === 0 ? 0 : ROOT_TOKENS + reach(from, low);
    const step = group[members[0]].slice(start, ROOT_TOKENS + reach(to, low));
    for (const i of members) group[i].set(step, start);
  }
  return group;
}

/** λ weights of every token by the peer's way: at every place, all pairs that have agreed so far. */
function pairwiseWeights(group: readonly Int32Array[]): Float64Array[] {
  const k = group.length;
  const weights = group.map((tokens) => new Float64Array(tokens.length));
  const agree = new Uint8Array(k * k).fill(1);
  const longest = Math.max(...group.map((tokens) => tokens.length));
  for (let t = 0; t < longest; t++) {
    for (let i = 0; i < k; i++) {
      if (t >= group[i].length) continue;
      let size = 0;
      for (let j = 0; j < k; j++) {
        if (agree[i * k + j] === 1) {
          if (t < group[j].length && group[j][t] === group[i][t]) size++;
          else agree[i * k + j] = 0;
        }
      }
      weights[i][t] = 1 / size;
    }
  }
  return weights;
}

/** The same from the tree, written into `out`, [k][≥ |g|]: a trainer has that memory already. */
function treeWeights(group: readonly Int32Array[], out: readonly Float64Array[]): void {
  const tree = ProcessTree.build(group);
  const nodeWeights = lambdaWeights(tree);
  for (let i = 0; i < group.length; i++) tokenValues(tree, i, nodeWeights, out[i]);
}

/** Median nanoseconds of one call, over rounds in which the groups take turns. */
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

/** Median of single calls, for the peer that takes up to a tenth of a second for one group: 60 ms of them, at least 4. */
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

/** Half a second of building before anything is timed: the first row must not pay for compiling the code. */
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
        const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
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
