/**
 * Problems with answers from files: JSON lines, a JSON list, or Parquet. Columns are found by the names that the known
 * mathematics datasets use (GSM8K, MATH-500, AIME, AMC, Minerva, OlympiadBench, OpenRS), or named by the caller. A row
 * without problem or answer is an error: a dataset that shrinks in silence gives a wrong figure.
 */
import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { TaskError } from './task.js';

export interface DatasetRow {
  /** Unique within the file: its own id, or its place. */
  readonly id: string;
  readonly problem: string;
  readonly answer: string;
  /** Worked solution, where there is one. */
  readonly solution?: string;
}

export interface DatasetColumns {
  /** Column of the problem; default: the first of those that the known datasets use. */
  readonly problem?: string;
  readonly answer?: string;
}

const PROBLEM = ['problem', 'question', 'prompt'];
/** In this order: a column of answers goes before one of solutions, whose last box is the answer. */
const ANSWER = ['final_answer', 'answer', 'expected_answer', 'gold', 'ground_truth', 'solution'];

type Row = Readonly<Record<string, unknown>>;

/**
 * @param answerOf the answer within a worked solution (its last box), null where there is none
 * @throws TaskError naming file, line (in Parquet: row), what was found and what is needed
 */
export async function readDataset(
  file: string,
  columns: DatasetColumns,
  answerOf: (solution: string) => string | null,
): Promise<DatasetRow[]> {
  const rows = await readRows(file);
  if (rows.length === 0) throw new TaskError(`${file}: has no rows`);
  const first = rows[0].row;
  const column = (kind: 'problem' | 'answer', names: readonly string[]): string => {
    const named = columns[kind];
    const found = named === undefined ? names.find((name) => first[name] !== undefined) : named;
    if (found === undefined || first[found] === undefined) {
      const has = Object.keys(first).join(', ');
      throw new TaskError(
        `${file}: ${named === undefined ? `no column of ${kind}s` : `no column '${named}'`}; it has ${has}` +
          `${named === undefined ? `; name the one with task.columns.${kind}` : ''}`,
      );
    }
    return found;
  };
  const [problemColumn, answerColumn] = [column('problem', PROBLEM), column('answer', ANSWER)];
  const ids = new Set<string>();
  return rows.map(({ row, line }, i) => {
    const where = `${file}:${line}`;
    const problem = row[problemColumn];
    if (typeof problem !== 'string' || problem.trim() === '') {
      throw new TaskError(
        `${where}: ${problemColumn}: found ${shown(problem)}; needed is the problem's text`,
      );
    }
    const own = row.id ?? row.unique_id;
    let id =
      typeof own === 'string' || typeof own === 'number' || typeof own === 'bigint' ? String(own) : String(i);
    if (ids.has(id)) id = `${id}#${i}`;
    ids.add(id);
    const answer = answerText(row[answerColumn], answerColumn, answerOf);
    if (answer === null || answer.trim() === '') {
      throw new TaskError(
        `${where}: ${answerColumn}: found ${shown(row[answerColumn])}; needed is an answer`,
      );
    }
    // Some problems are asked in a context that other columns hold.
    const text = typeof row.context === 'string' ? `${row.context}\n${problem}` : problem;
    const solution = typeof row.solution === 'string' ? { solution: row.solution } : {};
    return { id, problem: text, answer, ...solution };
  });
}

function shown(value: unknown): string {
  const text = value === undefined ? 'nothing' : (JSON.stringify(value) ?? String(value));
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

/** A number, a text, a list of them (all are asked for), or a worked solution that ends in the answer. */
function answerText(
  value: unknown,
  column: string,
  answerOf: (solution: string) => string | null,
): string | null {
  if (Array.isArray(value)) return value.length > 0 ? value.map(String).join(', ') : null;
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  if (typeof value !== 'string') return null;
  const marked = /####\s*(.+?)\s*$/s.exec(value);
  if (marked) return marked[1];
  return column === 'solution' ? answerOf(value) : value;
}

async function readRows(file: string): Promise<{ row: Row; line: number }[]> {
  if (extname(file) === '.parquet') return readParquet(file);
  const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    throw new TaskError(
      `${file}: cannot be read (${error.code ?? error.message}); needed is a file of problems`,
    );
  });
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new TaskError(`${file}: is not UTF-8 text; allowed are .jsonl, .json and .parquet`);
  }
  const parsed = (source: string, where: string): unknown => {
    try {
      return JSON.parse(source) as unknown;
    } catch (error) {
      throw new TaskError(`${where}: is not JSON: ${(error as Error).message}`);
    }
  };
  const asRow = (value: unknown, line: number): { row: Row; line: number } => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new TaskError(`${file}:${line}: found ${shown(value)}; needed is an object for each problem`);
    }
    return { row: value as Row, line };
  };
  if (extname(file) === '.json') {
    const list = parsed(text, file);
    if (!Array.isArray(list)) throw new TaskError(`${file}: found no list; needed is a list of problems`);
    return list.map((value, i) => asRow(value, i + 1));
  }
  return text
    .split('\n')
    .map((source, i) => ({ source, line: i + 1 }))
    .filter(({ source }) => source.trim() !== '')
    .map(({ source, line }) => asRow(parsed(source, `${file}:${line}`), line));
}

async function readParquet(file: string): Promise<{ row: Row; line: number }[]> {
  const { DuckDBInstance } = await import('@duckdb/node-api');
  const database = await DuckDBInstance.create(':memory:');
  const connection = await database.connect();
  try {
    const reader = await connection.runAndReadAll(
      `SELECT * FROM read_parquet('${file.replaceAll("'", "''")}')`,
    );
    return reader.getRowObjectsJson().map((row, i) => ({ row: row as Row, line: i + 1 }));
  } catch (error) {
    const why = (error as Error).message.split('\n')[0];
    throw new TaskError(`${file}: cannot be read as Parquet: ${why}`);
  } finally {
    connection.closeSync();
    database.closeSync();
  }
}
