/**
 * The run folder, the only interface of a run to the outside:
 *   config.yaml            the resolved configuration
 *   metrics.jsonl          one record per line, appended
 *   rollouts/step_SSSSSS.jsonl   the groups of a step
 *   checkpoints/           written by checkpoint.ts
 *   events.out.tfevents.*  the metrics for TensorBoard (log.tensorboard)
 *   writer.lock            names the writing process, while there is one
 * Files are appended to, or written under a temporary name and renamed, so a reader never sees half a file.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../errors.js';
import {
  append,
  FolderLock,
  isLock,
  isTemporary,
  makeFolder,
  makeSubfolder,
  remove,
  removeUnfinished,
  sync,
  writeWhole,
} from '../files/index.js';
import type { Group } from '../rollouts/index.js';
import { writeGroups } from '../rollouts/own-files.js';
import { type CheckpointState, dropLater } from './checkpoint.js';
import { type Config, formatConfig, mayChange } from './config.js';
import { loadConfig } from './config-file.js';
import { formatMetrics, MetricsError, type MetricsLine, parseMetrics } from './metrics.js';
import { EventLog, eventFiles } from './tensorboard.js';

/** A run folder that already exists, is not a run folder, or belongs to another configuration. */
export class RunFolderError extends UserError {
  override name = 'RunFolderError';
}

const ROLLOUTS = /^step_(\d{6,})\.jsonl$/;

export class RunFolder {
  readonly configFile: string;
  readonly metricsFile: string;
  readonly rollouts: string;
  readonly checkpoints: string;
  private readonly events: EventLog | null;

  /**
   * @param lock of the folder, if this process writes to it
   * @param events whether metrics are also written for TensorBoard
   */
  constructor(
    readonly path: string,
    private readonly lock: FolderLock | null = null,
    events = false,
  ) {
    this.events = events ? new EventLog(path) : null;
    this.configFile = join(path, 'config.yaml');
    this.metricsFile = join(path, 'metrics.jsonl');
    this.rollouts = join(path, 'rollouts');
    this.checkpoints = join(path, 'checkpoints');
  }

  /** @throws LockError if this process no longer owns the folder */
  async check(): Promise<void> {
    await this.lock?.check();
  }

  /** Releases the folder for other processes. */
  async close(): Promise<void> {
    await this.lock?.release();
  }

  /** @throws MetricsError for a figure that is not finite, FileError; nothing is written then */
  async appendMetrics(record: MetricsLine): Promise<void> {
    const line = formatMetrics(record);
    await this.check();
    await append(this.metricsFile, line);
    await this.events?.append(record);
  }

  /** Flushes the metrics to the disk: a checkpoint must not outlive the records before it. */
  async syncMetrics(): Promise<void> {
    await this.check();
    await sync(this.metricsFile);
  }

  rolloutsFile(step: number): string {
    return join(this.rollouts, `step_${String(step).padStart(6, '0')}.jsonl`);
  }

  /** @throws RolloutError for groups that a log cannot represent, FileError */
  async writeRollouts(step: number, groups: readonly Group[]): Promise<void> {
    await this.check();
    await writeGroups(this.rolloutsFile(step), groups);
  }

  /** Steps whose rollouts were written, ascending. */
  async rolloutSteps(): Promise<number[]> {
    const names = await readdir(this.rollouts).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return [];
      throw error;
    });
    return names.flatMap((name) => Number(ROLLOUTS.exec(name)?.[1] ?? [])).sort((a, b) => a - b);
  }

  /** Metrics so far, without a truncated last line. @throws MetricsError, also if there are none */
  async readMetrics(): Promise<MetricsLine[]> {
    const text = await readFile(this.metricsFile, 'utf8').catch((error: NodeJS.ErrnoException) => {
      throw new MetricsError(`${this.metricsFile}: cannot be read (${error.code ?? error.message})`);
    });
    return parseMetrics(text, this.metricsFile);
  }

  /**
   * Removes everything after a checkpoint, so that a continued run writes the same files as an uninterrupted one:
   * records of later steps, later rollouts, incomplete later checkpoints, and temporary files. Call it after the
   * checkpoint is loaded, so that nothing is lost if loading fails.
   * @param from the checkpoint; null: none, the run starts from the beginning
   * @throws MetricsError if the metrics are damaged; nothing is changed then
   */
  async rewind(from: { readonly path: string; readonly state: CheckpointState } | null): Promise<void> {
    const { step = 0, warmup = Number.POSITIVE_INFINITY, pending } = from?.state ?? {};
    // The evaluation before the first step belongs to no checkpoint: at step 0 it is made again.
    const last = pending ? step - 1 : step;
    const kept = (await this.readMetrics()).filter(
      (record) =>
        from !== null &&
        (record.phase === 'warmup' ? record.step <= warmup : step > 0 && record.step <= last),
    );
    await this.check();
    await writeWhole(this.metricsFile, kept.map(formatMetrics).join(''));
    // TensorBoard output was switched off: existing event files must not hold more than the metrics.
    const events = this.events ?? ((await eventFiles(this.path)).length > 0 ? new EventLog(this.path) : null);
    await events?.rebuild(kept);
    for (const name of await readdir(this.rollouts).catch(() => [])) {
      const later = Number(ROLLOUTS.exec(name)?.[1] ?? -1) > (from === null ? -1 : step);
      if (later) await remove(join(this.rollouts, name));
    }
    if (from !== null) await dropLater(this.checkpoints, from.path);
    for (const folder of [this.path, this.rollouts, this.checkpoints]) await removeUnfinished(folder);
  }
}

