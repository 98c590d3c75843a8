/**
 * The objective on tree tokens (PAPER.md §2, "Beyond the paper"). Each token e of the packed tree is an edge:
 * its parent predicts it. With ρ = π/π_old and k3 = π_ref/π − ln(π_ref/π) − 1,
 *   J = Σ_e A⁺ₑ·min(ρₑ, 1+ε_high) + A⁻ₑ·max(ρₑ, 1−ε_low) − Kₑ·k3ₑ,
 * which equals the sum over the k sequences because the coefficients hold each member's share. The model's loss
 * is −J. On-policy (μ = 1) ρ is 1 in value and carries ∇ln π; nothing is clipped.
 */
import * as g from '../graph/index.js';

export interface LossInputs {
  /** ln π of each edge's token, [E], with gradient. */
  readonly logprobs: g.Tensor;
  /** Sum of the positive weighted advantages of each edge, [E]. */
  readonly plus: g.Tensor;
  /** Sum of the negative ones, [E]. */
  readonly minus: g.Tensor;
  /** ln π_old, [E]; null on-policy. */
  readonly old: {
    readonly logprobs: g.Tensor;
    readonly clipLow: g.Tensor;
    readonly clipHigh: g.Tensor;
  } | null;
  /** ln π_ref and the weight of the KL term (β included), [E]; null without KL. */
  readonly reference: { readonly logprobs: g.Tensor; readonly weight: g.Tensor } | null;
}

/** −J as a scalar. */
export function treeLoss({ logprobs, plus, minus, old, reference }: LossInputs): g.Tensor {
  let terms: g.Tensor;
  if (old) {
    const ratio = g.exp(g.sub(logprobs, old.logprobs));
    terms = g.add(
      g.mul(plus, g.minimum(ratio, g.add(old.clipHigh, 1))),
      g.mul(minus, g.maximum(ratio, g.sub(1, old.clipLow))),
    );
  } else {
    const ratio = g.exp(g.sub(logprobs, g.stopGradient(logprobs)));
    terms = g.mul(g.add(plus, minus), ratio);
  }
  if (reference) {
    const difference = g.sub(reference.logprobs, logprobs);
    const k3 = g.sub(g.sub(g.exp(difference), difference), 1);
    terms = g.sub(terms, g.mul(reference.weight, k3));
  }
  return g.neg(g.sumAll(terms));
}
