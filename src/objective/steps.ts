/** The hidden process rewards (PAPER.md §2): what the group itself says about every step. */
import type { ProcessTree } from '../tree/index.js';

/** Mean of a value over the members of each node, [nodes]. Sums children once, so it is linear in nodes. */
function memberMeans(tree: ProcessTree, values: ArrayLike<number>): Float64Array {
  const sums = new Float64Array(tree.nodeCount);
  for (let i = 0; i < tree.groupSize; i++) sums[tree.leaf[i]] += values[i];
  for (let node = tree.nodeCount - 1; node > 0; node--) sums[tree.parent[node]] += sums[node];
  for (let node = 0; node < tree.nodeCount; node++) sums[node] /= tree.size[node];
  return sums;
}

/**
 * R̂(λ): mean reward of the completions through each step, a Monte-Carlo estimate of the value of its prefix.
 * @param rewards rᵢ, [k]
 * @returns [nodes]
 */
export function stepRewards(tree: ProcessTree, rewards: ArrayLike<number>): Float64Array {
  return memberMeans(tree, rewards);
}

/**
 * Â(λ) = (R̂(λ) − mean) / (std + ε): mean advantage of the completions through each step.
 * @param advantages aᵢ, [k]
 * @returns [nodes]
 */
export function stepAdvantages(tree: ProcessTree, advantages: ArrayLike<number>): Float64Array {
  return memberMeans(tree, advantages);
}

/**
 * A value of each node as a value of each token of a completion.
 * @param nodeValues [nodes]
 * @returns [|g|]
 */
export function tokenValues(
  tree: ProcessTree,
  completion: number,
  nodeValues: ArrayLike<number>,
): Float64Array {
  const values = new Float64Array(tree.lengths[completion]);
  for (const node of tree.pathOf(completion)) values.fill(nodeValues[node], tree.start[node], tree.end[node]);
  return values;
}
