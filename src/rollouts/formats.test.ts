/**
 * The result of each format's reader. The logs of TRL, tinker-cookbook, prime-rl and verifiers v1 in
 * test/readers/fixtures were written by the frameworks' own code (scripts/fixtures). Those of NeMo-RL, NeMo-Gym, veRL,
 * SkyRL, ART and grpo-prm are built here field by field from the frameworks' source, because their writers do not run
 * alone.
 */
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readBoth as readRollouts } from '../../test/read-both.js';
import type { Group, ReadOptions } from './index.js';

const FIXTURES = join(import.meta.dirname, '../../test/readers/fixtures');
let folder: string;
let count = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'formats-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function put(name: string, rows: readonly unknown[] | string): Promise<string> {
  const file = join(folder, String(count++), name);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(
    file,
    typeof rows === 'string' ? rows : rows.map((row) => `${JSON.stringify(row)}\n`).join(''),
  );
  return file;
}
async function all(source: string | string[], options?: ReadOptions): Promise<Group[]> {
  const groups: Group[] = [];
  for await (const group of readRollouts(source, options)) groups.push(group);
  return groups;
}
const rewards = (groups: readonly Group[]) => groups.map((g) => g.completions.map(({ reward }) => reward));
const labels = (groups: readonly Group[]) =>
  [...new Set(groups.map((g) => `${g.source?.format} ${g.tokens} ${g.groups}`))].join();

describe('TRL (its own logs)', () => {
  const plain = join(FIXTURES, 'trl/plain');
  const weights = { rewardWeights: { animals: 1, length: 2 } };

  test('groups are rows in a row, the total is the weighted sum without what is NaN', async () => {
    const groups = await all(join(plain, 'completions_00003.parquet'), weights);
    expect(labels(groups)).toBe('trl text-units consecutive');
    expect(groups.map(({ step, completions, prompt }) => [step, completions.length, prompt.text])).toEqual([
      [3, 4, 'one plus two equals'],
      [3, 4, 'dog cat'],
    ]);
    expect(rewards(groups)[1]).toEqual([-0.5, 2, -1, 0]);
    expect(groups[1].completions[1].rewards).toEqual({ animals: 2 });
  });

  test('its advantages are (r − mean) / (sample deviation + 1e-4) of these totals', async () => {
    for (const group of await all(plain, weights)) {
      const r = group.completions.map(({ reward }) => reward);
      const mean = r.reduce((a, b) => a + b, 0) / r.length;
      const deviation = Math.sqrt(r.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (r.length - 1));
      for (const { reward, advantage } of group.completions)
        expect(advantage).toBeCloseTo((reward - mean) / (deviation + 1e-4), 5);
    }
  });

  test('weights that are not those of the training are found, also where none are given', async () => {
    await expect(all(plain)).rejects.toThrow(
      /00001\.parquet:1: advantage: expected values that follow from the sum of animals \+ length, got others/,
    );
    await expect(all(plain, { rewardWeights: { cats: 1 } })).rejects.toThrow(
      'expected animals, length, got cats',
    );
  });

  test('rows repeated from the previous file are skipped with a note', async () => {
    const notes: string[] = [];
    const groups = await all(plain, { ...weights, onNote: ({ file }) => notes.push(file) });
    expect(groups.map(({ step }) => step)).toEqual([1, 1, 3, 3]);
    expect(notes).toEqual([2, 4].map((n) => join(plain, `completions_0000${n}.parquet`)));
  });

  test('a wrong group size is found by the advantages', async () => {
    const file = join(plain, 'completions_00001.parquet');
    await expect(all(file, { ...weights, groupSize: 2 })).rejects.toThrow(
      /expected a sum of about 0 over a group, got -1\.532 over 2 rows/,
    );
    await expect(all(file, { ...weights, groupSize: 8 })).rejects.toThrow(
      /a prompt that differs from line 1/,
    );
  });

  test('chat prompts and completions', async () => {
    const groups = await all(join(FIXTURES, 'trl/chat'));
    expect(groups.length).toBe(8);
    expect(groups[0].prompt.text).toMatch(/^user\n/);
    expect(groups[0].completions[0].mask).toBeUndefined();
    expect(groups[0].completions.map(({ reward }) => reward)).toEqual([0, 0, 1, 1]);
  });
});

