/**
 * `--follow`: repeats a command over logs that are still being written. It runs again when a file is new, has grown or has
 * changed; an error is printed and the command is tried again. Each round reads whole logs, so the pause between rounds
 * is as long as the last round took.
 */
import { stat } from 'node:fs/promises';
import { UserError } from '../errors.js';
import { findFiles } from '../rollouts/files.js';
import { onInterrupt } from './interrupt.js';
import { INTERRUPTED, say } from './terminal.js';

/** Pause between two checks of the files, ms. */
const LOOK = 500;

/** @param once called with the number of the round, from 0 */
export async function follow(
  paths: readonly string[],
  once: (round: number) => Promise<void>,
): Promise<void> {
  const interrupt = onInterrupt(() => {});
  const { signal } = interrupt;
  let before: string | null = null;
  let round = 0;
  try {
    while (!signal.aborted) {
      const now = await stateOf(paths);
      if (now === before) {
        await pause(LOOK, signal);
        continue;
      }
      before = now;
      const began = performance.now();
      try {
        await once(round++);
        if (!signal.aborted) say('waiting for changes (Ctrl-C to stop)');
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        say(`not yet: ${error.message}`);
      }
      await pause(Math.max(LOOK, performance.now() - began), signal);
    }
    process.exitCode = INTERRUPTED;
  } finally {
    interrupt.release();
  }
}

/** Names, sizes and times of all files that the paths match; empty if there are none yet. */
async function stateOf(paths: readonly string[]): Promise<string> {
  const files = await findFiles(paths).catch((error: unknown) => {
    if (error instanceof UserError) return [];
    throw error;
  });
  const states = await Promise.all(
    files.map(async ({ path }) => {
      const { size, mtimeMs } = await stat(path).catch(() => ({ size: 0, mtimeMs: 0 }));
      return `${path} ${size} ${mtimeMs}`;
    }),
  );
  return states.join('\n');
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener('abort', done);
  });
}
