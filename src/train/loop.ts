/**
 * The training loop: sample, reward, tree, update, evaluate, log, checkpoint. Every random number is named by the
 * seed and the step, so a run that continues from a checkpoint draws what the uninterrupted one would have drawn.
 */
import { type Engine, NotFiniteError, type TrainExample } from '../engine/index.js';
import type { Group } from '../rollouts/index.js';
import type { Task } from '../task/index.js';
import { type CheckpointState, loadCheckpoint, saveCheckpoint } from './checkpoint.js';
import type { Config } from './config.js';
import { evaluate } from './evaluate.js';
import { importanceWeights, learn, type ScoredGroup, scoreGroups, trainExamples } from './learner.js';
import { bestEvaluated, type MetricsRecord, stepMetrics } from './metrics.js';
import { sampleStep } from './rollout.js';
import type { RunFolder } from './run-folder.js';
import { type WarmupStep, warmupStep } from './warmup.js';

/** What a caller may watch; every call comes in order and none is awaited. */
export interface TrainObserver {
  warmup?(step: WarmupStep, of: number): void;
  step?(record: MetricsRecord, of: number): void;
  /** What begins now, for a step of training (0: before the first). */
  stage?(stage: TrainStage, step: number, of: number): void;
}

export type TrainStage = 'sampling' | 'updating' | 'evaluating';

export interface TrainOptions {
  readonly config: Config;
  readonly task: Task;
  readonly engine: Engine;
  readonly folder: RunFolder;
  /** Checkpoint to continue from; it may belong to another run of the same seed (a shared warm-up). */
  readonly from?: string;
  /** Once aborted, the loop ends after the current step, with a checkpoint. */
  readonly signal?: AbortSignal;
  readonly observer?: TrainObserver;
}

export interface TrainResult {
  readonly step: number;
  readonly interrupted: boolean;
  readonly checkpoint: string;
}

/**
 * Trains until the configured step, or until the signal.
 * @throws NotFiniteError naming the step if a loss or gradient is no number; the weights and the last checkpoint
 * are then as before that step
 */
export async function train(options: TrainOptions): Promise<TrainResult> {
  const { config, task, engine, folder, signal, observer } = options;
  let state: CheckpointState = { step: 0, seed: config.seed, tokens: 0 };
  const best = async (): Promise<number | null> =>
    config.checkpoint.best ? (bestEvaluated(await folder.readMetrics())?.step ?? null) : null;
  const save = async (): Promise<string> =>
    saveCheckpoint(folder.checkpoints, engine, state, config.checkpoint.keep, await best());
  let checkpoint: string;
  if (options.from === undefined) {
    for (let step = 0; step < config.warmup.steps && !signal?.aborted; step++) {
      const done = await atStep(`warm-up step ${step + 1}`, () =>
        warmupStep(engine, task, step, config.warmup, config.optimizer.max_grad_norm),
      );
      await folder.appendMetrics({ phase: 'warmup', step: done.step, loss: done.loss });
      observer?.warmup?.(done, config.warmup.steps);
    }
    if (signal?.aborted) return { step: 0, interrupted: true, checkpoint: '' };
    if (config.warmup.steps > 0) engine.resetOptimizer();
    if (config.objective.kl_beta > 0) engine.freezeReference();
    checkpoint = await save();
  } else {
    if (config.objective.kl_beta > 0) engine.freezeReference();
    state = await loadCheckpoint(options.from, engine);
    checkpoint = options.from;
    await folder.rewind(state.step);
  }
  if (state.step === 0 && config.evaluation.every > 0) {
    await folder.appendMetrics({ phase: 'train', step: 0, ...(await evaluated(options, 0)) });
    // Another run's start becomes this run's first checkpoint, so that it can be its best.
    if (config.checkpoint.best) checkpoint = await save();
  }
  while (state.step < config.train.steps && !signal?.aborted) {
    const step = state.step + 1;
    const { record, nextProblem } = await atStep(`step ${step}`, () => trainStep(options, step, state));
    await folder.appendMetrics(record);
    state = { ...state, step, tokens: record.tokens, problems: nextProblem };
    const due = config.checkpoint.every > 0 && step % config.checkpoint.every === 0;
    const improved = record.eval_accuracy !== undefined && (await best()) === step;
    if (due || improved || step === config.train.steps) checkpoint = await save();
    observer?.step?.(record, config.train.steps);
  }
  const interrupted = state.step < config.train.steps;
  if (interrupted) checkpoint = await save();
  return { step: state.step, interrupted, checkpoint };
}

/** One step of the algorithm. */
async function trainStep(
  options: TrainOptions,
  step: number,
  before: CheckpointState,
): Promise<{ record: MetricsRecord; nextProblem: number }> {
  const { config, task, engine, folder } = options;
  const { objective, sampling } = config;
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
    const { logprobs } = await engine.score(all, 'current', policy);
    return all.map((example, i) => ({ ...example, weights: importanceWeights(scored[i], logprobs[i], cap) }));
  };
  const result = await learn(engine, await weighted(examples(objective.lambda_exponent)), {
    ...policy,
    objective,
    normOf: objective.rescale_to === 'lambda-grpo' ? await weighted(examples(1)) : undefined,
    learningRate: learningRateAt(config, step),
    maxGradNorm: config.optimizer.max_grad_norm,
  });
  const { reference_sync_every: sync } = objective;
  if (sync > 0 && step % sync === 0) engine.syncReference(objective.reference_sync_share);
  const updated = performance.now();
  if (config.log.rollouts_every > 0 && step % config.log.rollouts_every === 0) {
    await folder.writeRollouts(step, scored.map(withAdvantages));
  }
  const due =
    config.evaluation.every > 0 && (step % config.evaluation.every === 0 || step === config.train.steps);
  const record = {
    ...stepMetrics(step, made, scored, result, before.tokens + made.sampledTokens),
    learning_rate: learningRateAt(config, step),
    decoded_tokens: made.decodedTokens,
    sample_seconds: (sampled - started) / 1000,
    update_seconds: (updated - sampled) / 1000,
    ...(due ? await evaluated(options, step) : {}),
  };
  return { record, nextProblem: made.nextProblem };
}

async function evaluated({ engine, task, config, observer }: TrainOptions, step: number) {
  observer?.stage?.('evaluating', step, config.train.steps);
  const { accuracy, reward } = await evaluate(engine, task, config.evaluation.problems, config.seed);
  return { eval_accuracy: accuracy, eval_reward: reward };
}

function withAdvantages({ group, advantages }: ScoredGroup): Group {
  return { ...group, completions: group.completions.map((c, i) => ({ ...c, advantage: advantages[i] })) };
}

/** Linear rise over the first `warmup_steps`, then constant. */
function learningRateAt({ optimizer }: Config, step: number): number {
  return optimizer.learning_rate * Math.min(1, step / Math.max(1, optimizer.warmup_steps));
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
