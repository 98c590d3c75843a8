/**
 * `readRollouts`: from files, folders or patterns to groups, one at a time. Every file's format is known before the
 * first is read; then each is read row by row: a bad row is counted and passed over, a log whose groups cannot be known
 * is refused; a packed file that is damaged anywhere gives no group at all. Memory: one block of the file, the groups that still grow (128 MB, the rest of them on disk) and about 200
 * bytes for each group's id, however long the logs are.
 */
import {
  checkUnpacks,
  elementsOf,
  InputError,
  isText,
  JsonError,
  JsonReader,
  linesOf,
  parquetRows,
  readBlocks,
} from '../input/index.js';
import { BadRows } from './bad-rows.js';
import { type Container, type Detected, detect, KNOWN_FORMATS } from './detect.js';
import { findFiles, type LogFile, stepOfPath } from './files.js';
import { art } from './formats/art.js';
import { primeRl, verifiersV1 } from './formats/episodes.js';
import type { Format, OpenFile, Place, RowReader } from './formats/format.js';
import { generic } from './formats/generic.js';
import { grpoPrm } from './formats/grpo-prm.js';
import { nemoGym } from './formats/nemo-gym.js';
import { nemoRl } from './formats/nemo-rl.js';
import { own } from './formats/own.js';
import { qwenMath } from './formats/qwen-math.js';
import { reasoningGym } from './formats/reasoning-gym.js';
import { skyrl } from './formats/skyrl.js';
import { SUMMARIES, tinker } from './formats/tinker.js';
import { trl } from './formats/trl.js';
import { verifiers } from './formats/verifiers.js';
import { verl } from './formats/verl.js';
import { FORMAT_NAMES, type FormatName, type Group } from './group.js';
import { ById, ByPlace, ByPrompt, ByRow, type Grouping, type GroupingOptions } from './grouping.js';
import { type Json, RolloutError } from './values.js';

export interface ReadOptions {
  /** Read every file as this; absent: each file's format is detected. */
  readonly format?: FormatName;
  /** Token ids of a text, for logs that hold none; absent: units of the text stand in for tokens. */
  readonly tokenizer?: (text: string) => Int32Array;
  /** Names of the keys, for logs of no known format; `a.b` is b within a. Given: such logs are read. */
  readonly keys?: {
    readonly prompt?: string;
    readonly completion?: string;
    readonly reward?: string;
    readonly group?: string;
    readonly tokens?: string;
    readonly step?: string;
  };
  /** Weight of each reward in the total, for logs without one (TRL: default 1; Qwen: score 1, pred_score 0). */
  readonly rewardWeights?: Readonly<Record<string, number>>;
  /** Rows of a group, for logs whose groups are rows in a row or equal prompts. */
  readonly groupSize?: number;
  /** Pass over bad rows, and over files whose groups cannot be known, instead of failing. */
  readonly skipBad?: boolean;
  /** Told of each bad row (line null: the file as a whole), whether skipped or not. */
  readonly onBad?: (bad: { file: string; line: number | null; message: string }) => void;
  /** Told of what is no error but changes what the figures mean: files and rows left out, say. */
  readonly onNote?: (note: { file: string; line: number | null; message: string }) => void;
  /**
   * Told how many bytes of a file have been read, about once a megabyte; null: it has been read to its end (Parquet and
   * zstd: told only that). What it throws ends the reading; its own kind of UserError comes out as it is.
   */
  readonly onRead?: (read: { file: string; bytes: number | null }) => void;
}

const FORMATS: Readonly<Record<FormatName, Format>> = {
  own,
  'prime-rl': primeRl,
  verifiers,
  'verifiers-v1': verifiersV1,
  'nemo-rl': nemoRl,
  'nemo-gym': nemoGym,
  tinker,
  trl,
  verl,
  skyrl,
  art,
  'grpo-prm': grpoPrm,
  'reasoning-gym': reasoningGym,
  'qwen-math': qwenMath,
  generic,
};

interface Log extends LogFile {
  readonly format: FormatName;
  readonly container: Container;
  readonly detected: Extract<Detected, { kind: 'log' }>;
}

/**
 * The groups of all files that the source means.
 * @param source files, folders (all logs below) and patterns
 * @throws RolloutError before the first group: nothing found, a format that is not known, formats mixed in one folder;
 *   on the way: a log whose groups cannot be known, unless bad rows are skipped
 * @throws BadRowsError at the end, if there were bad rows and they are not skipped
 * @example
 * for await (const group of readRollouts('runs/a/rollouts')) console.log(group.id, group.completions.length);
 */
