/**
 * `readGroups`: reads logs and returns groups, one at a time, wherever the logs are stored. The format of every file is
 * detected before the first is read. Then each is read row by row: a bad row is counted and skipped, a log whose groups
 * cannot be recovered is refused, and a damaged compressed file gives no group at all. Memory: one block of the file,
 * the incomplete groups (128 MB, the rest of them on disk) and about 200 bytes for each group's id, however long the
 * logs are.
 */

import {
  checkUnpacks,
  elementsOf,
  InputError,
  JsonError,
  JsonReader,
  linesOf,
  readBlocks,
  readTorch,
  type Source,
} from '../input/index.js';
import { TraceUpdates } from './annotations.js';
import { type BadRow, BadRows } from './bad-rows.js';
import { type Container, type Detected, detect, KNOWN_FORMATS, samplesOfDump } from './detect.js';
import { FORMATS } from './formats/all.js';
import { UPDATES } from './formats/episodes.js';
import type { Format, FormatOptions, OpenFile, Place, RowReader } from './formats/format.js';
import { SUMMARIES } from './formats/tinker.js';
import { FORMAT_NAMES, type FormatName, type Group } from './group.js';
import { ById, ByPlace, ByPrompt, ByRow, type Grouping, type GroupingOptions } from './grouping.js';
import { stepOfPath } from './names.js';
import { PaddingWatch } from './padding.js';
import { IdsOfSource, runOfLog, sourcesOf } from './sources.js';
import { type Json, RolloutError } from './values.js';

export interface ReadNote {
  readonly file: string;
  readonly line: number | null;
  readonly message: string;
  readonly warning: boolean;
}

export interface ReadOptions extends FormatOptions {
  /** Read every file in this format; absent: each file's format is detected. */
  readonly format?: FormatName;
  /** Computes token ids of a text, for logs without token ids; absent: text units replace tokens. */
  readonly tokenizer?: (text: string) => Int32Array;
  /** Skip bad rows, files whose groups cannot be recovered and files that are not logs, instead of failing. */
  readonly skipBad?: boolean;
  /** Every file is a separate run with a label. Absent: files are assigned to runs by their folders. */
  readonly byFile?: boolean;
  /** A group id with several prompts is split into one group per prompt (`merged`) instead of being refused. */
  readonly splitMerged?: boolean;
  /**
   * Logs are still being written: an incomplete last line, and a file that cannot be read yet, are reported as notes.
   */
  readonly growing?: boolean;
  /** Called with each bad row (line null: the file as a whole), whether it is skipped or not. */
  readonly onBad?: (bad: { file: string; line: number | null; message: string }) => void;
  /**
   * Called with notes that are not errors but change the meaning of the figures, such as skipped files and rows. A
   * warning: the figures may be wrong.
   */
  readonly onNote?: (note: ReadNote) => void;
  /**
   * Called with the number of bytes of a file that have been read, about once a megabyte; null: it was read to its end
   * (for Parquet the only call). An exception from it ends the reading; if it is a UserError, it is passed on
   * unchanged.
   */
  readonly onRead?: (read: { file: string; bytes: number | null }) => void;
}

interface Log {
  /** Name of its source. */
  readonly path: string;
  readonly source: Source;
  readonly format: FormatName;
  readonly container: Container;
  readonly detected: Extract<Detected, { kind: 'log' }>;
}

/**
 * The groups of all logs.
 * @throws RolloutError before the first group for an unknown format; later for a log whose groups cannot be recovered,
 * unless bad rows are skipped
 * @throws BadRowsError at the end, if there were bad rows and they are not skipped
 * @example
 * const log = blobSource(file, file.name); // a File that was dropped into a page
 * for await (const group of readGroups([log])) console.log(group.id, group.completions.length);
 */
