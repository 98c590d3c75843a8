/**
 * Common options around the loss: their effect on rewards, groups and references, and that a continued run keeps them.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { analyzeGroup, WeightsWriter } from '../src/analysis/index.js';
import { LocalEngine } from '../src/engine/index.js';
import { groupAdvantages } from '../src/objective/index.js';
import { readOwnRollouts } from '../src/rollouts/own-files.js';
import { nodeBackend } from '../src/runtime/node.js';
import { createTask } from '../src/task/index.js';
import { importanceWeights, trainExamples } from '../src/train/batch.js';
import {
  type Config,
  createEngine,
  createRunFolder,
  type MetricsLine,
  type RunFolder,
  resolveConfig,
  run,
  train,
} from '../src/train/index.js';
import { scoreGroup, scoreGroups } from '../src/train/scored-groups.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lambda-grpo-habits-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Sums with few samples of an untrained model: most groups are all wrong. */
const config = (changes: Record<string, Record<string, unknown>> = {}): Config =>
  resolveConfig({
    task: { name: 'binary-tree', depth: 2, n: 1 },
    model: { layers: 1, heads: 2, width: 16 },
    evaluation: { every: 0 },
    ...changes,
    sampling: { group_size: 3, prompts_per_step: 2, ...changes.sampling },
    train: { steps: 6, ...changes.train },
    objective: { ...changes.objective },
  });

async function groupsOf(run: RunFolder, step: number) {
  const groups = [];
  for await (const group of readOwnRollouts(run.rolloutsFile(step))) groups.push(group);
  return groups;
}
const timeless = (all: readonly object[]) =>
  all.map((record) => Object.fromEntries(Object.entries(record).filter(([key]) => !key.endsWith('seconds'))));
const isMixed = ({ completions }: { completions: readonly { reward: number }[] }): boolean =>
  new Set(completions.map(({ reward }) => reward)).size > 1;

describe('dynamic sampling', () => {
  const resampling = (steps = 6) =>
    config({ sampling: { resample_rounds: 4 }, train: { steps }, checkpoint: { every: 1, keep: 9 } });

  it('trains only on mixed groups, within its bound; the figures count dropped groups', async () => {
    const plain = await run({ config: config(), out: join(folder, 'plain'), threads: 1 });
    const { folder: runFolder } = await run({
      config: resampling(),
      out: join(folder, 'dynamic'),
      threads: 1,
    });
    const flat = (await Promise.all([1, 2, 3, 4, 5, 6].map((step) => groupsOf(plain.folder, step)))).flat();
    expect(flat.some((group) => !isMixed(group))).toBe(true);
    let dropped = 0;
    for (const record of await runFolder.readMetrics()) {
      const groups = await groupsOf(runFolder, record.step);
      expect(groups.length).toBeLessThanOrEqual(2);
      if (groups.length === 2 && groups.some(isMixed)) expect(groups.every(isMixed)).toBe(true);
      dropped += record.dropped_groups ?? 0;
    }
    expect(dropped).toBeGreaterThan(0);
  });

  it('is continued where it was cut off: the same problems, the same numbers', async () => {
    await run({ config: resampling(3), out: join(folder, 'cut'), threads: 1 });
    const continued = await run({ config: resampling(), out: join(folder, 'cut'), resume: true, threads: 1 });
    const whole = await run({ config: resampling(), out: join(folder, 'whole'), threads: 1 });
    expect(timeless(await continued.folder.readMetrics())).toEqual(
      timeless(await whole.folder.readMetrics()),
    );
  });
});