export async function* readRollouts(
  source: string | readonly string[],
  options: ReadOptions = {},
): AsyncGenerator<Group> {
  if (options.format !== undefined && !FORMAT_NAMES.includes(options.format))
    throw new RolloutError(`format: found ${options.format}; allowed are ${KNOWN_FORMATS}`);
  const files = await findFiles(typeof source === 'string' ? [source] : source, (file, message) =>
    options.onNote?.({ file, line: null, message }),
  );
  const badRows = new BadRows(options.onBad);
  const logs = await detectAll(files, options, badRows);
  refuseMixed(logs, options);

  const summaries = logs.filter(({ detected }) => detected.summaries).map(({ path }) => path);
  const session = new Map<string, unknown>([[SUMMARIES, summaries]]);
  const data = logs.filter(({ detected }) => !detected.summaries);
  if (data.length === 0 && summaries.length > 0)
    throw new RolloutError(
      `${summaries[0]}: holds rewards without tokens; needed are the captures of the same run too`,
    );

  const names = new IdsOfSteps(data.map(({ path }) => path));
  for (const log of data) {
    try {
      for await (const group of readLog(log, options, session, badRows)) yield names.named(group);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      if (options.skipBad !== true) throw asRolloutError(error);
      badRows.add({ file: log.path, line: null, message: error.message });
    }
  }
  if (options.skipBad !== true) badRows.check();
}

async function detectAll(files: readonly LogFile[], options: ReadOptions, badRows: BadRows): Promise<Log[]> {
  const logs: Log[] = [];
  for (const file of files) {
    const detected = await detectWhole(file.path, options);
    if (detected.kind === 'unreadable') {
      badRows.add({ file: file.path, line: null, message: detected.reason });
      continue;
    }
    const format = options.format ?? detected.format;
    if (format === null)
      throw new RolloutError(
        `${file.path}: found rows of no known format; allowed are ${KNOWN_FORMATS}, and any other with the names of its keys`,
      );
    const container = FORMATS[format].paths ? 'document' : detected.container;
    logs.push({ ...file, format, container, detected });
  }
  return logs;
}

/** A packed file is unpacked once before any of it is used: what does not end properly is no log, not half of one. */
async function detectWhole(file: string, options: ReadOptions): Promise<Detected> {
  try {
    await checkUnpacks(file, () => options.onRead?.({ file, bytes: 0 }));
    return await detect(file, options.keys !== undefined);
  } catch (error) {
    if (!(error instanceof InputError) || error instanceof RolloutError) throw error;
    return { kind: 'unreadable', reason: error.message };
  }
}

/** Two formats below one folder: most likely it is the wrong folder, and figures over both would mean nothing. */
function refuseMixed(logs: readonly Log[], options: ReadOptions): void {
  if (options.format !== undefined) return;
  const first = new Map<string, Log>();
  for (const log of logs) {
    const before = first.get(log.root);
    if (before && before.format !== log.format)
      throw new RolloutError(
        `${log.root}: found ${before.format} (${before.path}) and ${log.format} (${log.path}) in one folder; allowed is one format, or all read as one that is named`,
      );
    first.set(log.root, log);
  }
}

type RawRow =
  | { readonly place: Place; readonly value: Json }
  | { readonly line: number; readonly message: string };

async function* readLog(
  log: Log,
  options: ReadOptions,
  session: Map<string, unknown>,
  badRows: BadRows,
): AsyncGenerator<Group> {
  const file = log.path;
  const format = FORMATS[log.format];
  const { columns } = log.detected;
  const open: OpenFile = {
    path: file,
    columns: columns.map(({ name }) => name),
    numbers: columns
      .filter(({ type }) => /^(DOUBLE|FLOAT|U?\w*INT|U?INTEGER|DECIMAL)/.test(type))
      .map(({ name }) => name),
    step: stepOfPath(file),
    options,
    session,
    note: (line, message) => options.onNote?.({ file, line, message }),
  };
  const reader = format.open(open);
  let grouping: Grouping | undefined;
  let pending = 0; // bad rows before the first good one
  const context = { file, format: log.format, tokenizer: options.tokenizer };
  let rows = 0;
  try {
    for await (const row of rowsOf(log, format, (bytes) => options.onRead?.({ file, bytes }))) {
      rows++;
      let message: string | undefined;
      if ('message' in row) message = row.message;
      else {
        try {
          if (reader.group) {
            yield reader.group(row.value, row.place);
            continue;
          }
          const samples = reader.read!(row.value, row.place);
          if (samples.length === 0) continue;
          if (!grouping) {
            grouping = groupingOf(reader, samples[0].group !== undefined, context);
            for (; pending > 0; pending--) yield* grouping.bad(0);
          }
          if (grouping instanceof ByRow) yield* grouping.addAll(samples);
          else for (const sample of samples) yield* add(grouping, sample);
        } catch (error) {
          if (!(error instanceof RolloutError) || error instanceof Refusal) throw unwrapped(error);
          message = error.message;
        }
      }
      if (message === undefined) continue;
      const line = 'place' in row ? row.place.line : row.line;
      badRows.add({ file, line, message });
      if (grouping) yield* grouping.bad(line);
      else pending++;
    }
    if (rows === 0) badRows.add({ file, line: null, message: `${file}: holds no row` });
    if (grouping) yield* grouping.end();
    options.onRead?.({ file, bytes: null });
  } finally {
    grouping?.close();
  }
}