export async function* readGroups(
  files: readonly Source[],
  options: ReadOptions = {},
): AsyncGenerator<Group> {
  if (options.format !== undefined && !FORMAT_NAMES.includes(options.format))
    throw new RolloutError(`format: expected ${KNOWN_FORMATS}, got ${options.format}`);
  const tell = (warning: boolean) => (file: string, line: number | null, message: string) =>
    options.onNote?.({ file, line, message, warning });
  const badRows = new BadRows(options.onBad);
  const logs = await detectAll(files, options, badRows);
  const summaries = logs.filter(({ detected }) => detected.summaries).map(({ source }) => source);
  const annotations = logs.filter(({ detected }) => detected.annotations);
  const data = logs.filter(({ detected }) => !detected.summaries && !detected.annotations);
  if (data.length === 0 && annotations.length > 0)
    throw new RolloutError(
      `${annotations[0].path}: expected the traces of the same run too (the folder traces), got only their annotations`,
    );
  if (data.length === 0 && summaries.length > 0)
    throw new RolloutError(
      `${summaries[0].name}: expected the captures of the same run too (capture/sample.jsonl), got only rewards`,
    );
  for (const { file, message } of unusedOptions(data, options)) tell(true)(file, null, message);

  for (const { label, logs: ofRun } of sourcesOf(data, options.byFile === true)) {
    const session = new Map<string, unknown>([[SUMMARIES, summariesOf(ofRun[0].path, summaries)]]);
    const names = new IdsOfSource(
      label,
      ofRun.map(({ path }) => path),
      tell(true),
    );
    const updates = await updatesOf(ofRun[0], annotations, badRows);
    if (updates) session.set(UPDATES, updates);
    const stream: StreamState = {};
    for (const [place, log] of ofRun.entries()) {
      const padding = new PaddingWatch();
      try {
        const more = isStream(log.path) && ofRun.slice(place + 1).some(({ path }) => isStream(path));
        for await (const group of readLog(log, options, session, badRows, stream, more)) {
          if (log.format !== 'own') padding.add(group);
          yield names.named(group);
        }
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        if (options.skipBad !== true) throw asRolloutError(error);
        badRows.add({ file: log.path, line: null, message: error.message });
      }
      const padded = padding.result();
      if (padded) tell(true)(log.path, padded.line, padded.message + maskHint(log.format));
    }
    stream.grouping?.close();
    updates?.close();
  }
  if (options.skipBad !== true) badRows.check();
}

/**
 * The format of a file; null: it has no row yet, or only rows of an unknown format.
 * @throws RolloutError for a file that cannot be opened
 */
export async function formatOf(
  file: Source,
  options: Pick<ReadOptions, 'format' | 'keys'>,
): Promise<FormatName | null> {
  const detected = await detect(file, options.keys !== undefined);
  if (detected.kind === 'unreadable') return null;
  return options.format ?? detected.format;
}

async function detectAll(files: readonly Source[], options: ReadOptions, badRows: BadRows): Promise<Log[]> {
  const logs: Log[] = [];
  for (const source of files) {
    const path = source.name;
    const detected = await detectWhole(source, options);
    if (detected.kind === 'unreadable' && options.growing === true) {
      options.onNote?.({
        file: path,
        line: null,
        message: `not yet: ${detected.reason}`,
        warning: false,
      });
      continue;
    }
    if (detected.kind === 'unreadable') {
      badRows.add({ file: path, line: null, message: detected.reason });
      continue;
    }
    const format = options.format ?? detected.format;
    if (format === null) {
      const message = unknownFormat(path, detected.keys);
      if (options.skipBad !== true) throw new RolloutError(message);
      badRows.add({ file: path, line: null, message });
      continue;
    }
    const container = FORMATS[format].paths ? 'document' : detected.container;
    logs.push({ path, source, format, container, detected });
  }
  return logs;
}

/**
 * A packed file is unpacked once before any of it is used: a truncated file is refused instead of being read in part.
 */
async function detectWhole(file: Source, options: ReadOptions): Promise<Detected> {
  try {
    // First, because it ends early if a file is beyond the limits.
    const detected = await detect(file, options.keys !== undefined);
    if (detected.kind === 'log' && detected.container !== 'torch')
      await checkUnpacks(file, () => options.onRead?.({ file: file.name, bytes: 0 }));
    return detected;
  } catch (error) {
    if (!(error instanceof InputError) || (error instanceof RolloutError && options.skipBad !== true))
      throw error;
    return { kind: 'unreadable', reason: error.message };
  }
}

