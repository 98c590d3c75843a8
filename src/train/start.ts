/**
 * Everything before the first step: loading a checkpoint, the supervised warm-up, freezing the reference policy after
 * it, and the first evaluation.
 */
import { evaluateAt } from './evaluate.js';
import { atStep, unlessAborted } from './guards.js';
import { Journal } from './journal.js';
import type { TrainOptions } from './training.js';
import { warmupStep } from './warmup.js';

/**
 * @param again the engine lost its state during this run: the reference policy is part of the saved state
 * @returns whether it was completed before the signal
 */
export async function start(options: TrainOptions, journal: Journal, again = false): Promise<boolean> {
  const { config, engine, from } = options;
  if (from !== undefined) {
    const isFrozen = config.objective.kl_beta > 0 && !(await Journal.isOfWarmup(from));
    if (isFrozen && !again) await engine.freezeReference();
    await journal.restore(from);
  }
  if (from === undefined || journal.warmup !== undefined) {
    if (!(await warmUp(options, journal))) return false;
    if (config.warmup.steps > 0) await engine.resetOptimizer();
    if (config.objective.kl_beta > 0) await engine.freezeReference();
    journal.begin();
    await journal.save();
  }
  if (journal.step > 0 || config.evaluation.every === 0) return true;
  const evaluation = await unlessAborted(options.signal, () => evaluateAt(options, 0));
  if (!evaluation) return false;
  await journal.log({ phase: 'train', step: 0, ...evaluation });
  // Another run's start becomes this run's first checkpoint, so that it can count as the best.
  if (config.checkpoint.best) await journal.save();
  return true;
}

/** Continues the warm-up. @returns whether it was completed */
async function warmUp(options: TrainOptions, journal: Journal): Promise<boolean> {
  const { config, task, engine, signal, observer } = options;
  const { steps } = config.warmup;
  const { every } = config.checkpoint;
  for (let step = journal.warmup ?? 0; step < steps; step++) {
    const outcome = await unlessAborted(signal, () =>
      atStep(`warm-up step ${step + 1}`, () =>
        warmupStep(engine, task, step, config.warmup, config.optimizer.max_grad_norm, signal),
      ),
    );
    if (!outcome) {
      if (step > 0) await journal.save();
      return false;
    }
    await journal.log({ phase: 'warmup', step: outcome.step, loss: outcome.loss });
    journal.warmedUp(outcome.step);
    if (every > 0 && outcome.step % every === 0 && outcome.step < steps) await journal.save();
    observer?.warmup?.(outcome, steps);
  }
  return true;
}
