/**
 * The training loop: sample, reward, tree, coefficients, update, evaluate, log, checkpoint. Every random number depends
 * only on seed and step, so a run that continues from a checkpoint draws the same numbers as an uninterrupted run.
 */
import { Ahead, stepsAhead, withSampler } from './ahead.js';
import { stepBatch } from './batch.js';
import { ConfigError } from './config.js';
import { creditOf } from './credit.js';
import { evaluateAt } from './evaluate.js';
import { atStep, unlessAborted } from './guards.js';
import { Journal } from './journal.js';
import { learn } from './learner.js';
import { type MetricsRecord, stepMetrics } from './metrics.js';
import { Notices } from './notices.js';
import { recovering } from './recover.js';
import type { StepGroups } from './rollout.js';
import { type SamplerWatch, samplerWatch } from './sampler-watch.js';
import { isCheckpointed, isEvaluated, isReferenceSynced, learningRateAt } from './schedule.js';
import { scoreGroups, withAdvantages } from './scored-groups.js';
import { StallWatch } from './stall.js';
import { start } from './start.js';
import type { TrainOptions, TrainResult } from './training.js';
import { warnOnce } from './warnings.js';

/**
 * Trains until the configured step, or until the signal.
 * @throws NotFiniteError naming the step if a loss or gradient is not finite; the weights and the last checkpoint are
 * then as before that step
 */
export async function train(options: TrainOptions): Promise<TrainResult> {
  const { config, task, folder, observer } = options;
  const { steps } = config.train;
  if (config.objective.credit !== null && !creditOf(options)) {
    throw new ConfigError(
      `objective.credit: expected the rule in train({ credit }), got none; see openCredit`,
    );
  }
  const journal = new Journal(options);
  const run: Run = {
    options,
    journal,
    notices: new Notices(config, task, folder.path, (line) => observer?.notice?.(line)),
    stall: new StallWatch(config.optimizer.learning_rate),
    sampler: await samplerWatch(options),
    ahead: new Ahead(options, stepsAhead(config)),
  };
  const whole = await recovering(options, journal, async (from, again) => {
    run.ahead.drop();
    return trainFrom({ ...run, options: { ...options, from } }, again);
  });
  for (const line of run.notices.summary()) observer?.notice?.(line);
  if (whole && journal.step >= steps) return journal.result(false);
  if (whole !== null) await journal.save();
  return journal.result(true);
}

interface Run {
  readonly options: TrainOptions;
  readonly journal: Journal;
  readonly notices: Notices;
  readonly stall: StallWatch;
  readonly sampler: SamplerWatch;
  readonly ahead: Ahead;
}

/** @returns whether the last step was completed; null: the signal came before the first */
async function trainFrom(run: Run, again: boolean): Promise<boolean | null> {
  const { options, journal, notices, stall } = run;
  const { config, signal } = options;
  const { steps } = config.train;
  if (!(await start(options, journal, again))) return null;
  let whole = journal.pending === undefined || (await conclude(options, journal, journal.pending));
  while (whole && journal.step < steps) {
    const step = journal.step + 1;
    const outcome = await unlessAborted(signal, () => atStep(`step ${step}`, () => takeStep(run, step)));
    if (!outcome) break;
    const { record, sampled, changed } = outcome;
    const stalled = stall.step(record, changed);
    if (stalled !== null) warnOnce(stalled);
    journal.recordStep(record, sampled.nextProblem);
    whole = await conclude(options, journal, record);
    notices.step(step, sampled, steps);
  }
  return whole;
}

interface TakenStep {
  readonly record: MetricsRecord;
  readonly sampled: StepGroups;
  /** Whether an update changed a weight; undefined if the engine does not report it. */
  readonly changed?: boolean;
}

/** One step of the algorithm. If it is aborted before its first update, nothing has changed. */
async function takeStep(run: Run, step: number): Promise<TakenStep> {
  const { options, journal, ahead } = run;
  const { config, task, engine, signal, observer } = options;
  const { objective, optimizer, sampling, train } = config;
  const credit = creditOf(options);
  const policy = { temperature: sampling.temperature, allowedTokens: task.allowedTokens, signal };
  const learningRate = learningRateAt(config, step);
  signal?.throwIfAborted();

  observer?.stage?.('sampling', step, train.steps);
  const began = performance.now();
  const sampled = await ahead.take(step, journal.nextProblem); // completions and their rewards
  await ahead.begin(step + 1, sampled.nextProblem, train.steps);
  const updating = performance.now();

  observer?.stage?.('updating', step, train.steps);
  const groups = scoreGroups(sampled.groups, objective); // process trees and advantages
  const onPolicy = await stepBatch(engine, groups, objective, task.maxCompletionTokens, policy, credit); // coefficients
  const batch = stepsAhead(config) > 0 ? withSampler(onPolicy, groups) : onPolicy;
  const result = await learn(engine, batch, {
    ...policy,
    objective,
    learningRate,
    maxGradNorm: optimizer.max_grad_norm,
  });
  if (isReferenceSynced(config, step)) await engine.syncReference(objective.reference_sync_share);
  const updated = performance.now();

  const record = {
    ...stepMetrics(step, sampled, groups, result, journal.tokens + sampled.sampledTokens, batch.groups),
    learning_rate: learningRate,
    ...(sampled.decodedTokens === undefined ? {} : { decoded_tokens: sampled.decodedTokens }),
    sample_seconds: (updating - began) / 1000,
    update_seconds: (updated - updating) / 1000,
  };
  if (engine.capabilities.otherSampler) run.sampler.check(step, record.sampling_logp_difference_mean);
  await journal.logRollouts(step, groups.map(withAdvantages));
  return { record, sampled, changed: result.changed };
}

/** Evaluates, logs and checkpoints a finished step. @returns whether it was completed before the signal */
async function conclude(
  options: TrainOptions,
  journal: Journal,
  stepRecord: MetricsRecord,
): Promise<boolean> {
  const { config, signal, observer } = options;
  const { step } = stepRecord;
  const due = isEvaluated(config, step);
  const evaluation = due ? await unlessAborted(signal, () => evaluateAt(options, step)) : {};
  if (!evaluation) return false;
  const record = { ...stepRecord, ...evaluation };
  journal.conclude();
  await journal.log(record);
  const improved = record.eval_accuracy !== undefined && (await journal.best()) === step;
  if (improved || isCheckpointed(config, step)) await journal.save();
  observer?.step?.(record, config.train.steps);
  return true;
}
