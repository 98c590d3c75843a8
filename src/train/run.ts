/**
 * A run from its configuration: makes task, engine and run folder, trains, and cleans up. `--resume` continues
 * from the latest checkpoint, or from the start if there is none yet.
 */
import { join } from 'node:path';
import { type Engine, LocalEngine, type OptimizerConfig } from '../engine/index.js';
import { createTask, type Task } from '../task/index.js';
import { checkpointName, listCheckpoints } from './checkpoint.js';
import { type Config, contextLength } from './config.js';
import { type TrainObserver, type TrainResult, train } from './loop.js';
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
}

export interface RunResult extends TrainResult {
  readonly folder: RunFolder;
}

/** The engine that a configuration describes, with fresh weights. */
export function createEngine(config: Config, task: Task, threads?: number): Engine {
  const { model, optimizer } = config;
  return new LocalEngine({
    model: {
      vocabularySize: task.vocabulary.size,
      contextLength: contextLength(config, task),
      width: model.width,
      layers: model.layers,
      heads: model.heads,
    },
    optimizer: optimizerConfig(optimizer),
    seed: config.seed,
    runtime: { threads },
    maxTokensPerRun: config.train.micro_batch_tokens,
  });
}

function optimizerConfig(optimizer: Config['optimizer']): OptimizerConfig {
  const { weight_decay: weightDecay, momentum, beta1, beta2, epsilon } = optimizer;
  return optimizer.name === 'sgd'
    ? { name: 'sgd', momentum, weightDecay }
    : { name: 'adamw', beta1, beta2, epsilon, weightDecay };
}

/** Trains as configured; see `train` for what it throws. */
export async function run(options: RunOptions): Promise<RunResult> {
  const task = createTask(options.config.task, options.config.seed);
  const engine = createEngine(options.config, task, options.threads);
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
