/**
 * Every figure computed in two ways: from the tree's nodes, and token by token from the definitions (PAPER.md §2-§4)
 * without a tree, where λ⁽ⁱ'ᵗ⁾ is the set of completions that begin with the first t + 1 tokens of completion i. On
 * random groups, and on real logs if they are available (they are not part of this project).
 */
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readRollouts } from '../rollouts/files.js';
import type { Group } from '../rollouts/index.js';
import { analyzeGroup } from './analyze-group.js';
import type { LogFigures } from './figures.js';
import { type GroupScore, LogGatherer } from './gather.js';

const LOGS = join(import.meta.dirname, '../../../shared/data/rollouts');
const present = existsSync(LOGS);
if (!present) console.warn(`real logs: skipped, there is no ${LOGS}`);

type Plain = { tokens: ArrayLike<number>; reward: number };

/** λ of one token: its size, mean advantage, and the number of process sets above it. */
interface Step {
  readonly first: number;
  readonly size: number;
  readonly advantage: number;
  readonly depth: number;
}

/** The figures of one group by the definitions, without a tree. */
function naive(group: readonly Plain[]) {
  const k = group.length;
  const rewards = group.map(({ reward }) => reward);
  const mean = rewards.reduce((a, b) => a + b) / k;
  const std = Math.sqrt(rewards.reduce((sum, r) => sum + (r - mean) ** 2, 0) / (k - 1));
  const zeroVariance = rewards.every((r) => r === rewards[0]);
  const advantages = rewards.map((r) => {
    const difference = r - mean;
    return zeroVariance || Math.abs(difference) < 1e-12 ? 0 : difference / (std + 1e-4);
  });
  const stepAdvantage = (members: readonly number[]): number => {
    const sum = members.reduce((total, j) => total + advantages[j], 0);
    const exact = members.length === k || Math.abs(sum) < 1e-9; // equal advantages of both signs cancel
    return exact ? 0 : sum / members.length;
  };
  const completions = group.map(({ tokens }) => {
    let members = group.map((_, j) => j);
    const sizes = [k];
    const steps: Step[] = [];
    for (let t = 0; t < tokens.length; t++) {
      const next = members.filter((j) => t < group[j].tokens.length && group[j].tokens[t] === tokens[t]);
      if (next.length < members.length || t === 0) {
        if (next.length < sizes[sizes.length - 1]) sizes.push(next.length);
        const step = { first: next[0], size: next.length, depth: sizes.length - 1 };
        steps.push({ ...step, advantage: stepAdvantage(next) });
      } else steps.push(steps[t - 1]);
      members = next;
    }
    const equal = members.filter((j) => group[j].tokens.length === tokens.length).length;
    return { steps, equal, between: sizes.filter((size) => size < k && size > equal).length };
  });
  return { k, rewards, advantages, zeroVariance, completions };
}