describe('a problem that comes twice in a step', () => {
  it('is two groups with two ids, dropped ones counted too; the weights have them', async () => {
    const { folder: runFolder } = await run({ config: config(), out: join(folder, 'twice'), threads: 1 });
    const ids = (await groupsOf(runFolder, 1)).map(({ id }) => id);
    expect(ids).toEqual(['binary-tree', 'binary-tree#2']);
    const resampled = config({ sampling: { resample_rounds: 4 } });
    const { folder: dynamic } = await run({ config: resampled, out: join(folder, 'ids'), threads: 1 });
    const weights = join(folder, 'weights.jsonl');
    const writer = await WeightsWriter.open(weights);
    for (let step = 1; step <= 6; step++)
      for (const group of await groupsOf(dynamic, step)) await writer.add(group, analyzeGroup(group));
    await writer.close();
    const rows = (await readFile(weights, 'utf8')).trim().split('\n');
    const keys = rows
      .map((line) => JSON.parse(line))
      .map((row) => `${row.step} ${row.group_id} ${row.completion}`);
    expect(new Set(keys).size).toBe(keys.length);
  });
});

describe('rewards', () => {
  it('fall softly towards the longest length (DAPO’s punishment)', async () => {
    const settings = config({ objective: { length_penalty_tokens: 2 } });
    const { folder: out } = await run({ config: settings, out: join(folder, 'penalty'), threads: 1 });
    for (const group of await groupsOf(out, 1)) {
      for (const { reward, rewards } of group.completions) {
        // Every path has the longest length: the whole punishment.
        expect(rewards?.length).toBe(-1);
        expect(reward).toBeCloseTo((rewards?.task ?? Number.NaN) - 1, 12);
      }
    }
  });

  it('fall by nothing up to L − c tokens, then by 1/c for each further one', async () => {
    const settings = resolveConfig({
      task: { name: 'arithmetic', digits: 1, held_out: 5 },
      model: { layers: 1, heads: 2, width: 16 },
      objective: { length_penalty_tokens: 6 },
      sampling: { group_size: 16, prompts_per_step: 8 },
      evaluation: { every: 0 },
      train: { steps: 1 },
    });
    const longest = createTask(settings.task, settings.seed).maxCompletionTokens;
    const { folder: out } = await run({ config: settings, out: join(folder, 'ramp'), threads: 1 });
    const seen = new Map<number, number>();
    for (const group of await groupsOf(out, 1)) {
      for (const { tokens, reward, rewards } of group.completions) {
        // −(excess)/c by hand, in whole sixths.
        const excess = [0, 1, 2, 3, 4, 5, 6].find((n) => tokens.length <= longest - 6 + n) as number;
        expect(rewards?.length).toBeCloseTo(-excess / 6, 12);
        const { length, ...others } = rewards as Record<string, number>;
        expect(reward).toBeCloseTo(Object.values(others).reduce((a, b) => a + b, 0) + length, 12);
        seen.set(excess, (seen.get(excess) ?? 0) + 1);
      }
    }
    // The ramp was walked on: no punishment, the whole, and steps between.
    expect(seen.has(0)).toBe(true);
    expect([...seen.keys()].filter((excess) => excess > 0 && excess < 6).length).toBeGreaterThan(0);
  });

  it('are scaled by the group, by the step, or not', () => {
    const group = (rewards: readonly number[]) => ({
      id: 'g',
      step: 1,
      prompt: { tokens: Int32Array.of(0) },
      completions: rewards.map((reward, i) => ({ tokens: Int32Array.of(i), reward })),
      tokens: 'exact' as const,
      groups: 'explicit' as const,
    });
    const groups = [group([1, 0, 0]), group([5, 1, 3]), group([2, 2, 2])];
    const advantages = (scale: string) =>
      scoreGroups(groups, config({ objective: { advantage_scale: scale } }).objective).map((scored) => [
        ...scored.advantages,
      ]);
    const all = [1, 0, 0, 5, 1, 3, 2, 2, 2];
    const mean = all.reduce((a, b) => a + b, 0) / all.length;
    const std = Math.sqrt(all.reduce((n, r) => n + (r - mean) ** 2, 0) / (all.length - 1));
    expect(advantages('none')[1]).toEqual([2, -2, 0]);
    expect(advantages('std')[1]).toEqual([...groupAdvantages([5, 1, 3])]);
    expect(advantages('batch')[1][0]).toBeCloseTo(2 / (std + 1e-4), 12);
    expect(advantages('batch')[0][0]).toBeCloseTo(2 / 3 / (std + 1e-4), 12);
    expect(advantages('batch')[2]).toEqual([0, 0, 0]);
  });
});

