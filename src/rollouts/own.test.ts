import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Completion, Group } from './group.js';
import { parseGroup, serializeGroup } from './own.js';
import { readOwnRollouts, writeGroups } from './own-files.js';
import { RolloutError } from './values.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rollouts-'));
});
afterAll(() => rm(folder, { recursive: true }));

const finite = fc.double({ noNaN: true, noDefaultInfinity: true }).map((x) => (x === 0 ? 0 : x)); // JSON text has no −0
const float32 = fc.float({ noNaN: true, noDefaultInfinity: true }).map((x) => (x === 0 ? 0 : x));
const token = fc.nat({ max: 2 ** 31 - 1 });
const text = fc.string({ unit: 'binary' });
const completion: fc.Arbitrary<Completion> = fc
  .array(fc.tuple(token, float32, fc.nat({ max: 1 })), { maxLength: 8 })
  .chain((list) =>
    fc.record(
      {
        tokens: fc.constant(Int32Array.from(list, ([id]) => id)),
        reward: finite,
        text,
        logprobs: fc.constant(Float32Array.from(list, ([, p]) => p)),
        mask: fc.constant(Uint8Array.from(list, ([, , m]) => m)),
        rewards: fc.dictionary(fc.stringMatching(/^[a-z]+$/), finite, { noNullPrototype: true }),
        note: text,
        advantage: finite,
        success: fc.boolean(),
        stop: fc.constantFrom('stop' as const, 'length' as const, 'turns' as const),
      },
      { requiredKeys: ['tokens', 'reward'] },
    ),
  );
const anyGroup: fc.Arbitrary<Group> = fc.record({
  id: text,
  step: fc.option(fc.nat()),
  prompt: fc.record(
    { tokens: fc.array(token).map((ids) => Int32Array.from(ids)), text },
    { requiredKeys: ['tokens'] },
  ),
  completions: fc.array(completion, { minLength: 1, maxLength: 4 }),
  tokens: fc.constantFrom('exact' as const, 'retokenized' as const, 'text-units' as const),
  groups: fc.constantFrom('explicit' as const, 'consecutive' as const, 'prompt-text' as const),
});

const GOOD = {
  id: 'p1',
  step: 3,
  tokens: 'exact',
  groups: 'explicit',
  prompt: { tokens: [0] },
  pieces: { 1: 'L', 2: 'R' },
  completions: [
    { tokens: [1, 2], logprobs: [-0.5, -1], mask: [1, 1], reward: 1 },
    { tokens: [], reward: 0 },
  ],
};
/** GOOD with one value replaced (undefined: removed), as a line. */
function line(path: (string | number)[], value: unknown): string {
  const copy = structuredClone(GOOD) as unknown as Record<string | number, unknown>;
  let at = copy;
  for (const key of path.slice(0, -1)) at = at[key] as Record<string | number, unknown>;
  at[path.at(-1)!] = value;
  return JSON.stringify(copy);
}

