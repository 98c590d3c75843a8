/**
 * Logs of an unknown format: key paths, masks, and padding without a mask. The four formats in the examples of
 * docs/formats.md are tested as they are written there.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readBoth as readRollouts } from '../../../test/read-both.js';
import type { Group, ReadNote, ReadOptions } from '../index.js';
import { withoutPadding } from '../padding.js';
import type { JsonObject } from '../values.js';
import { valueAt } from './key-path.js';

let folder: string;
let count = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'generic-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function read(
  rows: readonly unknown[],
  options: ReadOptions,
  notes: ReadNote[] = [],
): Promise<Group[]> {
  const file = join(folder, `${count++}.jsonl`);
  await writeFile(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  const groups: Group[] = [];
  for await (const group of readRollouts(file, { ...options, onNote: (note) => notes.push(note) }))
    groups.push(group);
  return groups;
}
const failure = (rows: readonly unknown[], options: ReadOptions) =>
  read(rows, options).then(
    () => 'no error',
    (error: Error) => error.message,
  );
const shape = (groups: readonly Group[]) =>
  groups.map(({ id, prompt, completions }) => [
    id,
    prompt.text ?? [...prompt.tokens],
    completions.map(({ text, tokens, reward }) => [text ?? [...tokens], reward]),
  ]);

describe('key paths', () => {
  const row: JsonObject = {
    a: { b: [1, 2, 3], 'x.y': 4 },
    'a.b': 'literal',
    list: [{ c: [5, 6] }, { c: [7] }, { d: 0 }],
    0: 'zero',
  };
  test.each([
    ['a.b', 'literal'],
    ['a.b.0', 1],
    ['a.b.-1', 3],
    ['a.b[1]', 2],
    ['a.b.1:', [2, 3]],
    ['a.b.:-1', [1, 2]],
    ['a.b[0:2]', [1, 2]],
    ['list.0.c.1', 6],
    ['0', 'zero'],
    ['list.9.c', undefined],
    ['a.b.x', undefined],
    ['a.toString', undefined],
    ['nothing.at.all', undefined],
  ])('%s leads to %j', (path, value) => {
    expect(valueAt(row, path)).toEqual({ many: false, value });
  });
  test.each([
    ['list.*.c', [[5, 6], [7], undefined]],
    ['list[].c', [[5, 6], [7], undefined]],
    ['list[*].c.*', [5, 6, 7]],
    ['a.b.*', [1, 2, 3]],
    ['nothing.*', []],
  ])('%s leads to each of %j', (path, values) => {
    expect(valueAt(row, path)).toEqual({ many: true, values });
  });
});

describe('completions', () => {
  test('as objects in a list', async () => {
    const rows = [
      {
        qid: 0,
        question: '2+2?',
        rollouts: [
          { text: '\\boxed{4}', correct: true },
          { text: '5', correct: false },
        ],
      },
      { qid: 1, question: '1+1?', rollouts: [{ text: '2', correct: true }] },
    ];
    const keys = { prompt: 'question', completion: 'rollouts.*.text', reward: 'rollouts.*.correct' };
    const expected = [
      [
        '2+2?',
        [
          ['\\boxed{4}', 1],
          ['5', 0],
        ],
      ],
      ['1+1?', [['2', 1]]],
    ];
    expect(shape(await read(rows, { keys }))).toEqual(
      expected.map((group, i) => [`line ${i + 1}`, ...group]),
    );
    const byId = { ...keys, group: 'qid' };
    expect(shape(await read(rows, { keys: byId }))).toEqual(
      expected.map((group, i) => [String(i), ...group]),
    );
  });

  test('in a list of lists, one reward for each or for the first', async () => {
    const rows = [{ doc: { q: 'Q' }, resps: [['4', '5', '4']], exact: 1, scores: [[1, 0, 1]], doc_id: 3 }];
    const first = { prompt: 'doc.q', completion: 'resps.0.0', reward: 'exact', group: 'doc_id' };
    expect(shape(await read(rows, { keys: first }))).toEqual([['3', 'Q', [['4', 1]]]]);
    const each = [
      ['4', 1],
      ['5', 0],
      ['4', 1],
    ];
    for (const [completion, reward] of [
      ['resps', 'scores'],
      ['resps.0', 'scores.0'],
      ['resps.*.*', 'scores.*.*'],
      ['resps.0.*', 'scores.0.*'],
    ])
      expect(shape(await read(rows, { keys: { prompt: 'doc.q', completion, reward } }))).toEqual([
        ['line 1', 'Q', each],
      ]);
    // One verdict for three answers cannot be assigned to one of them.
    expect(await failure(rows, { keys: { ...first, completion: 'resps.0.*' } })).toContain(
      ':1: exact: expected a list with one value for each completion: 3 values, one for each completion, got 1',
    );
    expect(await failure(rows, { keys: { ...first, completion: 'resps.0' } })).toMatch(/:1: resps\.0/);
  });

  test('as whole conversations, parted where the model first speaks or where the paths say', async () => {
    const talk = (answer: string, reward: number) => ({
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Say hello.' },
        { role: 'assistant', content: answer },
      ],
      attributes: { step: 1, reward },
    });
    const rows = [talk('Hello there!', 0.8), talk('Hello you!', -0.5)];
    const rest = { reward: 'attributes.reward', step: 'attributes.step' };
    const expected = [
      [
        '0',
        'system\nBe brief.\nuser\nSay hello.\n',
        [
          ['Hello there!', 0.8],
          ['Hello you!', -0.5],
        ],
      ],
    ];
    for (const keys of [
      { completion: 'messages' },
      { prompt: 'messages', completion: 'messages' },
      { prompt: 'messages.:-1', completion: 'messages.-1' },
      { prompt: 'messages.0:2', completion: 'messages.2:' },
    ]) {
      const groups = await read(rows, { keys: { ...keys, ...rest }, groupSize: 2 });
      expect(shape(groups)).toEqual(expected);
      expect(groups[0].step).toBe(1);
    }
    const silent = { messages: rows[0].messages.slice(0, 2), attributes: { reward: 1 } };
    expect(
      await failure([silent], { keys: { completion: 'messages', prompt: 'messages', ...rest } }),
    ).toContain('at least one of them from the assistant');
  });

  test('as conversations in a list: messages of others in between are not sampled', async () => {
    const turns = (last: string) => [
      { role: 'user', content: 'q' },
      { role: 'assistant', content: 'ask' },
      { role: 'tool', content: 'told' },
      { role: 'assistant', content: last },
    ];
    const [group] = await read([{ talks: [turns('yes'), turns('no')], scores: [1, 0] }], {
      keys: { completion: 'talks', reward: 'scores' },
    });
    expect(group.prompt.text).toBe('user\nq\n');
    expect(group.completions.map(({ text }) => text)).toEqual(
      ['yes', 'no'].map((last) => `ask\ntool\ntold\nassistant\n${last}`),
    );
    expect(group.completions[0].mask).toContain(0);
  });

  test('without a prompt: the group id or the row defines the group, else an error says so', async () => {
    const rows = [
      {
        tokens: [
          [1, 2],
          [1, 3],
        ],
        scores: [1, 0],
      },
    ];
    const [group] = await read(rows, { keys: { reward: 'scores' } });
    expect([group.id, [...group.prompt.tokens], group.completions.length]).toEqual(['line 1', [], 2]);
    const single = [{ text: 'a', r: 1 }];
    expect(await failure(single, { keys: { completion: 'text', reward: 'r' } })).toContain(
      ':1: prompt: expected text, messages or token ids (or a group key',
    );
    const grouped = single.map((item) => ({ ...item, g: 7 }));
    expect(shape(await read(grouped, { keys: { completion: 'text', reward: 'r', group: 'g' } }))).toEqual([
      ['7', '', [['a', 1]]],
    ]);
  });

  test('a named key without a value is a bad row, by its path', async () => {
    const rows = [{ q: 'p', a: [{ t: 'x' }], r: 1 }];
    for (const [keys, path] of [
      [{ prompt: 'nope', completion: 'a.0.t' }, 'nope'],
      [{ prompt: 'q', completion: 'a.0.u' }, 'a.0.u'],
      [{ prompt: 'q', completion: 'b.*.t' }, 'b.*.t'],
      [{ prompt: 'q', completion: 'a.0.t', tokens: 'ids' }, 'ids'],
      [{ prompt: 'q', completion: 'a.0.t', mask: 'm' }, 'm'],
      [{ prompt: 'q', completion: 'a.0.t', group: 'g' }, 'g'],
      [{ prompt: 'q', completion: 'a.0.t', group: 'a.*.t' }, 'a.*.t'],
      [{ prompt: 'q', completion: 'a.0.t', reward: 'a.0.t' }, 'a.0.t'],
    ] as const)
      expect(await failure(rows, { keys: { reward: 'r', ...keys } })).toMatch(
        new RegExp(`:1: ${path.replaceAll(/[.*]/g, '\\$&')}: expected .+, got `),
      );
  });
});

describe('a mask', () => {
  const keys = { prompt: 'p', tokens: 'ids', mask: 'm', reward: 'r', group: 'g' };
  const ids = async (row: object, changed: object = {}) => {
    const [group] = await read([{ p: 'q', r: 1, g: 0, ...row }], { keys: { ...keys, ...changed } });
    const [{ tokens, mask }] = group.completions;
    return { prompt: [...group.prompt.tokens], tokens: [...tokens], mask: mask && [...mask] };
  };

  test.each([
    ['padding on the right', [5, 6, 2, 0, 0], [1, 1, 1, 0, 0], [5, 6, 2]],
    ['padding with the end’s own id', [5, 6, 2, 2, 2], [1, 1, 1, 0, 0], [5, 6, 2]],
    ['padding on the left', [0, 0, 5, 6, 2], [0, 0, 1, 1, 1], [5, 6, 2]],
    ['one padding token', [0, 5, 6, 2], [0, 1, 1, 1], [5, 6, 2]],
    ['true and false', [5, 2, 0], [true, true, false], [5, 2]],
    ['labels', [5, 2, 0], [5, 2, -100], [5, 2]],
    ['a number of tokens', [5, 2, 0, 0], 2, [5, 2]],
    ['nothing to leave out', [5, 2], [1, 1], [5, 2]],
    ['nothing but padding', [0, 0, 0], [0, 0, 0], []],
  ])('takes off %s', async (_, list, m, tokens) => {
    expect(await ids({ ids: list, m })).toEqual({ prompt: [], tokens, mask: undefined });
  });

  test('keeps what stands in the middle as given, and a row that is not trained on whole', async () => {
    expect(await ids({ ids: [5, 8, 9, 6, 0, 0], m: [1, 0, 0, 1, 0, 0] })).toMatchObject({
      tokens: [5, 8, 9, 6],
      mask: [1, 0, 0, 1],
    });
    expect(await ids({ ids: [5, 6, 7], m: [0, 0, 0] })).toMatchObject({ tokens: [5, 6, 7], mask: [0, 0, 0] });
  });

  test('of prompt and completion tells where the completion begins', async () => {
    const noPrompt = { prompt: undefined };
    const row = { p: undefined, ids: [0, 0, 3, 4, 5, 6, 0], m: [-100, -100, -100, -100, 5, 6, -100] };
    expect(await ids(row, noPrompt)).toEqual({ prompt: [3, 4], tokens: [5, 6], mask: undefined });
    expect(await ids({ p: [3, 4], ids: [5, 6, 0], m: [0, 0, 1, 1, 0] })).toEqual({
      prompt: [3, 4],
      tokens: [5, 6],
      mask: undefined,
    });
    expect(
      await failure([{ ids: [5, 6, 7], m: [0, 0, 0], r: 1 }], {
        keys: { ...keys, ...noPrompt, group: undefined },
      }),
    ).toContain(':1: m: expected a 1 where the completion begins, or a separate prompt, got "no 1"');
  });

  test('stands in lists as the completions do', async () => {
    const rows = [
      {
        seed: 7,
        tokens: [
          [1, 2, 3],
          [1, 2, 4],
        ],
        masks: [
          [-100, 2, 3],
          [-100, 2, 4],
        ],
        scores: [0.5, -0.5],
      },
    ];
    const [group] = await read(rows, { keys: { mask: 'masks', reward: 'scores', group: 'seed' } });
    expect([...group.prompt.tokens]).toEqual([1]);
    expect(group.completions.map(({ tokens }) => [...tokens])).toEqual([
      [2, 3],
      [2, 4],
    ]);
    const objects = [
      {
        p: 'q',
        c: [
          { ids: [5, 0], m: [1, 0], r: 1 },
          { ids: [6, 7], m: [1, 1], r: 0 },
        ],
      },
    ];
    const paths = { prompt: 'p', tokens: 'c.*.ids', mask: 'c.*.m', reward: 'c.*.r' };
    const [read2] = await read(objects, { keys: paths });
    expect(read2.completions.map(({ tokens }) => [...tokens])).toEqual([[5], [6, 7]]);
  });

  test('that is none is a bad row', async () => {
    const bad = (m: unknown) => failure([{ p: 'q', ids: [5, 6, 7], m, r: 1, g: 0 }], { keys });
    expect(await bad([1, 1])).toContain(':1: m: expected 3 values, one for each token, got 2');
    expect(await bad([1, 1, 2])).toContain(
      ':1: m[0]: expected 0 or 1, or −100 and the token ids themselves, got 1',
    );
    expect(await bad([5, 6, -1])).toContain(
      ':1: m[2]: expected 0 or 1, or −100 and the token ids themselves, got -1',
    );
    expect(await bad([0.5, 1, 1])).toContain(
      ':1: m[0]: expected 0 or 1, or −100 and the token ids themselves, got 0.5',
    );
    expect(await bad('110')).toContain(
      ':1: m: expected a list, each 0 or 1, or −100 and the token ids themselves; or the number of tokens, got "110"',
    );
    expect(await bad(4)).toMatch(/:1: m: expected .*, got 4/);
  });

  test('gives back any sequence from any padding around it', () => {
    const sequence = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 8 });
    const pad = fc.integer({ min: 0, max: 5 });
    fc.assert(
      fc.property(sequence, pad, pad, fc.integer({ min: 0, max: 9 }), (tokens, left, right, id) => {
        const around = (value: number, inner: readonly number[]) => [
          ...new Array(left).fill(value),
          ...inner,
          ...new Array(right).fill(value),
        ];
        const masked = withoutPadding(
          Int32Array.from(around(id, tokens)),
          Uint8Array.from(
            around(
              0,
              tokens.map(() => 1),
            ),
          ),
          false,
        );
        expect([...masked.tokens]).toEqual(tokens);
        expect([...masked.mask]).toEqual(tokens.map(() => 1));
      }),
    );
  });
});

describe('padding without a mask', () => {
  const noted = async (lists: readonly (readonly number[])[], more: object = {}) => {
    const notes: ReadNote[] = [];
    const rows = lists.map((tokens, i) => ({ prompt: 'p', tokens, reward: i % 2, group: 0, ...more }));
    await read(rows, {}, notes);
    return notes.filter(({ warning }) => warning).map(({ message }) => message);
  };

  test('is reported, on either side, also with the end-of-text id', async () => {
    expect(
      await noted([
        [5, 2, 0, 0],
        [5, 6, 2, 0],
        [7, 2, 0, 0],
        [5, 6, 7, 2],
      ]),
    ).toEqual([
      expect.stringMatching(
        /^2 of 4 completions end with a run of token id 0, .*this looks like padding.*--mask-key/,
      ),
    ]);
    expect(
      await noted([
        [5, 2, 2, 2],
        [5, 6, 2, 2],
        [5, 6, 7, 2],
      ]),
    ).toEqual([expect.stringMatching(/^2 of 3 completions end with a run of token id 2/)]);
    expect(
      await noted([
        [0, 0, 5, 2],
        [0, 0, 0, 2],
        [0, 5, 6, 2],
      ]),
    ).toEqual([expect.stringMatching(/^2 of 3 completions begin with a run of token id 0/)]);
    expect(
      await noted([
        [5, 2, 0, 0, 0, 0],
        [6, 2, 0, 0, 0, 0],
      ]),
    ).toHaveLength(1);
  });

  test('is not seen in texts of one length, of different lengths, or with a run of an id that is used', async () => {
    expect(
      await noted([
        [0, 0, 1],
        [1, 0, 0],
        [0, 1, 1],
        [1, 1, 0],
      ]),
    ).toEqual([]);
    expect(
      await noted([
        [5, 6, 7],
        [5, 6, 8],
      ]),
    ).toEqual([]);
    expect(
      await noted([
        [5, 2, 9, 9],
        [5, 6, 9, 9],
      ]),
    ).toEqual([]);
    expect(
      await noted([
        [5, 0, 0],
        [5, 0, 0, 0],
      ]),
    ).toEqual([]);
    expect(
      await noted([
        [3, 3, 5, 6],
        [3, 3, 6, 7],
      ]),
    ).toEqual([]);
  });

  test('a mask that stands beside the ids is named', async () => {
    const hints = await noted([[5, 2, 0]], { completion_mask: [1, 1, 0] });
    expect(hints).toEqual([expect.stringContaining('--mask-key completion_mask')]);
    expect(await noted([[5, 2, 0]], { completion_mask: [1, 1, 1] })).toEqual([]);
    const notes: ReadNote[] = [];
    const rows = [{ out: { ids: [5, 2, 0], loss_mask: [1, 1, 0] }, reward: 1, group: 0 }];
    await read(rows, { keys: { tokens: 'out.ids' } }, notes);
    expect(notes.map(({ message }) => message)).toEqual([
      expect.stringContaining('--mask-key out.loss_mask'),
    ]);
  });
});
