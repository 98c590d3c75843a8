/**
 * A run from its configuration: makes task, engine and run folder, trains, and cleans up. `--resume` continues
 * from the latest checkpoint, or from the start if there is none yet.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { LocalEngine, type OptimizerConfig } from '../engine/index.js';
import { nodeBackend } from '../engine/node.js';
import type { FetchProgress } from '../model/index.js';
import type { Task } from '../task/index.js';
import { checkpointName, listCheckpoints } from './checkpoint.js';
import { type Config, contextLength } from './config.js';
import { loadConfig } from './config-sources.js';
import { type TrainObserver, type TrainResult, train } from './loop.js';
import { type OpenedModel, openModel, openTask, openText } from './policy.js';
import { createRunFolder, openRunFolder, RunFolder } from './run-folder.js';

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
  /** Told while a model is fetched from the Hub. */
  readonly onFetch?: (progress: FetchProgress) => void;
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
    backend: nodeBackend(),
    threads,
    maxTokensPerRun: config.train.micro_batch_tokens,
    checkpointing: config.train.gradient_checkpointing,
  };
  const adapter = config.model.lora ? { adapter: config.model.lora } : {};
  if (model) {
    contextLength(config, task, model.config.contextLength);
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
  options: EngineOptions & Pick<RunOptions, 'onFetch'> = {},
): Promise<{ task: Task; engine: LocalEngine; model: OpenedModel | null }> {
  const model = await openModel(config.model, options.onFetch);
  const text = await openText(config.model, model);
  const task = await openTask(config, text, model);
  return { task, model, engine: await createEngine(config, task, options, model) };
}

/** Trains as configured; see `train` for what it throws. */
export async function run(options: RunOptions): Promise<RunResult> {
  const wanted = options.resume ? withStoredRevision(options) : options.config;
  const { task, engine, model } = await openRun(wanted, options);
  try {
    const pinned = { ...options, config: withRevision(wanted, model?.commit ?? wanted.model.revision) };
    const { folder, config, from } = options.resume ? await reopen(pinned) : await create(pinned);
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

const withRevision = (config: Config, revision: string | null): Config => ({
  ...config,
  model: { ...config.model, revision },
});

/** A run goes on with the commit that it began with, wherever the branch is by now. */
function withStoredRevision({ config, out }: RunOptions): Config {
  const { configFile } = new RunFolder(out);
  if (config.model.path === null || config.model.revision !== null || !existsSync(configFile)) return config;
  const { path, revision } = loadConfig(configFile).model;
  return path === config.model.path ? withRevision(config, revision) : config;
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