describe('the reference policy', () => {
  it('kept in step has no KL right after it was moved wholly; a continued run keeps it', async () => {
    const settings = (steps: number, share = 1): Config =>
      config({
        objective: { kl_beta: 0.1, reference_sync_every: 2, reference_sync_share: share },
        optimizer: { learning_rate: 0.01 },
        train: { steps },
        checkpoint: { every: 1, keep: 9 },
      });
    const { folder: out } = await run({ config: settings(6), out: join(folder, 'synced'), threads: 1 });
    const kl = (await out.readMetrics()).map((record) => record.kl ?? Number.NaN);
    expect(kl[0]).toBe(0);
    for (const [i, value] of kl.entries()) {
      if (i % 2 === 0) expect(value).toBeLessThan(1e-9);
    }
    expect(Math.max(...kl)).toBeGreaterThan(1e-6);
    await run({ config: settings(3, 0.5), out: join(folder, 'half'), threads: 1 });
    const continued = await run({
      config: settings(6, 0.5),
      out: join(folder, 'half'),
      resume: true,
      threads: 1,
    });
    const whole = await run({ config: settings(6, 0.5), out: join(folder, 'half-whole'), threads: 1 });
    expect(timeless(await continued.folder.readMetrics())).toEqual(
      timeless(await whole.folder.readMetrics()),
    );
  });
});

describe('importance weights', () => {
  const capped = (cap: number | null) => config({ objective: { importance_cap: cap }, train: { steps: 2 } });

  it('are refused where the sampler is the policy', async () => {
    await expect(run({ config: capped(2), out: join(folder, 'refused'), threads: 1 })).rejects.toThrow(
      'objective.importance_cap: expected null (its sampler is the policy itself) for engine local, got 2',
    );
  });

  it('of tokens that the policy itself sampled are 1: nothing changes', async () => {
    const trained = async (cap: number | null): Promise<MetricsLine[]> => {
      const task = createTask(capped(cap).task, 0);
      const engine = await createEngine(capped(null), task, { threads: 1 });
      const runFolder = await createRunFolder(join(folder, `capped-${cap}`), capped(cap));
      await train({ config: capped(cap), task, engine, folder: runFolder });
      await Promise.all([engine.dispose(), runFolder.close()]);
      return runFolder.readMetrics();
    };
    const [a, b] = [await trained(null), await trained(2)];
    a.forEach((record, i) => {
      expect(b[i].grad_norm).toBeCloseTo(record.grad_norm as number, 4);
    });
  });
});

