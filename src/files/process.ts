/** Identifies processes by process id and start time, because process ids are reused. */
import { execFile } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** Whether a process with this id runs on this machine; a zombie does not count. */
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
 * Start time of a process in the system's unit; together with its id it identifies the process.
 * @returns null if the system does not provide it
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

/** Fields of /proc/<pid>/stat from the state on. The process name before it may contain spaces and brackets. */
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

/** The scope in which process ids are valid: this host since its boot, and this container. */
export function machine(): string {
  let namespace = '';
  try {
    namespace = readlinkSync('/proc/self/ns/pid');
  } catch {
    // On other systems than Linux the host is enough.
  }
  return [hostname(), textOf('/proc/sys/kernel/random/boot_id') ?? '', namespace].join(' ').trim();
}
