/** Where GRPO's factor |λ| does harm (PAPER.md §4). */
import type { ProcessTree } from '../tree/index.js';
import { tokenValues } from './steps.js';

/**
 * (|λ| − 1)·|Â(λ)| of each node: how much a token of the step is pushed beyond its one share.
 * @param stepAdvantages Â(λ), [nodes]
 * @returns [nodes]
 */
export function stepFlaw(tree: ProcessTree, stepAdvantages: ArrayLike<number>): Float64Array {
  return Float64Array.from(tree.size, (size, node) => (size - 1) * Math.abs(stepAdvantages[node]));
}

/**
 * Share of each completion's tokens whose step advantage has the opposite sign of its own advantage: tokens of a
 * good completion that are pushed down, or of a bad one that are pushed up.
 * @param advantages aᵢ, [k]
 * @param stepAdvantages Â(λ), [nodes]
 * @returns [k], each in [0, 1]; 0 for an empty completion
 */
export function oppositeShare(
  tree: ProcessTree,
  advantages: ArrayLike<number>,
  stepAdvantages: ArrayLike<number>,
): Float64Array {
  return Float64Array.from(tree.lengths, (length, i) => {
    if (length === 0) return 0;
    const against = tokenValues(tree, i, stepAdvantages).filter((step) => step * advantages[i] < 0);
    return against.length / length;
  });
}