describe('our rollout log', () => {
  test('gives back every group that was written, to the last bit', () => {
    fc.assert(
      fc.property(anyGroup, (group) => {
        expect(parseGroup(serializeGroup(group), 'here')).toEqual(group);
      }),
      { numRuns: 100 },
    );
  });

  test('is written whole, one line a group, and read one group at a time', async () => {
    const file = join(folder, 'step_000003.jsonl');
    const group = parseGroup(JSON.stringify(GOOD), 'good');
    const many = Array.from({ length: 300 }, (_, i) => ({
      ...group,
      id: `héλ ${i}`,
      completions: [{ tokens: new Int32Array(500).fill(i), reward: i }],
    }));
    await writeGroups(file, many);
    expect((await readFile(file, 'utf8')).split('\n')).toHaveLength(301);
    expect(await readdir(folder)).toEqual(['step_000003.jsonl']);
    let i = 0;
    for await (const { id, completions } of readOwnRollouts(file)) {
      expect(id).toBe(many[i].id);
      expect(completions[0].tokens.join()).toBe(many[i++].completions[0].tokens.join());
    }
    expect(i).toBe(300);
  });

  test('a group that JSON cannot hold is named before anything is written', async () => {
    const file = join(folder, 'not-written.jsonl');
    const bad = parseGroup(JSON.stringify(GOOD), 'good');
    const [first, second] = bad.completions;
    const write = (completion: Completion) =>
      writeGroups(file, [bad, { ...bad, completions: [first, completion] }]);
    await expect(write({ ...second, reward: Number.NaN })).rejects.toThrow(
      'group "p1": completions[1].reward: expected a finite number, got NaN',
    );
    await expect(write({ ...first, logprobs: Float32Array.of(0, -Infinity) })).rejects.toThrow(
      'logprobs[1]: expected a finite number, got -Infinity',
    );
    await expect(write({ ...first, mask: Uint8Array.of(1) })).rejects.toThrow('mask: expected 2 values');
    expect(await readdir(folder)).not.toContain('not-written.jsonl');
    await expect(writeGroups(join(folder, 'no/such/file'), [bad])).rejects.toThrow(
      /file: cannot be written: [^\n]*$/,
    );
  });

  test.each([
    [
      line(['completions', 1, 'reward'], null),
      'completions[1].reward: expected a finite number, got null (how JSON writes NaN and infinities)',
    ],
    [
      line(['completions', 1, 'reward'], undefined),
      'completions[1].reward: expected a finite number, got nothing',
    ],
    [line(['completions', 1, 'reward'], '1'), 'completions[1].reward: expected a finite number, got "1"'],
    [
      line(['completions', 0, 'reward'], 1).replace('"reward":1', '"reward":NaN'),
      'completions[0].reward: expected a finite number, got NaN',
    ],
    [
      line(['completions', 0, 'logprobs'], [7, -1]).replace('[7,', '[-Infinity,'),
      'completions[0].logprobs[0]: expected a finite number, got -Infinity',
    ],
    [
      line(['completions', 0, 'reward'], 1).replace('"reward":1', '"reward":1e999'),
      'completions[0].reward: expected a finite number, got 1e999',
    ],
    [
      line(['completions', 0, 'logprobs'], [-1]),
      'completions[0].logprobs: expected 2 values, one for each token, got 1',
    ],
    [
      line(['completions', 0, 'mask'], [1, 1, 1]),
      'completions[0].mask: expected 2 values, one for each token, got 3',
    ],
    [line(['completions', 0, 'mask'], [1, 2]), 'completions[0].mask[1]: expected 0 or 1, got 2'],
    [
      line(['completions', 0, 'logprobs'], [-1, null]),
      'completions[0].logprobs[1]: expected a finite number, got null',
    ],
    [
      line(['completions', 0, 'tokens'], [1, -2]),
      'completions[0].tokens[1]: expected a token id, a whole number from 0, got -2',
    ],
    [
      line(['completions', 0, 'tokens'], [1.5, 2]),
      'completions[0].tokens[0]: expected a token id, a whole number from 0, got 1.5',
    ],
    [
      line(['completions', 0, 'tokens'], [2 ** 31, 2]),
      'completions[0].tokens[0]: expected a token id, a whole number from 0, got 2147483648',
    ],
    [
      line(['completions', 0, 'tokens'], undefined),
      'completions[0].tokens: expected a list, each a token id, a whole number from 0, got nothing',
    ],
    [
      line(['completions', 0, 'stop'], 'eos'),
      'completions[0].stop: expected "stop", "length", "turns", got "eos"',
    ],
    [
      line(['completions', 0, 'rewards'], { format: null }),
      'completions[0].rewards.format: expected a finite number, got null',
    ],
    [line(['completions', 0], 3), 'completions[0]: expected an object, got 3'],
    [line(['completions'], []), 'completions: expected a list of at least one completion, got an empty list'],
    [
      line(['completions'], undefined),
      'completions: expected a list of at least one completion, got nothing',
    ],
    [line(['prompt'], undefined), 'prompt: expected an object, got nothing'],
    [line(['prompt', 'text'], 7), 'prompt.text: expected a string, got 7'],
    [line(['id'], 12), 'id: expected a string, got 12'],
    [line(['step'], -1), 'step: expected a whole number from 0, or null, got -1'],
    [line(['tokens'], 'guessed'), 'tokens: expected "exact", "retokenized", "text-units", got "guessed"'],
    [line(['groups'], undefined), 'groups: expected "explicit", "consecutive", "prompt-text", got nothing'],
    [line(['pieces', 'x'], 'y'), 'pieces: expected token ids as keys, got "x"'],
    ['[1]', 'the line: expected an object, got a list'],
    [JSON.stringify(GOOD).slice(0, 80), 'is not JSON: '],
  ])('line %# that is not a group is refused, naming file, line and key', async (bad, expected) => {
    const file = join(folder, 'bad.jsonl');
    await writeFile(file, `${JSON.stringify(GOOD)}\n\n${bad}\n`);
    const read = async () => {
      for await (const group of readOwnRollouts(file)) expect(group.id).toBe('p1');
    };
    const error = await read().catch((e) => e);
    expect(error).toBeInstanceOf(RolloutError);
    expect(error.message.startsWith(`${file}:3: `)).toBe(true);
    expect(error.message).toContain(expected);
    expect(error.message).not.toContain('\n');
  });

  test('a file that is empty, missing or not UTF-8 is refused in one line', async () => {
    const file = join(folder, 'odd.jsonl');
    const read = async (name: string) => {
      for await (const _ of readOwnRollouts(name));
    };
    await writeFile(file, '\n');
    await expect(read(file)).rejects.toThrow(
      `${file}: expected a rollout log, one JSON object per line, got no group`,
    );
    await writeFile(
      file,
      Buffer.concat([Buffer.from(`${JSON.stringify(GOOD)}\n{"id":"`), Buffer.of(0xff, 0xfe)]),
    );
    await expect(read(file)).rejects.toThrow(
      `${file}:2: expected UTF-8 text, one JSON object per line, got bytes that are not UTF-8`,
    );
    await expect(read(join(folder, 'missing.jsonl'))).rejects.toThrow(
      /missing\.jsonl: cannot be read: [^\n]*$/,
    );
    await expect(read(folder)).rejects.toThrow(RolloutError);
  });
});
