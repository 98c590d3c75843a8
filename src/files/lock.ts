/**
 * Folder locks: a folder that is being written holds `writer.lock`, which names the writing process. Readers ignore it.
 * A lock whose process has ended is taken over. Processes are identified by process id and start time, since ids are
 * reused. A process on another machine cannot be checked, so its lock is valid until it has not been touched for
 * `FORGOTTEN_MS`. A writer that lost its lock (it slept too long, or the file was removed) is stopped by `check`.
 * Taking over is safe with several candidates: a lock may be replaced only by the holder of a second lock, whose file
 * is named after the nonce of the first. A late candidate finds a different nonce.
 */
import { randomUUID } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { link, open, readdir, readFile, rename, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { UserError } from '../errors.js';
import { fileError } from './errors.js';
import { isAlive, machine, startOf } from './process.js';
import { settled, temporaryName, whenProcessEnds } from './temporary.js';

/** A folder that another process writes to, or that this one no longer owns. */
export class LockError extends UserError {
  override name = 'LockError';
}

/** Name of the lock in its folder. */
export const LOCK = 'writer.lock';
/** Whether a name is that of a lock, or of the lock of a lock. */
export const isLock = (name: string): boolean => name === LOCK || name.startsWith(`${LOCK}.`);

const TOUCHED_EVERY_MS = 10_000;
const FORGOTTEN_MS = 120_000;
/** A lock without content is being written, or was cut off by a power failure. */
const EMPTY_MS = 5_000;

interface Holder {
  readonly pid: number;
  readonly host: string;
  readonly machine: string;
  /** Start time of the process. */
  readonly started: string | null;
  /** When it took the lock. */
  readonly since: string;
  /** Unique name of this lock. */
  readonly nonce: string;
}

export class FolderLock {
  private readonly touching: NodeJS.Timeout;
  private released = false;

  private constructor(
    private readonly folder: string,
    private readonly file: string,
    private readonly holder: Holder,
  ) {
    this.touching = setInterval(() => {
      const now = new Date();
      utimes(file, now, now).catch(() => {});
    }, TOUCHED_EVERY_MS);
    this.touching.unref();
    whenProcessEnds(file, () => {
      if (parse(readFileSync(file, 'utf8'))?.nonce === holder.nonce) rmSync(file);
    });
  }

  /**
   * Makes this process the only writer of an existing folder.
   * @param patience milliseconds to wait for a writer that is about to end
   * @throws LockError naming the process that writes; FileError if the lock cannot be written
   */
  static async take(folder: string, patience = 0): Promise<FolderLock> {
    const file = join(folder, LOCK);
    const holder: Holder = {
      pid: process.pid,
      host: hostname(),
      machine: machine(),
      started: await startOf(process.pid),
      since: new Date().toISOString(),
      nonce: randomUUID(),
    };
    const until = performance.now() + patience;
    try {
      for (;;) {
        const other = await take(file, holder);
        if (!other) {
          await forgetOldLocks(file);
          return new FolderLock(folder, file, holder);
        }
        if (performance.now() >= until) throw new LockError(`${folder}: ${busy(other, file)}`);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    } catch (error) {
      throw error instanceof LockError ? error : fileError(folder, error);
    }
  }

  /** @throws LockError if the folder is no longer owned by this process */
  async check(): Promise<void> {
    const now = await read(this.file);
    if (now?.nonce === this.holder.nonce) return;
    const why = now
      ? `process ${now.pid} on ${now.host} is writing to it now`
      : `${LOCK} is gone: the folder was removed or replaced`;
    throw new LockError(`${this.folder}: this process stops writing here: ${why}`);
  }

  /** Releases the lock. */
  async release(): Promise<void> {
    if (this.released) return;
    this.released = true;
    clearInterval(this.touching);
    settled(this.file);
    if ((await read(this.file))?.nonce === this.holder.nonce) await rm(this.file, { force: true });
  }
}

/** Tries to take the lock. @returns its current holder, or null if it was taken */
async function take(file: string, mine: Holder): Promise<Holder | null> {
  for (;;) {
    if (await create(file, mine)) return null;
    const other = await read(file);
    if (other === null) continue;
    if (!(await isOver(other, file, mine))) return other;
    // If several processes see that a lock is dead, only the holder of its second lock replaces it.
    const [claim, temporary] = [`${file}.${other.nonce}`, temporaryName(`${file}.${mine.nonce}`)];
    const rival = await take(claim, mine);
    if (rival) return rival;
    try {
      if ((await read(file))?.nonce !== other.nonce) continue;
      await write(temporary, mine);
      await rename(temporary, file);
      return null;
    } finally {
      await rm(temporary, { force: true });
      await rm(claim, { force: true });
    }
  }
}

/** Creates the file with all its content, unless it exists. @returns whether it was created */
async function create(file: string, mine: Holder): Promise<boolean> {
  const temporary = temporaryName(`${file}.${mine.nonce}`);
  try {
    await write(temporary, mine);
    await link(temporary, file);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return false;
    // A file system without hard links: the file is created empty and then filled.
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'EOPNOTSUPP' && code !== 'ENOSYS') throw error;
    return await createAndFill(file, mine);
  } finally {
    await rm(temporary, { force: true });
  }
}

async function createAndFill(file: string, mine: Holder): Promise<boolean> {
  try {
    await write(file, mine, 'wx');
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    await rm(file, { force: true });
    throw error;
  }
}

async function write(file: string, mine: Holder, flags = 'w'): Promise<void> {
  const handle = await open(file, flags);
  try {
    await handle.writeFile(`${JSON.stringify(mine)}\n`);
  } finally {
    await handle.close();
  }
}

/** Content of a lock's file; null: there is no file. */
async function read(file: string): Promise<Holder | null> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null;
    throw error;
  });
  return text === null ? null : (parse(text) ?? UNKNOWN);
}

