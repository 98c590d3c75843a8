/**
 * Opens a trained policy, from a run or from a model in the Hugging Face layout, and exports the policy of a run as
 * such a model.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Engine, readModelShape, readSaved } from '../engine/index.js';
import { adapterFromServer } from '../engine/tinker/export.js';
import { folderStore, writeAdapter, writeCheckpoint, writeFiles } from '../model/files.js';
import { mergeAdapter, type ParameterSet, Parameters, type StoredDType } from '../model/index.js';
import type { Task } from '../task/index.js';
import {
  CheckpointError,
  checkpointName,
  listCheckpoints,
  loadCheckpoint,
  newestCheckpoint,
  verifyCheckpoint,
} from './checkpoint.js';
import { type Config, ConfigError } from './config.js';
import { loadConfig } from './config-file.js';
import { clientOptions } from './engine-tinker.js';
import { bestEvaluated } from './metrics.js';
import { openModel, openTask, openText } from './policy.js';
import { createEngine } from './run.js';
import { RunFolder } from './run-folder.js';

/** Whether a path is a run folder. */
export const isRunFolder = (path: string): boolean => existsSync(new RunFolder(path).configFile);

export interface TrainedPolicy {
  readonly engine: Engine;
  readonly task: Task;
  readonly config: Config;
  /** Training step of the checkpoint. */
  readonly step: number;
  /** Faults of newer, incomplete checkpoints, one line each. */
  readonly skipped: readonly string[];
}

interface Chosen {
  readonly path: string;
  readonly step: number;
  readonly skipped: readonly string[];
}

/** @throws CheckpointError listing the existing steps */
async function choose(folder: RunFolder, checkpoint: number | 'best' | undefined): Promise<Chosen> {
  const steps = await listCheckpoints(folder.checkpoints);
  const best = checkpoint === 'best';
  const wanted = best ? bestEvaluated(await folder.readMetrics(), steps)?.step : (checkpoint ?? steps.at(-1));
  if (wanted === undefined || !steps.includes(wanted)) {
    const chosen = checkpoint === undefined ? '' : ` of step ${checkpoint}`;
    const path = join(folder.checkpoints, checkpointName(Number(checkpoint)));
    // For an incomplete checkpoint, reading it gives the error.
    if (typeof checkpoint === 'number' && existsSync(path)) await verifyCheckpoint(path);
    const there = steps.length === 0 ? 'the run has none yet' : `the run has ${steps.join(', ')}`;
    throw new CheckpointError(
      `${folder.path}: no checkpoint${best ? ' that was evaluated' : chosen}; ${there}`,
    );
  }
  const skipped =
    checkpoint === undefined ? (await newestCheckpoint(folder.checkpoints))?.skipped : undefined;
  return {
    path: join(folder.checkpoints, checkpointName(wanted)),
    step: wanted,
    skipped: (skipped ?? []).map((fault) => `${fault}; step ${wanted} is used`),
  };
}

/**
 * Uses a checkpoint of a run that may still be running: the latest may be replaced by a newer one before it was read.
 * @throws what `use` throws for a checkpoint that still exists
 */
async function withChosen<T>(
  folder: RunFolder,
  checkpoint: number | 'best' | undefined,
  use: (chosen: Chosen) => Promise<T>,
): Promise<T> {
  for (;;) {
    const chosen = await choose(folder, checkpoint);
    try {
      return await use(chosen);
    } catch (error) {
      if (existsSync(chosen.path) || typeof checkpoint === 'number') throw error;
    }
  }
}

/**
 * The policy of a run at one of its checkpoints.
 * @param checkpoint its step; best: the best evaluated one; default: the latest
 * @param change of the configuration, e.g. other problems; files that it replaces need not exist
 * @throws CheckpointError listing the existing steps
 */
export async function openTrained(
  path: string,
  checkpoint?: number | 'best',
  { threads, change = (config) => config }: { threads?: number; change?: (config: Config) => Config } = {},
): Promise<TrainedPolicy> {
  const folder = new RunFolder(path);
  return withChosen(folder, checkpoint, async (chosen) => {
    const config = change(loadConfig(folder.configFile));
    const model = await openModel(config.model);
    const task = await openTask(config, await openText(config.model, model, config.engine), model);
    if (!model) await verifyCheckpoint(chosen.path);
    const shape =
      model || config.engine.name === 'tinker' ? undefined : await readModelShape(folderStore(chosen.path));
    const engine = await createEngine(config, task, { threads, shape }, model);
    try {
      await loadCheckpoint(chosen.path, engine);
    } catch (error) {
      await engine.dispose();
      throw error;
    }
    return { engine, task, config, step: chosen.step, skipped: chosen.skipped };
  });
}

export interface ExportOptions {
  /** Its step; best: the best evaluated one; default the latest. */
  readonly checkpoint?: number | 'best';
  /** Default: the type of the model that the run started from, F32 for a random one. */
  readonly dtype?: StoredDType;
  /** For a run with an adapter: the whole model with the adapter added to its weights, instead of the adapter alone. */
  readonly merged?: boolean;
}

export interface Exported {
  readonly step: number;
  readonly dtype: StoredDType;
  readonly adapter: boolean;
  /** Faults of newer, incomplete checkpoints, one line each. */
  readonly skipped: readonly string[];
}

/**
 * Writes a run's policy as a model that transformers loads, or its adapter in PEFT's format. Needs the run folder but
 * not the task's data; of the initial model it needs the weights if an adapter is merged, else only the tokenizer.
 * @throws ModelError if the folder exists already
 */
export async function exportRun(
  path: string,
  to: string,
  { checkpoint, dtype, merged = false }: ExportOptions = {},
): Promise<Exported> {
  const folder = new RunFolder(path);
  const config = loadConfig(folder.configFile);
  return withChosen(folder, checkpoint, async ({ path: chosen, step, skipped }) => {
    await verifyCheckpoint(chosen);
    if (config.engine.name === 'tinker') {
      if (merged)
        throw new ConfigError(
          "--merged: expected a run on this machine, got a run on a server (its model's weights are on the server)",
        );
      const { files, dtype: stored } = await adapterFromServer(
        folderStore(chosen),
        clientOptions(config.engine),
      );
      await writeFiles(to, files);
      return { step, dtype: stored, adapter: true, skipped };
    }
    const { model, trained } = await readSaved(folderStore(chosen), config.model.lora !== null);
    if (model.adapter && !merged) {
      await writeAdapter(to, model, trained, config.model.path);
      return { step, dtype: 'F32', adapter: true, skipped };
    }
    const base = await openModel(config.model);
    const stored = dtype ?? base?.dtype ?? 'F32';
    let parameters: Parameters;
    if (trained instanceof Parameters) parameters = trained;
    else {
      const { adapter: _, ...plain } = model;
      parameters = base ? await base.weights() : Parameters.initialize(plain, config.seed);
      mergeAdapter(parameters, model, trained as ParameterSet);
    }
    await writeCheckpoint(to, parameters, { dtype: stored, source: base?.folder });
    return { step, dtype: stored, adapter: false, skipped };
  });
}