/** Advice for rows of an unknown format: their keys, and the options that name keys. */
function unknownFormat(file: string, keys: readonly string[]): string {
  const names = keys.length > 0 ? `, with the keys ${keys.join(', ')}` : '';
  return (
    `${file}: expected a known format (${KNOWN_FORMATS}), got rows of an unknown format${names}; to read any log of rows, use ` +
    `--prompt-key, --completion-key or --tokens-key, and --reward-key (docs/formats.md), ` +
    `and --skip-bad leaves such a file out`
  );
}

/** Options without effect for some of the logs, one for each option and format. */
function unusedOptions(
  logs: readonly Log[],
  options: ReadOptions,
): readonly { readonly file: string; readonly message: string }[] {
  const first = new Map([...logs].reverse().map((log) => [log.format, log.path]));
  const names: Readonly<Record<keyof FormatOptions, string>> = {
    keys: Object.keys(options.keys ?? {})
      .map((key) => `--${key}-key`)
      .join(', '),
    rewardWeights: '--reward-weight',
    groupSize: '--group-size',
  };
  return [...first]
    .reverse()
    .flatMap(([format, file]) =>
      (Object.keys(names) as (keyof FormatOptions)[])
        .filter((name) => options[name] !== undefined && !FORMATS[format].uses.includes(name))
        .map((name) => ({ file, message: `${names[name]}: has no effect on logs of format ${format}` })),
    );
}

/** A format receives only the options that it declares. */
function optionsFor({ uses }: Format, options: ReadOptions): FormatOptions {
  return Object.fromEntries(uses.map((name) => [name, options[name]]));
}

/** Tinker's files of rewards for the run of a capture: those in the nearest folder. */
function summariesOf(capture: string, summaries: readonly Source[]): readonly Source[] {
  const folder = capture.replace(FORMATS.tinker.within!, '');
  const near = summaries.filter(({ name }) => name.replace(FORMATS.tinker.within!, '') === folder);
  return near.length > 0 ? near : summaries;
}

const maskHint = (format: FormatName) =>
  format === 'generic' ? '; --mask-key names the key that marks the sampled tokens' : '';

type RawRow =
  | { readonly place: Place; readonly value: Json }
  | { readonly line: number; readonly message: string };

async function* readLog(
  log: Log,
  options: ReadOptions,
  session: Map<string, unknown>,
  badRows: BadRows,
  stream: StreamState,
  more: boolean,
): AsyncGenerator<Group> {
  const file = log.path;
  const streamed = isStream(file);
  const format = FORMATS[log.format];
  const { columns } = log.detected;
  const open: OpenFile = {
    path: file,
    columns: columns.map(({ name }) => name),
    numbers: columns.filter(({ number }) => number).map(({ name }) => name),
    step: stepOfPath(file),
    options: optionsFor(format, options),
    session,
    note: (line, message) => options.onNote?.({ file, line, message, warning: false }),
    warn: (line, message) => options.onNote?.({ file, line, message, warning: true }),
  };
  const reader = format.open(open);
  let grouping: Grouping | undefined = streamed ? stream.grouping : undefined;
  let pending = 0; // bad rows before the first good one
  const { tokenizer, splitMerged } = options;
  const scratch = () => log.source.machine.scratch();
  const context = { file, format: log.format, tokenizer, splitMerged, scratch };
  let rows = 0;
  /** In a growing log: a row that could not be read, until another follows it. */
  let unfinished: BadRow | undefined;
  try {
    for await (const row of rowsOf(log, format, (bytes) => options.onRead?.({ file, bytes }))) {
      rows++;
      if (unfinished) badRows.add(unfinished);
      unfinished = undefined;
      let message: string | undefined;
      if ('message' in row) message = row.message;
      else {
        try {
          if (reader.group) {
            yield reader.group(row.value, row.place);
            continue;
          }
          const needed = reader.needs?.(row.value);
          if (needed) await needed;
          const samples = reader.read!(row.value, row.place);
          if (samples.length === 0) continue;
          if (!grouping) {
            grouping = groupingOf(reader, samples[0].group !== undefined, context);
            for (; pending > 0; pending--) yield* grouping.bad(0);
            if (reader.size && options.groupSize !== undefined && grouping instanceof ById)
              open.warn(null, '--group-size: has no effect on rows with a group id');
          }
          if (grouping instanceof ByRow) yield* grouping.addAll(samples);
          else for (const sample of samples) yield* add(grouping, streamed ? { ...sample, file } : sample);
        } catch (error) {
          if (!(error instanceof RolloutError) || error instanceof Refusal) throw unwrapped(error);
          message = error.message;
        }
      }
      if (message === undefined) continue;
      const line = 'place' in row ? row.place.line : row.line;
      if ((streamed || options.growing === true) && 'message' in row) {
        unfinished = { file, line, message };
        continue;
      }
      badRows.add({ file, line, message });
      if (grouping) yield* grouping.bad(line);
      else pending++;
    }
    if (unfinished) open.note(unfinished.line, 'the last line is incomplete and is skipped');
    if (rows === 0 && options.growing !== true)
      badRows.add({ file, line: null, message: `${file}: expected at least one row, got an empty log` });
    if (streamed && more) stream.grouping = grouping;
    else if (grouping) yield* grouping.end();
    options.onRead?.({ file, bytes: null });
  } finally {
    if (stream.grouping !== grouping) grouping?.close();
  }
}

