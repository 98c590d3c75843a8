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

/** Where the target is written until it is whole. */
export const temporaryName = (path: string): string => `${path}.${process.pid}.tmp`;

/** Whether a name is that of something unfinished. */
export const isTemporary = (name: string): boolean => name.endsWith('.tmp');

const atEnd = new Map<string, () => void>();
let listening = false;

/** Runs when the process ends, unless it is taken back by `kept`. */
export function whenProcessEnds(path: string, act: () => void): void {
  if (!listening) {
    listening = true;
    onExit(() => {
      for (const run of atEnd.values()) {
        try {
          run();
        } catch {
          // The process ends anyway; what cannot be removed stays.
        }
      }
    });
  }
  atEnd.set(path, act);
}

/** The path is removed if the process ends before `settled`. */
export function unfinished(path: string): void {
  whenProcessEnds(path, () => rmSync(path, { recursive: true, force: true }));
}

/** The path is whole and has its name, or is gone. */
export function settled(path: string): void {
  atEnd.delete(path);
}

/** Removes what processes that are no more left of a target. */
export async function removeLeftovers(path: string): Promise<void> {
  const folder = dirname(path);
  for (const name of await readdir(folder).catch(() => [])) {
    const [, target, pid] = NAME.exec(name) ?? [];
    if (target !== basename(path) || Number(pid) === process.pid || isAlive(Number(pid))) continue;
    await rm(join(folder, name), { recursive: true, force: true }).catch(() => {});
  }
}
