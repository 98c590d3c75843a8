/** What a configuration wants at which step: the learning rate, evaluations, rollouts, checkpoints. */
import type { Config } from './config.js';

/** Linear rise over the first `warmup_steps`, then constant. */
export function learningRateAt({ optimizer }: Config, step: number): number {
  return optimizer.learning_rate * Math.min(1, step / Math.max(1, optimizer.warmup_steps));
}

export function isEvaluated({ evaluation: { every }, train: { steps } }: Config, step: number): boolean {
  return every > 0 && (step % every === 0 || step === steps);
}

export function areRolloutsWritten({ log: { rollouts_every: every } }: Config, step: number): boolean {
  return every > 0 && step % every === 0;
}

/** Whether a checkpoint is written after a step, however good it is. */
export function isCheckpointed({ checkpoint: { every }, train: { steps } }: Config, step: number): boolean {
  return (every > 0 && step % every === 0) || step === steps;
}

export function isReferenceSynced({ objective }: Config, step: number): boolean {
  return objective.reference_sync_every > 0 && step % objective.reference_sync_every === 0;
}