/** The figures of several groups, and each group's score, by the definitions. */
function naiveFigures(groups: readonly (readonly Plain[])[]): {
  figures: Partial<LogFigures>;
  scores: GroupScore[];
} {
  const total = { completions: 0, tokens: 0, distinctTokens: 0, flat: 0, zero: 0, single: 0 };
  const sums = { reward: 0, depth: 0, proportion: 0, shared: 0 };
  const sizes = new Map<number, { steps: number; tokens: number; mass: number }>();
  const depths = new Map<number, { up: number; down: number }>();
  const lambdaMass = { up: 0, down: 0 };
  const good = { completions: 0, pushedDown: 0 };
  const bad = { completions: 0, pushedUp: 0 };
  const scores: GroupScore[] = [];
  for (const group of groups) {
    const { k, rewards, advantages, zeroVariance, completions } = naive(group);
    total.completions += k;
    total.flat += Number(completions.every(({ between }) => between === 0));
    total.zero += Number(zeroVariance);
    total.single += Number(k === 1);
    const score = { pushedDown: 0, worst: 0, flaw: 0 };
    completions.forEach(({ steps, equal, between }, i) => {
      const n = steps.length;
      total.tokens += n;
      sums.reward += rewards[i];
      sums.depth += between;
      sums.proportion += n > 0 ? steps.filter(({ size }) => size < k && size > equal).length / n : 0;
      let against = 0;
      steps.forEach((step, t) => {
        const { first, size, advantage, depth } = step;
        if (size > 1) sums.shared++;
        if (advantage * advantages[i] < 0) against++;
        score.flaw = Math.max(score.flaw, (size - 1) * Math.abs(advantage));
        const bin = sizes.get(size) ?? { steps: 0, tokens: 0, mass: 0 };
        bin.tokens++;
        bin.mass += Math.abs(advantage);
        sizes.set(size, bin);
        const at = depths.get(depth) ?? { up: 0, down: 0 };
        at.up += Math.max(advantage, 0);
        at.down += Math.max(-advantage, 0);
        depths.set(depth, at);
        if (first !== i) return; // already counted with another completion
        total.distinctTokens++;
        lambdaMass.up += Math.max(advantage, 0);
        lambdaMass.down += Math.max(-advantage, 0);
        if (t === 0 || steps[t - 1] !== step) bin.steps++;
      });
      const share = n > 0 ? against / n : 0;
      if (advantages[i] > 0) {
        good.completions++;
        score.pushedDown += Number(share > 0.5);
        score.worst = Math.max(score.worst, share);
      }
      if (advantages[i] < 0) {
        bad.completions++;
        bad.pushedUp += Number(share > 0.5);
      }
    });
    good.pushedDown += score.pushedDown;
    scores.push(score);
  }
  const rising = <T>(map: Map<number, T>) => [...map].sort(([a], [b]) => a - b);
  const byDepth = rising(depths);
  const figures = {
    groups: groups.length,
    completions: total.completions,
    tokens: total.tokens,
    distinctTokens: total.distinctTokens,
    flatGroups: total.flat,
    zeroVarianceGroups: total.zero,
    singletonGroups: total.single,
    meanReward: sums.reward / total.completions,
    meanPathDepth: sums.depth / total.completions,
    meanIntermediateProportion: sums.proportion / total.completions,
    sharedTokenShare: total.tokens > 0 ? sums.shared / total.tokens : 0,
    tokensSaved: total.tokens > 0 ? 1 - total.distinctTokens / total.tokens : 0,
    bySize: rising(sizes).map(([size, bin]) => ({ size, ...bin })),
    // An empty root is a depth without tokens.
    byDepth: Array.from({ length: (byDepth.at(-1)?.[0] ?? -1) + 1 }, (_, depth) => ({
      depth,
      ...(depths.get(depth) ?? { up: 0, down: 0 }),
    })),
    mass: {
      up: byDepth.reduce((sum, [, { up }]) => sum + up, 0),
      down: byDepth.reduce((sum, [, { down }]) => sum + down, 0),
    },
    lambdaMass,
    good,
    bad,
  };
  return { figures, scores };
}

/** Equal in every number; sums are equal up to rounding. */
function expectClose(actual: unknown, expected: unknown, at = ''): void {
  if (typeof expected === 'number') {
    const off = Math.abs((actual as number) - expected);
    if (!(off <= 1e-9 * Math.max(1, Math.abs(expected)))) expect(actual, at).toBe(expected);
  } else if (typeof expected === 'object' && expected !== null) {
    if (Array.isArray(expected)) expect((actual as unknown[]).length, at).toBe(expected.length);
    for (const [key, value] of Object.entries(expected))
      expectClose((actual as Record<string, unknown>)[key], value, `${at}.${key}`);
  } else expect(actual, at).toBe(expected);
}

function groupOf(completions: readonly Plain[], step: number | null = null, id = 'g'): Group {
  return {
    id,
    step,
    prompt: { tokens: new Int32Array(0) },
    completions: completions.map(({ tokens, reward }) => ({ tokens: Int32Array.from(tokens), reward })),
    tokens: 'exact',
    groups: 'explicit',
  };
}

const completion = fc.record({
  tokens: fc.array(fc.integer({ min: 0, max: 2 }), { maxLength: 8 }),
  reward: fc.oneof(
    fc.constantFrom(0, 1),
    fc.integer({ min: -8, max: 8 }).map((n) => n / 4),
  ),
});

