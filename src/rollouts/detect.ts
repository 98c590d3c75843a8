/**
 * Detects the format of a log by its content: the columns of a Parquet file, the first keys of a JSON document, or the
 * keys of the first readable row. The file name matters only for prime-rl and verifiers v1, which write the same rows.
 */
import {
  beginsWith,
  type Column,
  elementsOf,
  InputError,
  JsonReader,
  joinBytes,
  linesOf,
  readBlocks,
  readBytes,
  readTorch,
  type Source,
  textOf,
} from '../input/index.js';
import { isUpdate } from './annotations.js';
import { DEFAULT_KEYS } from './formats/generic.js';
import { isCapture, isSummary } from './formats/tinker.js';
import { FORMAT_NAMES, type FormatName } from './group.js';
import { isList, isObject, type Json, type JsonObject, RolloutError } from './values.js';

/** How a file's rows are read. */
export type Container = 'lines' | 'document' | 'list' | 'parquet' | 'torch';

export type Detected =
  | {
      readonly kind: 'log';
      readonly container: Container;
      /** null: rows of an unknown format. */
      readonly format: FormatName | null;
      /** tinker's rewards: read together with the captures. */
      readonly summaries: boolean;
      /** prime-rl's updates of traces: read together with the stream of episodes. */
      readonly annotations: boolean;
      readonly columns: readonly Column[];
      /** Names of the first row's keys. */
      readonly keys: readonly string[];
    }
  /** Whether no row can be read. */
  | { readonly kind: 'unreadable'; readonly reason: string };

/** Number of keys that are listed for an unknown format. */
const KEYS_SHOWN = 12;
/** Number of rows that are tried before a file counts as unreadable. */
const ROWS = 100;
const HEAD = 1 << 16;
const PARQUET = 'PAR1';
const ZIP = 'PK\x03\x04';
const SQLITE = 'SQLite format 3';

/**
 * @param generic whether rows of an unknown format are read by key names that the caller gave
 * @throws RolloutError for a file that cannot be opened
 */
export async function detect(source: Source, generic: boolean): Promise<Detected> {
  const file = source.name;
  const head = await headOf(source);
  if (head.length === 0) return unreadable(`${file}: is empty`);
  if (beginsWith(head, PARQUET)) return detectParquet(source, generic);
  if (beginsWith(head, ZIP)) return detectTorch(source);
  if (beginsWith(head, SQLITE))
    throw new RolloutError(`${file}: expected the JSONL files of the capture, got its SQLite database`);
  const text = textOf(head)
    .replace(/^\ufeff/, '')
    .trimStart();
  if (text === '' && head.length < HEAD) return unreadable(`${file}: is empty`);
  if (text.startsWith('[')) return detectList(source, generic);
  const document = documentFormat(text);
  if (document) return log('document', document);
  return detectLines(source, generic);
}

const log = (container: Container, format: FormatName | null, row: JsonObject = {}): Detected => ({
  kind: 'log',
  container,
  format,
  summaries: isSummary(row),
  annotations: isUpdate(row),
  columns: [],
  keys: Object.keys(row).slice(0, KEYS_SHOWN),
});
const unreadable = (reason: string): Detected => ({ kind: 'unreadable', reason });

async function headOf(file: Source): Promise<Uint8Array> {
  // Parquet and SQLite are detected by the bytes on disk; all other files are unpacked first.
  const handle = await file.open().catch((error: Error) => {
    throw new RolloutError(`${file.name}: cannot be read: ${error.message}`);
  });
  const magic = new Uint8Array(16);
  try {
    if ((await handle.read(magic, 0)) === 0) return new Uint8Array(0);
  } finally {
    await handle.close();
  }
  if ([ZIP, PARQUET, SQLITE].some((kind) => beginsWith(magic, kind))) return magic;
  const pieces: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of readBytes(file)) {
      pieces.push(chunk.slice(0, HEAD));
      length += chunk.length;
      if (length >= HEAD) break;
    }
  } catch (error) {
    if (pieces.length === 0) throw error; // otherwise it is truncated later: the rows before are enough to detect the format
  }
  return joinBytes(pieces);
}

/** @throws InputError as `readTorch` */
async function detectTorch(source: Source): Promise<Detected> {
  try {
    const samples = samplesOfDump(await readTorch(source));
    if (samples) return log('torch', 'slime');
  } catch (error) {
    if (error instanceof InputError) return unreadable(error.message);
    throw error;
  }
  return unreadable(
    `${source.name}: expected the rollouts of slime (a dictionary with samples), got another saved object`,
  );
}

