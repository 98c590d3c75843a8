/**
 * Names of unfinished files and folders: `<name>.<process>.tmp` beside the target. They are removed however the
 * process ends (a signal, `process.exit`, an uncaught error). Only a SIGKILL or a power failure can leave one; the
 * next writer of the same target removes it.
 */
import { rmSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { onExit } from 'signal-exit';
import { isAlive } from './process.js';

const NAME = /^(.*)\.(\d+)\.tmp$/;

/** Temporary path of an unfinished target. */
export const temporaryName = (path: string): string => `${path}.${process.pid}.tmp`;

/** Whether a name is that of an unfinished target. */
export const isTemporary = (name: string): boolean => name.endsWith('.tmp');

const atEnd = new Map<string, () => void>();
let listening = false;

/** Registers an action for the end of the process; `settled` removes it. */
export function whenProcessEnds(path: string, act: () => void): void {
  if (!listening) {
    listening = true;
    onExit(() => {
      for (const run of atEnd.values()) {
        try {
          run();
        } catch {
          // The process ends anyway; if removal fails, the file stays.
        }
      }
    });
  }
  atEnd.set(path, act);
}

/** Removes the path at the end of the process, unless `settled` is called first. */
export function unfinished(path: string): void {
  whenProcessEnds(path, () => rmSync(path, { recursive: true, force: true }));
}

/** The path was completed and renamed, or removed. */
export function settled(path: string): void {
  atEnd.delete(path);
}

/** Removes unfinished files of a target that ended processes left. */
export async function removeLeftovers(path: string): Promise<void> {
  const folder = dirname(path);
  for (const name of await readdir(folder).catch(() => [])) {
    const [, target, pid] = NAME.exec(name) ?? [];
    if (target !== basename(path) || Number(pid) === process.pid || isAlive(Number(pid))) continue;
    await rm(join(folder, name), { recursive: true, force: true }).catch(() => {});
  }
}
