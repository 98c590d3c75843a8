/**
 * The training loop: sample, reward, tree, update, evaluate, log, checkpoint. Every random number is named by the
 * seed and the step, so a run that continues from a checkpoint draws what the uninterrupted one would have drawn.
 */
import { type Engine, NotFiniteError, type TrainExample } from '../engine/index.js';
import type { Group } from '../rollouts/index.js';
import type { Task } from '../task/index.js';
import { type CheckpointState, loadCheckpoint, readCheckpoint, saveCheckpoint } from './checkpoint.js';
import type { Config } from './config.js';
import { evaluate } from './evaluate.js';
import { importanceWeights, learn, type ScoredGroup, scoreGroups, trainExamples } from './learner.js';
import { bestEvaluated, type MetricsRecord, stepMetrics } from './metrics.js';
import { Notices } from './notices.js';
import { type StepGroups, sampleStep } from './rollout.js';
import type { RunFolder } from './run-folder.js';
import { StallWatch } from './stall.js';
import { type WarmupStep, warmupStep } from './warmup.js';
import { warnOnce } from './warnings.js';

/** What a caller may watch; every call comes in order and none is awaited. */
export interface TrainObserver {
  warmup?(step: WarmupStep, of: number): void;
  step?(record: MetricsRecord, of: number): void;
  /** What begins now, for a step of training (0: before the first). */
  stage?(stage: TrainStage, step: number, of: number): void;
  /** Something that the person who runs it should know, in one line. */
  notice?(line: string): void;
}

export type TrainStage = 'sampling' | 'updating' | 'evaluating';

export interface TrainOptions {
  readonly config: Config;
  readonly task: Task;
  readonly engine: Engine;
  readonly folder: RunFolder;
  /** Checkpoint to continue from; it may belong to another run of the same seed (a shared warm-up). */
  readonly from?: string;
  /** Once aborted, the loop ends as soon as it can, with a checkpoint of the steps that were taken. */
  readonly signal?: AbortSignal;
  readonly observer?: TrainObserver;
}

export interface TrainResult {
  readonly step: number;
  readonly interrupted: boolean;
  /** The latest; empty: none yet. */
  readonly checkpoint: string;
}

/**
 * Trains until the configured step, or until the signal.
 * @throws NotFiniteError naming the step if a loss or gradient is no number; the weights and the last checkpoint
 * are then as before that step
 */
export async function train(options: TrainOptions): Promise<TrainResult> {
  const { config, task, engine, folder, signal, observer } = options;
  const { every, keep } = config.checkpoint;
  let state: CheckpointState = { step: 0, seed: config.seed, tokens: 0 };
  let checkpoint = options.from ?? '';
  const best = async (): Promise<number | null> =>
    config.checkpoint.best ? (bestEvaluated(await folder.readMetrics())?.step ?? null) : null;
  const save = async (): Promise<void> => {
    await folder.syncMetrics();
    checkpoint = await saveCheckpoint(folder.checkpoints, engine, state, keep, await best());
  };
  const notices = new Notices(config, task, folder.path, (line) => observer?.notice?.(line));
  const interrupted = (): TrainResult => ({ step: state.step, interrupted: true, checkpoint });

  if (options.from !== undefined) {
    const before = await readCheckpoint(options.from);
    // The reference policy is frozen after the warm-up.
    if (config.objective.kl_beta > 0 && before.warmup === undefined) await engine.freezeReference();
    state = await loadCheckpoint(options.from, engine);
    await folder.rewind({ path: options.from, state });
  }
  if (options.from === undefined || state.warmup !== undefined) {
    for (let step = state.warmup ?? 0; step < config.warmup.steps; step++) {
      const done = await unlessAborted(signal, () =>
        atStep(`warm-up step ${step + 1}`, () =>
          warmupStep(engine, task, step, config.warmup, config.optimizer.max_grad_norm, signal),
        ),
      );
      if (!done) {
        if (step > 0) await save();
        return interrupted();
      }
      await folder.appendMetrics({ phase: 'warmup', step: done.step, loss: done.loss });
      state = { ...state, warmup: done.step };
      if (every > 0 && done.step % every === 0 && done.step < config.warmup.steps) await save();
      observer?.warmup?.(done, config.warmup.steps);
    }
    if (config.warmup.steps > 0) await engine.resetOptimizer();
    if (config.objective.kl_beta > 0) await engine.freezeReference();
    state = { step: 0, seed: config.seed, tokens: 0 };
    await save();
  }
  if (state.step === 0 && config.evaluation.every > 0) {
    const evaluation = await unlessAborted(signal, () => evaluated(options, 0));
    if (!evaluation) return interrupted();
    await folder.appendMetrics({ phase: 'train', step: 0, ...evaluation });
    // Another run's start becomes this run's first checkpoint, so that it can be its best.
    if (config.checkpoint.best) await save();
  }

  /** Evaluates and logs a step that was taken. @returns whether it came to its end */
  const conclude = async (taken: MetricsRecord): Promise<boolean> => {
    const { step } = taken;
    const evaluation = isEvaluated(config, step)
      ? await unlessAborted(signal, () => evaluated(options, step))
      : {};
    state = { ...state, pending: evaluation ? undefined : taken };
    if (!evaluation) return false;
    const record = { ...taken, ...evaluation };
    await folder.appendMetrics(record);
    const due = every > 0 && step % every === 0;
    const improved = record.eval_accuracy !== undefined && (await best()) === step;
    if (due || improved || step === config.train.steps) await save();
    observer?.step?.(record, config.train.steps);
    return true;
  };

  const stall = new StallWatch(config.optimizer.learning_rate);
  let whole = state.pending === undefined || (await conclude(state.pending));
  while (whole && state.step < config.train.steps) {
    const step = state.step + 1;
    const taken = await unlessAborted(signal, () =>
      atStep(`step ${step}`, () => trainStep(options, step, state)),
    );
    if (!taken) break;
    const { record, made, changed } = taken;
    const line = stall.step(record, changed);
    if (line !== null) warnOnce(line);
    state = { ...state, step, tokens: record.tokens, problems: made.nextProblem };
    whole = await conclude(record);
    notices.step(step, made, config.train.steps);
  }
  for (const line of notices.summary()) observer?.notice?.(line);
  if (whole && state.step >= config.train.steps) return { step: state.step, interrupted: false, checkpoint };
  await save();
  return interrupted();
}