/** What a grouping refuses concerns the whole log, not the row at which it was found. */
class Refusal extends RolloutError {}

function* add(grouping: Grouping, sample: Parameters<Grouping['add']>[0]): Generator<Group> {
  try {
    yield* grouping.add(sample);
  } catch (error) {
    throw error instanceof RolloutError ? new Refusal(error.message) : error;
  }
}

const asRolloutError = (error: InputError) =>
  error instanceof RolloutError ? error : new RolloutError(error.message);

const unwrapped = (error: unknown) => (error instanceof Refusal ? new RolloutError(error.message) : error);

function groupingOf(
  reader: RowReader,
  hasId: boolean,
  context: Pick<GroupingOptions, 'file' | 'format' | 'tokenizer'>,
): Grouping {
  const { promptsDiffer, strict, finish } = reader;
  const options: GroupingOptions = { ...context, size: reader.size?.(), promptsDiffer, strict, finish };
  if (reader.by === 'row') return new ByRow(options);
  if (reader.by === 'place') return new ByPlace(options);
  return hasId || reader.by === 'id' ? new ById(options) : new ByPrompt(options);
}

/** The rows of a file, and in their place the reason where one cannot be read. */
async function* rowsOf(
  { path: file, container, detected }: Log,
  format: Format,
  onRead: (bytes: number) => void,
): AsyncGenerator<RawRow> {
  const placeOf = (line: number): Place => ({ line, where: `${file}:${line}`, path: 0, indices: [] });
  if (container === 'parquet') {
    for await (const row of parquetRows(file, detected.columns)) {
      if ('message' in row) yield { line: row.number, message: row.message };
      else yield { place: placeOf(row.number), value: row.row };
    }
    return;
  }
  if (container !== 'lines') {
    for await (const { place: path, indices, line, value } of elementsOf(
      file,
      format.paths ?? [['*']],
      onRead,
    ))
      yield { place: { ...placeOf(line), path, indices }, value };
    return;
  }
  const json = new JsonReader();
  for await (const block of readBlocks(file, onRead)) {
    for (const line of linesOf(block)) {
      const { number, bytes, start, end } = line;
      const where = `${file}:${number}`;
      if (!isText(line)) {
        const message = `${where}: found bytes that are not UTF-8; allowed is UTF-8 text, one JSON object a line`;
        yield { line: number, message };
        continue;
      }
      let value: Json;
      try {
        value = json.parse(bytes, start, end);
      } catch (error) {
        if (!(error instanceof JsonError)) throw error;
        const message = `${where}: ${error.message}; allowed is one whole JSON object a line`;
        yield { line: number, message };
        continue;
      }
      yield { place: placeOf(number), value };
    }
  }
}

/**
 * Makes ids unique within a step over several files: where the log has no step, files may use the same ids for
 * different groups, and the file's name goes before them. Where it has one, the same id in two files would be one
 * group in two halves: that is refused.
 */
class IdsOfSteps {
  private readonly seen = new Map<number, Map<string, string>>();
  private readonly prefix = new Map<string, string>();

  constructor(files: readonly string[]) {
    if (files.length < 2) return;
    const parts = files.map((file) => file.split(/[\\/]/));
    let shared = 0;
    while (parts.every((part) => shared < part.length - 1 && part[shared] === parts[0][shared])) shared++;
    files.forEach((file, i) => {
      this.prefix.set(
        file,
        parts[i]
          .slice(shared)
          .join('/')
          .replace(/\.(jsonl?|ndjson|parquet)(\.(gz|zst))?$/, ''),
      );
    });
  }

  named(group: Group): Group {
    const { step, id, source } = group;
    if (!source || this.prefix.size === 0) return group;
    const before = this.prefix.get(source.file);
    if (step === null || group.groups !== 'explicit' || source.format === 'art')
      return { ...group, id: `${before}:${id}` };
    let ids = this.seen.get(step);
    if (!ids) {
      ids = new Map();
      this.seen.set(step, ids);
    }
    const file = ids.get(id);
    if (file !== undefined && file !== source.file)
      throw new RolloutError(
        `${source.file}:${source.line}: group ${id}: found in step ${step} of ${file} too; allowed is a group in one file (put the files of a step into one)`,
      );
    ids.set(id, source.file);
    return group;
  }
}
