/** Sums for `NoiseFigures`: compares, token by token, the members of a step that were sampled by the same weights. */
import type { Completion } from '../../rollouts/index.js';
import type { ProcessTree } from '../../tree/index.js';
import type { NoiseFigures } from './figures.js';

/** ln of the bounds of a ratio that counts as close to 1. */
const LOW = Math.log(0.9);
const HIGH = Math.log(1.1);

export class NoiseSums {
  private tokens = 0;
  private values = 0;
  private squares = 0;
  private freedom = 0;
  private largest = 0;
  private pairs = 0;
  private equalPairs = 0;
  private outside = 0;

  add(tree: ProcessTree, completions: readonly Completion[]): void {
    if (!completions.some(({ logprobs }) => logprobs)) return;
    for (let node = 0; node < tree.nodeCount; node++) {
      if (tree.size[node] < 2 || tree.end[node] === tree.start[node]) continue;
      const byVersion = new Map<string, Completion[]>();
      for (const i of tree.membersOf(node)) {
        const completion = completions[i];
        if (!completion.logprobs) continue;
        const version = String(completion.versions ?? '');
        const list = byVersion.get(version);
        if (list) list.push(completion);
        else byVersion.set(version, [completion]);
      }
      for (const members of byVersion.values()) {
        if (members.length < 2) continue;
        for (let t = tree.start[node]; t < tree.end[node]; t++) this.addToken(members, t);
      }
    }
  }

  private addToken(members: readonly Completion[], t: number): void {
    let [count, mean, squares] = [0, 0, 0];
    let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    let before = Number.NaN;
    for (const { logprobs, mask } of members) {
      if (mask && mask[t] === 0) continue;
      const value = (logprobs as Float32Array)[t];
      // Welford's method avoids the difference of large sums.
      count++;
      const difference = value - mean;
      mean += difference / count;
      squares += difference * (value - mean);
      if (value < low) low = value;
      if (value > high) high = value;
      if (count > 1) {
        const ratio = value - before;
        this.pairs++;
        if (ratio === 0) this.equalPairs++;
        if (ratio < LOW || ratio > HIGH) this.outside++;
      }
      before = value;
    }
    if (count < 2) return;
    this.tokens++;
    this.values += count;
    this.squares += squares;
    this.freedom += count - 1;
    if (high - low > this.largest) this.largest = high - low;
  }

  /** Adds the sums of another instance. */
  merge(other: NoiseSums): void {
    this.tokens += other.tokens;
    this.values += other.values;
    this.squares += other.squares;
    this.freedom += other.freedom;
    this.largest = Math.max(this.largest, other.largest);
    this.pairs += other.pairs;
    this.equalPairs += other.equalPairs;
    this.outside += other.outside;
  }

  figures(): NoiseFigures | null {
    if (this.tokens === 0) return null;
    const { tokens, values, largest, pairs, equalPairs, outside } = this;
    return {
      tokens,
      values,
      deviation: Math.sqrt(this.squares / this.freedom),
      largest,
      pairs,
      equalPairs,
      outside,
    };
  }
}
