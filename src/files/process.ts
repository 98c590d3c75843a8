/** Identifies processes by process id and start time, because process ids are reused. */
import { execFile } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** Whether a process of this number runs on this machine; one that has ended but was not waited for does not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  const state = statOf(pid)?.[0];
  return state !== 'Z' && state !== 'X';
}

/**
 * When a process was started, as the system counts it: with its number, the name of one process.
 * @returns null where the system does not say
 */
export async function startOf(pid: number): Promise<string | null> {
  const stat = statOf(pid);
  if (stat) return stat[19] ?? null;
  if (process.platform === 'win32') return null;
  return new Promise((resolve) => {
    execFile('ps', ['-o', 'lstart=', '-p', String(pid)], (error, stdout) =>
      resolve(error ? null : stdout.trim() || null),
    );
  });
}

/** Fields of /proc/<pid>/stat from the state on; the name before it may hold anything, blanks and brackets too. */
function statOf(pid: number): string[] | null {
  const text = textOf(`/proc/${pid}/stat`);
  return text === null ? null : text.slice(text.lastIndexOf(')') + 2).split(' ');
}

function textOf(file: string): string | null {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return null;
  }
}

/** What numbers of processes mean something on: this host since it was started, in this container. */
export function machine(): string {
  let namespace = '';
  try {
    namespace = readlinkSync('/proc/self/ns/pid');
  } catch {
    // Not Linux: the host is enough.
  }
  return [hostname(), textOf('/proc/sys/kernel/random/boot_id') ?? '', namespace].join(' ').trim();
}
