/**
 * Every reader on small logs. TRL's were written by TRL itself (scripts/fixtures/trl_log.py); those of prime-rl,
 * verifiers v1, NeMo-RL, tinker-cookbook, veRL, SkyRL, ART, grpo-prm and NeMo-Gym are built here field by field from
 * the frameworks' source; verifiers, NeMo-Gym, reasoning-gym and Qwen are also tested on real logs in
 * test/readers/real-logs.test.ts.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readBoth as readRollouts } from '../../test/read-both.js';
import { BadRowsError, type Group, type ReadOptions, RolloutError } from './index.js';

let folder: string;
let count = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'readers-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** Writes files in a new folder; returns that folder. */
async function put(files: Record<string, string | Uint8Array>): Promise<string> {
  const root = join(folder, String(count++));
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await writeFile(join(root, name), content);
  }
  return root;
}
const lines = (rows: readonly unknown[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');

async function all(source: string | string[], options?: ReadOptions): Promise<Group[]> {
  const groups: Group[] = [];
  for await (const group of readRollouts(source, options)) groups.push(group);
  return groups;
}
const rewards = (groups: readonly Group[]) => groups.map((g) => g.completions.map(({ reward }) => reward));
const error = (source: string | string[], options?: ReadOptions) =>
  all(source, options).then(
    () => {
      throw new Error('no error');
    },
    (thrown: Error) => {
      if (!(thrown instanceof RolloutError)) throw thrown;
      return thrown.message;
    },
  );

const OWN = {
  id: 'a',
  step: 2,
  tokens: 'exact',
  groups: 'explicit',
  prompt: { tokens: [5, 6] },
  completions: [
    { tokens: [1, 2], reward: 1 },
    { tokens: [1, 3, 4], reward: 0, logprobs: [-0.5, -1, -2] },
  ],
};
const row = (group: string | number, reward: unknown, more: object = {}) => ({
  group,
  prompt: `p${group}`,
  completion: `answer is ${String(reward)}`,
  reward,
  ...more,
});

describe('readRollouts', () => {
  test('reads our own log, with where each group stands', async () => {
    const root = await put({ 'rollouts/step_000002.jsonl': lines([OWN, { ...OWN, id: 'b' }]) });
    const groups = await all(root);
    expect(groups.map(({ id, step, tokens }) => [id, step, tokens])).toEqual([
      ['a', 2, 'exact'],
      ['b', 2, 'exact'],
    ]);
    expect(groups[1].source).toEqual({
      file: join(root, 'rollouts/step_000002.jsonl'),
      line: 2,
      format: 'own',
    });
    expect(groups[0].completions[1].logprobs).toEqual(Float32Array.of(-0.5, -1, -2));
  });

  test('reads plain, gzip and zstd alike, with a byte order mark and Windows line ends too', async () => {
    const text = `${JSON.stringify(row(1, 1))}\n\n${JSON.stringify(row(1, 0))}\n${JSON.stringify(row(2, 0.5, { completion: 'é "q",\\ \u2028' }))}`;
    const plain = await put({ 'log.jsonl': text });
    const bom = await put({ 'log.jsonl': `\ufeff${text.replaceAll('\n', '\r\n')}` });
    const packed = await put({ 'log.jsonl.gz': gzipSync(text) });
    const zstd = await put({});
    await mkdir(zstd, { recursive: true });
    const db = await (await DuckDBInstance.create()).connect();
    const quoted = text.replaceAll("'", "''");
    await db.run(
      `COPY (SELECT unnest(string_split('${quoted}', chr(10))) AS line) TO '${zstd}/log.jsonl.zst' (FORMAT csv, HEADER false, DELIMITER '\u0001', QUOTE '', ESCAPE '', COMPRESSION zstd)`,
    );
    const expected = (await all(plain)).map(({ source, ...group }) => ({ ...group, line: source?.line }));
    expect(expected.map(({ line }) => line)).toEqual([1, 4]);
    for (const root of [bom, packed, zstd]) {
      const groups = (await all(root)).map(({ source, ...group }) => ({ ...group, line: source?.line }));
      expect(groups).toEqual(expected);
    }
  });

  test('text units are words and marks with the white space before them, the same id for the same unit', async () => {
    const [group] = await all(await put({ 'a.jsonl': lines([row(1, 1), row(1, 0)]) }));
    expect(group.tokens).toBe('text-units');
    const [first, two] = group.completions;
    expect([...first.tokens].map((id) => group.tokenTexts?.[id])).toEqual(['answer', ' is', ' 1']);
    expect(first.tokens.subarray(0, 2)).toEqual(two.tokens.subarray(0, 2));
    expect(first.tokens[2]).not.toBe(two.tokens[2]);
  });

  test("a caller's tokenizer replaces them, and is named", async () => {
    const tokenizer = (text: string) => Int32Array.from(text, (c) => c.codePointAt(0)!);
    const [group] = await all(await put({ 'a.jsonl': lines([row(1, 1)]) }), { tokenizer });
    expect(group.tokens).toBe('retokenized');
    expect(String.fromCodePoint(...group.completions[0].tokens)).toBe('answer is 1');
    expect(group.tokenTexts).toBeUndefined();
  });

  test('patterns, folders in the order of their numbers, a file named twice read once', async () => {
    const root = await put({
      'step_10/x.jsonl': lines([row(1, 1)]),
      'step_9/x.jsonl': lines([row(1, 0)]),
      'step_9/notes.txt': 'no log',
    });
    expect((await all(root)).map(({ step }) => step)).toEqual([9, 10]);
    expect((await all(join(root, '**/*.jsonl'))).length).toBe(2);
    expect((await all([join(root, 'step_{9,10}/?.jsonl'), join(root, 'step_9/x.jsonl')])).length).toBe(2);
    expect(await error(join(root, '*.parquet'))).toContain(
      'expected files that match this pattern, got none',
    );
    expect(await error(join(root, 'none'))).toContain(
      'expected a file, a folder or a pattern, got a path that does not exist',
    );
  });
});

describe('whole numbers beyond 2^53', () => {
  const A = '9007199254740993';
  const B = '9007199254740992';
  test('are ids digit by digit, in JSON and in every kind of Parquet column', async () => {
    const text = [A, A, B, B]
      .map((group, i) => `{"group":${group},"prompt":"p","completion":"a","reward":${i}}\n`)
      .join('');
    const root = await put({ 'a.jsonl': text, 'list/b.json': `[${text.trim().split('\n').join(',')}]` });
    const db = await (await DuckDBInstance.create()).connect();
    const types = ['BIGINT', 'UBIGINT', 'DECIMAL(38,0)', 'VARCHAR'];
    for (const type of types)
      await db.run(
        `COPY (SELECT g::${type} AS "group", 'p' AS prompt, 'a' AS completion, i::DOUBLE AS reward
         FROM (VALUES (${A}, 0), (${A}, 1), (${B}, 2), (${B}, 3)) t(g, i)) TO '${join(root, `${type}.parquet`)}' (FORMAT parquet)`,
      );
    for (const name of ['a.jsonl', 'list/b.json', ...types.map((type) => `${type}.parquet`)]) {
      const groups = await all(join(root, name));
      expect(
        groups.map(({ id }) => id),
        name,
      ).toEqual([A, B]);
      expect(rewards(groups), name).toEqual([
        [0, 1],
        [2, 3],
      ]);
    }
  });

  test('are refused with all their digits where no such number can be', async () => {
    const refused = async (more: object | string, key: string) =>
      expect(
        await error(await put({ 'a.jsonl': `{"group":1,"prompt":"p","completion":"a","reward":1,${more}}` })),
      ).toMatch(new RegExp(`${key}.*got ${A}`));
    await refused(`"step":${A}`, 'step');
    await refused(`"tokens":[1,${A},3]`, 'tokens\\[1\\]');
    await refused(`"tokens":[${A}]`, 'tokens\\[0\\]');
  });

  test('are measures like any other decimal', async () => {
    const text = `{"group":1,"prompt":"p","completion":"a","reward":${A}}\n{"group":1,"prompt":"p","completion":"a","reward":0.1234567890123456789}\n`;
    expect(rewards(await all(await put({ 'a.jsonl': text })))).toEqual([[2 ** 53, 0.12345678901234568]]);
  });
});

describe('what cannot be known is refused', () => {
  test('rows of no known shape, and formats that are not the named one', async () => {
    expect(await error(await put({ 'a.jsonl': '{"x":1}\n' }))).toMatch(
      /a\.jsonl: expected a known format .*, got rows of an unknown format, with the keys x; .*--prompt-key.*--tokens-key.*--reward-key.*--skip-bad/,
    );
    const mixed = await put({ 'a.jsonl': lines([OWN]), 'b.jsonl': lines([row(1, 1)]) });
    await expect(all(mixed, { format: 'own' })).rejects.toThrow(BadRowsError);
  });

  test('verifiers: an id that mixes prompts, or answers to one prompt, is no group', async () => {
    const rollout = (id: object, prompt: string, answer: string) => ({
      ...id,
      prompt: [{ role: 'user', content: prompt }],
      completion: [{ role: 'assistant', content: 'x' }],
      answer,
      task: 'default',
      reward: 1,
    });
    const wrong = await put({
      'results.jsonl': lines([rollout({ id: 0 }, 'a', '1'), rollout({ id: 0 }, 'b', '2')]),
    });
    expect(await error(wrong)).toMatch(
      /results\.jsonl:2: group 0: expected one prompt and answer per group, got ones that differ from line 1/,
    );
    const game = [rollout({ id: 0 }, 'guess', 'story'), rollout({ id: 0 }, 'guess', 'other')];
    expect(await error(await put({ 'results.jsonl': lines(game) }))).toContain('group 0');
    // The same prompt for different tasks, with two ids: the id identifies the group.
    const right = [0, 1, 0, 1].map((i) => rollout({ example_id: i }, 'guess', i === 0 ? 'story' : 'other'));
    const groups = await all(await put({ 'results.jsonl': lines(right) }));
    expect(groups.map(({ id, completions, groups }) => [id, completions.length, groups])).toEqual([
      ['0', 2, 'explicit'],
      ['1', 2, 'explicit'],
    ]);
    const skipped: string[] = [];
    const root = await put({ 'a/results.jsonl': lines(game), 'b/results.jsonl': lines(right) });
    const kept = await all(root, { skipBad: true, onBad: ({ file }) => skipped.push(file) });
    expect([kept.length, skipped]).toEqual([2, [join(root, 'a/results.jsonl')]]);
    expect(kept[0].id).toBe('b/results:0');
  });

  test('veRL without ids: one prompt throughout, or one that stands more often than others', async () => {
    const rollout = (input: string, score: number) => ({
      input,
      output: 'x y',
      gts: '1',
      score,
      step: 3,
      acc: score > 0,
    });
    const same = Array.from({ length: 8 }, (_, i) => rollout('same', i));
    const file = await put({ '3.jsonl': lines(same) });
    expect(await error(file)).toMatch(
      /3\.jsonl: expected a group id, got none, and all 8 prompts are the same text/,
    );
    expect((await all(file, { groupSize: 8 })).length).toBe(1);
    expect(await error(file, { groupSize: 4 })).toContain('this prompt occurs 8 times, where a group has 4');
    const twice = ['a', 'b', 'a', 'b', 'a', 'a'].map((input, i) => rollout(input, i));
    expect(await error(await put({ '3.jsonl': lines(twice) }))).toContain('cannot be recovered');
    const good = await all(await put({ '3.jsonl': lines(twice.slice(0, 4)) }));
    expect(good.map(({ groups, step }) => [groups, step])).toEqual([
      ['prompt-text', 3],
      ['prompt-text', 3],
    ]);
    expect(rewards(good)).toEqual([
      [0, 2],
      [1, 3],
    ]);
  });

  test('one group in two files of a step is refused; the same id without steps is two groups', async () => {
    const files = (step: object) => ({
      'a.jsonl': lines([row(1, 1, step)]),
      'b.jsonl': lines([row(1, 0, step)]),
    });
    expect(await error(await put(files({ step: 4 })))).toMatch(
      /b\.jsonl:1: group 1: expected each group of step 4 in one file, got it in .*a\.jsonl too .*--by-file/,
    );
    expect((await all(await put(files({})))).map(({ id }) => id)).toEqual(['a:1', 'b:1']);
  });

  test('a step that comes back long after it ended is refused, near ones are put together', async () => {
    const steps = (list: number[]) => lines(list.map((step) => row('g', step, { step })));
    const near = await all(await put({ 'a.jsonl': steps([1, 2, 1, 3, 2, 4]) }));
    expect(near.map(({ step, completions }) => [step, completions.length])).toEqual([
      [1, 2],
      [2, 2],
      [3, 1],
      [4, 1],
    ]);
    expect(await error(await put({ 'a.jsonl': steps([1, 2, 3, 4, 5, 1]) }))).toMatch(
      /a\.jsonl:6: step: expected .*, got step 1 again/,
    );
  });
});

describe('bad rows', () => {
  const bad: [string, string, RegExp][] = [
    ['a broken line', '{"group":1,"prompt":"p', /a\.jsonl:2: is not JSON/],
    [
      'no reward',
      '{"group":1,"prompt":"p1","completion":"x"}',
      /a\.jsonl:2: reward: expected .*, got nothing/,
    ],
    [
      'a reward that is text',
      '{"group":1,"prompt":"p1","completion":"x","reward":"1"}',
      /reward: expected .*, got "1"/,
    ],
    ['NaN', '{"group":1,"prompt":"p1","completion":"x","reward":NaN}', /reward: expected .*, got NaN/],
    ['null', '{"group":1,"prompt":"p1","completion":"x","reward":null}', /reward: expected .*, got null/],
    [
      'infinity',
      '{"group":1,"prompt":"p1","completion":"x","reward":-Infinity}',
      /reward: expected .*, got -Infinity/,
    ],
    [
      'a number too large',
      '{"group":1,"prompt":"p1","completion":"x","reward":1e999}',
      /reward: expected .*, got 1e999/,
    ],
    ['no object', '17', /a\.jsonl:2: the row: expected .*, got 17/],
    [
      'no group',
      '{"prompt":"p1","completion":"x","reward":1}',
      /a\.jsonl:2: group: expected .*, got nothing/,
    ],
  ];
  test.each(bad)(
    '%s is named by file and line, and skipped only if that is asked',
    async (_, text, message) => {
      const file = await put({
        'a.jsonl': `${JSON.stringify(row(1, 1))}\n${text}\n${JSON.stringify(row(1, 0))}\n`,
      });
      const keys = { group: 'group' };
      expect(await error(file, { keys })).toMatch(message);
      const badLines: (number | null)[] = [];
      const groups = await all(file, { keys, skipBad: true, onBad: ({ line }) => badLines.push(line) });
      expect([rewards(groups), badLines]).toEqual([[[1, 0]], [2]]);
    },
  );

  test('bytes that are not UTF-8, an empty file, gzip cut short', async () => {
    const good = JSON.stringify(row(1, 1));
    const latin = Buffer.concat([
      Buffer.from(`${good}\n{"group":1,"prompt":"`),
      Buffer.of(0xe9),
      Buffer.from('"}\n'),
    ]);
    expect(await error(await put({ 'a.jsonl': latin }))).toMatch(
      /a\.jsonl:2: expected .*, got bytes that are not UTF-8/,
    );
    const empty = await put({ 'a.jsonl': '', 'b.jsonl': `${good}\n` });
    expect(await error(empty)).toMatch(/a\.jsonl: is empty/);
    expect((await all(empty, { skipBad: true })).length).toBe(1);
    const noise = lines(Array.from({ length: 3000 }, (_, i) => row(i, Math.sin(i))));
    const cut = gzipSync(noise).subarray(0, -2000);
    expect(await error(await put({ 'a.jsonl.gz': cut }))).toMatch(
      /a\.jsonl\.gz: cannot be read: unexpected end of file/,
    );
  });

  test('the first ten are shown, all are counted, and the good groups come before the error', async () => {
    const file = await put({
      'a.jsonl': lines([...Array.from({ length: 13 }, () => row(1, 'x')), row(2, 1)]),
    });
    const seen: Group[] = [];
    const thrown = await (async () => {
      for await (const group of readRollouts(file)) seen.push(group);
    })().catch((caught: BadRowsError) => caught);
    expect(seen.length).toBe(1);
    expect(thrown).toBeInstanceOf(BadRowsError);
    expect(thrown?.count).toBe(13);
    expect(thrown?.message.split('\n').length).toBe(12);
    expect(thrown?.message).toContain('and 3 more');
  });

  test('a bad row keeps its place among consecutive rows', async () => {
    const list = ['a', 'a', 'b', 'b', 'c', 'c'].map((prompt, i) => ({ prompt, completion: 'x', reward: i }));
    const text = lines(list).split('\n');
    text[2] = '{';
    const groups = await all(await put({ 'a.jsonl': text.join('\n') }), { groupSize: 2, skipBad: true });
    expect(rewards(groups)).toEqual([[0, 1], [3], [4, 5]]);
    expect(groups.map(({ groups }) => groups)).toEqual(['consecutive', 'consecutive', 'consecutive']);
    expect(await error(await put({ 'a.jsonl': lines(list) }), { groupSize: 3 })).toContain(
      'a prompt that differs from line 1',
    );
    expect(await error(await put({ 'a.jsonl': lines(list) }), { groupSize: 4 })).toContain(
      'got a prompt that differs from line',
    );
    expect(await error(await put({ 'a.jsonl': lines(list.slice(0, 5)) }), { groupSize: 2 })).toContain(
      'expected groups of 2 rows, got 1 rows after',
    );
  });

  test('Parquet cut short, and one whose rows are bad', async () => {
    const root = await put({ 'x/a.txt': '' });
    const db = await (await DuckDBInstance.create()).connect();
    const file = join(root, 'a.parquet');
    await db.run(
      `COPY (SELECT * FROM (VALUES ('p', 'x', 1.0::DOUBLE, [1, 2]), ('p', 'y', 'nan'::DOUBLE, [1]), ('p', 'z', 0.5, [3])) t(prompt, completion, reward, tokens)) TO '${file}' (FORMAT parquet)`,
    );
    expect(await error(file, { groupSize: 3 })).toMatch(/a\.parquet:2: reward: expected .*, got NaN/);
    const [group] = await all(file, { groupSize: 3, skipBad: true });
    expect(group.completions.map(({ tokens }) => [...tokens])).toEqual([[1, 2], [3]]);
    expect(group.tokens).toBe('exact');
    const { readFile } = await import('node:fs/promises');
    const cut = await put({ 'a.parquet': (await readFile(file)).subarray(0, 200) });
    expect(await error(cut)).toMatch(/a\.parquet: cannot be read as Parquet: .*(magic bytes|footer)/);
    expect(await all(cut, { skipBad: true })).toEqual([]);
  });
});