describe('prime-rl and verifiers v1 (their own classes)', () => {
  test('the trained batch has exact tokens, masks, logprobs; branches are several sequences', async () => {
    const notes: string[] = [];
    const groups = await all(join(FIXTURES, 'prime-rl'), { onNote: ({ file }) => notes.push(file) });
    expect(notes).toEqual([join(FIXTURES, 'prime-rl/rollouts/step_3/train/all/traces.jsonl')]);
    expect(labels(groups)).toBe('prime-rl exact explicit');
    expect(groups.map(({ id, step, completions }) => [id, step, completions.length])).toEqual([
      ['group-0', 3, 2],
      ['group-1', 3, 3],
    ]);
    const [{ prompt, completions }] = groups;
    // The template's text before the first sampled token belongs to the prompt.
    expect([...prompt.tokens]).toEqual([1, 2, 3, 90, 91]);
    expect([...completions[0].tokens]).toEqual([7, 8, 20, 21, 90, 91, 34]);
    expect([...completions[0].mask!]).toEqual([1, 1, 0, 0, 0, 0, 1]);
    expect([...completions[0].logprobs!]).toEqual([-0, -0.125, 0, 0, 0, 0, -0]);
    expect(completions.map(({ reward, advantage }) => [reward, advantage])).toEqual([
      [1.125, 0.5],
      [0.125, -0.5],
    ]);
    expect(completions[0].rewards).toEqual({ right: 1, short: 0.5 });
    expect(groups[1].completions.map(({ tokens }) => tokens.at(-1))).toEqual([34, 35, 36]);
  });

  test('an evaluation without tokens and group is read as text, by the key of its task', async () => {
    const groups = await all(join(FIXTURES, 'verifiers-v1'));
    expect(labels(groups)).toBe('verifiers-v1 text-units explicit');
    expect(groups.map(({ id }) => id)).toEqual(['task-0', 'task-1']);
    const [first] = groups[0].completions;
    expect(first.text).toBe('look it up\ntool\ntwo\nassistant\n4');
    const sampled = [...first.tokens].filter((_, t) => first.mask?.[t] === 1);
    expect(sampled.map((id) => groups[0].tokenTexts?.[id]).join('')).toBe('look it up4');
  });
});

describe('tinker-cookbook (its own writers)', () => {
  const root = join(FIXTURES, 'tinker');

  test('captures and summaries are joined, turns become one sequence', async () => {
    const groups = await all(root);
    expect(labels(groups)).toBe('tinker exact explicit');
    expect(groups.map(({ id, step, completions }) => [id, step, completions.length])).toEqual([
      ['0', 0, 3],
      ['1', 0, 3],
      ['0', 1, 3],
      ['1', 1, 3],
    ]);
    expect(rewards(groups)).toEqual([
      [0, 0.5, 1],
      [0, 0.5, 1],
      [1, 1.5, 2],
      [1, 1.5, 2],
    ]);
    const [{ prompt, completions }] = groups;
    expect([...prompt.tokens]).toEqual([1, 2, 10]);
    expect([...completions[1].mask!]).toEqual([1, 1, 1, 0, 1, 1, 1]);
    expect(completions[1].tokens[3]).toBe(61);
    expect([...completions[1].logprobs!]).toEqual([-0.25, -0.5, -0.75, 0, -0.25, -0.5, -0.75]);
  });

  test("the store's rows, lists as JSON text, are the same; rewards missing are bad rows", async () => {
    const rows = [0, 1].map((traj_idx) => ({
      run_id: 'run',
      split: 'train',
      iteration: 0,
      group_idx: 0,
      traj_idx,
      prompt_tokens: '[1, 2]',
      sampled_tokens: `[3, ${traj_idx}]`,
      logprobs: '[-0.5, -1.0]',
    }));
    const file = await put('capture/rows.jsonl', rows);
    const summaries = join(root, 'iteration_000000/train_rollout_summaries.jsonl');
    const [group] = await all([file, summaries]);
    expect(group.completions.map(({ tokens, reward }) => [...tokens, reward])).toEqual([
      [3, 0, 0],
      [3, 1, 0.5],
    ]);
    await expect(all(file)).rejects.toThrow(
      /rows\.jsonl:1: total_reward: expected a line for group 0, trajectory 0 in the rollout summaries of iteration 0, got nothing/,
    );
    await expect(all(summaries)).rejects.toThrow(
      /expected the captures of the same run too \(capture\/sample\.jsonl\), got only rewards/,
    );
  });
});

