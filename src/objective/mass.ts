/**
 * The gradient mass of GRPO's sum in a tree: Σ |λ|·|Â(λ)| over the tokens of its steps, and its part in steps that
 * several completions share. λ-GRPO counts each step once (PAPER.md §4, §5).
 */
import type { ProcessTree } from '../tree/index.js';

export interface StepMass {
  readonly total: number;
  /** Of steps with |λ| > 1. */
  readonly shared: number;
}

/** @param advantages Â(λ), [nodes] */
export function stepMass(tree: ProcessTree, advantages: ArrayLike<number>): StepMass {
  let [total, shared] = [0, 0];
  for (let node = 0; node < tree.nodeCount; node++) {
    const mass = tree.size[node] * Math.abs(advantages[node]) * (tree.end[node] - tree.start[node]);
    total += mass;
    if (tree.size[node] > 1) shared += mass;
  }
  return { total, shared };
}
