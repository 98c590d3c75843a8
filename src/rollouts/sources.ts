/**
 * Which run each log belongs to. A source is the logs of one run in one format. A folder may hold several sources; then
 * each has a label, its path relative to their common folder. Within a source, group ids are unique in each step.
 */
import { FORMATS } from './formats/all.js';
import type { FormatName, Group } from './group.js';
import { UniqueIds } from './ids.js';
import { RolloutError } from './values.js';

/** The logs of one run in one format. */
export interface Source<Log> {
  /** Null if there is only one source. */
  readonly label: string | null;
  readonly format: FormatName;
  readonly logs: readonly Log[];
}

/** A file's name and the step folders around it, if a format does not define its paths. */
const STEPS = /([\\/](global_?)?(step|iter|iteration|epoch|rank)[_-]?\d+(_\w+)?)*[\\/][^\\/]+$/i;
const ENDING = /\.(jsonl?|ndjson|parquet)(\.(gz|zst))?$/;

/** The part of a log's path that names its run. */
export function runOfLog(path: string, format: FormatName): string {
  return `./${path}`.replace(FORMATS[format].within ?? STEPS, '').slice(2);
}

/**
 * Divides logs into sources, in the order of their first logs.
 * @param byFile every file is a separate run
 */
export function sourcesOf<Log extends { readonly path: string; readonly format: FormatName }>(
  logs: readonly Log[],
  byFile: boolean,
): readonly Source<Log>[] {
  const byRun = new Map<
    string,
    { readonly run: string; readonly format: FormatName; readonly logs: Log[] }
  >();
  for (const log of logs) {
    const { path, format } = log;
    const run = byFile ? path : runOfLog(path, format);
    const key = JSON.stringify([run, format]);
    const source = byRun.get(key);
    if (source) source.logs.push(log);
    else byRun.set(key, { run, format, logs: [log] });
  }
  const sources = [...byRun.values()];
  if (sources.length < 2) return sources.map((source) => ({ ...source, label: null }));
  const names = belowShared(sources.map(({ run }) => run)).map((name) => name.replace(ENDING, '') || '.');
  return sources.map(({ format, logs }, i) => {
    const alone = names.filter((name) => name === names[i]).length === 1;
    return { format, logs, label: alone ? names[i] : `${names[i]} (${format})` };
  });
}

/** Paths without their common leading folders. */
function belowShared(paths: readonly string[]): readonly string[] {
  const parts = paths.map((path) => path.split(/[\\/]/));
  let shared = 0;
  while (parts.every((part) => shared < part.length && part[shared] === parts[0][shared])) shared++;
  return parts.map((part) => part.slice(shared).join('/'));
}

/**
 * Makes ids unique within a step over the files of a source, and over sources. In a log without steps, files may use
 * the same ids for different groups, so the file's name is put before them. In a log with steps, the same id in two
 * files would be one group in two halves, which is refused. An id that occurs twice in one file gets a number, and a
 * note is given.
 */
export class IdsOfSource {
  private readonly steps = new Map<number | null, { ids: UniqueIds; files: Map<string, string> }>();
  private readonly prefix = new Map<string, string>();
  private readonly warnedFiles = new Set<string>();

  constructor(
    private readonly label: string | null,
    files: readonly string[],
    private readonly warn: (file: string, line: number | null, message: string) => void,
  ) {
    if (files.length < 2) return;
    const folders = belowShared(files.map((file) => file.replace(/[^\\/]+$/, '')));
    files.forEach((file, i) => {
      this.prefix.set(file, folders[i] + file.replace(/^.*[\\/]/s, '').replace(ENDING, ''));
    });
  }

  named(group: Group): Group {
    const { source, step } = group;
    if (!source) return group;
    let { id } = group;
    const before = this.prefix.get(source.file);
    const apart = step === null || group.groups !== 'explicit' || source.format === 'art';
    if (before !== undefined && apart) id = `${before}:${id}`;
    let known = this.steps.get(step);
    if (!known) {
      known = { ids: new UniqueIds(), files: new Map() };
      this.steps.set(step, known);
    }
    const file = known.files.get(id);
    if (file !== undefined && file !== source.file)
      throw new RolloutError(
        `${source.file}:${source.line}: group ${id}: expected each group of step ${step} in one file, got it in ${file} too (merge the files of a step; or, if each file is a separate run, use --by-file)`,
      );
    if (before !== undefined) known.files.set(id, source.file);
    const unique = known.ids.next(id);
    if (unique !== id && !this.warnedFiles.has(source.file)) {
      this.warnedFiles.add(source.file);
      const where = step === null ? '' : ` in step ${step}`;
      this.warn(
        source.file,
        source.line,
        `group ${id} occurs twice${where}; the second is read as a separate group, ${unique}; similar groups are read in the same way`,
      );
    }
    id = this.label === null ? unique : `${this.label}:${unique}`;
    if (id === group.id && this.label === null) return group;
    return { ...group, id, source: { ...source, ...(this.label === null ? {} : { label: this.label }) } };
  }
}