/** The samples of a saved rollout; null: it is something else. */
export function samplesOfDump(value: unknown): readonly Json[] | null {
  if (typeof value !== 'object' || value === null) return null;
  const { samples } = value as { samples?: unknown };
  if (!Array.isArray(samples)) return null;
  const isSample = (item: unknown): boolean =>
    typeof item === 'object' && item !== null && 'tokens' in item && 'response_length' in item;
  return samples.every(isSample) ? (samples as Json[]) : null;
}

/** The keys that identify a document are near its beginning; a JSONL line may be as long but lacks these keys. */
function documentFormat(text: string): FormatName | null {
  if (
    /^\{\s*"(metadata|categories)"\s*:/.test(text) &&
    /"(categories|eval_repeats|duration_seconds)"\s*:/.test(text)
  )
    return 'reasoning-gym';
  if (/^\{\s*"args"\s*:/.test(text) && /"(group_size|init_val|epochs)"\s*:/.test(text)) return 'grpo-prm';
  return null;
}

async function detectLines(source: Source, generic: boolean): Promise<Detected> {
  const file = source.name;
  const json = new JsonReader();
  let seen = 0;
  let reason = `${file}: expected at least one row, got an empty log`;
  try {
    for await (const block of readBlocks(source)) {
      for (const line of linesOf(block)) {
        let problem = 'is not a JSON object';
        let value: unknown;
        try {
          if (line.isText) value = json.parse(line.bytes, line.start, line.end);
        } catch (error) {
          problem = (error as Error).message;
        }
        if (isObject(value)) return log('lines', rowFormat(value, file, generic), value);
        if (seen === 0) reason = `${file}:${line.number}: ${problem}; no row after it can be read either`;
        if (++seen === ROWS) return unreadable(reason);
      }
    }
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return unreadable(error.message);
  }
  return unreadable(reason);
}

async function detectList(source: Source, generic: boolean): Promise<Detected> {
  for await (const { value } of elementsOf(source, [['*']])) {
    return isObject(value) ? log('list', rowFormat(value, source.name, generic), value) : log('list', null);
  }
  return log('list', null);
}

async function detectParquet(source: Source, generic: boolean): Promise<Detected> {
  let columns: readonly Column[];
  try {
    columns = await source.machine.parquet.columns(source);
  } catch (error) {
    if (error instanceof InputError) return unreadable(error.message);
    throw error;
  }
  const has = (...names: string[]) => names.every((name) => columns.some((column) => column.name === name));
  let format: FormatName | null = null;
  if (has('step', 'prompt', 'completion', 'advantage')) format = 'trl';
  else if (has('group_index') && (has('messages') || has('trajectory_json'))) format = 'art';
  else if (generic || has(DEFAULT_KEYS.prompt, DEFAULT_KEYS.completion, DEFAULT_KEYS.reward))
    format = 'generic';
  const keys = columns.slice(0, KEYS_SHOWN).map(({ name }) => name);
  return { kind: 'log', container: 'parquet', format, summaries: false, annotations: false, columns, keys };
}

/** The format of a row; null: unknown. */
function rowFormat(row: JsonObject, file: string, generic: boolean): FormatName | null {
  const has = (...keys: string[]) => keys.every((key) => row[key] !== undefined);
  if (has('id', 'tokens', 'groups', 'prompt') && Array.isArray(row.completions)) return 'own';
  if (Array.isArray(row.traces)) {
    const trained = isObject(row.run) && row.run.type === 'train';
    const streamed = /traces[\\/]stream([\\/.]|$)/.test(file);
    return trained || streamed || /rollouts[\\/]step_\d+/.test(file) ? 'prime-rl' : 'verifiers-v1';
  }
  if (isUpdate(row)) return 'prime-rl';
  if (has('responses_create_params', 'response')) return 'nemo-gym';
  if (isCapture(row) || isSummary(row)) return 'tinker';
  if (isList(row.token_ids) && isList(row.rewards) && has('input_lengths', 'token_loss_mask'))
    return 'nemo-rl';
  if (has('input_prompt', 'output_response', 'score')) return 'skyrl';
  if (has('input', 'output', 'score')) return 'verl';
  if (Array.isArray(row.trajectories)) return 'art';
  if (isList(row.response) && isList(row.score) && (has('question') || has('query'))) return 'qwen-math';
  // Keys given by the caller take precedence: a log with only these three could be in any format.
  if (generic) return 'generic';
  if (
    has('prompt', 'completion', 'reward') &&
    (has('example_id') || (has('id') && (has('answer') || has('task'))))
  )
    return 'verifiers';
  return isDefault(has) ? 'generic' : null;
}

/** Whether a row has the default keys of the generic reader. */
function isDefault(has: (...keys: string[]) => boolean): boolean {
  const { prompt, completion, tokens, reward } = DEFAULT_KEYS;
  return has(prompt, reward) && (has(completion) || has(tokens));
}

/** The list of formats, for errors. */
export const KNOWN_FORMATS = FORMAT_NAMES.join(', ');