/** One step of the algorithm; what is left is its evaluation. Once aborted before its first update, nothing has changed. */
async function trainStep(
  options: TrainOptions,
  step: number,
  before: CheckpointState,
): Promise<{ record: MetricsRecord; made: StepGroups; changed: boolean | undefined }> {
  const { config, task, engine, folder, signal } = options;
  const { objective, sampling } = config;
  signal?.throwIfAborted();
  const stage = (name: TrainStage): void => options.observer?.stage?.(name, step, config.train.steps);
  stage('sampling');
  const started = performance.now();
  const first = before.problems ?? (step - 1) * sampling.prompts_per_step;
  const made = await sampleStep(options, step, first);
  const sampled = performance.now();
  stage('updating');
  const scored = scoreGroups(made.groups, objective);
  const policy = { temperature: sampling.temperature, allowedTokens: task.allowedTokens };
  const examples = (exponent: number): TrainExample[] =>
    trainExamples(scored, { ...objective, lambda_exponent: exponent }, task.maxCompletionTokens);
  const weighted = async (all: TrainExample[]): Promise<TrainExample[]> => {
    const { importance_cap: cap } = objective;
    if (cap === null) return all;
    const { logprobs } = await engine.score(all, 'current', { ...policy, signal });
    return all.map((example, i) => ({ ...example, weights: importanceWeights(scored[i], logprobs[i], cap) }));
  };
  const result = await learn(engine, await weighted(examples(objective.lambda_exponent)), {
    ...policy,
    objective,
    normOf: objective.rescale_to === 'lambda-grpo' ? await weighted(examples(1)) : undefined,
    learningRate: learningRateAt(config, step),
    maxGradNorm: config.optimizer.max_grad_norm,
    signal,
  });
  const { reference_sync_every: sync } = objective;
  if (sync > 0 && step % sync === 0) await engine.syncReference(objective.reference_sync_share);
  const updated = performance.now();
  if (config.log.rollouts_every > 0 && step % config.log.rollouts_every === 0) {
    await folder.writeRollouts(step, scored.map(withAdvantages));
  }
  const record = {
    ...stepMetrics(step, made, scored, result, before.tokens + made.sampledTokens),
    learning_rate: learningRateAt(config, step),
    decoded_tokens: made.decodedTokens,
    sample_seconds: (sampled - started) / 1000,
    update_seconds: (updated - sampled) / 1000,
  };
  return { record, made, changed: result.changed };
}

const isEvaluated = ({ evaluation: { every }, train: { steps } }: Config, step: number): boolean =>
  every > 0 && (step % every === 0 || step === steps);

async function evaluated({ engine, task, config, observer, signal }: TrainOptions, step: number) {
  observer?.stage?.('evaluating', step, config.train.steps);
  const { accuracy, reward } = await evaluate(engine, task, config.evaluation.problems, config.seed, {
    signal,
    at: `evaluation at step ${step}`,
  });
  return { eval_accuracy: accuracy, eval_reward: reward };
}

function withAdvantages({ group, advantages }: ScoredGroup): Group {
  return { ...group, completions: group.completions.map((c, i) => ({ ...c, advantage: advantages[i] })) };
}

/** Linear rise over the first `warmup_steps`, then constant. */
function learningRateAt({ optimizer }: Config, step: number): number {
  return optimizer.learning_rate * Math.min(1, step / Math.max(1, optimizer.warmup_steps));
}

/** @returns null if the signal ended it */
async function unlessAborted<T>(signal: AbortSignal | undefined, run: () => Promise<T>): Promise<T | null> {
  try {
    return await run();
  } catch (error) {
    if (signal?.aborted && error === signal.reason) return null;
    throw error;
  }
}

/** Adds to a number that is not finite where it arose. */
async function atStep<T>(where: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof NotFiniteError) throw new NotFiniteError(`${where}: ${error.message}`);
    throw error;
  }
}