describe('importance weights of what another engine sampled', () => {
  const group = (logprobs: readonly (readonly number[])[], mask?: readonly number[]) => ({
    id: 'g',
    step: 1,
    prompt: { tokens: Int32Array.of(0) },
    completions: logprobs.map((values, i) => ({
      // The first two tokens are shared, the last is each one's own.
      tokens: Int32Array.of(5, 6, 7 + i),
      reward: i,
      logprobs: Float32Array.from(values),
      ...(mask ? { mask: Uint8Array.from(mask) } : {}),
    })),
    tokens: 'exact' as const,
    groups: 'explicit' as const,
  });
  const weightsOf = (sampled: ReturnType<typeof group>, old: readonly number[], cap: number) => [
    ...importanceWeights(scoreGroup(sampled, config().objective), Float32Array.from(old), cap),
  ];

  it('are π/π_sampler up to the cap; of shared tokens by the mean of ln π_sampler', () => {
    const sampled = group([
      [-1, -2, -3],
      [-1.5, -2, -0.5],
    ]);
    const [first, second, third, fourth] = weightsOf(sampled, [-1, -1.6, -1, -1], 2);
    expect(first).toBeCloseTo(Math.exp(-1 + 1.25), 5);
    expect(second).toBeCloseTo(Math.exp(0.4), 5);
    expect(third).toBe(2); // e², cut
    expect(fourth).toBeCloseTo(Math.exp(-0.5), 5);
    expect(weightsOf(sampled, [-1, -1.6, -1, -1], 100)[2]).toBeCloseTo(Math.exp(2), 4);
  });

  it('are 1 for tokens that were not sampled', () => {
    const sampled = group([[-1, 0, -1]], [1, 0, 1]);
    expect(weightsOf(sampled, [-1.5, -9, -1], 2)).toEqual([expect.closeTo(Math.exp(-0.5), 5), 1, 1]);
  });

  it('change the gradient of a run whose sampler is wrong, within their cap', async () => {
    // A group whose sampler says that its tokens were twice as likely: every weight is 1/2, and so is the gradient.
    const settings = config({ objective: { importance_cap: 5 } });
    const engine = new LocalEngine({
      model: { vocabularySize: 9, contextLength: 8, width: 16, layers: 1, heads: 2 },
      optimizer: { name: 'sgd', momentum: 0, weightDecay: 0 },
      seed: 1,
      backend: nodeBackend(),
      threads: 1,
    });
    const scored = scoreGroup(
      group([
        [0, 0, 0],
        [0, 0, 0],
      ]),
      settings.objective,
    );
    const [example] = trainExamples([scored], settings.objective, 4);
    const options = {
      temperature: 1,
      learningRate: 0,
      maxGradNorm: null,
      clipLow: 0.2,
      clipHigh: 0.2,
      klBeta: 0,
    };
    const plain = await engine.gradients([example], options);
    const sampledAt = (factor: number) => {
      const logprobs = plain.logprobs[0].map((value) => value + Math.log(factor));
      const [a, b, c, d] = logprobs;
      return group([
        [a, b, c],
        [a, b, d],
      ]);
    };
    const weighted = async (factor: number, cap: number) => {
      const weights = importanceWeights(
        scoreGroup(sampledAt(factor), settings.objective),
        plain.logprobs[0],
        cap,
      );
      return (await engine.gradients([{ ...example, weights }], options)).gradNorm;
    };
    expect((await weighted(2, 5)) / plain.gradNorm).toBeCloseTo(0.5, 4);
    expect((await weighted(1 / 3, 5)) / plain.gradNorm).toBeCloseTo(3, 3);
    expect((await weighted(1 / 3, 2)) / plain.gradNorm).toBeCloseTo(2, 4);
    await engine.dispose();
  });
});

describe('combinations that have no meaning', () => {
  it.each([
    [{ loss: 'gspo' }, 'objective.loss: expected another loss with method lambda-grpo (gspo has one ratio'],
    [{ clip_bound: 1.1 }, 'objective.clip_bound: expected more than 1 + clip_high, 1.2, got 1.1'],
    [
      { reference_sync_every: 3 },
      'objective.reference_sync_every: expected 0 without a KL term (kl_beta 0), got 3',
    ],
    [{ loss: 'ppo' }, 'objective.loss: expected dapo or grpo or dr_grpo or bnpo or cispo or gspo, got "ppo"'],
  ])('%j is refused with the reason', (objective, line) => {
    expect(() => config({ objective })).toThrow(line);
  });

  it('gspo trains with method grpo', async () => {
    const settings = resolveConfig({
      method: 'grpo',
      task: { name: 'binary-tree', depth: 2, n: 1 },
      model: { layers: 1, heads: 2, width: 16 },
      optimizer: { learning_rate: 0.01 },
      objective: { loss: 'gspo', updates_per_batch: 2 },
      sampling: { group_size: 16 },
      evaluation: { every: 0 },
      train: { steps: 40 },
    });
    const { folder: out } = await run({ config: settings, out: join(folder, 'gspo'), threads: 1 });
    const records = await out.readMetrics();
    const mean = (name: 'reward_mean' | 'success_rate', from: number) =>
      records
        .slice(from)
        .slice(0, 5)
        .reduce((sum, record) => sum + (record[name] ?? Number.NaN), 0) / 5;
    expect(mean('reward_mean', -5)).toBeGreaterThan(mean('reward_mean', 0) + 0.3);
    expect(records.some(({ clip_fraction = 0 }) => clip_fraction > 0)).toBe(true);
  });
});
