/**
 * Problems with answers from files: JSON lines, a JSON list (both also packed with gzip or zstd), or Parquet. Columns
 * have the names that the known mathematics datasets use (GSM8K, MATH-500, AIME, AMC, Minerva, OlympiadBench, OpenRS),
 * or are named by the caller. A row without problem or answer is an error, because a dataset that shrinks silently
 * gives wrong figures. A numeric answer is kept digit by digit.
 */
import { fileSource, parquetColumns, parquetRows } from '../input/files.js';
import {
  beginsWithMark,
  decimalOf,
  InputError,
  isUtf8,
  JsonError,
  JsonReader,
  joinBytes,
  LIMITS,
  linesOf,
  readBlocks,
  readBytes,
  WrittenNumber,
} from '../input/index.js';
import type { DatasetRow } from './math-task.js';
import { TaskError } from './task.js';

export interface DatasetColumns {
  /** Column of the problem; default: the first name used by the known datasets. */
  readonly problem?: string;
  readonly answer?: string;
}

const PROBLEM = ['problem', 'question', 'prompt'];
/** In this order: a column of answers is preferred to one of solutions, whose last box is the answer. */
const ANSWER = ['final_answer', 'answer', 'expected_answer', 'gold', 'ground_truth', 'solution'];

type Row = Readonly<Record<string, unknown>>;

/**
 * @param answerOf finds the answer in a worked solution (its last box); null if there is none
 * @throws TaskError naming file and line (in Parquet: row), what is expected and what came
 */
export async function readDataset(
  file: string,
  columns: DatasetColumns,
  answerOf: (solution: string) => string | null,
): Promise<DatasetRow[]> {
  const rows = await readRows(file);
  if (rows.length === 0) throw new TaskError(`${file}: expected at least one row, got none`);
  const first = rows[0].row;
  const column = (kind: 'problem' | 'answer', names: readonly string[]): string => {
    const named = columns[kind];
    const column = named === undefined ? names.find((name) => first[name] !== undefined) : named;
    if (column === undefined || first[column] === undefined) {
      const has = Object.keys(first).join(', ');
      throw new TaskError(
        `${file}: expected ${named === undefined ? `a column of ${kind}s` : `a column '${named}'`}, got ${has}` +
          `${named === undefined ? `; name the column with task.columns.${kind}` : ''}`,
      );
    }
    return column;
  };
  const [problemColumn, answerColumn] = [column('problem', PROBLEM), column('answer', ANSWER)];
  const ids = new Set<string>();
  return rows.map(({ row, line }, i) => {
    const where = `${file}:${line}`;
    const problem = row[problemColumn];
    if (typeof problem !== 'string' || problem.trim() === '') {
      throw new TaskError(`${where}: ${problemColumn}: expected the problem's text, got ${shown(problem)}`);
    }
    const logged = row.id ?? row.unique_id;
    let id =
      typeof logged === 'string'
        ? logged
        : logged instanceof WrittenNumber
          ? (decimalOf(logged.text) ?? logged.text)
          : String(i);
    if (ids.has(id)) id = `${id}#${i}`;
    ids.add(id);
    const answer = answerText(row[answerColumn], answerColumn, answerOf);
    if (answer === null || answer.trim() === '') {
      throw new TaskError(`${where}: ${answerColumn}: expected an answer, got ${shown(row[answerColumn])}`);
    }
    // Some problems have a context in other columns.
    const text = typeof row.context === 'string' ? `${row.context}\n${problem}` : problem;
    const solution = typeof row.solution === 'string' ? { solution: row.solution } : {};
    return { id, problem: text, answer, ...solution };
  });
}

function shown(value: unknown): string {
  if (typeof value === 'number' || value instanceof WrittenNumber) return short(String(value));
  if (Array.isArray(value) && value.every((part) => part instanceof WrittenNumber))
    return short(`[${value.join(',')}]`);
  const text = value === undefined ? 'nothing' : (JSON.stringify(value) ?? String(value));
  return short(text);
}

