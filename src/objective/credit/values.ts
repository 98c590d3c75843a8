/**
 * The value of a node, as used by tree methods: V(λ) is the mean over its members of the configured advantages, so
 * V(root) = 0 and differences are in the unit of `advantage_scale` (`none`: that of the rewards). Members are
 * independent samples of the policy, so each counts once, and a branch that many took has more weight; a branch that a
 * tree search forces does not.
 */
import type { ProcessTree } from '../../tree/index.js';
import { memberSums, stepAdvantages } from '../steps.js';

/** A difference this much smaller than its terms is rounding. */
const ROUNDING = 1e-9;

export interface NodeValues {
  /** V(λ), [nodes]. */
  readonly value: Float64Array;
  /** V(λ) − V(parent), 0 at the root, [nodes]. */
  readonly gain: Float64Array;
  /** Whether the difference of values below this node is more than rounding. */
  readonly isRounding: (difference: number, node: number) => boolean;
}

export function nodeValues(tree: ProcessTree, advantages: ArrayLike<number>): NodeValues {
  const value = stepAdvantages(tree, advantages);
  const magnitude = memberSums(tree, (i) => Math.abs(advantages[i]));
  const isRounding = (difference: number, node: number): boolean =>
    Math.abs(difference) <= (ROUNDING * magnitude[node]) / tree.size[node];
  const gain = value.map((v, node) => {
    if (node === 0) return 0;
    const parent = tree.parent[node];
    const difference = v - value[parent];
    return isRounding(difference, parent) ? 0 : difference;
  });
  return { value, gain, isRounding };
}
