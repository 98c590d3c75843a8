/**
 * SPO-tree (Guo et al., arXiv 2505.23564): each segment of the tree is one sample, trained once, with
 *   b(λ) = V(λ) − V(parent),  or divided by the parent's std,
 * where std(parent) is the standard deviation of the values of the next steps (over the parent's members, population;
 * the released code takes it over the sampled children, and V as their mean, with the same number of children at each
 * node). The released code leaves out segments without an advantage, which differs only in the normaliser. Its
 * probability mask needs the policy's probabilities and cut points, and is not included.
 */
import { type CopyRule, eachStepOnce } from './copies.js';
import { nodeValues } from './values.js';

const EPSILON = 1e-8;

/** @param standardised divide by the std of the parent's next values */
export function spoTree(standardised: boolean): CopyRule {
  return (tree, _rewards, advantages) => {
    const { gain } = nodeValues(tree, advantages);
    const squares = new Float64Array(tree.nodeCount);
    for (let node = 1; node < tree.nodeCount; node++) {
      squares[tree.parent[node]] += tree.size[node] * gain[node] ** 2;
    }
    const step = gain.map((g, node) => {
      if (g === 0 || !standardised) return g;
      const parent = tree.parent[node];
      return g / (Math.sqrt(squares[parent] / tree.size[parent]) + EPSILON);
    });
    return { advantage: (_, node) => step[node], factor: eachStepOnce(tree) };
  };
}
