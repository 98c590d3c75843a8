/**
 * Loss coefficients of a tree (PAPER.md §2, "Beyond the paper"). The clipped term of a token depends on its
 * completion only through the prefix (which its step's members share) and aᵢ, so the members' terms add up to
 *   A⁺·min(ρ, 1 + ε_high) + A⁻·max(ρ, 1 − ε_low) − β·K·k3   (to be maximised),
 *   A⁺ = |λ|^−p Σ wᵢ·max(aᵢ, 0),  A⁻ = |λ|^−p Σ wᵢ·min(aᵢ, 0),  K = |λ|^−p Σ wᵢ   over i ∈ λ,
 * with wᵢ the weight that the normalisation gives each token of completion i. On-policy it is (A⁺ + A⁻)·ρ.
 * It does not hold for ratios of whole sequences (GSPO).
 */
import type { ProcessTree } from '../tree/index.js';
import { lambdaWeights } from './lambda.js';
import { checkCount, memberSums } from './steps.js';

/**
 * token: 1/Σ|g| over the step (DAPO); group: 1/(G·Σ|g|) over each of G groups (BNPO, with a group as the local batch);
 * sequence: 1/(K·|g|) (GRPO); constant: 1/(K·longest completion) (Dr. GRPO).
 */
export type Normalisation = 'token' | 'group' | 'sequence' | 'constant';

/** Totals of the whole optimizer step, never of a micro-batch. */
export interface BatchTotals {
  /** Σ|g| over all groups, counting only trained tokens. */
  readonly tokens: number;
  /** Completions in all groups, K. */
  readonly sequences: number;
  /** Longest completion that may be sampled, tokens. */
  readonly maxTokens: number;
  /** Groups, G; needed for `group`. */
  readonly groups?: number;
}

/**
 * wᵢ: the weight of each token of a completion in the mean, [k]; 0 for an empty completion.
 * @param lengths |g| of each completion, [k]; 0 if none of it is trained
 */
export function sequenceWeights(
  lengths: ArrayLike<number>,
  normalisation: Normalisation,
  batch: BatchTotals,
): Float64Array {
  let groupTokens = 0;
  if (normalisation === 'group') for (let i = 0; i < lengths.length; i++) groupTokens += lengths[i];
  return Float64Array.from(lengths, (length) => {
    if (length === 0) return 0;
    if (normalisation === 'token') return 1 / batch.tokens;
    if (normalisation === 'group') return 1 / ((batch.groups ?? 1) * groupTokens);
    return 1 / (batch.sequences * (normalisation === 'sequence' ? length : batch.maxTokens));
  });
}

export interface LossCoefficients {
  /** A⁺ ≥ 0 of each node, [nodes]. */
  readonly plus: Float64Array;
  /** A⁻ ≤ 0 of each node, [nodes]. */
  readonly minus: Float64Array;
  /** A⁺ and A⁻ of the first token of each node's step, [nodes]; absent: the same as for its other tokens. */
  readonly first?: { readonly plus: Float64Array; readonly minus: Float64Array };
  /** K, the weight of the KL term before β, of each node, [nodes]. */
  readonly kl: Float64Array;
}

/** A⁺ and A⁻ of a node's token. @param isFirst whether it is the first token of the node's step */
export function tokenCoefficients(
  coefficients: LossCoefficients,
  isFirst: boolean,
): { readonly plus: Float64Array; readonly minus: Float64Array } {
  return isFirst && coefficients.first ? coefficients.first : coefficients;
}

export interface CoefficientOptions {
  /** p of |λ|^−p: 0 is GRPO, 1 λ-GRPO. */
  readonly lambdaExponent: number;
}

/**
 * Coefficients of every token of each node; tokens of one step have the same.
 * @param advantages aᵢ, [k]
 * @param weights wᵢ of `sequenceWeights`, [k]
 * @throws RangeError if there is not one advantage and one weight for each completion, or for an exponent below 0
 * @example
 * // λ-GRPO, DAPO's normaliser, one group as the whole step
 * const totals = { tokens: tree.tokenCount, sequences: tree.groupSize, maxTokens: 512 };
 * const weights = sequenceWeights(tree.lengths, 'token', totals);
 * const { plus, minus, kl } = lossCoefficients(tree, advantages, weights, { lambdaExponent: 1 });
 */
export function lossCoefficients(
  tree: ProcessTree,
  advantages: ArrayLike<number>,
  weights: ArrayLike<number>,
  { lambdaExponent }: CoefficientOptions,
): LossCoefficients {
  checkCount(advantages, tree.groupSize, 'advantages of a group');
  checkCount(weights, tree.groupSize, 'sequence weights of a group');
  const plus = memberSums(tree, (i) => weights[i] * Math.max(advantages[i], 0));
  const minus = memberSums(tree, (i) => weights[i] * Math.min(advantages[i], 0));
  const kl = memberSums(tree, (i) => weights[i]);
  const scale = lambdaWeights(tree, lambdaExponent);
  for (let node = 0; node < tree.nodeCount; node++) {
    plus[node] *= scale[node];
    minus[node] *= scale[node];
    kl[node] *= scale[node];
  }
  return { plus, minus, kl };
}
