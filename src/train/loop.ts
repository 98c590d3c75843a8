/**
 * The training loop: sample, reward, tree, update, evaluate, log, checkpoint. Every random number is named by the
 * seed and the step, so a run that continues from a checkpoint draws what the uninterrupted one would have drawn.
 */
import { type Engine, NotFiniteError, type TrainExample } from '../engine/index.js';
import type { Completion, Group } from '../rollouts/index.js';
import { type Problem, type Task, TaskError } from '../task/index.js';
import { type CheckpointState, loadCheckpoint, saveCheckpoint } from './checkpoint.js';
import type { Config } from './config.js';
import { evaluate } from './evaluate.js';
import { learn, type ScoredGroup, scoreGroup, trainExamples } from './learner.js';
import { type MetricsRecord, stepMetrics } from './metrics.js';
import type { RunFolder } from './run-folder.js';
import { type WarmupStep, warmupStep } from './warmup.js';

/** What a caller may watch; every call comes in order and none is awaited. */
export interface TrainObserver {
  warmup?(step: WarmupStep, of: number): void;
  step?(record: MetricsRecord, of: number): void;
}

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
  const save = (): Promise<string> =>
    saveCheckpoint(folder.checkpoints, engine, state, config.checkpoint.keep);
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
    await folder.appendMetrics({ phase: 'train', step: 0, ...(await evaluated(options)) });
  }
  while (state.step < config.train.steps && !signal?.aborted) {
    const step = state.step + 1;
    const record = await atStep(`step ${step}`, () => trainStep(options, step, state.tokens));
    await folder.appendMetrics(record);
    state = { ...state, step, tokens: record.tokens };
    const due = config.checkpoint.every > 0 && step % config.checkpoint.every === 0;
    if (due || step === config.train.steps) checkpoint = await save();
    observer?.step?.(record, config.train.steps);
  }
  const interrupted = state.step < config.train.steps;
  if (interrupted) checkpoint = await save();
  return { step: state.step, interrupted, checkpoint };
}

/** One step of the algorithm. */
async function trainStep(options: TrainOptions, step: number, tokensBefore: number): Promise<MetricsRecord> {
  const { config, task, engine, folder } = options;
  const { objective, sampling } = config;
  const started = performance.now();
  const problems = Array.from({ length: sampling.prompts_per_step }, (_, i) =>
    task.trainProblem((step - 1) * sampling.prompts_per_step + i),
  );
  const { completions, statistics } = await engine.sample(
    problems.map(({ promptTokens }, i) => ({
      prompt: promptTokens,
      count: sampling.group_size,
      key: [step, i],
    })),
    {
      maxTokens: task.maxCompletionTokens,
      temperature: sampling.temperature,
      topK: sampling.top_k,
      topP: sampling.top_p,
      stopTokens: task.stopTokens,
      allowedTokens: task.allowedTokens,
      seed: config.seed,
      watch: task.watch,
    },
  );
  const sampled = performance.now();
  const groups = await Promise.all(
    problems.map((problem, i) => rewardGroup(task, problem, completions[i], step)),
  );
  const scored = groups.map((group) => scoreGroup(group, objective));
  const examples = (exponent: number): TrainExample[] =>
    trainExamples(scored, { ...objective, lambda_exponent: exponent }, task.maxCompletionTokens);
  const result = await learn(engine, examples(objective.lambda_exponent), {
    objective,
    normOf: objective.rescale_to === 'lambda-grpo' ? examples(1) : undefined,
    learningRate: learningRateAt(config, step),
    maxGradNorm: config.optimizer.max_grad_norm,
    temperature: sampling.temperature,
    allowedTokens: task.allowedTokens,
  });
  const updated = performance.now();
  if (config.log.rollouts_every > 0 && step % config.log.rollouts_every === 0) {
    await folder.writeRollouts(step, scored.map(withAdvantages));
  }
  const due =
    config.evaluation.every > 0 && (step % config.evaluation.every === 0 || step === config.train.steps);
  return {
    ...(await stepMetrics(step, task, problems, scored, result, tokensBefore + statistics.sampledTokens)),
    learning_rate: learningRateAt(config, step),
    decoded_tokens: statistics.decodedTokens,
    sample_seconds: (sampled - started) / 1000,
    update_seconds: (updated - sampled) / 1000,
    ...(due ? await evaluated(options) : {}),
  };
}

async function evaluated({ engine, task, config }: TrainOptions) {
  const { accuracy, reward } = await evaluate(engine, task, config.evaluation.problems, config.seed);
  return { eval_accuracy: accuracy, eval_reward: reward };
}

/** Completions with the task's rewards, as the group that everything downstream sees. */
async function rewardGroup(
  task: Task,
  problem: Problem,
  completions: readonly { tokens: Int32Array; logprobs: Float32Array; stop: 'stop' | 'length' }[],
  step: number,
): Promise<Group> {
  const judged = async ({ tokens, logprobs, stop }: (typeof completions)[number]): Promise<Completion> => {
    const { reward, rewards, note } = await task.reward(problem, tokens);
    const text = task.vocabulary.decode(tokens);
    if (!Number.isFinite(reward)) {
      throw new TaskError(
        `task ${task.name}, problem ${problem.id}, step ${step}: the reward of completion ` +
          `${JSON.stringify(text)} is ${reward}; allowed is a finite number`,
      );
    }
    return { tokens, text, logprobs, stop, reward, rewards, note };
  };
  return {
    id: problem.id,
    step,
    prompt: { tokens: problem.promptTokens, text: problem.promptText },
    completions: await Promise.all(completions.map(judged)),
    tokens: 'exact',
    groups: 'explicit',
    tokenTexts: tokenTexts(task, completions),
  };
}

function tokenTexts(task: Task, completions: readonly { tokens: Int32Array }[]): Record<number, string> {
  const texts: Record<number, string> = {};
  for (const { tokens } of completions) for (const id of tokens) texts[id] ??= task.vocabulary.tokenText(id);
  return texts;
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
