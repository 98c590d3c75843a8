/** Folders that hold several runs or formats, options without effect, and ids that occur twice. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readBoth as readRollouts } from '../../test/read-both.js';
import { FORMATS } from './formats/all.js';
import { UniqueIds } from './ids.js';
import type { Group, ReadNote, ReadOptions } from './index.js';

let folder: string;
let count = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sources-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function put(files: Record<string, readonly object[] | string>): Promise<string> {
  const root = join(folder, String(count++));
  for (const [name, rows] of Object.entries(files)) {
    await mkdir(dirname(join(root, name)), { recursive: true });
    const text = typeof rows === 'string' ? rows : rows.map((row) => `${JSON.stringify(row)}\n`).join('');
    await writeFile(join(root, name), text);
  }
  return root;
}
async function all(
  source: string | string[],
  options: ReadOptions = {},
  notes: ReadNote[] = [],
): Promise<Group[]> {
  const groups: Group[] = [];
  for await (const group of readRollouts(source, { ...options, onNote: (note) => notes.push(note) }))
    groups.push(group);
  return groups;
}

const OWN = (id: string, step = 1) => ({
  ...{ id, step, tokens: 'exact', groups: 'explicit', prompt: { tokens: [5] } },
  completions: [
    { tokens: [1], reward: 1 },
    { tokens: [2], reward: 0 },
  ],
});
const VERL = (uid: string, step = 1) => ({
  input: 'p',
  output: `o ${uid}`,
  gts: '',
  score: 1,
  step,
  uid: `${uid}_0_0`,
});
const VERIFIERS = (id: number) => ({ example_id: id, prompt: 'p', completion: 'c', answer: '', reward: 1 });
const labels = (groups: readonly Group[]) => groups.map(({ id, source }) => [source?.label ?? null, id]);

describe('a folder', () => {
  test('of one run has no labels', async () => {
    const root = await put({
      'run/rollouts/step_000001.jsonl': [OWN('a')],
      'run/rollouts/step_000002.jsonl': [OWN('a', 2)],
    });
    expect(labels(await all(root))).toEqual([
      [null, 'a'],
      [null, 'a'],
    ]);
  });

  test('of several runs has a label for each, and ids that say it', async () => {
    const root = await put({
      'grpo/seed_0/rollouts/step_000001.jsonl': [OWN('a')],
      'grpo/seed_1/rollouts/step_000001.jsonl': [OWN('a')],
      'lambda/seed_0/rollouts/step_000001.jsonl': [OWN('a')],
    });
    const expected = ['grpo/seed_0', 'grpo/seed_1', 'lambda/seed_0'].map((label) => [label, `${label}:a`]);
    expect(labels(await all(root))).toEqual(expected);
    expect(labels(await all([join(root, 'grpo'), join(root, 'lambda')]))).toEqual(expected);
  });

  test('of several formats has a label for each', async () => {
    const root = await put({
      'a/1.jsonl': [VERL('x')],
      'a/own.jsonl': [OWN('x')],
      'b/results.jsonl': [VERIFIERS(0)],
    });
    expect(labels(await all(root))).toEqual([
      ['a (verl)', 'a (verl):x'],
      ['a (own)', 'a (own):x'],
      ['b/results', 'b/results:0'],
    ]);
  });

  test('a run’s folders of steps and ranks are no runs', async () => {
    const row = (group: number) => ({ prompt: 'p', completion: 'c', reward: 1, group });
    const root = await put({
      'log/step_1/rank_0.jsonl': [row(0)],
      'log/step_1/rank_1.jsonl': [row(1)],
      'log/global_step_2/rank_0.jsonl': [row(0)],
    });
    expect((await all(root)).map(({ step, id, source }) => [step, id, source?.label])).toEqual([
      [2, '0', undefined],
      [1, '0', undefined],
      [1, '1', undefined],
    ]);
  });

  test('of one file for each run: refused where ids meet, labelled where the user says so', async () => {
    const rows = [{ prompt: 'p', completion: 'c', reward: 1, group: 0, step: 1 }];
    const root = await put({ 'a.jsonl': rows, 'b.jsonl': rows });
    await expect(all(root)).rejects.toThrow(/b\.jsonl:1: group 0: .*--by-file/);
    expect(labels(await all(root, { byFile: true }))).toEqual([
      ['a', 'a:0'],
      ['b', 'b:0'],
    ]);
  });

  test('with files that are no log: named with the options that help, left out with skipBad', async () => {
    const root = await put({
      'log.jsonl': [OWN('a')],
      'notes.jsonl': [{ text: 'hello', author: 'me' }],
      'broken.json': '{"a": ',
      'empty.jsonl': '',
      'db.json': 'SQLite format 3\0 and more',
    });
    await expect(all(join(root, 'notes.jsonl'))).rejects.toThrow(
      /notes\.jsonl: expected a known format .*keys text, author; .*--prompt-key, --completion-key or --tokens-key, and --reward-key/,
    );
    await expect(all(root)).rejects.toThrow();
    const bad: string[] = [];
    const groups = await all(root, { skipBad: true, onBad: ({ file }) => bad.push(file) });
    expect(labels(groups)).toEqual([[null, 'a']]);
    expect(bad.map((file) => file.slice(root.length + 1)).sort()).toEqual([
      'broken.json',
      'db.json',
      'empty.jsonl',
      'notes.jsonl',
    ]);
  });
});

describe('an option without effect', () => {
  const values = {
    keys: { reward: 'r', step: 's' },
    rewardWeights: { a: 1 },
    groupSize: 2,
  };
  const NAMES = {
    keys: '--reward-key, --step-key',
    rewardWeights: '--reward-weight',
    groupSize: '--group-size',
  };
  const LOGS = {
    own: [OWN('a')],
    verifiers: [VERIFIERS(0)],
    verl: [VERL('x'), VERL('x')],
    'nemo-gym': [
      { responses_create_params: { input: 'q' }, response: { output: [] }, reward: 1, _ng_task_index: 0 },
    ],
    art: [{ trajectories: [{ messages: [{ role: 'user', content: 'q' }], reward: 1, metrics: {} }] }],
    'qwen-math': [{ question: 'q', response: ['a'], score: [true], idx: 0 }],
  } as const;

  test.each(
    Object.keys(LOGS).flatMap((format) =>
      (Object.keys(values) as (keyof typeof values)[]).map(
        (option) => [format as keyof typeof LOGS, option] as const,
      ),
    ),
  )('%s, %s: is said where the format’s reader does not look at it', async (format, option) => {
    const root = await put({ 'a.jsonl': LOGS[format] });
    const notes: ReadNote[] = [];
    await all(root, { format, [option]: values[option], skipBad: true }, notes).catch(() => []);
    const idle = notes.filter(
      ({ message }) => message === `${NAMES[option]}: has no effect on logs of format ${format}`,
    );
    expect(idle.map(({ warning }) => warning)).toEqual(FORMATS[format].uses.includes(option) ? [] : [true]);
  });

  test('a format gets no option that it does not declare', async () => {
    for (const format of Object.values(FORMATS)) {
      const readOptions = new Set<string>();
      const options = new Proxy({}, { get: (_, name) => void readOptions.add(String(name)) });
      const file = {
        path: 'x.jsonl',
        numbers: ['r'],
        columns: ['completion', 'r'],
        step: null,
        options,
        session: new Map(),
        note: () => {},
        warn: () => {},
      };
      const reader = format.open(file);
      reader.size?.();
      expect([...readOptions].filter((name) => !format.uses.includes(name as never))).toEqual([]);
    }
  });

  test('--group-size with group ids gives a note', async () => {
    const notes: ReadNote[] = [];
    await all(await put({ 'a.jsonl': [VERL('x')] }), { groupSize: 4 }, notes);
    expect(notes.map(({ message }) => message)).toEqual([
      '--group-size: has no effect on rows with a group id',
    ]);
  });
});

describe('ids of groups', () => {
  test('are different for any sequence of ids', () => {
    const id = fc.constantFrom('a', 'b', 'a#2', 'a#3', 'a#2#2', '');
    fc.assert(
      fc.property(fc.array(id, { maxLength: 30 }), (list) => {
        const ids = new UniqueIds();
        const unique = list.map((item) => ids.next(item));
        expect(new Set(unique).size).toBe(list.length);
        list.forEach((item, i) => {
          expect(unique[i] === item || unique[i].startsWith(`${item}#`)).toBe(true);
        });
        expect(unique[0]).toBe(list[0]);
      }),
    );
  });

  test('that occur twice in a step of an older log are two groups, with one note per file', async () => {
    const root = await put({
      'rollouts/step_000001.jsonl': [OWN('p'), OWN('p'), OWN('q'), OWN('p')],
      'rollouts/step_000002.jsonl': [OWN('p', 2)],
    });
    const notes: ReadNote[] = [];
    const groups = await all(root, {}, notes);
    expect(groups.map(({ step, id }) => [step, id])).toEqual([
      [1, 'p'],
      [1, 'p#2'],
      [1, 'q'],
      [1, 'p#3'],
      [2, 'p'],
    ]);
    expect(notes.map(({ line, message, warning }) => [line, message, warning])).toEqual([
      [
        2,
        'group p occurs twice in step 1; the second is read as a separate group, p#2; similar groups are read in the same way',
        true,
      ],
    ]);
  });
});
