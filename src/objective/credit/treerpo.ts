/**
 * TreeRPO (Yang et al., arXiv 2506.05183): each step is one sample, trained once, and compared with its siblings:
 *   b(λ) = V(λ) − mean of V over the children of its parent, counting each branch once.
 * If each branch counted as often as it was taken, this would be SPO-tree's V − V(parent). It is not divided by the
 * siblings' standard deviation, because the value of a rare branch is a mean of few samples. TreeRPO samples N
 * continuations of every step; here siblings are the branches that occur in the group, and a completion that ends where
 * others continue is one of them.
 */
import { type CopyRule, eachStepOnce } from './copies.js';
import { nodeValues } from './values.js';

export const treeRpo: CopyRule = (tree, _rewards, advantages) => {
  const { value, isRounding } = nodeValues(tree, advantages);
  const step = new Float64Array(tree.nodeCount);
  for (let parent = 0; parent < tree.nodeCount; parent++) {
    const children = tree.childrenOf(parent);
    const mean = children.reduce((sum, child) => sum + value[child], 0) / children.length;
    for (const child of children) {
      const difference = value[child] - mean;
      step[child] = isRounding(difference, parent) ? 0 : difference;
    }
  }
  return { advantage: (_, node) => step[node], factor: eachStepOnce(tree) };
};
