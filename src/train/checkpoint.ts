/**
 * Checkpoints of a run: `checkpoints/step_SSSSSS/` (in the warm-up `warmup_SSSSSS/`) with the files of the engine and
 * `state.json`, which holds size and SHA-256 of each file. A listed checkpoint is complete; a loaded one has exactly
 * the saved bytes. Random numbers are counter-based (seed, purpose, step, …), so seed and step are the whole state of
 * the generator.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Engine } from '../engine/index.js';
import { UserError } from '../errors.js';
import { remove, writeFolder, writeWhole } from '../files/index.js';
import { folderStore } from '../model/files.js';
import type { MetricsRecord } from './metrics.js';

/** A checkpoint that is missing, incomplete, changed or of another run. */
export class CheckpointError extends UserError {
  override name = 'CheckpointError';
}

export interface CheckpointState {
  /** Training steps taken; 0 before the first. */
  readonly step: number;
  /** The run's seed: with the step, it determines the state of every random stream. */
  readonly seed: number;
  /** Tokens sampled so far. */
  readonly tokens: number;
  /** Index of the next training problem; absent: the number of prompts of all steps so far. */
  readonly problems?: number;
  /** Steps of an unfinished warm-up; absent: it is finished, or there is none. */
  readonly warmup?: number;
  /** The record of a step whose evaluation was interrupted; the evaluation is made when the run continues. */
  readonly pending?: MetricsRecord;
}

interface SavedFile {
  readonly bytes: number;
  readonly sha256: string;
}

interface SavedState extends CheckpointState {
  readonly files: Readonly<Record<string, SavedFile>>;
}

const STATE_FILE = 'state.json';
const NAME = /^(step|warmup)_(\d{6,})$/;

export function checkpointName(step: number, phase: 'step' | 'warmup' = 'step'): string {
  return `${phase}_${String(step).padStart(6, '0')}`;
}

const nameOf = ({ step, warmup }: CheckpointState): string =>
  warmup === undefined ? checkpointName(step) : checkpointName(warmup, 'warmup');

/** Names of possible checkpoints, from the oldest to the newest; those of the warm-up come before all steps. */
async function namesIn(folder: string): Promise<{ name: string; phase: string; step: number }[]> {
  const names = await readdir(folder).catch(() => []);
  return names
    .flatMap((name) => {
      const [, phase, digits] = NAME.exec(name) ?? [];
      return phase === undefined ? [] : [{ name, phase, step: Number(digits) }];
    })
    .sort((a, b) => b.phase.localeCompare(a.phase) || a.step - b.step);
}

/** Steps of the complete checkpoints in a `checkpoints/` folder, ascending; those of a warm-up are not listed. */
export async function listCheckpoints(folder: string): Promise<number[]> {
  const steps: number[] = [];
  for (const { name, phase, step } of await namesIn(folder)) {
    if (phase === 'step' && (await readState(join(folder, name)).catch(() => null))) steps.push(step);
  }
  return steps;
}

export interface NewestCheckpoint {
  readonly path: string;
  readonly state: CheckpointState;
  /** Faults of newer, incomplete checkpoints, one line each. */
  readonly skipped: readonly string[];
}

/**
 * The newest complete checkpoint; null if there is none at all.
 * @throws CheckpointError if there are checkpoints, but none is complete
 */
export async function newestCheckpoint(folder: string): Promise<NewestCheckpoint | null> {
  const skipped: string[] = [];
  for (const { name } of (await namesIn(folder)).reverse()) {
    const path = join(folder, name);
    try {
      return { path, state: await readState(path), skipped };
    } catch (error) {
      if (!(error instanceof CheckpointError)) throw error;
      skipped.push(error.message);
    }
  }
  if (skipped.length === 0) return null;
  throw new CheckpointError(
    `${skipped[0]}; no checkpoint is complete; delete the folder ${folder} to start the run again`,
  );
}

/**
 * Writes a checkpoint, unless it exists, and removes the oldest ones beyond `keep`.
 * @param folder the run's `checkpoints/`
 * @param spare step of a checkpoint that is always kept
 */
export async function saveCheckpoint(
  folder: string,
  engine: Engine,
  state: CheckpointState,
  keep: number,
  spare: number | null = null,
): Promise<string> {
  const path = join(folder, nameOf(state));
  const before = await readState(path).catch(() => null);
  if (before === null || !isSame(before, state)) {
    await writeFolder(path, async (temporary) => {
      await engine.save(folderStore(temporary));
      const files: Record<string, SavedFile> = {};
      for (const name of (await readdir(temporary)).sort()) files[name] = await digest(join(temporary, name));
      await writeWhole(join(temporary, STATE_FILE), formatState({ ...state, files }));
    });
  }
  const all = await namesIn(folder);
  const complete = await listCheckpoints(folder);
  const kept = new Set(complete.slice(-keep));
  for (const { name, phase, step } of all) {
    const over = phase === 'warmup' ? name !== basename(path) : !kept.has(step) && step !== spare;
    if (over) await remove(join(folder, name));
  }
  return path;
}