const UNKNOWN: Holder = { pid: 0, host: '', machine: '', started: null, since: '', nonce: 'unknown' };

function parse(text: string): Holder | null {
  try {
    const { pid, nonce } = JSON.parse(text) as Holder;
    return Number.isInteger(pid) && /^[\w-]+$/.test(nonce) ? (JSON.parse(text) as Holder) : null;
  } catch {
    return null;
  }
}

/** Whether the process that holds a lock has surely ended. */
async function isOver(other: Holder, file: string, mine: Holder): Promise<boolean> {
  if (other.nonce === UNKNOWN.nonce) return (await untouchedFor(file)) > EMPTY_MS;
  if (other.machine !== mine.machine) return (await untouchedFor(file)) > FORGOTTEN_MS;
  if (!isAlive(other.pid)) return true;
  const started = await startOf(other.pid);
  if (started === null || other.started === null) return (await untouchedFor(file)) > FORGOTTEN_MS;
  return started !== other.started;
}

/** Milliseconds by the clock of the folder's own file system, which several machines may share. */
async function untouchedFor(file: string): Promise<number> {
  const probe = temporaryName(`${file}.clock`);
  const handle = await open(probe, 'w');
  try {
    const now = (await handle.stat()).mtimeMs;
    const touched = await stat(file).then(
      ({ mtimeMs }) => mtimeMs,
      () => Number.NEGATIVE_INFINITY,
    );
    return now - touched;
  } finally {
    await handle.close();
    await rm(probe, { force: true });
  }
}

/** Removes locks of locks, and temporary files, whose processes ended half-way. */
async function forgetOldLocks(file: string): Promise<void> {
  const folder = dirname(file);
  for (const name of await readdir(folder)) {
    if (!name.startsWith(`${basename(file)}.`)) continue;
    const pid = Number(/\.(\d+)\.tmp$/.exec(name)?.[1] ?? (await read(join(folder, name)))?.pid);
    if (!isAlive(pid)) await rm(join(folder, name), { force: true });
  }
}

/** Locks whose process has been compared with the running process of the same id. */
const compared = new Map<string, boolean>();

/**
 * Whether the process that a lock names still runs, for readers of a folder.
 * @param text the lock's content
 * @returns null if this machine cannot check it
 */
export async function holderRuns(text: string): Promise<boolean | null> {
  const holder = parse(text);
  if (!holder || holder.machine !== machine()) return null;
  if (!isAlive(holder.pid)) return false;
  let same = compared.get(holder.nonce);
  if (same === undefined) {
    const started = await startOf(holder.pid);
    if (started === null || holder.started === null) return null;
    same = started === holder.started;
    if (compared.size > 1000) compared.clear();
    compared.set(holder.nonce, same);
  }
  return same;
}

function busy({ pid, host, machine: where, since }: Holder, file: string): string {
  if (pid === 0) return `${LOCK} is being written by another process; try again in a few seconds`;
  if (pid === process.pid && where === machine()) return 'this process is already writing to it';
  const elsewhere =
    where === machine()
      ? ''
      : `; if that process has ended, remove ${file}, or wait: the lock expires after ${FORGOTTEN_MS / 60_000} minutes`;
  return `process ${pid} on ${host} has been writing to it since ${since}; wait until it ends, or choose another folder${elsewhere}`;
}
