/** Sums for `TrainerFigures`: the trainer's values for tokens that another program sampled. */
import type { Completion } from '../../rollouts/index.js';
import type { ProcessTree } from '../../tree/index.js';
import type { TrainerFigures } from './figures.js';

const LOW = Math.log(0.9);
const HIGH = Math.log(1.1);

export class TrainerSums {
  private tokens = 0;
  private difference = 0;
  private outside = 0;
  private kl = 0;
  private entropies = 0;
  private entropy = 0;
  private branches = 0;
  private atBranches = 0;

  add(tree: ProcessTree, completions: readonly Completion[]): void {
    completions.forEach(({ trainerLogprobs, logprobs, entropies, mask }, i) => {
      if (!trainerLogprobs && !entropies) return;
      const nodes = tree.tokenNodes(i);
      nodes.forEach((node, t) => {
        if (mask && mask[t] === 0) return;
        if (trainerLogprobs && logprobs && !Number.isNaN(trainerLogprobs[t])) {
          const ratio = trainerLogprobs[t] - logprobs[t];
          this.tokens++;
          this.difference += Math.abs(ratio);
          this.kl += Math.exp(ratio) - ratio - 1;
          if (ratio < LOW || ratio > HIGH) this.outside++;
        }
        if (!entropies || Number.isNaN(entropies[t])) return;
        this.entropies++;
        this.entropy += entropies[t];
        if (node === 0 || t !== tree.start[node]) return;
        this.branches++;
        this.atBranches += entropies[t];
      });
    });
  }

  /** Adds the sums of another instance. */
  merge(other: TrainerSums): void {
    this.tokens += other.tokens;
    this.difference += other.difference;
    this.outside += other.outside;
    this.kl += other.kl;
    this.entropies += other.entropies;
    this.entropy += other.entropy;
    this.branches += other.branches;
    this.atBranches += other.atBranches;
  }

  figures(): TrainerFigures | null {
    if (this.tokens === 0 && this.entropies === 0) return null;
    const mean = (sum: number, n: number): number => (n > 0 ? sum / n : 0);
    return {
      tokens: this.tokens,
      difference: mean(this.difference, this.tokens),
      outside: mean(this.outside, this.tokens),
      kl: mean(this.kl, this.tokens),
      entropies: this.entropies,
      entropy: mean(this.entropy, this.entropies),
      atBranches: mean(this.atBranches, this.branches),
    };
  }
}