/** The chunks of a stream are one log: a group may begin in one chunk and end in the next. */
interface StreamState {
  grouping?: Grouping;
}

/** A file of prime-rl's stream of episodes. */
const isStream = (path: string): boolean => /[\\/]traces[\\/]stream[\\/]\d+\.jsonl(\.zst)?$/.test(path);

/** The annotations of a log's run; undefined: the log has another format, or is not a stream. */
async function updatesOf(
  log: Log,
  annotations: readonly Log[],
  badRows: BadRows,
): Promise<TraceUpdates | undefined> {
  if (log.format !== 'prime-rl' || !/[\\/]traces[\\/]stream([\\/.]|$)/.test(log.path)) return undefined;
  const run = runOfLog(log.path, log.format);
  const files = annotations.filter(({ path }) => runOfLog(path, log.format) === run);
  return TraceUpdates.read(
    files.map(({ source }) => source),
    () => log.source.machine.scratch(),
    (file, line, message) => badRows.add({ file, line, message }),
  );
}

/** An error of a grouping concerns the whole log, not the row at which it occurred. */
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
  context: Pick<GroupingOptions, 'file' | 'format' | 'tokenizer' | 'splitMerged' | 'scratch'>,
): Grouping {
  const { promptsDiffer, strict, finish } = reader;
  const options: GroupingOptions = { ...context, size: reader.size?.(), promptsDiffer, strict, finish };
  if (reader.by === 'row') return new ByRow(options);
  if (reader.by === 'place') return new ByPlace(options);
  return hasId || reader.by === 'id' ? new ById(options) : new ByPrompt(options);
}

/** The rows of a file, with the reason in place of a row that cannot be read. */
async function* rowsOf(
  { path: file, source, container, detected }: Log,
  format: Format,
  onRead: (bytes: number) => void,
): AsyncGenerator<RawRow> {
  const placeOf = (line: number): Place => ({ line, where: `${file}:${line}`, path: 0, indices: [] });
  if (container === 'parquet') {
    for await (const row of source.machine.parquet.rows(source, detected.columns)) {
      if ('message' in row) yield { line: row.number, message: row.message };
      else yield { place: placeOf(row.number), value: row.row };
    }
    return;
  }
  if (container === 'torch') {
    for (const [i, value] of (samplesOfDump(await readTorch(source)) ?? []).entries())
      yield { place: placeOf(i + 1), value };
    return;
  }
  if (container !== 'lines') {
    for await (const { place: path, indices, line, value } of elementsOf(
      source,
      format.paths ?? [['*']],
      onRead,
    ))
      yield { place: { ...placeOf(line), path, indices }, value };
    return;
  }
  const json = new JsonReader();
  for await (const block of readBlocks(source, onRead)) {
    for (const line of linesOf(block)) {
      const { number, bytes, start, end } = line;
      const where = `${file}:${number}`;
      if (!line.isText) {
        const message = `${where}: expected UTF-8 text, one JSON object per line, got bytes that are not UTF-8`;
        yield { line: number, message };
        continue;
      }
      let value: Json;
      try {
        value = json.parse(bytes, start, end);
      } catch (error) {
        if (!(error instanceof JsonError)) throw error;
        const message = `${where}: ${error.message}; expected one whole JSON object per line`;
        yield { line: number, message };
        continue;
      }
      yield { place: placeOf(number), value };
    }
  }
}
