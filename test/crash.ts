/**
 * Kills a run, or asks it to stop, again and again at random moments drawn from a seed, and continues it each time with
 * `--resume`. At the end its files must equal those of the uninterrupted run bit by bit (except times). Uses whole
 * processes of dist/.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Stream } from '../src/random/stream.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
export const program = join(root, 'dist', 'cli', 'main.js');

/** How a process is ended: at once, at once while a checkpoint is written, or by a signal that it may answer. */
export const ENDS = [
  'kill',
  'kill while starting',
  'kill while saving',
  'SIGTERM',
  'SIGHUP',
  'SIGINT',
] as const;
export type End = (typeof ENDS)[number];

export interface ChainResult {
  /** Ends that reached a process before it was done, by kind. */
  readonly ends: Readonly<Record<End, number>>;
  /** Lines of standard error that no process may have: anything but notes. */
  readonly complaints: readonly string[];
}

interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<{ code: number | null; signal: string | null; stderr: string }>;
}

export function start(args: readonly string[]): Started {
  const child = spawn(process.execPath, [program, ...args], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  child.stderr?.on('data', (data) => {
    stderr += data;
  });
  const ended = new Promise<{ code: number | null; signal: string | null; stderr: string }>((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal, stderr }));
  });
  return { child, ended };
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Whether a checkpoint is being written, or one is being moved into or out of its place. */
function isSaving(out: string): boolean {
  try {
    return readdirSync(join(out, 'checkpoints')).some((name) => name.endsWith('.tmp'));
  } catch {
    return false;
  }
}

/** Waits for the moment at which a process is to be ended; false: it ended before. */
async function moment(
  end: End,
  out: string,
  { child }: Started,
  stream: Stream,
  milliseconds: number,
): Promise<boolean> {
  const over = () => child.exitCode !== null || child.signalCode !== null;
  if (end === 'kill while saving') {
    // At one of the next few saves, at its beginning or in its midst.
    for (let saves = stream.int(3); !over(); ) {
      if (isSaving(out)) {
        if (saves-- === 0) {
          await sleep(stream.int(12));
          return !over();
        }
        while (isSaving(out) && !over()) await sleep(1);
      }
      await sleep(1);
    }
    return false;
  }
  const until = performance.now() + stream.uniform() * (end === 'kill while starting' ? 900 : milliseconds);
  while (!over() && performance.now() < until) await sleep(Math.min(5, until - performance.now()));
  return !over();
}

/**
 * One run from its start to its end through at most `most` ends.
 * @param milliseconds that an uninterrupted run takes: moments are drawn from it
 */
export async function runChain(
  config: string,
  out: string,
  stream: Stream,
  most: number,
  milliseconds: number,
): Promise<ChainResult> {
  const ends = Object.fromEntries(ENDS.map((end) => [end, 0])) as Record<End, number>;
  const complaints: string[] = [];
  for (let count = 0; ; ) {
    const resume = existsSync(out) ? ['--resume'] : [];
    const started = start(['train', config, '--out', out, '--threads', '1', ...resume]);
    if (count < most) {
      const end = ENDS[stream.int(ENDS.length)];
      if (await moment(end, out, started, stream, milliseconds)) {
        started.child.kill(end.startsWith('kill') ? 'SIGKILL' : (end as NodeJS.Signals));
        ends[end]++;
        count++;
      }
    }
    const { code, signal, stderr } = await started.ended;
    // 130: it was asked to end and did; a signal: before it could listen, or SIGKILL.
    const lines = stderr
      .split('\n')
      .filter((line) => line !== '' && !/^(note: |stopping; saving a checkpoint )/.test(line));
    complaints.push(...lines);
    if (code === 0) return { ends, complaints };
    if (code !== 130 && signal === null) {
      complaints.push(`exit code ${code} after ${JSON.stringify(ends)}`);
      return { ends, complaints };
    }
  }
}

/**
 * What a run leaves, times apart: by file its content. Of the checkpoints the last: which ones lie before it depends on
 * where the run was asked to end, for it saves there.
 */
export function remains(out: string): Record<string, string> {
  const files: Record<string, string> = {};
  const last = readdirSync(join(out, 'checkpoints')).sort().at(-1);
  const walk = (folder: string): void => {
    for (const entry of readdirSync(join(out, folder), { withFileTypes: true })) {
      const name = join(folder, entry.name);
      if (entry.isDirectory()) {
        if (folder !== 'checkpoints' || entry.name === last || !/^step_\d+$/.test(entry.name)) walk(name);
      } else files[name] = content(name, readFileSync(join(out, name)));
    }
  };
  walk('');
  return files;
}

function content(name: string, bytes: Buffer): string {
  if (name !== 'metrics.jsonl') return bytes.toString('base64');
  return bytes.toString().replace(/,"(sample|update)_seconds":[^,}]*/g, '');
}
