/**
 * A run from its configuration: makes task, engine and run folder, trains, and cleans up. `--resume` continues
 * from the latest checkpoint, or from the start if there is none yet.
 */
import { join } from 'node:path';
import { LocalEngine, type OptimizerConfig } from '../engine/index.js';
import type { Task } from '../task/index.js';
import { checkpointName, listCheckpoints } from './checkpoint.js';
import { type Config, ConfigError, contextLength } from './config.js';
import { type TrainObserver, type TrainResult, train } from './loop.js';
import { type FetchObserver, type OpenedModel, openModel, openTask, openText } from './policy.js';
import { createRunFolder, openRunFolder, type RunFolder } from './run-folder.js';

export interface RunOptions {
  readonly config: Config;
  /** The run folder. */
  readonly out: string;
  /** Continue the run that is in the folder. */
  readonly resume?: boolean;
  /** Start from this checkpoint instead of fresh weights and warm-up. */
  readonly from?: string;
  /** Threads of the runtime; default: all cores. */
  readonly threads?: number;
  readonly signal?: AbortSignal;
  readonly observer?: TrainObserver;
  /** Told of files of a model that are fetched from the Hub. */
  readonly onFile?: FetchObserver;
}

export interface RunResult extends TrainResult {
  readonly folder: RunFolder;
}

export interface EngineOptions {
  /** Threads of the runtime; default: all cores. */
  readonly threads?: number;
  /** The model's weights are not going to be changed. */
  readonly frozen?: boolean;
}

/**
 * The engine that a configuration describes.
 * @param model a pretrained one; null: fresh random weights
 */
export async function createEngine(
  config: Config,
  task: Task,
  { threads, frozen = false }: EngineOptions = {},
  model: OpenedModel | null = null,
): Promise<LocalEngine> {
  const { optimizer } = config;
  const common = {
    optimizer: optimizerConfig(optimizer),
    seed: config.seed,
    runtime: { threads },
    maxTokensPerRun: config.train.micro_batch_tokens,
    checkpointing: config.train.gradient_checkpointing,
  };
  const adapter = config.model.lora ? { adapter: config.model.lora } : {};
  if (model) {
    const needed = task.maxPromptTokens + task.maxCompletionTokens;
    if (needed > model.config.contextLength) {
      throw new ConfigError(
        `model.path: found a model with a context of ${model.config.contextLength}; the task's prompts have up to ${task.maxPromptTokens} tokens, its completions up to ${task.maxCompletionTokens}`,
      );
    }
    const stored = config.model.lora || frozen ? await model.stored() : null;
    return new LocalEngine({
      ...common,
      model: { ...model.config, ...adapter },
      ...(stored ? { stored } : { parameters: await model.weights() }),
    });
  }
  const { width, layers, heads } = config.model;
  return new LocalEngine({
    ...common,
    model: {
      vocabularySize: task.vocabulary.size,
      contextLength: contextLength(config, task),
      width,
      layers,
      heads,
      ...adapter,
    },
  });
}

function optimizerConfig(optimizer: Config['optimizer']): OptimizerConfig {
  const { weight_decay: weightDecay, momentum, beta1, beta2, epsilon } = optimizer;
  return optimizer.name === 'sgd'
    ? { name: 'sgd', momentum, weightDecay }
    : { name: 'adamw', beta1, beta2, epsilon, weightDecay };
}

/** Model, task and engine of a configuration. */
export async function openRun(
  config: Config,
  options: EngineOptions & { readonly onFile?: FetchObserver } = {},
): Promise<{ task: Task; engine: LocalEngine; model: OpenedModel | null }> {
  const model = await openModel(config.model, options.onFile);
  const text = await openText(config.model, model);
  const task = await openTask(config, text, model);
  return { task, model, engine: await createEngine(config, task, options, model) };
}

/** Trains as configured; see `train` for what it throws. */
export async function run(options: RunOptions): Promise<RunResult> {
  const { task, engine } = await openRun(options.config, options);
  try {
    const { folder, config, from } = options.resume ? await reopen(options) : await create(options);
    const result = await train({
      config,
      task,
      engine,
      folder,
      from,
      signal: options.signal,
      observer: options.observer,
    });
    return { ...result, folder };
  } finally {
    await engine.dispose();
  }
}

interface Opened {
  readonly folder: RunFolder;
  readonly config: Config;
  readonly from?: string;
}

async function create({ out, config, from }: RunOptions): Promise<Opened> {
  return { folder: await createRunFolder(out, config), config, from };
}

async function reopen({ out, config: wanted, from }: RunOptions): Promise<Opened> {
  const { folder, config } = await openRunFolder(out, wanted);
  const step = (await listCheckpoints(folder.checkpoints)).at(-1);
  if (step === undefined) {
    await folder.rewind(null);
    return { folder, config, from };
  }
  return { folder, config, from: join(folder.checkpoints, checkpointName(step)) };
}
