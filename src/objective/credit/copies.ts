/**
 * A published credit rule in the form of its paper: the advantage of each completion's copy of a token, and a factor
 * for the whole term of the token. Members of a node share its tokens, so the coefficients of a node are sums over
 * copies:
 *   A⁺ = s(λ) Σ wᵢ·max(bᵢ(λ), 0),  A⁻ = s(λ) Σ wᵢ·min(bᵢ(λ), 0),  K = s(λ) Σ wᵢ   over i ∈ λ.
 * s = 1 if a trainer computes every copy, 1/|λ| if it trains each step of the tree once.
 */
import type { ProcessTree } from '../../tree/index.js';
import type { LossCoefficients } from '../coefficients.js';
import { memberSums } from '../steps.js';
import type { CreditContext } from './rule.js';

export interface CopyCredit {
  /** bᵢ(λ): advantage of completion i's tokens in a node on its path. */
  readonly advantage: (completion: number, node: number) => number;
  /** The same for the first token of the node's step; absent: the same as for its other tokens. */
  readonly first?: (completion: number, node: number) => number;
  /** s(λ): factor of the whole term of a copy's token, policy and KL, [nodes]. */
  readonly factor: Float64Array;
}

/**
 * @param rewards rᵢ, [k]
 * @param advantages aᵢ as configured (`advantage_scale`), [k]
 */
export type CopyRule = (
  tree: ProcessTree,
  rewards: ArrayLike<number>,
  advantages: ArrayLike<number>,
) => CopyCredit;

/** The rule's coefficients of each node: sums over the copies of its members. */
export function copyCoefficients(
  tree: ProcessTree,
  credit: CopyCredit,
  weights: ArrayLike<number>,
): LossCoefficients {
  const { advantage, first, factor } = credit;
  const sums = (advantageOf: CopyCredit['advantage']): { plus: Float64Array; minus: Float64Array } => {
    const plus = new Float64Array(tree.nodeCount);
    const minus = new Float64Array(tree.nodeCount);
    for (let node = 0; node < tree.nodeCount; node++) {
      for (const i of tree.membersOf(node)) {
        const share = factor[node] * weights[i] * advantageOf(i, node);
        if (share > 0) plus[node] += share;
        else minus[node] += share;
      }
    }
    return { plus, minus };
  };
  const kl = memberSums(tree, (i) => weights[i]).map((sum, node) => sum * factor[node]);
  return { ...sums(advantage), ...(first ? { first: sums(first) } : {}), kl };
}

/** A rule by copies as a rule by nodes. */
export function ruleOf(
  rule: CopyRule,
): (tree: ProcessTree, rewards: Float64Array, context: CreditContext) => LossCoefficients {
  return (tree, rewards, { advantages, weights }) =>
    copyCoefficients(tree, rule(tree, rewards, advantages), weights);
}

/** The sum over the copies of a node's members with equal weights: s(λ) Σ bᵢ(λ). */
export interface NodePush {
  /** For every token of the node, or for those after the first, [nodes]. */
  readonly push: Float64Array;
  /** For the first token of the node's step, [nodes]. */
  readonly first: Float64Array;
}

/** A sum this much smaller than its terms is rounding: its true value is 0, and its sign means nothing. */
const ROUNDING = 1e-9;

export function nodePush(tree: ProcessTree, { advantage, first, factor }: CopyCredit): NodePush {
  const sums = (advantageOf: CopyCredit['advantage']): Float64Array =>
    Float64Array.from({ length: tree.nodeCount }, (_, node) => {
      let [sum, magnitude] = [0, 0];
      for (const i of tree.membersOf(node)) {
        const b = advantageOf(i, node);
        sum += b;
        magnitude += Math.abs(b);
      }
      return Math.abs(sum) <= ROUNDING * magnitude ? 0 : factor[node] * sum;
    });
  const push = sums(advantage);
  return { push, first: first ? sums(first) : push };
}

/** s = 1: every completion's copy of a token is trained. */
export function everyCopy(tree: ProcessTree): Float64Array {
  return new Float64Array(tree.nodeCount).fill(1);
}

/** s = 1/|λ|: each step of the tree is trained once. */
export function eachStepOnce(tree: ProcessTree): Float64Array {
  return Float64Array.from(tree.size, (size) => 1 / size);
}
