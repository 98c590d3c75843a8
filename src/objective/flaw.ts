/** Where GRPO's factor |λ| does harm (PAPER.md §4). */
import type { ProcessTree } from '../tree/index.js';
import { checkCount } from './steps.js';

/**
 * (|λ| − 1)·|Â(λ)| of each node: how much harder a token of the step is pushed than if it counted once.
 * @param stepAdvantages Â(λ), [nodes]
 * @returns [nodes]
 * @throws RangeError if there is not one value for each node
 */
export function stepFlaw(tree: ProcessTree, stepAdvantages: ArrayLike<number>): Float64Array {
  checkCount(stepAdvantages, tree.nodeCount, 'step advantages of a tree');
  return Float64Array.from(tree.size, (size, node) => (size - 1) * Math.abs(stepAdvantages[node]));
}

/**
 * Share of each completion's tokens whose step advantage has the opposite sign of its own advantage: tokens of a
 * good completion that are pushed down, or of a bad one that are pushed up.
 * @param advantages aᵢ, [k]
 * @param stepAdvantages Â(λ), [nodes]
 * @returns [k], each in [0, 1]; 0 for an empty completion
 * @throws RangeError if there is not one value for each completion and each node
 */
export function oppositeShare(
  tree: ProcessTree,
  advantages: ArrayLike<number>,
  stepAdvantages: ArrayLike<number>,
): Float64Array {
  checkCount(advantages, tree.groupSize, 'advantages of a group');
  checkCount(stepAdvantages, tree.nodeCount, 'step advantages of a tree');
  return Float64Array.from(tree.lengths, (length, i) => {
    let against = 0;
    for (let node = tree.leaf[i]; node >= 0; node = tree.parent[node]) {
      if (stepAdvantages[node] * advantages[i] < 0) against += tree.end[node] - tree.start[node];
    }
    return length > 0 ? against / length : 0;
  });
}
