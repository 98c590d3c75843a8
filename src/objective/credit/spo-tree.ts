/**
 * SPO-tree (Guo et al., arXiv 2505.23564): each segment of the tree is one sample, trained once, with
 *   b(λ) = V(λ) − V(parent),  or divided by the parent's std,
 * where std(parent) is the deviation of the values of the steps that follow it (over the parent's members, population; the
 * released code takes it over the sampled children, and V as their mean, with as many children at each node). Segments of no
 * advantage are left out there, which is the same but for the normaliser. Its probability mask needs the policy's
 * probabilities and cut points, and is not part of this.
 */
import { type CopyRule, eachStepOnce } from './copies.js';
import { nodeValues } from './values.js';

const EPSILON = 1e-8;

/** @param standardised divided by the std of the parent's next values */
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
