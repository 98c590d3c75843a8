/** The schedule of a run: learning rate, evaluations, rollouts, checkpoints. */
import type { Config } from './config.js';

/**
 * Linear rise over the first `warmup_steps`, then constant, or falling to `final_share` of the rate along a line or
 * half a cosine. Step warmup_steps + 1 has the full rate; the last step is one before the end of the fall.
 * @param step from 1
 */
export function learningRateAt(
  { optimizer, train }: Pick<Config, 'optimizer' | 'train'>,
  step: number,
): number {
  const { learning_rate: rate, warmup_steps: rise, schedule, final_share: end } = optimizer;
  if (step <= rise) return rate * (step / rise);
  if (schedule === 'constant') return rate;
  const progress = Math.min(1, (step - 1 - rise) / Math.max(1, train.steps - rise));
  const left = schedule === 'linear' ? 1 - progress : 0.5 * (1 + Math.cos(Math.PI * progress));
  return rate * (end + (1 - end) * left);
}

export function isEvaluated({ evaluation: { every }, train: { steps } }: Config, step: number): boolean {
  return every > 0 && (step % every === 0 || step === steps);
}

export function areRolloutsWritten({ log: { rollouts_every: every } }: Config, step: number): boolean {
  return every > 0 && step % every === 0;
}

/** Whether a checkpoint is written after a step, regardless of its evaluation. */
export function isCheckpointed({ checkpoint: { every }, train: { steps } }: Config, step: number): boolean {
  return (every > 0 && step % every === 0) || step === steps;
}

export function isReferenceSynced({ objective }: Config, step: number): boolean {
  return objective.reference_sync_every > 0 && step % objective.reference_sync_every === 0;
}