const short = (text: string) => (text.length > 60 ? `${text.slice(0, 57)}…` : text);

/** A number, a text, a list of them (all are required), or a worked solution that ends in the answer. */
function answerText(
  value: unknown,
  column: string,
  answerOf: (solution: string) => string | null,
): string | null {
  if (Array.isArray(value)) {
    const parts = value.map((part) => {
      if (part instanceof WrittenNumber) return decimalOf(part.text);
      return typeof part === 'string' ? part : null;
    });
    return parts.length > 0 && !parts.includes(null) ? parts.join(', ') : null;
  }
  if (value instanceof WrittenNumber) return decimalOf(value.text);
  if (typeof value !== 'string') return null;
  const marked = /####\s*(.+?)\s*$/s.exec(value);
  if (marked) return marked[1];
  return column === 'solution' ? answerOf(value) : value;
}

/**
 * All rows of a file as objects by column.
 * @throws TaskError naming file and line of an invalid row
 */
export async function readRows(file: string): Promise<{ row: Row; line: number }[]> {
  const rows: { row: Row; line: number }[] = [];
  try {
    for await (const { value, line } of rowsOf(file)) {
      if (
        typeof value !== 'object' ||
        value === null ||
        Array.isArray(value) ||
        value instanceof WrittenNumber
      )
        throw new TaskError(`${file}:${line}: expected an object for each problem, got ${shown(value)}`);
      rows.push({ row: value as Row, line });
    }
  } catch (error) {
    throw error instanceof InputError ? new TaskError(error.message) : error;
  }
  return rows;
}

/** The values of the file's rows, with numbers as written, and their lines (in Parquet: rows), from 1. */
async function* rowsOf(file: string): AsyncGenerator<{ value: unknown; line: number }> {
  if (file.endsWith('.parquet')) yield* rowsOfParquet(file);
  else if (/\.json(\.(gz|zst))?$/.test(file)) yield* rowsOfList(file);
  else yield* rowsOfLines(file);
}

async function* rowsOfParquet(file: string): AsyncGenerator<{ value: unknown; line: number }> {
  for await (const row of parquetRows(file, await parquetColumns(file), 'written')) {
    if ('message' in row) throw new InputError(row.message);
    yield { value: row.row, line: row.number };
  }
}

/** Files with one list are small enough for memory; the index in the list replaces the line. */
async function* rowsOfList(file: string): AsyncGenerator<{ value: unknown; line: number }> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of readBytes(fileSource(file))) {
    size += chunk.length;
    if (size > LIMITS.rowBytes)
      throw new InputError(
        `${file}: expected a list of at most ${LIMITS.rowBytes} bytes, got more; put larger data sets into JSON lines`,
      );
    pieces.push(chunk.slice());
  }
  const bytes = joinBytes(pieces);
  const start = beginsWithMark(bytes) ? 3 : 0;
  if (!isUtf8(bytes)) throw new InputError(NO_TEXT(file));
  const list = parsed(new JsonReader('written'), bytes, start, bytes.length, file);
  if (!Array.isArray(list)) throw new TaskError(`${file}: expected a list of problems, got something else`);
  for (let i = 0; i < list.length; i++) yield { value: list[i], line: i + 1 };
}

async function* rowsOfLines(file: string): AsyncGenerator<{ value: unknown; line: number }> {
  const json = new JsonReader('written');
  for await (const block of readBlocks(fileSource(file))) {
    for (const line of linesOf(block)) {
      const where = `${file}:${line.number}`;
      if (!line.isText) throw new InputError(NO_TEXT(where));
      yield { value: parsed(json, line.bytes, line.start, line.end, where), line: line.number };
    }
  }
}

const NO_TEXT = (where: string) =>
  `${where}: expected .jsonl, .json or .parquet, got bytes that are not UTF-8`;

function parsed(json: JsonReader, bytes: Uint8Array, start: number, end: number, where: string): unknown {
  try {
    return json.parse(bytes, start, end);
  } catch (error) {
    throw error instanceof JsonError ? new InputError(`${where}: ${error.message}`) : error;
  }
}
