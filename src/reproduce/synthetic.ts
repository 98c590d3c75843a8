/**
 * Synthetic groups of any shape, and two ways to compute their λ weights: with the tree, and with the peer that
 * compares all pairs of completions at every prefix, O(k²n), as the paper's reference code does. For the overhead
 * experiment and the benchmark of the tree.
 */
import { lambdaWeights, tokenValues } from '../objective/index.js';
import type { Stream } from '../random/stream.js';
import { ProcessTree } from '../tree/index.js';

const VOCABULARY = 150_000;
const ROOT_TOKENS = 3;

/**
 * A random tree of k completions with about n tokens each (±20%): every set of completions that still agree splits into
 * two to four after a step of exponentially distributed length, scaled to the given mean intermediate proportion.
 */
export function syntheticGroup(k: number, n: number, proportion: number, stream: Stream): Int32Array[] {
  const lengths = Array.from({ length: k }, () => Math.round(n * (0.8 + 0.4 * stream.uniform())));
  // Each inner set: its members, and the end of its step in units that are scaled below.
  const sets: { members: number[]; from: number; to: number }[] = [];
  const leafStart = new Float64Array(k);
  const waiting = [{ members: lengths.map((_, i) => i), from: 0, to: 0 }];
  for (let set = waiting.pop(); set; set = waiting.pop()) {
    sets.push(set);
    const branches = Math.min(set.members.length, 2 + stream.int(3));
    const parts = Array.from({ length: branches }, (): number[] => []);
    // Each branch gets one member, so that the set does split; the others are assigned at random.
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

/** λ weights of every token, computed by the peer: at every position, all pairs that have agreed so far. */
export function pairwiseWeights(group: readonly Int32Array[]): Float64Array[] {
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

/** The same from the tree, written into `out`, [k][≥ |g|], which a trainer has already allocated. */
export function treeWeights(group: readonly Int32Array[], out: readonly Float64Array[]): void {
  const tree = ProcessTree.build(group);
  const nodeWeights = lambdaWeights(tree);
  for (let i = 0; i < group.length; i++) tokenValues(tree, i, nodeWeights, out[i]);
}
