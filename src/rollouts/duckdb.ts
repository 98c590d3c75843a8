/**
 * What DuckDB reads for us: Parquet, row by row, and zstd. One connection without disk use and with a memory limit;
 * results are streamed, so that a file is never whole in memory. Nested columns come as JSON text and go through our
 * own reader, which makes typed arrays of token ids.
 */
import type { DuckDBConnection } from '@duckdb/node-api';
import { JsonReader } from './json-bytes.js';
import { type Json, type JsonObject, messageOf, RolloutError } from './values.js';

/** Of a zstd file, in bytes: a longer line is an error. DuckDB holds a few buffers of twice this. */
const LONGEST_ZSTD_LINE = 1 << 25;

let opened: Promise<DuckDBConnection> | undefined;

/** The process's one connection, opened when first needed: logs that need no DuckDB do not load it. */
function connection(): Promise<DuckDBConnection> {
  opened ??= (async () => {
    const { DuckDBInstance } = await import('@duckdb/node-api');
    const instance = await DuckDBInstance.create(':memory:', {
      memory_limit: '384MB',
      threads: '1',
      autoinstall_known_extensions: 'false',
    });
    return instance.connect();
  })();
  return opened;
}

const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`;
const column = (name: string) => `"${name.replaceAll('"', '""')}"`;

export interface Column {
  readonly name: string;
  /** DuckDB's name of the type, such as BIGINT or STRUCT(...)[]. */
  readonly type: string;
}

/**
 * Names and types of a Parquet file's columns.
 * @throws RolloutError naming the file where it is no whole Parquet file
 */
export async function parquetColumns(file: string): Promise<readonly Column[]> {
  const db = await connection();
  try {
    const result = await db.runAndReadAll(`DESCRIBE SELECT * FROM read_parquet(${quoted(file)})`);
    return result.getRows().map(([name, type]) => ({ name: String(name), type: String(type) }));
  } catch (error) {
    throw notRead(file, error);
  }
}

/**
 * The rows of a Parquet file, in its order, numbered from 1.
 * @param columns those wanted
 * @throws RolloutError naming the file, also in the middle of it where it is damaged there
 */
export async function* parquetRows(
  file: string,
  columns: readonly Column[],
): AsyncGenerator<{ number: number; row: JsonObject }> {
  const chosen = columns.map(({ name, type }) => {
    if (/\[\]$|^(STRUCT|MAP|UNION)\b/.test(type)) return `to_json(${column(name)})::VARCHAR`;
    if (/^(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|DECIMAL|FLOAT)/.test(type)) return `${column(name)}::DOUBLE`;
    return /^(DOUBLE|BOOLEAN|VARCHAR|JSON)/.test(type) ? column(name) : `${column(name)}::VARCHAR`;
  });
  const nested = chosen.map((expression) => expression.startsWith('to_json'));
  const json = new JsonReader();
  const db = await connection();
  let number = 0;
  try {
    const result = await db.stream(`SELECT ${chosen.join(', ')} FROM read_parquet(${quoted(file)})`);
    for (;;) {
      const chunk = await result.fetchChunk();
      if (!chunk || chunk.rowCount === 0) return;
      for (const values of chunk.getRows()) {
        const row: { [key: string]: Json } = {};
        values.forEach((value, i) => {
          const { name } = columns[i];
          if (value === null) row[name] = null;
          else if (nested[i]) row[name] = json.parse(Buffer.from(value as string));
          else row[name] = value as Json;
        });
        yield { number: ++number, row };
      }
    }
  } catch (error) {
    throw notRead(file, error);
  }
}

/**
 * The bytes of a zstd file that holds lines of text, a newline after each.
 * @throws RolloutError naming the file where it is not zstd or not UTF-8
 */
export async function* linesOfZstd(file: string): AsyncGenerator<Buffer> {
  const db = await connection();
  try {
    // One column and no quoting: a separator that UTF-8 never holds leaves each line whole.
    const result = await db.stream(
      `SELECT line FROM read_csv(${quoted(file)}, columns = {'line': 'VARCHAR'}, delim = '\u0001\u0002\u0001', quote = '',
       escape = '', header = false, auto_detect = false, compression = 'zstd', max_line_size = ${LONGEST_ZSTD_LINE}, buffer_size = ${2 * LONGEST_ZSTD_LINE},
       null_padding = true, strict_mode = false)`,
    );
    for (;;) {
      const chunk = await result.fetchChunk();
      if (!chunk || chunk.rowCount === 0) return;
      const lines = chunk.getColumnValues(0) as (string | null)[];
      for (const line of lines) yield Buffer.from(`${line ?? ''}\n`);
    }
  } catch (error) {
    throw notRead(file, error);
  }
}

function notRead(file: string, error: unknown): RolloutError {
  if (error instanceof RolloutError) return error;
  return new RolloutError(`${file}: cannot be read: ${messageOf(error)}`);
}