/** Entries of a folder whose run was interrupted before it had a configuration; no other folder has only these. */
async function isHalfMade(path: string, names: readonly string[]): Promise<boolean> {
  for (const name of names) {
    const empty =
      name === 'metrics.jsonl'
        ? (await stat(join(path, name))).size === 0
        : name === 'rollouts' || name === 'checkpoints'
          ? (await readdir(join(path, name)).catch(() => ['?'])).length === 0
          : isLock(name) || /^(config\.yaml|metrics\.jsonl)\.\d+\.tmp$/.test(name);
    if (!empty) return false;
  }
  return true;
}

/**
 * Whether a run can start in a folder: it does not exist, is empty, or its run was interrupted before it began.
 * @throws RunFolderError naming its content; FileError if it cannot be read
 */
export async function checkFree(path: string): Promise<void> {
  const names = await readdir(path).catch((error: NodeJS.ErrnoException): string[] => {
    if (error.code === 'ENOENT') return [];
    throw new RunFolderError(`${path}: cannot be a run folder (${error.code}); choose another with --out`);
  });
  if (names.includes('config.yaml')) {
    throw new RunFolderError(
      `${path}: expected a folder without a run, got one with a run; choose another with --out, or continue it with --resume`,
    );
  }
  if (await isHalfMade(path, names)) return;
  const other = names.find((name) => !isLock(name) && !isTemporary(name)) ?? names[0];
  throw new RunFolderError(
    `${path}: expected an empty folder, got one with files (${other}); choose another with --out`,
  );
}

/**
 * Whether a folder holds a run that can be continued; a run that was interrupted before it had a configuration starts
 * again.
 */
export async function hasBegun(path: string): Promise<boolean> {
  const names = await readdir(path).catch(() => null);
  return names !== null && !(names.length > 0 && (await isHalfMade(path, names)));
}

/**
 * Creates a run folder with its configuration; this process is its writer until it is closed.
 * @throws RunFolderError if there is a run already (an empty folder is used), LockError if another process is creating
 * one, FileError if it cannot be created
 */
export async function createRunFolder(path: string, config: Config): Promise<RunFolder> {
  await checkFree(path);
  await makeFolder(path);
  const lock = await FolderLock.take(path);
  try {
    await checkFree(path);
    const folder = new RunFolder(path, lock, config.log.tensorboard);
    await removeUnfinished(path);
    await makeSubfolder(folder.rollouts);
    await makeSubfolder(folder.checkpoints);
    await writeWhole(folder.metricsFile, '');
    // Written last: a folder with a configuration is complete.
    await writeWhole(folder.configFile, formatConfig(config));
    await sync(path);
    return folder;
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/**
 * Opens the folder of a run for reading.
 * @throws RunFolderError if there is no run; ConfigError if its config.yaml is damaged
 */
export async function openRunFolder(path: string): Promise<{ folder: RunFolder; config: Config }> {
  const names = await readdir(path).catch(() => null);
  if (!names)
    throw new RunFolderError(
      `${path}: expected the folder of a run, got a path that does not exist; start a run without --resume`,
    );
  for (const name of ['config.yaml', 'metrics.jsonl', 'rollouts', 'checkpoints']) {
    if (!names.includes(name)) {
      throw new RunFolderError(
        `${path}: expected a run to continue, got a folder without ${name}; choose another with --out`,
      );
    }
  }
  const folder = new RunFolder(path);
  return { folder, config: loadConfig(folder.configFile) };
}

/**
 * Opens the folder of a run for continuing; this process is its writer until it is closed. Keys that change no result
 * may have new values, all others must be equal.
 * @param lock of the folder; default: it is taken here
 * @throws RunFolderError naming the key that differs, LockError, and as `openRunFolder`
 */
export async function continueRunFolder(
  path: string,
  config: Config,
  lock?: FolderLock,
): Promise<{ folder: RunFolder; config: Config }> {
  const { folder: before, config: stored } = await openRunFolder(path);
  const differing = differences(stored, config).find(({ key }) => !mayChange(key));
  if (differing) {
    throw new RunFolderError(
      `${path}: ${differing.key}: expected ${differing.before}, as in the run to continue, got ${differing.after}; ` +
        'change it back, or start a new run with --out',
    );
  }
  const { schedule } = config.optimizer;
  if (schedule !== 'constant' && stored.train.steps !== config.train.steps) {
    throw new RunFolderError(
      `${path}: train.steps: expected ${stored.train.steps}, because the ${schedule} schedule of the learning rate ends there, got ${config.train.steps}`,
    );
  }
  const folder = new RunFolder(path, lock ?? (await FolderLock.take(path)), config.log.tensorboard);
  await writeWhole(before.configFile, formatConfig(config));
  return { folder, config };
}

/** Dotted keys whose values differ. */
function differences(
  before: object,
  after: object,
  prefix = '',
): { key: string; before: string; after: string }[] {
  const [a, b] = [before, after] as Record<string, unknown>[];
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].flatMap((name) => {
    const [x, y] = [a[name], b[name]];
    const key = prefix + name;
    if (isObject(x) && isObject(y)) return differences(x, y, `${key}.`);
    return Object.is(x, y)
      ? []
      : [{ key, before: JSON.stringify(x) ?? 'none', after: JSON.stringify(y) ?? 'none' }];
  });
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
