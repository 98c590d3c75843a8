/** A policy that is there already: that of a run, or a model in the Hugging Face layout; and a run's policy as such a model. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { LocalEngine } from '../engine/index.js';
import { mergeAdapter, type StoredDType, writeAdapter, writeCheckpoint } from '../model/index.js';
import type { Task } from '../task/index.js';
import { CheckpointError, checkpointName, listCheckpoints, loadCheckpoint } from './checkpoint.js';
import type { Config } from './config.js';
import { loadConfig } from './config-sources.js';
import { bestEvaluated } from './metrics.js';
import { type OpenedModel, openModel } from './policy.js';
import { openRun } from './run.js';
import { RunFolder } from './run-folder.js';

/** Whether a path is a run's folder. */
export const isRunFolder = (path: string): boolean => existsSync(new RunFolder(path).configFile);

export interface TrainedPolicy {
  readonly engine: LocalEngine;
  readonly task: Task;
  readonly config: Config;
  /** Training step of the checkpoint. */
  readonly step: number;
}

/**
 * The policy of a run at one of its checkpoints.
 * @param checkpoint its step; best: of those that were evaluated; default: the latest
 * @param change of the configuration, e.g. other problems
 * @throws CheckpointError naming the steps there are
 */
export async function openTrained(
  path: string,
  checkpoint?: number | 'best',
  { threads, change = (config) => config }: { threads?: number; change?: (config: Config) => Config } = {},
): Promise<TrainedPolicy> {
  const folder = new RunFolder(path);
  const steps = await listCheckpoints(folder.checkpoints);
  const best = checkpoint === 'best';
  const wanted = best ? bestEvaluated(await folder.readMetrics(), steps)?.step : (checkpoint ?? steps.at(-1));
  if (wanted === undefined || !steps.includes(wanted)) {
    const there = steps.length === 0 ? 'there is none yet' : `there are ${steps.join(', ')}`;
    const asked = checkpoint === undefined ? '' : ` of step ${checkpoint}`;
    throw new CheckpointError(`${path}: no checkpoint${best ? ' that was evaluated' : asked}; ${there}`);
  }
  const config = change(loadConfig(folder.configFile));
  const { engine, task } = await openRun(config, { threads });
  try {
    await loadCheckpoint(join(folder.checkpoints, checkpointName(wanted)), engine);
  } catch (error) {
    await engine.dispose();
    throw error;
  }
  return { engine, task, config, step: wanted };
}

export interface ExportOptions {
  /** Its step; best: of those that were evaluated; default the latest. */
  readonly checkpoint?: number | 'best';
  /** Default: what the model was stored as that the run started from, F32 for a random one. */
  readonly dtype?: StoredDType;
  /** Of a run with an adapter: the whole model with the adapter added to its weights, not the adapter alone. */
  readonly merged?: boolean;
}

/**
 * Writes a run's policy as a model that transformers loads, or its adapter as PEFT does.
 * @throws ModelError if the folder is there already
 */
export async function exportRun(
  path: string,
  to: string,
  { checkpoint, dtype, merged = false }: ExportOptions = {},
): Promise<{ step: number; dtype: StoredDType; adapter: boolean }> {
  const { engine, config, step: at } = await openTrained(path, checkpoint);
  try {
    const model = await openModel(config.model);
    const { adapter } = engine;
    if (adapter && !merged) {
      await writeAdapter(to, engine.model, adapter, config.model.path);
      return { step: at, dtype: 'F32', adapter: true };
    }
    const parameters = engine.held ?? (await (model as OpenedModel).weights());
    if (adapter) mergeAdapter(parameters, engine.model, adapter);
    const stored = dtype ?? model?.dtype ?? 'F32';
    await writeCheckpoint(to, parameters, { dtype: stored, source: model?.folder });
    return { step: at, dtype: stored, adapter: false };
  } finally {
    await engine.dispose();
  }
}
