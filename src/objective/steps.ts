/** The hidden process rewards (PAPER.md §2): the step rewards and advantages that follow from the group alone. */
import type { ProcessTree } from '../tree/index.js';

/** A sum this much smaller than its terms is rounding: its true value is 0. */
const ROUNDING = 1e-9;

/** @throws RangeError if there is not one value for each of the `expected` items */
export function checkCount(values: ArrayLike<number>, expected: number, what: string): void {
  if (values.length !== expected) {
    throw new RangeError(`${what}: expected ${expected} values, got ${values.length}`);
  }
}

/**
 * Σ of a completion's value over the members of each node, [nodes]. Computed in linear time by adding children to their
 * parents.
 */
export function memberSums(tree: ProcessTree, value: (completion: number) => number): Float64Array {
  const sums = new Float64Array(tree.nodeCount);
  for (let i = 0; i < tree.groupSize; i++) sums[tree.leaf[i]] += value(i);
  for (let node = tree.nodeCount - 1; node > 0; node--) sums[tree.parent[node]] += sums[node];
  return sums;
}

/**
 * R̂(λ): mean reward of the completions through each step, a Monte-Carlo estimate of the value of its prefix.
 * @param rewards rᵢ, [k]
 * @returns [nodes]
 * @throws RangeError if there is not one reward for each completion
 */
export function stepRewards(tree: ProcessTree, rewards: ArrayLike<number>): Float64Array {
  checkCount(rewards, tree.groupSize, 'rewards of a group');
  return memberSums(tree, (i) => rewards[i]).map((sum, node) => sum / tree.size[node]);
}

/**
 * Â(λ) = (R̂(λ) − mean) / (std + ε): mean advantage of the completions through each step. Exactly 0 if the advantages
 * cancel, as they do at the root; a rest from rounding would have a meaningless sign (flaw.ts reads signs).
 * @param advantages aᵢ, [k]
 * @param weights wᵢ of the members in the mean, [k]: they differ under sequence normalisation (PAPER.md §2); default:
 * equal
 * @returns [nodes]; 0 for a step whose members all have weight 0
 * @throws RangeError if there is not one advantage, and one weight, for each completion
 */
export function stepAdvantages(
  tree: ProcessTree,
  advantages: ArrayLike<number>,
  weights?: ArrayLike<number>,
): Float64Array {
  checkCount(advantages, tree.groupSize, 'advantages of a group');
  if (weights) {
    checkCount(weights, tree.groupSize, 'weights of a group');
    const terms = Float64Array.from(advantages, (a, i) => a * weights[i]);
    const magnitudes = memberSums(tree, (i) => Math.abs(terms[i]));
    const totals = memberSums(tree, (i) => weights[i]);
    return memberSums(tree, (i) => terms[i]).map((sum, node) =>
      Math.abs(sum) <= ROUNDING * magnitudes[node] ? 0 : sum / totals[node],
    );
  }
  const magnitudes = memberSums(tree, (i) => Math.abs(advantages[i]));
  return memberSums(tree, (i) => advantages[i]).map((sum, node) =>
    Math.abs(sum) <= ROUNDING * magnitudes[node] ? 0 : sum / tree.size[node],
  );
}

/**
 * Expands values of nodes to values of a completion's tokens.
 * @param nodeValues [nodes]
 * @param out target, at least [|g|]; default: a new array
 * @returns [|g|]
 */
export function tokenValues(
  tree: ProcessTree,
  completion: number,
  nodeValues: ArrayLike<number>,
  out: Float64Array = new Float64Array(tree.lengths[completion]),
): Float64Array {
  for (let node = tree.leaf[completion]; node >= 0; node = tree.parent[node]) {
    out.fill(nodeValues[node], tree.start[node], tree.end[node]);
  }
  return out;
}
