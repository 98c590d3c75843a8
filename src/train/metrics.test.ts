import { expect, test } from 'vitest';
import type { Group } from '../rollouts/index.js';
import { binaryTree } from '../task/index.js';
import { resolveConfig } from './config-sources.js';
import { bestEvaluated, describeMetrics, METRICS, type MetricsLine, stepMetrics } from './metrics.js';
import { scoreGroup } from './scored-groups.js';

const { objective } = resolveConfig({ task: { name: 'binary-tree' } });
const task = binaryTree({ seed: 0 });
const [problem] = task.heldOut;

/** A group of letters: each character is a token. */
function group(rewards: Record<string, number>): Group {
  return {
    id: 'g',
    step: 1,
    prompt: { tokens: Int32Array.of(0) },
    completions: Object.entries(rewards).map(([text, reward]) => ({
      tokens: Int32Array.from(text, (c) => c.charCodeAt(0)),
      reward,
      stop: reward === 1 ? 'stop' : 'length',
      success: text.length === 4,
    })),
    tokens: 'exact',
    groups: 'explicit',
  };
}

test("the figures of a step are those of the paper's worked example and of flat groups", () => {
  const scored = [
    group({ ABCD: 0.5, ABEFHI: 0.5, JKLM: 1, JKLNQST: 0, JKLNQU: 0, VWYZ: 0.5 }),
    group({ AB: 1, CD: 1 }),
  ].map((g) => scoreGroup(g, objective));
  const entropies = scored.map(({ tree }) => new Float32Array(tree.distinctTokenCount).fill(0.25));
  const first = { loss: 0.1, gradNorm: 2, treeTokens: 0, computedTokens: 0, entropies, logprobs: entropies };
  const record = stepMetrics(
    3,
    { sampled: scored.map(({ group }) => ({ group, problem })), failures: [], passedOver: 0 },
    scored,
    { first, gradNorm: 2, kl: null, clipFraction: 0, rescale: null },
    99,
  );
  // Token by token: the completions that share it, and their mean advantage; in the second group all are 0.
  const [{ group: example, advantages }] = scored;
  const [total, shared] = example.completions.reduce(
    (sums, { tokens }) =>
      Array.from(tokens).reduce(([all, common], _, t) => {
        const start = tokens.slice(0, t + 1).join();
        const members = example.completions.flatMap((other, i) =>
          other.tokens.slice(0, t + 1).join() === start ? [advantages[i]] : [],
        );
        const pull = Math.abs(members.reduce((a, b) => a + b, 0) / members.length);
        return [all + pull, common + (members.length > 1 ? pull : 0)];
      }, sums),
    [0, 0],
  );
  expect(record).toEqual({
    phase: 'train',
    step: 3,
    shared_mass: expect.closeTo(shared / total, 12),
    loss: 0.1,
    grad_norm: 2,
    clip_fraction: 0,
    tokens: 99,
    reward_mean: 4.5 / 8,
    reward_std: expect.closeTo(Math.sqrt((3 * 0.4375 ** 2 + 3 * 0.0625 ** 2 + 2 * 0.5625 ** 2) / 7), 12),
    success_rate: 3 / 8,
    completion_length: 35 / 8,
    stopped_share: 3 / 8,
    entropy: 0.25,
    // Intermediate nodes: AB for two, JKL for one, JKL and NQ for two; none for VWYZ and the flat group.
    path_depth: (1 + 1 + 1 + 2 + 2) / 8,
    intermediate_proportion: expect.closeTo((2 / 4 + 2 / 6 + 3 / 4 + 5 / 7 + 5 / 6) / 8, 12),
    flat_share: 0.5,
    distinct_share: 1,
    zero_variance_share: 0.5,
    all_right_share: 0,
    all_wrong_share: 0.5,
    step_tokens: 35,
    tree_tokens: 25,
    tokens_saved: expect.closeTo(1 - 25 / 35, 12),
  });
});

test('the share of distinct completions is that of their texts', () => {
  const texts = ['A', 'AB', 'AB', 'AB', '', ''];
  const base = group({ A: 1 });
  const [completion] = base.completions;
  const completions = texts.map((text, i) => ({
    ...completion,
    tokens: Int32Array.from(text, (c) => c.charCodeAt(0)),
    reward: i,
  }));
  const scored = [
    scoreGroup({ ...base, completions }, objective),
    scoreGroup(group({ A: 1, B: 0 }), objective),
  ];
  const logprobs = scored.map(({ tree }) => new Float32Array(tree.distinctTokenCount));
  const first = { loss: 0, gradNorm: 1, treeTokens: 0, computedTokens: 0, logprobs };
  const record = stepMetrics(
    1,
    { sampled: scored.map((entry) => ({ group: entry.group, problem })), failures: [], passedOver: 0 },
    scored,
    { first, gradNorm: 1, kl: null, clipFraction: 0, rescale: null },
    0,
  );
  expect(record.distinct_share).toBeCloseTo((new Set(texts).size / texts.length + 1) / 2, 12);
});

test('every metric has a meaning in the reference', () => {
  for (const name of Object.keys(METRICS)) expect(describeMetrics()).toContain(`| \`${name}\` |`);
});

test('the best evaluation: highest accuracy, then highest reward, then the earliest', () => {
  const line = (step: number, eval_accuracy?: number, eval_reward?: number): MetricsLine => ({
    phase: 'train',
    step,
    ...(eval_accuracy === undefined ? {} : { eval_accuracy, eval_reward }),
  });
  const lines: MetricsLine[] = [
    { phase: 'warmup', step: 9, eval_accuracy: 1, eval_reward: 1 },
    line(0, 0, -1),
    line(1),
    line(2, 0.5, 0.2),
    line(4, 0.5, 0.4),
    line(6, 0.25, 2),
    line(8, 0.5, 0.4),
  ];
  expect(bestEvaluated(lines)?.step).toBe(4);
  expect(bestEvaluated(lines, [0, 2, 6])?.step).toBe(2);
  expect(bestEvaluated(lines.slice(0, 2))?.step).toBe(0);
  expect(bestEvaluated([line(3)])).toBeNull();
});
