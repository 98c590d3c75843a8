/**
 * Checkpoints of a run: `checkpoints/step_SSSSSS/` with the engine's files and `state.json`. A checkpoint is
 * written under a temporary name and renamed when complete, so one that exists is whole. Random numbers are
 * counter-based (seed, purpose, step, …): seed and step are the whole state of the generator.
 */
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Engine } from '../engine/index.js';
import { UserError } from '../errors.js';

/** A checkpoint that is missing, cut short or of another run. */
export class CheckpointError extends UserError {
  override name = 'CheckpointError';
}

export interface CheckpointState {
  /** Training steps taken; 0 after the warm-up. */
  readonly step: number;
  /** The run's seed: with the step, the state of every random stream. */
  readonly seed: number;
  /** Tokens sampled so far. */
  readonly tokens: number;
  /** Index of the next training problem; absent: as many as all steps so far asked for. */
  readonly problems?: number;
}

const STATE_FILE = 'state.json';
const NAME = /^step_(\d{6,})$/;

export function checkpointName(step: number): string {
  return `step_${String(step).padStart(6, '0')}`;
}

/** Steps of the complete checkpoints in a `checkpoints/` folder, rising. */
export async function listCheckpoints(folder: string): Promise<number[]> {
  const names = await readdir(folder).catch(() => []);
  return names
    .map((name) => NAME.exec(name)?.[1])
    .filter((digits) => digits !== undefined)
    .map(Number)
    .sort((a, b) => a - b);
}

/**
 * Writes a checkpoint and removes the oldest beyond `keep`.
 * @param folder the run's `checkpoints/`
 * @param spare step of one that is kept in any case
 */
export async function saveCheckpoint(
  folder: string,
  engine: Engine,
  state: CheckpointState,
  keep: number,
  spare: number | null = null,
): Promise<string> {
  const path = join(folder, checkpointName(state.step));
  const temporary = `${path}.tmp`;
  await rm(temporary, { recursive: true, force: true });
  await mkdir(temporary, { recursive: true });
  await engine.save(temporary);
  await writeFile(join(temporary, STATE_FILE), `${JSON.stringify(state)}\n`);
  await rm(path, { recursive: true, force: true });
  await rename(temporary, path);
  for (const step of (await listCheckpoints(folder)).slice(0, -keep)) {
    if (step !== spare) await rm(join(folder, checkpointName(step)), { recursive: true, force: true });
  }
  return path;
}

/**
 * Restores the engine from a checkpoint.
 * @throws CheckpointError, ModelError or EngineError naming the file; the engine is then as it was
 */
export async function loadCheckpoint(path: string, engine: Engine): Promise<CheckpointState> {
  const file = join(path, STATE_FILE);
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new CheckpointError(
      `${file}: cannot be read (${error.code ?? error.message}); name a complete checkpoint`,
    );
  });
  let state: Partial<CheckpointState>;
  try {
    state = JSON.parse(text);
  } catch {
    throw new CheckpointError(`${file}: cut short or no JSON; use another checkpoint`);
  }
  for (const key of ['step', 'seed', 'tokens'] as const) {
    if (!Number.isInteger(state[key])) {
      throw new CheckpointError(
        `${file}: '${key}' must be a whole number, found ${JSON.stringify(state[key])}`,
      );
    }
  }
  await engine.load(path);
  return state as CheckpointState;
}
