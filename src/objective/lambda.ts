/** The repair (PAPER.md §5): each step counts once instead of once for each completion that shares it. */
import type { ProcessTree } from '../tree/index.js';

/**
 * |λ|^−p of each node: the factor of every token's whole term, policy and KL. p = 1 is λ-GRPO, 0 plain GRPO.
 * @param exponent p ≥ 0
 * @returns [nodes]
 * @throws RangeError for an exponent that is negative or not finite
 */
export function lambdaWeights(tree: ProcessTree, exponent = 1): Float64Array {
  if (!(Number.isFinite(exponent) && exponent >= 0)) {
    throw new RangeError(`λ exponent: expected a finite number of at least 0, got ${exponent}`);
  }
  return Float64Array.from(tree.size, (size) => size ** -exponent);
}
