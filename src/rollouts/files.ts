/**
 * `readRollouts`: logs by their paths, for Node.js. A file stands for itself, a folder for all logs in it, and a glob
 * pattern (minimatch) for its matches. An existing path is never read as a pattern; nor are the leading folders of a
 * pattern. In folders, files that frameworks write beside their logs (settings, metrics, checkpoints) are skipped by
 * name.
 */
import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, relative, sep } from 'node:path';
import { Minimatch } from 'minimatch';
import { fileSource } from '../input/files.js';
import type { FormatName, Group } from './group.js';
import { isBesideFolder, isLogName, isTrainData, trainedOn } from './names.js';
import { formatOf, type ReadOptions, readGroups } from './read.js';
import { messageOf, RolloutError } from './values.js';

export interface LogFile {
  readonly path: string;
  /** The folder or pattern that it was found by; for a file that was named directly, its folder. */
  readonly root: string;
}

/**
 * The groups of all files that the source matches, as `readGroups` reads them.
 * @param source files, folders (all logs below) and patterns
 * @throws as `readGroups`; RolloutError if nothing is found
 * @example
 * for await (const group of readRollouts('runs/a/rollouts')) console.log(group.id, group.completions.length);
 */
export async function* readRollouts(
  source: string | readonly string[],
  options: ReadOptions = {},
): AsyncGenerator<Group> {
  const files = await findFiles(typeof source === 'string' ? [source] : source, (file, message) =>
    options.onNote?.({ file, line: null, message, warning: false }),
  );
  yield* readGroups(
    files.map(({ path }) => fileSource(path)),
    options,
  );
}

/** The format of a file, as determined by `formatOf`. */
export function formatOfLog(
  file: string,
  options: Pick<ReadOptions, 'format' | 'keys'>,
): Promise<FormatName | null> {
  return formatOf(fileSource(file), options);
}

/**
 * The files of all sources without duplicates, in the order of the sources and by name (numbers by their value) within
 * each.
 * @param note called with logs that are left out because another log holds the same data
 * @throws RolloutError for a source that does not exist or holds no log
 */
export async function findFiles(
  sources: readonly string[],
  note: (file: string, message: string) => void = () => {},
): Promise<readonly LogFile[]> {
  const logs = new Map<string, LogFile>();
  for (const source of sources) {
    for (const file of await filesOf(source, note)) if (!logs.has(file.path)) logs.set(file.path, file);
  }
  return [...logs.values()];
}

async function filesOf(source: string, note: (file: string, message: string) => void): Promise<LogFile[]> {
  const kind = await stat(source).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null;
    throw new RolloutError(`${source}: cannot be read: ${messageOf(error)}`);
  });
  if (kind?.isDirectory()) {
    const paths = (await walk(source)).filter((path) => isLogName(basename(path)) && !isTrainData(path));
    if (paths.length === 0)
      throw new RolloutError(
        `${source}: expected a folder with logs (.jsonl, .json, .ndjson or .parquet; the first three also with .gz or .zst), got none`,
      );
    const kept = new Set(trainedOn(paths));
    for (const path of paths)
      if (!kept.has(path))
        note(path, 'skipped: the rollouts that were trained on in this step (effective) are read instead');
    return [...kept].map((path) => ({ path, root: source }));
  }
  if (kind) return [{ path: source, root: dirname(source) }];
  const { root, rest } = await split(source);
  const pattern = new Minimatch(rest, { dot: true, magicalBraces: true, nocomment: true, nonegate: true });
  if (!pattern.hasMagic())
    throw new RolloutError(
      `${source}: expected a file, a folder or a pattern, got a path that does not exist`,
    );
  const matches = (await walk(root)).filter((path) => pattern.match(relative(root, path)));
  if (matches.length === 0)
    throw new RolloutError(`${source}: expected files that match this pattern, got none`);
  return matches.map((path) => ({ path, root }));
}

/** All files below a folder, sorted so that step_10 comes after step_9. */
async function walk(folder: string): Promise<string[]> {
  const files: string[] = [];
  let entries: Dirent[];
  try {
    entries = await readdir(folder, { withFileTypes: true });
  } catch (error) {
    throw new RolloutError(`${folder}: cannot be read: ${messageOf(error)}`);
  }
  const order = new Intl.Collator('en', { numeric: true });
  for (const entry of entries.sort((a, b) => order.compare(a.name, b.name))) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      // prime-rl stores unfinished traces under traces/live.
      const live = entry.name === 'live' && basename(folder) === 'traces';
      if (!isBesideFolder(entry.name) && !live) files.push(...(await walk(path)));
    } else files.push(path);
  }
  return files;
}

/** The leading folder of a pattern, as far as it exists under its literal name, and the rest, with / as separator. */
async function split(source: string): Promise<{ root: string; rest: string }> {
  const parts = source.split(sep === '/' ? '/' : /[\\/]/);
  for (let n = parts.length - 1; n > 0; n--) {
    const root = parts.slice(0, n).join(sep) || sep;
    const kind = await stat(root).catch(() => null);
    if (kind?.isDirectory()) return { root, rest: parts.slice(n).filter(Boolean).join('/') };
  }
  return { root: '.', rest: parts.join('/') };
}
