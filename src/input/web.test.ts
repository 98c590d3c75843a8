/**
 * A page reads the same data from a File as Node.js reads from the file: Parquet of every kind, and packed files,
 * intact and damaged.
 */
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fileSource } from './files.js';
import { type Column, InputError, type ParquetRow, readBytes, type Source } from './index.js';
import { blobSource } from './web.js';

let folder: string;
let db: Awaited<ReturnType<DuckDBInstance['connect']>>;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'web-'));
  db = await (await DuckDBInstance.create()).connect();
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Every third row has empty values in some columns. */
const table = (rows: number): string => `SELECT
  i AS whole, 9007199254740993 + i AS wide, (i / 7)::DOUBLE AS double, (i / 7)::FLOAT AS single, i % 3 = 0 AS yes,
  (i % 256 - 128)::TINYINT AS tiny, i::UBIGINT AS natural,
  (i / 8)::DECIMAL(9, 3) AS cents, (i::HUGEINT * 123456789012345678)::DECIMAL(38, 4) AS money,
  'é ' || i AS text, CASE WHEN i % 3 = 1 THEN NULL ELSE 'x' || (i % 5) END AS missing,
  CASE WHEN i % 3 = 1 THEN NULL ELSE [i, i + 1] END AS ids, [i / 2, -0.5] AS doubles, [i, NULL] AS holes, []::INTEGER[] AS none,
  [{'role': 'user', 'content': 'a' || i}, {'role': NULL, 'content': 'b'}] AS messages,
  {'a': {'b': [[i], [i, 2]]}, 'c': NULL::VARCHAR} AS deep, MAP {'k' || i: i, 'other': 2} AS map,
  DATE '2024-02-29' + i::INTEGER AS day, TIMESTAMP '2024-02-29 12:34:56' + INTERVAL (i) HOUR AS moment
  FROM (SELECT range AS i FROM range(${rows}))`;

async function all(source: Source): Promise<{ columns: readonly Column[]; rows: ParquetRow[] }> {
  const { parquet } = source.machine;
  const columns = await parquet.columns(source);
  const rows: ParquetRow[] = [];
  for await (const row of parquet.rows(source, columns)) rows.push(row);
  return { columns, rows };
}

const blobOf = async (file: string): Promise<Source> => blobSource(new Blob([await readFile(file)]), file);

describe('Parquet', () => {
  // A row group has 2,048 rows.
  for (const [version, codec, rows] of [
    ['V1', 'snappy', 2100],
    ['V2', 'zstd', 2100],
    ['V1', 'gzip', 300],
    ['V2', 'lz4_raw', 300],
    ['V1', 'brotli', 40],
    ['V2', 'uncompressed', 300],
  ] as const) {
    test(`written as ${version}, ${codec}: names, kinds and values are DuckDB's`, async () => {
      const file = join(folder, `${codec}.parquet`);
      await db.run(
        `COPY (${table(rows)}) TO '${file}' (FORMAT parquet, COMPRESSION ${codec}, PARQUET_VERSION ${version}, ROW_GROUP_SIZE 2048)`,
      );
      const [node, page] = [await all(fileSource(file)), await all(await blobOf(file))];
      const kinds = ({ columns }: typeof node) => columns.map(({ name, number }) => [name, number]);
      expect(kinds(page)).toEqual(kinds(node));
      expect(page.rows.length).toBe(rows);
      expect(page.rows).toEqual(node.rows);
    });
  }

  test('cut short, changed or nested beyond the limit is one line with the file’s name', async () => {
    const file = join(folder, 'whole.parquet');
    await db.run(`COPY (SELECT range AS i, 'text ' || range AS text FROM range(3000)) TO '${file}'`);
    const bytes = await readFile(file);
    const reading = (changed: Uint8Array) =>
      all(blobSource(new Blob([Uint8Array.from(changed)]), 'log.parquet'));
    const line = /^log\.parquet: cannot be read as Parquet: [^\n]+$/;
    await expect(reading(bytes.subarray(0, -100))).rejects.toThrow(line);
    await expect(reading(bytes.subarray(0, 20))).rejects.toThrow(line);
    await expect(reading(bytes.fill(0xff, 20, 400))).rejects.toThrow(line);
    await db.run(`COPY (SELECT ${'['.repeat(17)}1${']'.repeat(17)} AS deep) TO '${file}'`);
    await expect(all(await blobOf(file))).rejects.toThrow(
      'deep: expected at most 16 levels of lists and structs, got 17',
    );
    await expect(all(fileSource(file))).rejects.toThrow(
      'deep: expected at most 16 levels of lists and structs, got 17',
    );
  });
});

describe('gzip', () => {
  /** The digest of the output, or the one-line error. */
  async function outcomeOf(source: Source): Promise<string> {
    const hash = createHash('sha1');
    try {
      for await (const chunk of readBytes(source)) hash.update(chunk);
      return hash.digest('hex');
    } catch (error) {
      expect(error).toBeInstanceOf(InputError);
      return (error as Error).message;
    }
  }
  async function same(bytes: Uint8Array): Promise<string> {
    const file = join(folder, 'log.jsonl.gz');
    await writeFile(file, bytes);
    const [node, page] = [await outcomeOf(fileSource(file)), await outcomeOf(await blobOf(file))];
    expect(page).toBe(node);
    return page;
  }
  const text = Array.from({ length: 4000 }, (_, i) => `{"row":${i},"text":"${'ab'.repeat(i % 40)}"}\n`).join(
    '',
  );
  const member = gzipSync(text);
  const zeros = new Uint8Array(70_000);

  test('members, padding between and behind them, and empty ones are read as zlib reads them', async () => {
    const digest = (whole: string) => createHash('sha1').update(whole).digest('hex');
    expect(await same(member)).toBe(digest(text));
    expect(await same(Buffer.concat([member, member]))).toBe(digest(text + text));
    expect(await same(Buffer.concat([member, zeros, gzipSync(''), member, zeros]))).toBe(digest(text + text));
    expect(await same(gzipSync(Buffer.alloc(3_000_000, 'x')))).toBe(digest('x'.repeat(3_000_000)));
  });

  test('what is cut short, damaged or followed by something else is refused in the same words', async () => {
    for (const cut of [3, 11, 500, member.length - 9, member.length - 1])
      expect(await same(member.subarray(0, cut))).toContain('got one that is cut short');
    const damaged = Buffer.from(member);
    damaged[member.length - 6] ^= 1;
    expect(await same(damaged)).toContain('incorrect data check');
    expect(await same(Buffer.concat([member, Buffer.from('not gzip')]))).toContain('incorrect header check');
    for (let at = 12; at < member.length; at += 397) {
      const changed = Buffer.from(member);
      changed[at] ^= 0x40;
      expect(await same(changed)).toContain('cannot be read');
    }
  });
});
