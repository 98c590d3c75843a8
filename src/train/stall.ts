/**
 * Detects steps that change no weights although rewards differ, and reports them once with the likely reason, the
 * learning rate. (Equal rewards from the start are reported by notices.ts.)
 */
import type { MetricsRecord } from './metrics.js';

/** Number of steps without a gradient, after some with one, after which a notice is given. */
const PATIENCE = 5;
/** Entropy, nats, below which a policy counts as certain of its tokens. */
const CERTAIN = 1e-6;

const isCertain = (entropy: number | undefined): boolean => entropy !== undefined && entropy < CERTAIN;

export class StallWatch {
  private hadGradient = false;
  private still = 0;
  private warned = false;

  constructor(private readonly learningRate: number) {}

  /**
   * Adds a step.
   * @param changed whether an update changed a weight; undefined: unknown
   * @returns a notice, or null
   */
  step(record: MetricsRecord, changed: boolean | undefined): string | null {
    const { step, grad_norm: norm, entropy, zero_variance_share: equal, all_right_share: right } = record;
    if (norm === undefined) return null;
    const rate = record.learning_rate ?? this.learningRate;
    if (norm > 0) {
      this.hadGradient = true;
      this.still = 0;
      if (changed !== false || this.warned) return null;
      this.warned = true;
      return `step ${step}: the gradient's norm is ${norm.toPrecision(3)}, but no weight moved by more than 1e-10: a learning rate of ${rate} is too small`;
    }
    this.still++;
    // Different rewards give a gradient, unless the policy's probabilities can no longer change.
    const saturated = equal < 1 && this.still === 1;
    // A group with equal completions is not a fault; a policy that can no longer do anything else is.
    const collapsed = this.hadGradient && this.still >= PATIENCE && right < 1 && isCertain(entropy);
    if (this.warned || (!saturated && !collapsed)) return null;
    this.warned = true;
    const since = step - this.still + 1;
    const reason =
      entropy !== undefined && isCertain(entropy)
        ? `the policy is certain of every token (entropy ${entropy.toPrecision(2)} nats)`
        : 'although rewards differ within a group';
    return `step ${step}: the gradient has been 0 since step ${since}: ${reason}; a learning rate of ${this.learningRate} may be too large, try a smaller one from an earlier checkpoint`;
  }
}