describe('NeMo-RL (built from its source)', () => {
  const row = (idx: number, prompt: number[], completion: number[], reward: number) => {
    const ids = [...prompt, ...completion];
    const padded = (list: number[]) => [[...list, 0, 0]];
    return {
      content: ['text'],
      rewards: [reward],
      input_lengths: [ids.length],
      token_ids: padded(ids),
      token_loss_mask: padded(ids.map((_, i) => Number(i >= prompt.length))),
      advantages: padded(ids.map(() => reward - 0.5)),
      generation_logprobs: padded(ids.map((_, i) => (i < prompt.length ? 0 : -0.5))),
      idx,
    };
  };
  const rows = [
    row(0, [1, 2], [3, 4], 1),
    row(1, [1, 2], [3], 0),
    row(2, [9], [5], 0),
    row(3, [9], [6, 7], 1),
  ];

  test('prompt and completion are parted by the loss mask, padding is cut', async () => {
    const groups = await all(await put('exp_001/train_data_step7.jsonl', rows));
    expect(labels(groups)).toBe('nemo-rl exact consecutive');
    expect(groups.map(({ step, prompt }) => [step, ...prompt.tokens])).toEqual([
      [7, 1, 2],
      [7, 9],
    ]);
    const [first] = groups[0].completions;
    expect([[...first.tokens], [...first.logprobs!], first.advantage, first.mask]).toEqual([
      [3, 4],
      [-0.5, -0.5],
      0.5,
      undefined,
    ]);
    expect(rewards(groups)).toEqual([
      [1, 0],
      [0, 1],
    ]);
  });

  test('rows of one prompt that do not stand together are refused', async () => {
    const mixed = [rows[0], rows[2], rows[1], rows[3]];
    await expect(all(await put('train_data_step7.jsonl', mixed))).rejects.toThrow('cannot be recovered');
  });
});

describe('NeMo-Gym (built from its source; real logs in real-logs.test.ts)', () => {
  const row = (task: object, input: unknown, output: unknown[], reward: number) => ({
    responses_create_params: { input },
    response: { output },
    reward,
    ...task,
  });
  const say = (text: string) => ({
    type: 'message',
    role: 'assistant',
    content: [{ type: 'output_text', text }],
  });
  const user = (content: string) => ({ role: 'user', content });

  test('requests that differ share what they begin with; the rest is given, not sampled', async () => {
    const rows = ['king', 'ace'].map((card, i) =>
      row({ _ng_task_index: 0 }, [user('play'), user(card)], [say('hit')], i),
    );
    const [group] = await all(await put('rollouts.jsonl', rows));
    expect(group.prompt.text).toBe('user\nplay\n');
    expect(group.completions.map(({ text }) => text)).toEqual(['user\nking\nhit', 'user\nace\nhit']);
    expect([...group.completions[0].mask!]).toEqual([0, 0, 0, 1]);
  });

  test('one request under two task indices is two groups; without indices equal requests are one group, with a note', async () => {
    const groups = await all(
      await put(
        'r.jsonl',
        [3, 4].map((task_idx) => row({ task_idx }, [user('x')], [say('y')], 0)),
      ),
    );
    expect(groups.map(({ id, groups }) => [id, groups])).toEqual([
      ['3', 'explicit'],
      ['4', 'explicit'],
    ]);
    const unnamed = await all(
      await put(
        'r.jsonl',
        ['x', 'x', 'z'].map((text, i) => row({}, [user(text)], [say('y')], i)),
      ),
    );
    expect(unnamed.map(({ completions, groups }) => [completions.length, groups])).toEqual([
      [2, 'prompt-text'],
      [1, 'prompt-text'],
    ]);
  });

  test('items with token ids make one exact sequence', async () => {
    const items = [
      { ...say('a'), prompt_token_ids: [1, 2], generation_token_ids: [3], generation_log_probs: [-0.5] },
      { type: 'function_call_output', output: 'seen' },
      {
        ...say('b'),
        prompt_token_ids: [1, 2, 3, 4, 5],
        generation_token_ids: [6, 7],
        generation_log_probs: [-1, -2],
      },
    ];
    const [group] = await all(await put('r.jsonl', [row({ _ng_task_index: 8 }, 'x', items, 1)]));
    expect(group.tokens).toBe('exact');
    expect([...group.completions[0].tokens]).toEqual([3, 4, 5, 6, 7]);
    expect([...group.completions[0].mask!]).toEqual([1, 0, 0, 1, 1]);
    const broken = [items[0], { ...items[2], prompt_token_ids: [1, 2, 9] }];
    await expect(all(await put('r.jsonl', [row({ _ng_task_index: 8 }, 'x', broken, 1)]))).rejects.toThrow(
      /r\.jsonl:1: expected one growing sequence, got a turn whose prompt does not begin with the previous tokens/,
    );
  });
});

