/**
 * What DuckDB reads for us: Parquet, row by row. One connection without disk use and with a memory limit; results are
 * streamed, so that a file is never whole in memory. Nested columns come as JSON text and go through our own reader,
 * which makes typed arrays of token ids.
 *
 * DuckDB takes a file's name for a pattern, a URL or a home folder, and its folders for columns. Every name reaches it
 * through this file (`test/layout.test.ts`), so that a name means the file of that name.
 */
import { resolve, sep } from 'node:path';
import type { DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { InputError, messageOf } from './errors.js';
import { type Json, JsonError, JsonReader } from './json.js';
import { LIMITS } from './limits.js';
import type { Column, ParquetRow } from './source.js';
import { WrittenNumber } from './written-number.js';

/**
 * A database in memory that fetches nothing.
 * @param memory DuckDB's limit, such as 256MB
 */
export async function openDuckDB(memory: string): Promise<DuckDBInstance> {
  const { DuckDBInstance } = await import('@duckdb/node-api');
  return DuckDBInstance.create(':memory:', {
    memory_limit: memory,
    threads: '1',
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
  });
}

let opened: Promise<DuckDBConnection> | undefined;

/** The process's one connection for reading, opened when first needed: logs that need no DuckDB do not load it. */
function connection(): Promise<DuckDBConnection> {
  opened ??= openDuckDB('384MB').then((instance) => instance.connect());
  return opened;
}

const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`;
const column = (name: string) => `"${name.replaceAll('"', '""')}"`;

/**
 * A file's name as DuckDB reads exactly that file: whole from the root, so that it is no URL and no home folder, with
 * each sign of a pattern in brackets.
 * @throws InputError for a name that cannot be written so
 */
export function literalName(file: string): string {
  const name = resolve(file).replaceAll(sep, '/');
  if (!/[*?[]/.test(name)) return name;
  // Within a pattern DuckDB takes a backslash for the end of a folder's name.
  if (name.includes('\\'))
    throw new InputError(`${file}: cannot be read: its name holds a backslash and one of * ? [; rename it`);
  return name.replace(/[*?[]/g, '[$&]');
}

/** What stands behind FROM for the rows of some Parquet files. */
export function parquetTable(...files: readonly string[]): string {
  const names = files.map((file) => quoted(literalName(file)));
  return `read_parquet([${names.join(', ')}], hive_partitioning = false)`;
}

/** What stands behind COPY … TO for one Parquet file. Targets are no patterns. */
export function parquetTarget(file: string): string {
  return quoted(resolve(file));
}

const NUMBER = /^(DOUBLE|FLOAT|U?\w*INT|U?INTEGER|DECIMAL[^[]*)$/;

/**
 * Names and types of a Parquet file's columns.
 * @throws InputError naming the file where it is no whole Parquet file, or a column nests too deep
 */
export async function parquetColumns(file: string): Promise<readonly Column[]> {
  const db = await connection();
  try {
    const result = await db.runAndReadAll(`DESCRIBE SELECT * FROM ${parquetTable(file)}`);
    const columns = result.getRows().map(([name, type]) => ({
      name: String(name),
      type: String(type),
      number: NUMBER.test(String(type)),
    }));
    for (const { name, type } of columns) {
      const depth = depthOf(type);
      if (depth > LIMITS.columnDepth)
        throw new InputError(
          `${file}: ${name}: expected at most ${LIMITS.columnDepth} levels of lists and structs, got ${depth}`,
        );
    }
    return columns;
  } catch (error) {
    throw notRead(file, error);
  }
}

/**
 * The rows of a Parquet file, in its order, numbered from 1. Whole numbers and decimals that no double holds are
 * WrittenNumber.
 * @param columns those wanted
 * @param numbers as JsonReader
 * @throws InputError naming the file, also in the middle of it where it is damaged there
 */
export async function* parquetRows(
  file: string,
  columns: readonly Column[],
  numbers: 'double' | 'written' = 'double',
): AsyncGenerator<ParquetRow> {
  const kinds = columns.map(({ type }) => kindOf(type));
  const chosen = columns.map(({ name }, i) => {
    if (kinds[i] === 'nested') return `to_json(${column(name)})::VARCHAR`;
    if (kinds[i] === 'number') return `${column(name)}::DOUBLE`;
    return kinds[i] === 'plain' ? column(name) : `${column(name)}::VARCHAR`;
  });
  const json = new JsonReader(numbers);
  const db = await connection();
  let number = 0;
  const valueAt = (value: unknown, i: number): Json => {
    if (value === null) return null;
    if (kinds[i] === 'nested' || kinds[i] === 'exact') return json.parse(Buffer.from(value as string));
    if (numbers === 'written' && typeof value === 'number' && Number.isFinite(value))
      return new WrittenNumber(String(value));
    return value as Json;
  };
  try {
    const result = await db.stream(`SELECT ${chosen.join(', ')} FROM ${parquetTable(file)}`);
    for (;;) {
      const chunk = await result.fetchChunk();
      if (!chunk || chunk.rowCount === 0) return;
      for (const values of chunk.getRows()) {
        const row: { [key: string]: Json } = {};
        let i = 0;
        number++;
        try {
          for (; i < columns.length; i++) row[columns[i].name] = valueAt(values[i], i);
        } catch (error) {
          if (!(error instanceof JsonError)) throw error;
          yield { number, message: `${file}:${number}: ${columns[i].name}: ${error.message}` };
          continue;
        }
        yield { number, row };
      }
    }
  } catch (error) {
    throw notRead(file, error);
  }
}

/** Levels of lists, structs and maps in a type such as STRUCT("a" INTEGER[][], b VARCHAR)[]. */
function depthOf(type: string): number {
  const deepest = [0];
  let depth = 0;
  for (const [sign] of type.matchAll(/"(?:[^"]|"")*"|'(?:[^']|'')*'|[(),]|\[\d*\]/g)) {
    if (sign === '(') deepest.push(0);
    else if (sign === ')') depth = 1 + deepest.pop()!;
    else depth = sign.startsWith('[') ? depth + 1 : 0;
    deepest[deepest.length - 1] = Math.max(deepest[deepest.length - 1], depth);
  }
  return deepest[0];
}

/** How a column comes over. exact: as text, since a double may not hold it. */
function kindOf(type: string): 'nested' | 'exact' | 'number' | 'plain' | 'text' {
  if (/\]$|^(STRUCT|MAP|UNION)\b/.test(type)) return 'nested';
  if (/^(U?(BIG|HUGE)INT|DECIMAL)/.test(type)) return 'exact';
  if (/^(U?(TINY|SMALL)INT|U?INTEGER|FLOAT)/.test(type)) return 'number';
  return /^(DOUBLE|BOOLEAN|VARCHAR|JSON)/.test(type) ? 'plain' : 'text';
}

function notRead(file: string, error: unknown): InputError {
  if (error instanceof InputError) return error;
  // DuckDB's first line says what; the others show the query.
  const [why] = (error instanceof Error ? error.message : String(error)).split('\n');
  return new InputError(`${file}: cannot be read as Parquet: ${messageOf(why)}`);
}
