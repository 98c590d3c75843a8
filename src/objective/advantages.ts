/** Group advantages (PAPER.md §1): the difference between a completion's reward and its group's mean. */
import { hasZeroVariance } from './zero-variance.js';

/** Relative to the largest reward: the rounding error of summing up to a few thousand rewards. */
const ROUNDING = 1e-14;

/** A reward for which no advantage can be computed. */
export class RewardError extends Error {
  override name = 'RewardError';
}

export interface AdvantageOptions {
  /**
   * Divide by the group's standard deviation + ε ('std', the default), by that of all rewards of a step ('batch', with
   * `batchStd`), or not at all ('none', Dr. GRPO).
   */
  readonly scale?: 'std' | 'batch' | 'none';
  /** Unbiased standard deviation of all rewards of the step, for 'batch'. */
  readonly batchStd?: number;
  /** ε, default 1e-4. */
  readonly epsilon?: number;
}

export interface RewardStatistics {
  readonly mean: number;
  /** Unbiased (k − 1); 0 for a single completion. */
  readonly std: number;
  /** Whether all rewards are equal up to rounding (zero-variance.ts). */
  readonly zeroVariance: boolean;
}

/**
 * @param rewards rᵢ, [k]
 * @throws RewardError naming the completion if a reward is NaN or infinite
 */
export function rewardStatistics(rewards: ArrayLike<number>): RewardStatistics {
  const k = rewards.length;
  let mean = 0;
  for (let i = 0; i < k; i++) {
    if (!Number.isFinite(rewards[i])) {
      throw new RewardError(`reward of completion ${i}: expected a finite number, got ${rewards[i]}`);
    }
    mean += rewards[i] / k;
  }
  const zeroVariance = hasZeroVariance(rewards);
  // Equal rewards have standard deviation 0, whatever the rounding of their mean.
  if (zeroVariance) return { mean: k > 0 ? rewards[0] : 0, std: 0, zeroVariance };
  let squares = 0;
  for (let i = 0; i < k; i++) squares += (rewards[i] - mean) ** 2;
  return { mean, std: Math.sqrt(squares / (k - 1)), zeroVariance };
}

/**
 * aᵢ = (rᵢ − mean) / (std + ε); exactly 0 if all rewards are equal (and for a single completion).
 * @param rewards rᵢ, [k]
 * @returns [k]
 * @throws RewardError naming the completion if a reward is NaN or infinite
 */
export function groupAdvantages(rewards: ArrayLike<number>, options: AdvantageOptions = {}): Float64Array {
  const { scale = 'std', epsilon = 1e-4, batchStd = 0 } = options;
  const { mean, std, zeroVariance } = rewardStatistics(rewards);
  const advantages = new Float64Array(rewards.length);
  if (zeroVariance) return advantages;
  const divisor = scale === 'std' ? std + epsilon : scale === 'batch' ? batchStd + epsilon : 1;
  let largest = 0;
  for (let i = 0; i < rewards.length; i++) largest = Math.max(largest, Math.abs(rewards[i]));
  for (let i = 0; i < rewards.length; i++) {
    const deviation = rewards[i] - mean;
    // A reward that equals the mean up to rounding gets advantage 0, because its sign would be noise.
    advantages[i] = Math.abs(deviation) <= ROUNDING * largest ? 0 : deviation / divisor;
  }
  return advantages;
}
