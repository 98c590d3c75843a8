/** The runs and logs of a folder, each with its reader, which is kept while the run exists. */
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { formatOfLog } from '../rollouts/files.js';
import { type FormatName, runOfLog } from '../rollouts/index.js';
import { trainedOn } from '../rollouts/names.js';
import type { RunSummary } from './api.js';
import { findRuns } from './find-runs.js';
import type { GroupReader } from './groups.js';
import { resolveInside } from './inside.js';
import { type LogOptions, LogReader } from './log-reader.js';
import type { Reader } from './reader.js';
import { RunReader } from './run-reader.js';

/** Number of runs that are read at the same time. */
const AT_ONCE = 8;
/** ms */
const LOOK_EVERY = 2000;
/** Longest time spent on detecting the formats of new files, ms. */
const LOOK_FOR = 1000;

export interface StoreOptions {
  /** The folder; it may be created later. */
  readonly root: string;
  /** Name of the only run that is shown. */
  readonly only?: string;
  /** Name of the only log that is shown. */
  readonly file?: string;
  /** ms */
  readonly clock: () => number;
  readonly groups: GroupReader;
  readonly logs: LogOptions;
}

export class RunStore {
  private readers = new Map<string, Reader>();
  private looking: Promise<readonly Reader[]> | null = null;
  private lookedAt = Number.NEGATIVE_INFINITY;
  /** Detected formats of files, by path; null: not a log, or not yet. */
  private readonly formats = new Map<string, { stamp: string; format: FormatName | null }>();

  constructor(private readonly options: StoreOptions) {}

  /** The runs of the last search. */
  known(): readonly Reader[] {
    return [...this.readers.values()];
  }

  /** Searches for runs. */
  find(): Promise<readonly Reader[]> {
    this.looking ??= this.look().finally(() => {
      this.looking = null;
    });
    return this.looking;
  }

  /** The run of this name, up to date; undefined: there is none. Only names that were found lead to a folder. */
  async get(run: string): Promise<Reader | undefined> {
    // A log may have a new file.
    if (!this.readers.has(run) || this.options.clock() - this.lookedAt > LOOK_EVERY) await this.find();
    const reader = this.readers.get(run);
    await reader?.refresh();
    return reader;
  }

  async summaries(): Promise<RunSummary[]> {
    const readers = await this.find();
    await refreshAll(readers);
    return readers.map((reader) => reader.summary());
  }

  private async look(): Promise<readonly Reader[]> {
    const { root, only, file, clock, groups } = this.options;
    const { runs, logs } = file === undefined ? await findRuns(root, only) : { runs: [], logs: [[file]] };
    this.lookedAt = clock();
    const before = this.readers;
    const next = new Map<string, Reader>();
    for (const parts of runs) {
      const run = parts.join('/');
      const known = before.get(run);
      next.set(run, known instanceof RunReader ? known : new RunReader(root, parts, clock, groups));
    }
    for (const [name, { format, files }] of await this.logsOf(logs)) {
      const run = next.has(name) ? `${name} (${format})` : name;
      const known = before.get(run);
      const reader =
        known instanceof LogReader ? known : new LogReader(run, root, format, this.options.logs, clock);
      reader.setFiles(files);
      next.set(run, reader);
    }
    this.readers = next;
    return this.known();
  }

  /** Logs by the run that they belong to; files that are not logs are left out. */
  private async logsOf(
    logs: readonly (readonly string[])[],
  ): Promise<ReadonlyMap<string, { format: FormatName; files: (readonly string[])[] }>> {
    const { root } = this.options;
    const byFile = this.options.logs.read?.byFile === true;
    // With many files that are not logs, the rest is examined the next time.
    const until = performance.now() + LOOK_FOR;
    const kept = new Set(trainedOn(logs.map((parts) => parts.join('/'))));
    const runs = new Map<string, { format: FormatName; files: (readonly string[])[] }>();
    for (const parts of logs) {
      const place = parts.join('/');
      if (!kept.has(place)) continue;
      const format = await this.formatOf(parts, place, until);
      if (format === null) continue;
      const within = byFile ? place : runOfLog(place, format);
      let name = within === '' || within === '.' ? basename(root) || root : within;
      const other = runs.get(name);
      if (other && other.format !== format) name = `${name} (${format})`;
      const run = runs.get(name);
      if (run) run.files.push(parts);
      else runs.set(name, { format, files: [parts] });
    }
    return runs;
  }

  private async formatOf(parts: readonly string[], place: string, until: number): Promise<FormatName | null> {
    const { root, logs } = this.options;
    const known = this.formats.get(place);
    if (known?.format) return known.format;
    const path = await resolveInside(root, parts);
    const stats = path === null ? null : await stat(path).catch(() => null);
    if (path === null || !stats?.isFile()) return null;
    const stamp = `${stats.size} ${stats.mtimeMs}`;
    if (known?.stamp === stamp || performance.now() > until) return null;
    const format = await formatOfLog(path, logs.read ?? {}).catch(() => null);
    this.formats.set(place, { stamp, format });
    return format;
  }
}

export async function refreshAll(readers: readonly Reader[]): Promise<void> {
  const left = [...readers];
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let reader = left.pop(); reader; reader = left.pop()) await reader.refresh();
    }),
  );
}
