/**
 * Parquet through DuckDB, row by row. One connection without disk use and with a memory limit; results are streamed, so
 * that a file is never in memory as a whole. Nested columns come as JSON text and are parsed by our own reader, which
 * makes typed arrays of token ids.
 * DuckDB interprets file names as patterns, URLs or home folders, and folder names as columns. All names are passed to
 * it through this file (`test/layout.test.ts`), so that a name always means the file of that name.
 */
import { resolve, sep } from 'node:path';
import type { DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { InputError, messageOf } from './errors.js';
import { type Json, JsonError, JsonReader } from './json.js';
import { LIMITS } from './limits.js';
import type { Column, ParquetRow } from './source.js';
import { WrittenNumber } from './written-number.js';

/**
 * An in-memory database that downloads nothing.
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

/** The connection for reading, opened when first needed; logs that do not need DuckDB do not load it. */
function connection(): Promise<DuckDBConnection> {
  opened ??= openDuckDB('384MB').then((instance) => instance.connect());
  return opened;
}

const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`;
const column = (name: string) => `"${name.replaceAll('"', '""')}"`;

/**
 * A file name in the form that makes DuckDB read exactly this file: an absolute path (not a URL or home folder), with
 * special characters of patterns in brackets.
 * @throws InputError for a name that cannot be written this way
 */
export function literalName(file: string): string {
  const name = resolve(file).replaceAll(sep, '/');
  if (!/[*?[]/.test(name)) return name;
  // Within a pattern DuckDB takes a backslash as a path separator.
  if (name.includes('\\'))
    throw new InputError(
      `${file}: cannot be read: the name contains a backslash and one of * ? [; rename the file`,
    );
  return name.replace(/[*?[]/g, '[$&]');
}

/** The expression after FROM for the rows of some Parquet files. */
export function parquetTable(...files: readonly string[]): string {
  const names = files.map((file) => quoted(literalName(file)));
  return `read_parquet([${names.join(', ')}], hive_partitioning = false)`;
}

/** The expression after COPY … TO for one Parquet file. Targets are not patterns. */
export function parquetTarget(file: string): string {
  return quoted(resolve(file));
}

const NUMBER = /^(DOUBLE|FLOAT|U?\w*INT|U?INTEGER|DECIMAL[^[]*)$/;

/**
 * Names and types of a Parquet file's columns.
 * @throws InputError naming the file if it is not a complete Parquet file, or a column is nested too deeply
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
 * The rows of a Parquet file, in order, numbered from 1. Whole numbers and decimals that do not fit into a double are
 * WrittenNumber.
 * @param columns to be read
 * @param numbers as in JsonReader
 * @throws InputError naming the file, also while rows are read if it is damaged there
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

/** Nesting depth of lists, structs and maps in a type such as STRUCT("a" INTEGER[][], b VARCHAR)[]. */
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

/** How a column is transferred. exact: as text, because a double may not hold its values. */
function kindOf(type: string): 'nested' | 'exact' | 'number' | 'plain' | 'text' {
  if (/\]$|^(STRUCT|MAP|UNION)\b/.test(type)) return 'nested';
  if (/^(U?(BIG|HUGE)INT|DECIMAL)/.test(type)) return 'exact';
  if (/^(U?(TINY|SMALL)INT|U?INTEGER|FLOAT)/.test(type)) return 'number';
  return /^(DOUBLE|BOOLEAN|VARCHAR|JSON)/.test(type) ? 'plain' : 'text';
}

function notRead(file: string, error: unknown): InputError {
  if (error instanceof InputError) return error;
  // DuckDB's first line has the message; the others show the query.
  const [why] = (error instanceof Error ? error.message : String(error)).split('\n');
  return new InputError(`${file}: cannot be read as Parquet: ${messageOf(why)}`);
}
