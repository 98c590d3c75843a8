/**
 * GRPO and λ-GRPO (PAPER.md §2, §5; Sullivan & Koller, arXiv 2509.21154): A⁺ = |λ|^−p Σ wᵢ·max(aᵢ, 0), A⁻ = |λ|^−p Σ
 * wᵢ·min(aᵢ, 0) over the members of a node; p = 0 is GRPO, 1 λ-GRPO, ½ halfway between.
 */

import type { ProcessTree } from '../../tree/index.js';
import { type LossCoefficients, lossCoefficients } from '../coefficients.js';
import { lambdaWeights } from '../lambda.js';
import type { CopyRule } from './copies.js';
import type { CreditContext } from './rule.js';

/** @param exponent p ≥ 0: 0 is GRPO, 1 λ-GRPO */
export function lambdaCredit(
  exponent: number,
): (tree: ProcessTree, rewards: Float64Array, context: CreditContext) => LossCoefficients {
  return (tree, _rewards, { advantages, weights }) =>
    lossCoefficients(tree, advantages, weights, { lambdaExponent: exponent });
}

/** The same rule by copies: each copy has its own advantage, and the factor |λ|^−p. */
export function lambdaCopies(exponent: number): CopyRule {
  return (tree, _rewards, advantages) => ({
    advantage: (i) => advantages[i],
    factor: lambdaWeights(tree, exponent),
  });
}
