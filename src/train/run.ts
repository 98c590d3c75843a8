/**
 * Runs a configuration: opens task, engine and run folder, trains, and cleans up. `--resume` continues from the latest
 * checkpoint, or from the start if there is none.
 */
import { existsSync } from 'node:fs';
import { freemem } from 'node:os';
import { resolve } from 'node:path';
import type { Engine } from '../engine/index.js';
import { type EngineSpec, openEngine } from '../engine/open.js';
import { UserError } from '../errors.js';
import { FolderLock } from '../files/index.js';
import type { FetchProgress } from '../model/hub.js';
import type { ModelConfig, Parameters } from '../model/index.js';
import type { CreditRule } from '../objective/index.js';
import type { Task } from '../task/index.js';
import { checkCapabilities } from './capabilities.js';
import { newestCheckpoint } from './checkpoint.js';
import { type Config, contextLength, memoryBytes } from './config.js';
import { loadConfig } from './config-file.js';
import { openCredit } from './credit.js';
import { tinkerSpec } from './engine-tinker.js';
import { train } from './loop.js';
import { type OpenedModel, openModel, openTask, openText } from './policy.js';
import { optimizerConfig, randomModel } from './random-model.js';
import {
  checkFree,
  continueRunFolder,
  createRunFolder,
  hasBegun,
  openRunFolder,
  RunFolder,
} from './run-folder.js';
import type { TrainObserver, TrainResult } from './training.js';

export interface RunOptions {
  readonly config: Config;
  /** The run folder. */
  readonly out: string;
  /** Continue the run in the folder. */
  readonly resume?: boolean;
  /** Start from this checkpoint instead of fresh weights and warm-up. */
  readonly from?: string;
  /** Threads of the runtime; default: all cores. */
  readonly threads?: number;
  /** Share of the free memory for this run, if several run at the same time; default 1. */
  readonly memoryShare?: number;
  /** Milliseconds to wait for another process that writes to the folder and is about to end; default 0. */
  readonly patience?: number;
  readonly signal?: AbortSignal;
  readonly observer?: TrainObserver;
  /** Called while a model is downloaded from the Hub. */
  readonly onFetch?: (progress: FetchProgress) => void;
}

export interface RunResult extends TrainResult {
  readonly folder: RunFolder;
}

export interface EngineOptions {
  /** Threads of the runtime; default: all cores. */
  readonly threads?: number;
  /** The model's weights will not be changed. */
  readonly frozen?: boolean;
  /** Share of the free memory for this engine, if several run at the same time; default 1. */
  readonly memoryShare?: number;
  /** Weights of the random model, instead of fresh ones. */
  readonly parameters?: Parameters;
  /** Shape of a saved random model, instead of the one that the task needs. */
  readonly shape?: ModelConfig;
  /** Aborts the opening of a remote engine. */
  readonly signal?: AbortSignal;
}

/**
 * The engine for a configuration.
 * @param model a pretrained one; null: new random weights
 */
export async function createEngine(
  config: Config,
  task: Task,
  options: EngineOptions = {},
  model: OpenedModel | null = null,
): Promise<Engine> {
  const { engine: chosen } = config;
  const spec =
    chosen.name === 'tinker'
      ? tinkerSpec(config, chosen, task, options.signal)
      : await localSpec(config, task, options, model);
  const engine = await openEngine(spec);
  try {
    checkCapabilities(config, task, engine);
  } catch (error) {
    await engine.dispose();
    throw error;
  }
  return engine;
}

async function localSpec(
  config: Config,
  task: Task,
  { threads, frozen = false, shape, parameters, memoryShare = 1 }: EngineOptions,
  model: OpenedModel | null,
): Promise<EngineSpec> {
  const { optimizer } = config;
  const common = {
    name: 'local' as const,
    optimizer: optimizerConfig(optimizer),
    seed: config.seed,
    threads,
    memory: memoryBudget(config.runtime.memory, memoryShare),
    maxTokensPerRun: config.train.micro_batch_tokens,
    checkpointing: config.train.gradient_checkpointing,
  };
  const adapter = config.model.lora ? { adapter: config.model.lora } : {};
  if (model) {
    contextLength(config, task, model.config.contextLength);
    const stored = config.model.lora || frozen ? await model.stored() : null;
    return {
      ...common,
      model: { ...model.config, ...adapter },
      ...(stored ? { stored } : { parameters: await model.weights() }),
    };
  }
  if (shape) {
    contextLength(config, task, shape.contextLength);
    return { ...common, model: { ...shape, ...adapter } };
  }
  return { ...common, model: { ...randomModel(config, task), ...adapter }, parameters };
}

