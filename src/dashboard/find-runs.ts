/**
 * Finds the run folders below a folder, and files that may be logs. Links are not followed; depth and number are
 * limited.
 */
import type { Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isBesideFolder, isLogName } from '../rollouts/names.js';
import { openInside, resolveInside } from './inside.js';

/** `compare` makes <folder>/<method>/seed_<n>; a folder of such folders adds one level. */
const DEEPEST = 5;
const MOST_FOLDERS = 20_000;
const MOST_LOGS = 20_000;

/** Each as its path below the searched folder, one name per level. */
export interface Places {
  /** Run folders, sorted by name. */
  readonly runs: readonly (readonly string[])[];
  /** Files outside of run folders that may be logs, sorted by name, with numbers by their value. */
  readonly logs: readonly (readonly string[])[];
}

/** @param only name of a single folder; nothing else is searched */
export async function findRuns(root: string, only?: string): Promise<Places> {
  const runs: string[][] = [];
  const logs: string[][] = [];
  let level: string[][] = only === undefined ? [[]] : [[only]];
  let looked = 0;
  for (let depth = 0; depth <= DEEPEST && level.length > 0; depth++) {
    const next: string[][] = [];
    for (const parts of level) {
      if (++looked > MOST_FOLDERS) break;
      // Only the first name could be a link; the others were listed as folders.
      if (looked === 1 && (await resolveInside(root, parts)) === null) continue;
      const entries = await readdir(join(root, ...parts), { withFileTypes: true }).catch(() => []);
      if (parts.length > 0 && (await isRun(root, parts, entries))) {
        runs.push(parts);
        continue;
      }
      const beside = parts.some(isBesideFolder);
      for (const entry of entries) {
        if (entry.isDirectory()) {
          if (!entry.name.startsWith('.') && entry.name !== 'node_modules') next.push([...parts, entry.name]);
          else if (entry.name === '.art') next.push([...parts, entry.name]);
        } else if (!beside && logs.length < MOST_LOGS && isLogName(entry.name))
          logs.push([...parts, entry.name]);
      }
    }
    level = next;
  }
  const order = new Intl.Collator('en', { numeric: true });
  return {
    runs: runs.sort(byNames),
    logs: logs.sort((a, b) => order.compare(a.join('/'), b.join('/'))),
  };
}

/** A folder that is a run itself is shown alone, under its own name. */
export async function isRunFolder(path: string): Promise<boolean> {
  return isRun(path, [], await readdir(path, { withFileTypes: true }));
}

/** Also a run folder with a missing file: the page says which. */
async function isRun(root: string, parts: readonly string[], entries: readonly Dirent[]): Promise<boolean> {
  const has = (name: string) => entries.some((entry) => entry.name === name);
  if (has('metrics.jsonl')) return !(await hasOtherMetrics(root, [...parts, 'metrics.jsonl']));
  return has('config.yaml') && (has('rollouts') || has('checkpoints'));
}

/** Number of characters of the first line that are examined. */
const FIRST_LINE = 1 << 16;

/**
 * Whether metrics.jsonl is another framework's (prime-rl and Tinker use the same name): its first record has no phase.
 */
async function hasOtherMetrics(root: string, parts: readonly string[]): Promise<boolean> {
  const file = await openInside(root, parts);
  if (!file) return false;
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(FIRST_LINE), 0, FIRST_LINE, 0);
    const [line] = buffer.toString('utf8', 0, bytesRead).split('\n', 1);
    const record: unknown = JSON.parse(line);
    const isObject = typeof record === 'object' && record !== null && !Array.isArray(record);
    return isObject && !('phase' in record);
  } catch {
    // Damaged or incomplete: the page of the run says so.
    return false;
  } finally {
    await file.close();
  }
}

function byNames(a: readonly string[], b: readonly string[]): number {
  const [x, y] = [a.join('/'), b.join('/')];
  return x < y ? -1 : x > y ? 1 : 0;
}
