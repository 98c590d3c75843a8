/**
 * A file name always means the file of that name: for DuckDB, the readers of logs and problems, and the writer of
 * weights.
 */
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { analyzeGroup, WeightsWriter } from '../analysis/index.js';
import { readRollouts } from '../rollouts/files.js';
import { readDataset } from '../task/files.js';
import { literalName, parquetColumns, parquetRows } from './duckdb.js';
import { InputError } from './index.js';

let folder: string;
let seeds: string[];
let db: Awaited<ReturnType<DuckDBInstance['connect']>>;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'names-'));
  db = await (await DuckDBInstance.create()).connect();
  seeds = [];
  for (let i = 0; i < 5; i++) {
    seeds.push(join(folder, `seed${i}`));
    await db.run(
      `COPY (SELECT 'p' AS prompt, 'a' AS completion, ${i}::DOUBLE AS reward, '${i}' AS answer) TO '${seeds[i]}' (FORMAT parquet)`,
    );
  }
});
afterAll(() => rm(folder, { recursive: true }));

/** Writes the i-th seed under a name in a new folder; returns the path. */
let count = 0;
async function put(names: Record<string, number>): Promise<string> {
  const root = join(folder, `n${count++}`);
  for (const [name, i] of Object.entries(names)) {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await copyFile(seeds[i], join(root, name));
  }
  return root;
}
async function rewards(file: string): Promise<unknown[]> {
  const list: unknown[] = [];
  for await (const row of parquetRows(file, await parquetColumns(file)))
    if ('row' in row) list.push(row.row.reward);
  return list;
}

/** Names that look like a pattern, a URL, a home folder, an option or a partition, with files that they would match. */
const NAMES = [
  'log[12].parquet',
  'log*.parquet',
  'log?.parquet',
  '**/log1.parquet',
  '[!x]og1.parquet',
  '[^x]og1.parquet',
  '[a-z]og1.parquet',
  '[[]log1.parquet',
  '[].parquet',
  ']log1[.parquet',
  '{log1,log2}.parquet',
  'log{1..2}.parquet',
  'it\'s "log1".parquet',
  '50%.parquet',
  ' log1 .parquet',
  'log1\nlog2.parquet',
  'ünïcødé 日本 🙂.parquet',
  '-log1.parquet',
  '--log1.parquet',
  's3:/log1.parquet',
  'https:/host/log1.parquet',
  'file:/log1.parquet',
  '~/log1.parquet',
  '$HOME.parquet',
  'log1.parquet?version=1',
  'log1.parquet#1',
  'log1.parquet;x',
  'log1\\log2.parquet',
  'reward=4/answer=4/log1.parquet',
  'reward=4[1]/a*/completion=z/log?.parquet',
];

describe.skipIf(process.platform === 'win32')('a name', () => {
  test.each(NAMES)('%j is read as that file alone, by its own columns', async (name) => {
    const root = await put({ 'log1.parquet': 1, 'log2.parquet': 2, [name]: 3 });
    const file = join(root, name);
    expect(await rewards(file)).toEqual([3]);
    const groups = [];
    for await (const group of readRollouts(file, { groupSize: 1 })) groups.push(group);
    expect(groups.map(({ completions }) => completions[0].reward)).toEqual([3]);
    expect(groups[0].completions[0].text).toBe('a');
    // The dataset's reader detects Parquet by the file ending.
    const named = join(root, `${name}.parquet`);
    await copyFile(file, named);
    expect(await readDataset(named, {}, () => null)).toMatchObject([{ problem: 'p', answer: '3' }]);
  });

  test('made of any signs is read as that file alone, or refused', async () => {
    const sign = fc.constantFrom(...'*?[]{}!^-=,~#%$\'";: ab1.\n\\é');
    await fc.assert(
      fc.asyncProperty(fc.array(sign, { minLength: 1, maxLength: 8 }), async (signs) => {
        const name = signs.join('');
        const others = ['a', 'b', '1', 'ab', 'aa', 'a1', 'a*'].filter((other) => other !== name);
        if (/^\.+$/.test(name)) return;
        const root = await put({ ...Object.fromEntries(others.map((other) => [other, 1])), [name]: 2 });
        const file = join(root, name);
        if (/[*?[]/.test(name) && name.includes('\\')) expect(() => literalName(file)).toThrow(InputError);
        else expect(await rewards(file), JSON.stringify(name)).toEqual([2]);
      }),
      { numRuns: 100 },
    );
  });

  test('relative to the working folder that looks like a URL or an option is that file', async () => {
    const root = await put({
      's3:/b/x.parquet': 2,
      'http:/h/x.parquet': 2,
      '-x.parquet': 2,
      '~/x.parquet': 2,
    });
    const before = process.cwd();
    process.chdir(root);
    try {
      for (const name of ['s3://b/x.parquet', 'http://h/x.parquet', '-x.parquet', '~/x.parquet'])
        expect(await rewards(name), name).toEqual([2]);
    } finally {
      process.chdir(before);
    }
  });

  test('of a packed log is that file too', async () => {
    const { gzipSync } = await import('node:zlib');
    const row = (reward: number) => `{"prompt":"p","completion":"a","reward":${reward}}\n`;
    const root = await put({});
    await mkdir(root);
    await writeFile(join(root, 'own1.jsonl.gz'), gzipSync(row(1)));
    await writeFile(join(root, 'own[1].jsonl.gz'), gzipSync(row(2)));
    for await (const group of readRollouts(join(root, 'own[1].jsonl.gz'), { groupSize: 1 }))
      expect(group.completions[0].reward).toBe(2);
  });

  test('of weights may hold any signs, its parts and the folder of its parts too', async () => {
    const root = join(await put({ 'x=9/w[1]*/log1.parquet': 1 }), 'x=9/w[1]*');
    const [path, other] = [join(root, "w{a,b}?'.parquet"), join(root, "w{a,b}x'.parquet")];
    await writeFile(other, 'not touched');
    const writer = await WeightsWriter.open(path);
    for await (const group of readRollouts(join(root, 'log1.parquet'), { groupSize: 1 }))
      await writer.add(group, analyzeGroup(group));
    await writer.close();
    expect((await parquetColumns(path)).map(({ name }) => name)).not.toContain('x');
    expect(await rewards(path)).toEqual([1]);
    expect(String(await readFile(other))).toBe('not touched');
  });
});
