/** Diagnostics against literal loops over completions, prefixes and texts. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { groupAdvantages } from '../../objective/index.js';
import type { Completion, Group } from '../../rollouts/index.js';
import { analyzeGroup } from '../analyze-group.js';
import { LogGatherer } from '../gather.js';

function groupOf(completions: readonly Partial<Completion>[], extra: Partial<Group> = {}): Group {
  return {
    id: 'g',
    step: 1,
    prompt: { tokens: Int32Array.of(7) },
    completions: completions.map((completion) => ({
      tokens: new Int32Array(),
      reward: 0,
      ...completion,
    })),
    tokens: 'exact',
    groups: 'explicit',
    ...extra,
  };
}
const gathered = (groups: readonly Group[]) => {
  const gatherer = new LogGatherer();
  for (const group of groups) gatherer.add(group, analyzeGroup(group));
  return gatherer.result();
};
const diagnosed = (...groups: Group[]) => gathered(groups).all.diagnostics;

describe('the sampler’s noise', () => {
  const logs = fc.array(
    fc.record({
      tokens: fc.array(fc.nat(1), { maxLength: 5 }),
      logprobs: fc.array(fc.integer({ min: -8, max: 0 }), { minLength: 5, maxLength: 5 }),
      environmentToken: fc.nat(4),
      version: fc.nat(1),
    }),
    { minLength: 1, maxLength: 7 },
  );

  it('is that of members with the same prefix, token and weights, by a literal loop', () => {
    let measured = 0;
    fc.assert(
      fc.property(logs, fc.boolean(), (rows, versioned) => {
        const group = groupOf(
          rows.map(({ tokens, logprobs, environmentToken, version }) => ({
            tokens: Int32Array.from(tokens),
            logprobs: Float32Array.from(tokens, (_, t) => logprobs[t] / 10),
            mask: Uint8Array.from(tokens, (_, t) => Number(t !== environmentToken)),
            ...(versioned && { versions: [version] }),
          })),
        );
        const noise = diagnosed(group).noise;
        const byContext = new Map<string, number[]>();
        for (const { tokens, logprobs, environmentToken, version } of rows) {
          tokens.forEach((_, t) => {
            if (t === environmentToken) return;
            const key = `${tokens.slice(0, t + 1)}|${versioned ? version : ''}`;
            byContext.set(key, [...(byContext.get(key) ?? []), Math.fround(logprobs[t] / 10)]);
          });
        }
        const lists = [...byContext.values()].filter(({ length }) => length > 1);
        if (lists.length === 0) {
          expect(noise).toBeNull();
          return;
        }
        measured++;
        const squares = lists.reduce((sum, list) => {
          const mean = list.reduce((a, b) => a + b, 0) / list.length;
          return sum + list.reduce((s, v) => s + (v - mean) ** 2, 0);
        }, 0);
        const values = lists.reduce((sum, list) => sum + list.length, 0);
        expect(noise?.tokens).toBe(lists.length);
        expect(noise?.values).toBe(values);
        expect(noise?.pairs).toBe(values - lists.length);
        expect(noise?.deviation).toBeCloseTo(Math.sqrt(squares / (values - lists.length)), 9);
        expect(noise?.largest).toBeCloseTo(
          Math.max(...lists.map((list) => Math.max(...list) - Math.min(...list))),
          9,
        );
      }),
      { numRuns: 500 },
    );
    expect(measured).toBeGreaterThan(200);
  });

  it('counts ratios outside [0.9, 1.1], both bounds', () => {
    const member = (logprob: number) => ({ tokens: Int32Array.of(3), logprobs: Float32Array.of(logprob) });
    const noise = diagnosed(groupOf([0, -0.1, -0.206, -0.1, -0.1].map(member))).noise;
    // Ratios 0.905, 0.899, 1.112, 1: two of the four are outside of 10%.
    expect(noise).toMatchObject({ tokens: 1, values: 5, pairs: 4, equalPairs: 1, outside: 2 });
  });

  it('is not measured without log-probabilities, or where nothing is shared', () => {
    expect(diagnosed(groupOf([{ tokens: Int32Array.of(1) }, { tokens: Int32Array.of(1) }])).noise).toBeNull();
    const alone = { tokens: Int32Array.of(1), logprobs: Float32Array.of(-1) };
    expect(diagnosed(groupOf([alone, { ...alone, tokens: Int32Array.of(2) }])).noise).toBeNull();
  });
});

it('the trainer against the sampler, and entropies where completions part, over sampled tokens with a value', () => {
  const nan = Number.NaN;
  const trainer = diagnosed(
    groupOf([
      {
        tokens: Int32Array.of(1, 2, 3),
        logprobs: Float32Array.of(-1, -2, -3),
        trainerLogprobs: Float32Array.of(-1.5, nan, -3),
        entropies: Float32Array.of(1, 2, 4),
      },
      { tokens: Int32Array.of(1, 5, 6), mask: Uint8Array.of(1, 1, 0), entropies: Float32Array.of(1, 8, 9) },
      { tokens: Int32Array.of(1, 7) },
    ]),
  ).trainer;
  expect(trainer).toEqual({
    tokens: 2,
    difference: 0.25,
    outside: 0.5,
    kl: expect.closeTo((Math.exp(-0.5) + 0.5 - 1) / 2, 6),
    entropies: 5,
    entropy: 16 / 5,
    // The root's step [1] is shared by all; the completions diverge at tokens 2 and 5.
    atBranches: 5,
  });
  expect(diagnosed(groupOf([{ tokens: Int32Array.of(1) }])).trainer).toBeNull();
});

describe('same text, other tokens', () => {
  const TEXTS: Record<number, string> = { 1: 'a', 2: 'b', 3: 'ab', 4: 'ba', 5: 'abc', 6: 'c', 7: '' };
  const tokensOf = (...ids: number[]) => ({ tokens: Int32Array.from(ids) });

  it.each([
    [
      'a longer token',
      [
        [3, 6],
        [1, 2, 6],
      ],
      1,
      3,
    ],
    [
      'a longer token, the other way',
      [
        [1, 2, 6],
        [3, 6],
      ],
      1,
      2,
    ],
    [
      'words that part later',
      [
        [3, 6],
        [1, 2, 2],
      ],
      1,
      2,
    ],
    [
      'texts that differ',
      [
        [1, 6],
        [2, 6],
      ],
      0,
      0,
    ],
    ['one that goes on otherwise', [[3], [1, 6]], 0, 0],
    ['one that ends before it is known', [[3], [1]], 0, 0],
    [
      'a token without a text',
      [
        [7, 1],
        [1, 1],
      ],
      0,
      0,
    ],
    [
      'equal tokens',
      [
        [1, 2],
        [1, 2],
      ],
      0,
      0,
    ],
    [
      'twice in two copies',
      [
        [3, 6],
        [1, 2, 6],
        [1, 2, 6],
      ],
      1,
      6,
    ],
    [
      'beyond a shared beginning',
      [
        [6, 3],
        [6, 1, 2],
      ],
      1,
      2,
    ],
    ['a token that ends in the middle', [[5], [1, 4]], 0, 0],
  ] as const)('%s', (_, lists, retokenised, tokens) => {
    const group = groupOf(
      lists.map((ids) => tokensOf(...ids)),
      { tokenTexts: TEXTS },
    );
    expect(diagnosed(group).retokenised).toMatchObject({ retokenised, tokens });
  });

  it('by whole texts where tokens have none: not where one goes on, an end of text say', () => {
    const group = groupOf([
      { ...tokensOf(1, 2), text: 'ab' },
      { ...tokensOf(3), text: 'ab' },
      { ...tokensOf(3, 9), text: 'ab' },
      { ...tokensOf(1, 6), text: 'ac' },
    ]);
    expect(diagnosed(group).retokenised).toEqual({ branches: 0, retokenised: 0, tokens: 0, equalTexts: 2 });
  });

  it('is not looked for where ids were made of the text', () => {
    const group = groupOf([tokensOf(3, 6), tokensOf(1, 2, 6)], { tokenTexts: TEXTS, tokens: 'retokenized' });
    expect(diagnosed(group).retokenised).toBeNull();
    expect(diagnosed(groupOf([tokensOf(1)])).retokenised).toBeNull();
  });
});

describe('groups that are not what their ids say', () => {
  const rewardsOf = (...rewards: number[]) =>
    rewards.map((reward) => ({ reward, tokens: Int32Array.of(reward) }));

  it('one prompt under two ids of a step: advantages over the prompt are others', () => {
    const groups = [
      groupOf(rewardsOf(1, 1, 0)),
      groupOf(rewardsOf(0, 0, 1), { id: 'h' }),
      groupOf(rewardsOf(1), { id: 'i', step: 2 }),
      groupOf(rewardsOf(0, 1), { id: 'j', step: 2 }),
      groupOf(rewardsOf(0, 1), { id: 'k', step: 3 }),
      groupOf(rewardsOf(0, 1), { id: 'l', step: 3, prompt: { tokens: Int32Array.of(8) } }),
    ];
    const right = [groupAdvantages([1, 1, 0, 0, 0, 1]), groupAdvantages([1, 0, 1])].flatMap((a) => [...a]);
    const inUse = [[1, 1, 0], [0, 0, 1], [1], [0, 1]].flatMap((rewards) => [...groupAdvantages(rewards)]);
    const shift = inUse.reduce((sum, a, i) => sum + Math.abs(a - right[i]), 0) / inUse.length;
    expect(gathered(groups).splitPrompts).toEqual({
      prompts: 2,
      groups: 4,
      completions: 9,
      singletons: 1,
      shift: expect.closeTo(shift, 12),
      flipped: 0,
    });
  });

  it('is available at any time, also for later groups', () => {
    const gatherer = new LogGatherer();
    const add = (group: Group) => gatherer.add(group, analyzeGroup(group));
    add(groupOf(rewardsOf(1, 0)));
    expect(gatherer.result().splitPrompts.prompts).toBe(0);
    add(groupOf(rewardsOf(0, 0), { id: 'h' }));
    for (let i = 0; i < 2; i++)
      expect(gatherer.result().splitPrompts).toMatchObject({ prompts: 1, groups: 2 });
    for (let step = 2; step < 9; step++) add(groupOf(rewardsOf(0, 1), { step }));
    expect(gatherer.result().splitPrompts).toMatchObject({ prompts: 1, groups: 2, completions: 4 });
  });

  it('the groups of a step need not follow each other', () => {
    const steps = [null, ...Array.from({ length: 30 }, (_, i) => i)];
    const groups = [0, 1].flatMap((round) =>
      steps.map((step) => groupOf(rewardsOf(round, 0), { id: `g${round}`, step })),
    );
    expect(gathered(groups).splitPrompts).toMatchObject({ prompts: 31, groups: 62, completions: 124 });
  });

  it('of a log with more prompts than are remembered the latest steps are compared, and none is counted twice', () => {
    const prompt = (i: number) => ({ tokens: Int32Array.of(i & 1023, i >> 10) });
    const gatherer = new LogGatherer();
    const group = groupOf(rewardsOf(1, 0));
    const analysis = analyzeGroup(group);
    const add = (i: number, step: number) =>
      gatherer.add({ ...group, id: `${i}`, step, prompt: prompt(i) }, analysis);
    for (let i = 0; i < 70_000; i++) add(i, Math.floor(i / 7_000));
    // Of the first step nothing is remembered any more, of the last everything.
    add(0, 0);
    expect(gatherer.result().splitPrompts.prompts).toBe(0);
    add(69_999, 9);
    add(69_999, 9);
    expect(gatherer.result().splitPrompts).toMatchObject({ prompts: 1, groups: 3, completions: 6 });
  });

  it('text units: prompts are compared by their text, since their ids restart in each group', () => {
    const units = { tokens: 'text-units' as const };
    const groups = ['one', 'two', 'one'].map((text, i) =>
      groupOf(rewardsOf(i, 1), { ...units, id: text + i, prompt: { tokens: Int32Array.of(0), text } }),
    );
    expect(gathered(groups).splitPrompts).toMatchObject({ prompts: 1, groups: 2 });
  });

  it('an id with two prompts: how far the advantages over the id are off', () => {
    const rewards = Float64Array.of(1, 1, 0, 0, 0, 1);
    const groups = [0, 3].map((from) =>
      groupOf(rewardsOf(...rewards.slice(from, from + 3)), {
        id: `x/${from}`,
        merged: { id: 'x', rewards, from },
      }),
    );
    const inUse = groupAdvantages(rewards);
    const right = [...groupAdvantages([1, 1, 0]), ...groupAdvantages([0, 0, 1])];
    const shift = right.reduce((sum, a, i) => sum + Math.abs(a - inUse[i]), 0) / 6;
    expect(diagnosed(...groups).merged).toEqual({
      ids: 1,
      prompts: 2,
      completions: 6,
      shift: expect.closeTo(shift, 12),
      flipped: 0,
    });
  });
});

it('the age of weights counts from the newest version of a step; mixed versions are counted', () => {
  const versions = (...list: number[][]) => list.map((value) => ({ versions: value }));
  const age = diagnosed(
    groupOf(versions([3], [3, 4])),
    groupOf(versions([5], []), { id: 'h' }),
    groupOf(versions([9]), { step: 2 }),
  ).age;
  // Step 1: 2, 2 and 0 versions before 5; step 2: 0.
  expect(age).toEqual({ completions: 4, mean: 1, largest: 2, mixed: 1 });
  expect(diagnosed(groupOf([{}])).age).toBeNull();
});

it('tokens without a push, and |λ|/k, by a literal loop over tokens', () => {
  const rows = fc.array(
    fc.record({ tokens: fc.array(fc.nat(1), { maxLength: 5 }), reward: fc.constantFrom(0, 1) }),
    { minLength: 1, maxLength: 7 },
  );
  fc.assert(
    fc.property(fc.array(rows, { minLength: 1, maxLength: 3 }), (lists) => {
      const groups = lists.map((list) =>
        groupOf(list.map(({ tokens, reward }) => ({ tokens: Int32Array.from(tokens), reward }))),
      );
      let [tokens, once, idle, idleOnce, shared] = [0, 0, 0, 0, 0];
      for (const list of lists) {
        const advantages = groupAdvantages(list.map(({ reward }) => reward));
        const seen = new Set<string>();
        for (const { tokens: ids } of list) {
          ids.forEach((_, t) => {
            const prefix = ids.slice(0, t + 1).join();
            const members = list.flatMap((other, j) =>
              other.tokens.slice(0, t + 1).join() === prefix ? [j] : [],
            );
            const sum = members.reduce((total, j) => total + advantages[j], 0);
            const isIdle = Math.abs(sum) < 1e-9;
            tokens++;
            shared += members.length / list.length;
            idle += Number(isIdle);
            if (seen.has(prefix)) return;
            seen.add(prefix);
            once++;
            idleOnce += Number(isIdle);
          });
        }
      }
      const { klAlone, sharing } = diagnosed(...groups);
      expect(klAlone.copies).toBeCloseTo(tokens ? idle / tokens : 0, 9);
      expect(klAlone.once).toBeCloseTo(once ? idleOnce / once : 0, 9);
      expect(sharing).toBeCloseTo(tokens ? shared / tokens : 0, 9);
    }),
    { numRuns: 300 },
  );
});