describe('figures of many groups', () => {
  test('are those of the definitions, over all groups and over those of each step', () => {
    const step = fc.oneof(fc.constant(null), fc.integer({ min: 1, max: 3 }));
    const group = fc.tuple(step, fc.array(completion, { minLength: 1, maxLength: 9 }));
    fc.assert(
      fc.property(fc.array(group, { minLength: 1, maxLength: 6 }), (groups) => {
        const gatherer = new LogGatherer();
        const scores = groups.map(([at, list], i) => {
          const group = groupOf(list, at, String(i));
          return gatherer.add(group, analyzeGroup(group));
        });
        const { all, steps } = gatherer.result();
        const expected = naiveFigures(groups.map(([, list]) => list));
        expectClose(all, expected.figures);
        expectClose(scores, expected.scores);
        const named = [...new Set(groups.flatMap(([at]) => (at === null ? [] : [at])))].sort();
        expect(steps.map(({ step }) => step)).toEqual(named);
        for (const { step, figures } of steps)
          expectClose(figures, naiveFigures(groups.filter(([at]) => at === step).map(([, g]) => g)).figures);
      }),
      { numRuns: 400 },
    );
  });

  test("the paper's example: the best completion is the one that is pushed down", () => {
    const texts = ['ABCD', 'ABEFHI', 'JKLM', 'JKLNQST', 'JKLNQU', 'VWYZ'];
    const rewards = [0.5, 0.5, 1, 0, 0, 0.5];
    const group = groupOf(texts.map((t, i) => ({ tokens: Buffer.from(t), reward: rewards[i] })));
    const gatherer = new LogGatherer();
    const score = gatherer.add(group, analyzeGroup(group));
    const { all } = gatherer.result();
    expect(score).toEqual({ pushedDown: 1, worst: 0.75, flaw: expect.closeTo(1.107, 3) });
    expect(all.good).toEqual({ completions: 4, pushedDown: 1 });
    expect(all.bad).toEqual({ completions: 2, pushedUp: 0 });
    expect(all.bySize.map(({ size, steps, tokens }) => [size, steps, tokens])).toEqual([
      [1, 6, 14],
      [2, 2, 8],
      [3, 1, 9],
    ]);
    // ABEFHI: AB of 6 tokens lie between root and leaf; ABCD 2 of 4; JKLM 3 of 4; JKLNQST 5 of 7; JKLNQU 5 of 6.
    expect(all.meanIntermediateProportion).toBeCloseTo((2 / 6 + 2 / 4 + 3 / 4 + 5 / 7 + 5 / 6) / 6, 12);
    expect(all.meanPathDepth).toBeCloseTo((1 + 1 + 1 + 2 + 2 + 0) / 6, 12);
  });

  test('of nothing are zeros; another group’s analysis is refused', () => {
    const gatherer = new LogGatherer();
    expect(gatherer.result()).toMatchObject({ all: { groups: 0, meanReward: 0, tokensSaved: 0 }, steps: [] });
    const [single, two] = [1, 2].map((k) =>
      groupOf(Array.from({ length: k }, () => ({ tokens: [1], reward: 1 }))),
    );
    expect(() => gatherer.add(two, analyzeGroup(single))).toThrow(
      'group g has 2 completions, the analysis 1',
    );
  });
});

describe.skipIf(!present)('real logs: figures by the tree are those of the definitions', () => {
  const folders = ['.', 'verifiers', 'nemo-gym'];
  test.each(folders)('%s', async (folder) => {
    const names = (await readdir(join(LOGS, folder))).filter((name) => /\.jsonl?$/.test(name)).sort();
    let read = 0;
    for (const name of names.filter((name) => !name.endsWith('round_trip_test_data.json'))) {
      const file = join(folder, name);
      const gatherer = new LogGatherer();
      const groups: (readonly Plain[])[] = [];
      const scores: GroupScore[] = [];
      for await (const group of readRollouts(join(LOGS, file), { skipBad: true })) {
        groups.push(group.completions);
        scores.push(gatherer.add(group, analyzeGroup(group)));
      }
      if (groups.length === 0) continue; // refused: its ids have several prompts
      read++;
      const expected = naiveFigures(groups);
      expectClose(gatherer.result().all, expected.figures, file);
      expectClose(scores, expected.scores, file);
    }
    expect(read).toBe({ '.': 3, verifiers: 5, 'nemo-gym': 5 }[folder]);
  });
});