describe('veRL and SkyRL (built from their source)', () => {
  test('veRL with uid: the group is all but its last two parts', async () => {
    const rows = ['a_b_0_0', 'c_0_0', 'a_b_1_0', 'c_1_0'].map((uid, i) => ({
      input: uid[0],
      output: 'x',
      gts: null,
      score: i,
      acc: i > 1,
      step: 5,
      uid,
    }));
    const groups = await all(await put('5.jsonl', rows));
    expect(labels(groups)).toBe('verl text-units explicit');
    expect(groups.map(({ id, step }) => [id, step])).toEqual([
      ['a_b', 5],
      ['c', 5],
    ]);
    expect(rewards(groups)).toEqual([
      [0, 2],
      [1, 3],
    ]);
    expect(groups[0].completions[1].rewards).toEqual({ acc: 1 });
  });

  test('SkyRL: a list of scores is summed, the step is in the path', async () => {
    const rows = [[0, 0.5], 1, [1, 1], 0].map((score, i) => ({
      input_prompt: `p${i % 2}`,
      output_response: 'x',
      score,
      stop_reason: i === 0 ? 'length' : 'stop',
      env_class: 'e',
      env_extras: {},
      data_source: 'd',
    }));
    const groups = await all(await put('dumped_evals/global_step_40_evals/d.jsonl', rows));
    expect(labels(groups)).toBe('skyrl text-units prompt-text');
    expect(groups[0].step).toBe(40);
    expect(rewards(groups)).toEqual([
      [0.5, 2],
      [1, 0],
    ]);
    expect(groups[0].completions.map(({ stop }) => stop)).toEqual(['length', 'stop']);
  });
});

describe('ART (built from its source)', () => {
  const messages = (answer: string) => [
    { role: 'user', content: 'q' },
    { role: 'assistant', content: answer, trainable: true },
    { role: 'user', content: 'sure?' },
    { role: 'assistant', content: 'yes', trainable: true },
  ];
  /** Writes rows as Parquet with zstd, with nested values as structs if `nested`. */
  async function parquet(rows: readonly object[]): Promise<string> {
    const json = await put('rows.jsonl', rows);
    const file = join(dirname(json), 'trajectories/train/0012.parquet');
    await mkdir(dirname(file), { recursive: true });
    const db = await (await DuckDBInstance.create()).connect();
    await db.run(`COPY (SELECT * FROM read_json('${json}')) TO '${file}' (FORMAT parquet, COMPRESSION zstd)`);
    return file;
  }

  test('version 1: messages as structs, groups by index, the step in the name', async () => {
    const rows = [0, 1, 0, 1].map((group_index, i) => ({
      group_index,
      reward: i / 4,
      metrics: '{"n": 2}',
      messages: messages(`a${i}`),
    }));
    const groups = await all(await parquet(rows));
    expect(labels(groups)).toBe('art text-units explicit');
    expect(groups.map(({ id, step }) => [id, step])).toEqual([
      ['0', 12],
      ['1', 12],
    ]);
    expect(rewards(groups)).toEqual([
      [0, 0.5],
      [0.25, 0.75],
    ]);
    const [first] = groups[0].completions;
    expect([groups[0].prompt.text, first.text, first.rewards]).toEqual([
      'user\nq\n',
      'a0\nuser\nsure?\nassistant\nyes',
      { n: 2 },
    ]);
    expect([...first.mask!]).toEqual([1, 0, 0, 0, 0, 0, 0, 1]);
  });

  test('version 2: trajectory_json counts, a group without trajectories is skipped', async () => {
    const rows = [
      {
        format_version: 2,
        group_index: 0,
        trajectory_index: 0,
        trajectory_json: JSON.stringify({ messages: messages('a'), reward: 2 }),
        messages: null,
      },
      { format_version: 2, group_index: 1, trajectory_index: null, trajectory_json: null, messages: null },
    ];
    expect(rewards(await all(await parquet(rows)))).toEqual([[2]]);
  });

  test('before Parquet: a group a line, answers as the API gave them', async () => {
    const trajectory = (text: string, reward: number) => ({
      messages_and_choices: [
        messages('')[0],
        { finish_reason: 'stop', message: { role: 'assistant', content: text } },
      ],
      reward,
    });
    const groups = await all(
      await put('0003.jsonl', [{ trajectories: [trajectory('a', 1), trajectory('b', 0)] }]),
    );
    expect(rewards(groups)).toEqual([[1, 0]]);
    expect([groups[0].step, groups[0].completions[0].text, groups[0].completions[0].stop]).toEqual([
      3,
      'a',
      'stop',
    ]);
  });
});

