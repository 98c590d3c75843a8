/** Runs the whole training loop on a table server and continues it as a user would. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TinkerEngine, type TinkerEngineOptions } from '../../src/engine/tinker/tinker-engine.js';
import { UserError } from '../../src/errors.js';
import { createTask } from '../../src/task/index.js';
import { newestCheckpoint } from '../../src/train/checkpoint.js';
import {
  type Config,
  continueRunFolder,
  createRunFolder,
  type MetricsLine,
  resolveConfig,
  train,
} from '../../src/train/index.js';
import type { TableServer } from './table-server.js';

/** The binary tree over the table's vocabulary. */
export const treeConfig = (server: TableServer, changes: Record<string, unknown> = {}): Config =>
  resolveConfig({
    task: { name: 'binary-tree', depth: 2, n: 1, vocabulary: 6 },
    engine: { name: 'tinker', url: server.url, base_model: 'table', lora: { rank: 1 } },
    optimizer: { learning_rate: 0.1, max_grad_norm: null },
    sampling: { group_size: 4 },
    train: { steps: 2 },
    evaluation: { every: 0 },
    checkpoint: { every: 1 },
    log: { rollouts_every: 0 },
    ...changes,
  });

export const openTable = (
  server: TableServer,
  config: Config,
  options: Partial<TinkerEngineOptions> = {},
): Promise<TinkerEngine> => {
  const { optimizer } = config;
  return TinkerEngine.open({
    baseModel: 'table',
    lora: { rank: 1, seed: 3 },
    optimizer: {
      name: 'adamw',
      beta1: optimizer.beta1,
      beta2: optimizer.beta2,
      epsilon: optimizer.epsilon,
      weightDecay: optimizer.weight_decay,
    },
    reduction: 'mean',
    vocabulary: 6,
    contextLength: 16,
    kl: 'advantages',
    ...options,
    client: { pause: 0.1, maxPause: 0.5, attempts: 5, ...options.client, url: server.url },
  });
};

export interface Outcome {
  /** Records without their times. */
  readonly records: readonly MetricsLine[];
  /** Path of the last state on the server. */
  readonly state: string;
  /** What was said while the run went on. */
  readonly notices: readonly string[];
  /** Why it ended, each time that it did. */
  readonly endings: readonly string[];
}

/** Trains to the end; a run that ends early is continued, at most so many times. */
export async function trainOn(
  server: TableServer,
  config: Config,
  {
    options = {},
    lives = 12,
    signals = [],
  }: { options?: Partial<TinkerEngineOptions>; lives?: number; signals?: readonly AbortSignal[] } = {},
): Promise<Outcome> {
  const folder = await mkdtemp(join(tmpdir(), 'lambda-grpo-tinker-'));
  const notices: string[] = [];
  const endings: string[] = [];
  const observer = { notice: (line: string) => void notices.push(line) };
  try {
    const path = join(folder, 'run');
    let run = await createRunFolder(path, config);
    for (let life = 0; ; life++) {
      let engine: TinkerEngine | undefined;
      try {
        engine = await openTable(server, config, options);
        const task = createTask(config.task, config.seed);
        const newest = await newestCheckpoint(run.checkpoints);
        if (newest === null) await run.rewind(null);
        const from = newest?.path;
        const signal = signals[life];
        const { checkpoint, interrupted } = await train({
          ...{ config, task, engine, folder: run, from, observer, signal },
        });
        if (interrupted) throw new UserError('interrupted');
        const saved = JSON.parse(await readFile(join(checkpoint, 'tinker.json'), 'utf8')) as {
          state: string;
        };
        const records = (await run.readMetrics()).map(
          ({ sample_seconds, update_seconds, ...record }) => record as MetricsLine,
        );
        return { records, state: saved.state, notices, endings };
      } catch (error) {
        if (!(error instanceof UserError) || life === lives) throw error;
        endings.push(error.message);
      } finally {
        await engine?.dispose();
        await run.close();
      }
      ({ folder: run } = await continueRunFolder(path, config));
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