/** Removes incomplete entries that are newer than a checkpoint. @param path of the checkpoint */
export async function dropLater(folder: string, path: string): Promise<void> {
  const names = (await namesIn(folder)).map(({ name }) => name);
  const at = names.indexOf(basename(path));
  for (const name of at < 0 ? [] : names.slice(at + 1)) await remove(join(folder, name));
}

const isSame = ({ files, ...before }: SavedState, state: CheckpointState): boolean =>
  JSON.stringify(Object.entries(before).sort()) ===
  JSON.stringify(
    Object.entries(state)
      .filter(([, value]) => value !== undefined)
      .sort(),
  );

/**
 * Restores the engine from a checkpoint.
 * @throws CheckpointError, ModelError or EngineError naming the file; the engine is then unchanged
 */
export async function loadCheckpoint(path: string, engine: Engine): Promise<CheckpointState> {
  const state = await verifyCheckpoint(path);
  await engine.load(folderStore(path));
  return state;
}

/**
 * Reads all files of a checkpoint and checks that they have the saved bytes.
 * @throws CheckpointError naming the file
 */
export async function verifyCheckpoint(path: string): Promise<CheckpointState> {
  const { files, ...state } = await readState(path);
  for (const [name, saved] of Object.entries(files)) {
    const file = join(path, name);
    const { sha256 } = await digest(file).catch((error: NodeJS.ErrnoException) => {
      throw new CheckpointError(`${file}: cannot be read (${error.code ?? error.message})`);
    });
    if (sha256 !== saved.sha256) {
      throw new CheckpointError(
        `${file}: has changed since it was saved: expected SHA-256 ${saved.sha256.slice(0, 16)}…, ` +
          `got ${sha256.slice(0, 16)}…; remove ${path} to continue from the previous checkpoint`,
      );
    }
  }
  return state;
}

/** The state of a complete checkpoint. @throws CheckpointError naming the file */
export async function readCheckpoint(path: string): Promise<CheckpointState> {
  const { files: _, ...state } = await readState(path);
  return state;
}

/**
 * A checkpoint's state, if all its files exist with their sizes.
 * @throws CheckpointError naming the file
 */
async function readState(path: string): Promise<SavedState> {
  const file = join(path, STATE_FILE);
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new CheckpointError(
      `${file}: cannot be read (${error.code ?? error.message}); expected a complete checkpoint`,
    );
  });
  const state = parseState(text, file);
  const name = nameOf(state);
  if (name !== basename(path)) {
    throw new CheckpointError(`${file}: expected the state of ${basename(path)}, got that of ${name}`);
  }
  for (const [saved, { bytes }] of Object.entries(state.files)) {
    const size = await stat(join(path, saved)).then(
      (stats) => stats.size,
      () => null,
    );
    if (size === null) throw new CheckpointError(`${join(path, saved)}: is missing`);
    if (size !== bytes) {
      throw new CheckpointError(
        `${join(path, saved)}: cut short or damaged (${size} bytes, expected ${bytes})`,
      );
    }
  }
  return state;
}

/** The state has its own digest, so that a changed step or seed is noticed like a changed weight. */
function formatState(state: SavedState): string {
  return `${JSON.stringify({ ...state, sha256: sha256(JSON.stringify(state)) })}\n`;
}

function parseState(text: string, file: string): SavedState {
  let parsed: Partial<SavedState> & { sha256?: unknown };
  try {
    parsed = JSON.parse(text);
  } catch {
    throw new CheckpointError(
      `${file}: expected whole JSON, got a file that is cut short or damaged; use another checkpoint`,
    );
  }
  const { sha256: expected, ...state } = parsed;
  for (const key of ['step', 'seed', 'tokens'] as const) {
    if (!Number.isInteger(state[key])) {
      throw new CheckpointError(
        `${file}: '${key}': expected a whole number, got ${JSON.stringify(state[key])}`,
      );
    }
  }
  if (expected === undefined || state.files === undefined) {
    throw new CheckpointError(`${file}: has no checksums; it was not written by this version of lambda-grpo`);
  }
  if (expected !== sha256(JSON.stringify(state))) {
    throw new CheckpointError(`${file}: has changed since it was saved; use another checkpoint`);
  }
  return state as SavedState;
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

async function digest(file: string): Promise<SavedFile> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { bytes, sha256: hash.digest('hex') };
}