/** Share of the free memory that an engine uses by default. */
const FREE_SHARE = 0.6;

/** @param share of the free memory for this run, if several run at the same time */
function memoryBudget(configured: string | null, share: number): number {
  return configured === null ? FREE_SHARE * share * freemem() : memoryBytes(configured);
}

/** Model, task and engine of a configuration. */
export async function openRun(
  config: Config,
  options: EngineOptions & Pick<RunOptions, 'onFetch'> = {},
): Promise<{ task: Task; engine: Engine; model: OpenedModel | null; credit?: CreditRule }> {
  const model = await openModel(config.model, options.onFetch);
  const text = await openText(config.model, model, config.engine);
  const task = await openTask(config, text, model);
  const credit = options.frozen ? undefined : await openCredit(config);
  return { task, model, credit, engine: await createEngine(config, task, options, model) };
}

/** Trains as configured; `train` lists further errors. @throws LockError if another process writes to the folder */
export async function run(options: RunOptions): Promise<RunResult> {
  const { out } = options;
  // A run that was interrupted before it had a configuration starts again.
  const resume = options.resume === true && (await hasBegun(out));
  if (!resume) await checkFree(out);
  const lock = resume ? await lockRun(options) : undefined;
  let folder: RunFolder | undefined;
  let engine: Engine | undefined;
  try {
    const wanted = resume ? withStoredRevision(options) : options.config;
    const opened = await openRun(wanted, options).catch((error: unknown) => {
      if (options.signal?.aborted !== true || error !== options.signal.reason) throw error;
      throw new UserError('interrupted while the engine was opened; nothing was started');
    });
    engine = opened.engine;
    const config = pinned(wanted, opened.model?.commit ?? null);
    let { from } = options;
    if (resume) {
      ({ folder } = await continueRunFolder(out, config, lock));
      from = (await latest(folder, options)) ?? from;
    } else folder = await createRunFolder(out, config);
    const { task, credit } = opened;
    const { signal, observer } = options;
    const result = await train({ config, task, engine, folder, credit, from, signal, observer });
    return { ...result, folder };
  } finally {
    await folder?.close();
    await lock?.release();
    await engine?.dispose();
  }
}

async function lockRun({ out, patience }: RunOptions): Promise<FolderLock> {
  await openRunFolder(out);
  return FolderLock.take(out, patience);
}

/** The newest complete checkpoint; undefined if there is none yet: the run starts from the beginning. */
async function latest(folder: RunFolder, { observer }: RunOptions): Promise<string | undefined> {
  const newest = await newestCheckpoint(folder.checkpoints);
  if (newest === null) {
    await folder.rewind(null);
    return undefined;
  }
  for (const fault of newest.skipped) {
    observer?.notice?.(`${fault}; the run continues from ${newest.path}`);
  }
  return newest.path;
}

/**
 * Fixes what the run started from, so that it does not change with a branch or the working folder when the run
 * continues.
 */
function pinned(config: Config, commit: string | null): Config {
  const { path, tokenizer, revision } = config.model;
  const inPlace = <T extends string | null>(folder: T): T =>
    (folder !== null && existsSync(folder) ? resolve(folder) : folder) as T;
  return {
    ...config,
    model: {
      ...config.model,
      path: commit === null ? inPlace(path) : path,
      tokenizer: inPlace(tokenizer),
      revision: commit ?? revision,
    },
  };
}

/** A run continues with the commit that it started from, even if the branch has moved. */
function withStoredRevision({ config, out }: RunOptions): Config {
  const { configFile } = new RunFolder(out);
  if (config.model.path === null || config.model.revision !== null || !existsSync(configFile)) return config;
  const { path, revision } = loadConfig(configFile).model;
  return path === config.model.path ? { ...config, model: { ...config.model, revision } } : config;
}
