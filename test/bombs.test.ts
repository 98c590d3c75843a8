/**
 * Small files that expand to gigabytes: the program refuses them soon, with one line and in little memory, measured on
 * a separate process.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, expect, test } from 'vitest';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bombs-'));
});
afterAll(() => rm(folder, { recursive: true }));

interface Outcome {
  readonly groups: number;
  readonly message: string;
  readonly peak: number;
}

async function read(name: string, bytes?: Uint8Array): Promise<Outcome> {
  const file = join(folder, name);
  if (bytes) await writeFile(file, bytes);
  expect((await stat(file)).size).toBeLessThan(20e6);
  const args = ['--import', 'tsx', join(import.meta.dirname, 'read-peak.ts'), file];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return JSON.parse(stdout) as Outcome;
}

/** Gzip of a head, a unit so many megabytes long, and an end: one member for each megabyte. */
const gzipped = (head: string, unit: string, megabytes: number, end = '') => {
  const member = gzipSync(unit.repeat(Math.ceil(1e6 / unit.length)), { level: 9 });
  return Buffer.concat([gzipSync(head), ...Array(megabytes).fill(member), gzipSync(end)]);
};
/** A zstd frame of the head as it is and then one byte, repeated: 128 KB in four bytes. */
const zstd = (head: string, byte: string, blocks: number) => {
  const block = (type: number, size: number, body: string, last = 0) => {
    const bits = Buffer.alloc(3);
    bits.writeUIntLE((size << 3) | (type << 1) | last, 0, 3);
    return Buffer.concat([bits, Buffer.from(body)]);
  };
  const repeated = block(1, 1 << 17, byte);
  const header = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0x38]);
  return Buffer.concat([
    header,
    block(0, head.length, head),
    ...Array(blocks).fill(repeated),
    block(0, 0, '', 1),
  ]);
};

const ROW = '{"prompt":"p","completion":"x","reward":1,"more":';
// Peaks measured on Linux, Node 20: 165 to 450 MiB, of objects 750; the process alone has 110.
test.each<[string, () => Buffer, RegExp, number]>([
  ['open.json.gz', () => gzipped('', '[', 100), /at most 500 levels of lists and objects/, 300],
  ['deep.jsonl.gz', () => gzipped(ROW, '{"a":', 100), /at most 500 levels of lists and objects/, 600],
  ['text.jsonl.gz', () => gzipped('{"prompt":"', 'x', 2000), /lines of at most 134217728 bytes/, 600],
  ['text.json.gz', () => gzipped('[{"prompt":"', 'x', 2000), /strings of at most 16777216 bytes/, 400],
  ['text.jsonl.zst', () => zstd('{"prompt":"', 'x', 16_000), /lines of at most 134217728 bytes/, 600],
  ['objects.jsonl.gz', () => gzipped(`${ROW}[`, '{},', 100, '1]}'), /at most 4194304 values/, 1000],
  [
    'messages.jsonl.gz',
    () =>
      gzipped(
        '{"prompt":"p","reward":1,"completion":[',
        '{"role":"user","content":"x"},',
        10,
        '{"role":"user","content":"x"}]}',
      ),
    /at most 65536 messages, got \d+/,
    500,
  ],
])('%s', { timeout: 60_000 }, async (name, bytes, message, most) => {
  const outcome = await read(name, bytes());
  expect(outcome.groups).toBe(0);
  expect(outcome.message).toMatch(message);
  expect(outcome.message).toContain(name);
  expect(outcome.peak).toBeLessThan(most);
});

test('a column of Parquet whose lists nest too deep for DuckDB is one line', {
  timeout: 60_000,
}, async () => {
  const db = await (await DuckDBInstance.create()).connect();
  const nested = `${'['.repeat(24)}1${']'.repeat(24)}`;
  const columns = `'p' AS prompt, 'c' AS completion, 1.0 AS reward`;
  const file = join(folder, 'deep.parquet');
  await db.run(`COPY (SELECT ${columns}, {'a(': ${nested}} AS more) TO '${file}' (FORMAT parquet)`);
  const outcome = await read('deep.parquet');
  expect(outcome.message).toMatch(
    /deep\.parquet: more: expected at most 16 levels of lists and structs, got 25/,
  );
  const fine = `${'['.repeat(8)}1${']'.repeat(8)}`;
  await db.run(
    `COPY (SELECT ${columns}, {'a': ${fine}, 'b': {'c': 1.5}} AS more) TO '${file}' (FORMAT parquet)`,
  );
  expect(await read('deep.parquet')).toMatchObject({ groups: 1, message: '' });
});