describe('documents', () => {
  test("grpo-prm's stats.json (built from its source), on one line or many", async () => {
    const instance = (idx: number, answer: string, reward: number) => ({
      idx,
      query_response: `<|begin|>q${idx}<|start_header_id|>assistant<|end_header_id|>${answer}`,
      reward,
    });
    const step = (...instances: object[]) => ({ instances, loss: 0.5 });
    const stats = {
      args: { group_size: 2, lr: 1e-6 },
      init_val: { 'a{"}': [1] },
      epochs: [
        {
          steps: [
            step(instance(4, 'a', 1), instance(4, 'b', 0)),
            step(instance(7, 'c', 0), instance(7, 'd}]"', 0)),
          ],
          validation: [],
        },
        { steps: [step(instance(4, 'e', 1), instance(4, 'f', 1))] },
      ],
    };
    for (const space of [0, 2]) {
      const groups = await all(await put('stats.json', JSON.stringify(stats, null, space)));
      expect(labels(groups)).toBe('grpo-prm text-units consecutive');
      expect(
        groups.map((g) => [g.step, g.prompt.text?.slice(0, 11), ...g.completions.map(({ text }) => text)]),
      ).toEqual([
        [1, '<|begin|>q4', 'a', 'b'],
        [2, '<|begin|>q7', 'c', 'd}]"'],
        [3, '<|begin|>q4', 'e', 'f'],
      ]);
    }
    const cut = JSON.stringify(stats).slice(0, -30);
    await expect(all(await put('stats.json', cut))).rejects.toThrow(
      /stats\.json:1: expected a whole JSON document, got one that is cut short/,
    );
    const wrong = JSON.stringify(stats).replace('"idx":7', '"idx":8');
    await expect(all(await put('stats.json', wrong))).rejects.toThrow('got a prompt that differs from line');
  });

  test('reasoning-gym and a list of rows', async () => {
    const results = [
      { question: 'q', completions: [0.5, 1].map((score) => ({ full_model_response: 'r', score })) },
    ];
    const document = {
      metadata: { eval_repeats: 2 },
      categories: [{ datasets: [{ results }, { results }] }],
    };
    const groups = await all(await put('eval.json', JSON.stringify(document, null, 1)));
    expect([labels(groups), rewards(groups)]).toEqual([
      'reasoning-gym text-units explicit',
      [
        [0.5, 1],
        [0.5, 1],
      ],
    ]);
    const list = [1, 0].map((reward) => ({ group: 'g', prompt: 'p', completion: 'c', reward }));
    expect(rewards(await all(await put('rows.json', JSON.stringify(list))))).toEqual([[1, 0]]);
  });
});

describe('Qwen and any other log', () => {
  test('the verdict is the reward, the reward model only if its weight says so', async () => {
    const row = {
      idx: 3,
      question: 'q',
      response: ['a', 'b'],
      score: [true, false],
      pred_score: [[1.5], [-2]],
    };
    const file = await put('q.jsonl', [row]);
    expect(rewards(await all(file))).toEqual([[1, 0]]);
    expect(rewards(await all(file, { rewardWeights: { score: 1, pred_score: 2 } }))).toEqual([[4, -4]]);
  });

  test('by the names of its keys, nested ones too, with token ids and steps', async () => {
    const rows = [0, 1].map((i) => ({ q: { text: 'p' }, ids: [1, i], r: { total: i }, uid: 'u', iter: 6 }));
    const keys = { prompt: 'q.text', tokens: 'ids', reward: 'r.total', group: 'uid', step: 'iter' };
    const [group] = await all(await put('x.jsonl', rows), { keys });
    expect([group.id, group.step, group.tokens, group.groups]).toEqual(['u', 6, 'exact', 'explicit']);
    expect(group.completions.map(({ tokens }) => [...tokens])).toEqual([
      [1, 0],
      [1, 1],
    ]);
  });

  test('a row with lists is a group', async () => {
    const rows = [{ prompt: 'p', completion: ['a', 'b'], reward: [1, 0] }];
    expect(rewards(await all(await put('x.jsonl', rows)))).toEqual([[1, 0]]);
    await expect(
      all(await put('x.jsonl', [{ prompt: 'p', completion: ['a'], reward: [1, 0] }])),
    ).rejects.toThrow('a list with one value for each completion');
  });
});

test('a run of prime-rl that kept no trained batch is read from all, evaluations aside', async () => {
  const root = join(folder, 'kept');
  const from = join(FIXTURES, 'prime-rl/rollouts/step_3/train/all');
  await cp(from, join(root, 'rollouts/step_3/train/all'), { recursive: true });
  await cp(from, join(root, 'rollouts/step_3/eval/all'), { recursive: true });
  expect((await all(root)).length).toBe(2);
});
