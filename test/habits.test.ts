/** The habits of the field around the loss: what they do to rewards, groups and references, and that a continued run keeps them. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { groupAdvantages } from '../src/objective/index.js';
import { readOwnRollouts } from '../src/rollouts/index.js';
import { type Config, type RunFolder, resolveConfig, run } from '../src/train/index.js';
import { scoreGroups } from '../src/train/learner.js';

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

  it('trains on mixed groups alone, within its bound; the figures count what was dropped', async () => {
    const plain = await run({ config: config(), out: join(folder, 'plain'), threads: 1 });
    const { folder: made } = await run({ config: resampling(), out: join(folder, 'dynamic'), threads: 1 });
    const flat = (await Promise.all([1, 2, 3, 4, 5, 6].map((step) => groupsOf(plain.folder, step)))).flat();
    expect(flat.some((group) => !isMixed(group))).toBe(true);
    let dropped = 0;
    for (const record of await made.readMetrics()) {
      const groups = await groupsOf(made, record.step);
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

describe('rewards', () => {
  it('fall softly towards the longest length (DAPO’s punishment)', async () => {
    const made = config({ objective: { length_penalty_tokens: 2 } });
    const { folder: out } = await run({ config: made, out: join(folder, 'penalty'), threads: 1 });
    for (const group of await groupsOf(out, 1)) {
      for (const { reward, rewards } of group.completions) {
        // Every path has the longest length: the whole punishment.
        expect(rewards?.length).toBe(-1);
        expect(reward).toBeCloseTo((rewards?.task ?? Number.NaN) - 1, 12);
      }
    }
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
    const made = (steps: number, share = 1): Config =>
      config({
        objective: { kl_beta: 0.1, reference_sync_every: 2, reference_sync_share: share },
        optimizer: { learning_rate: 0.01 },
        train: { steps },
        checkpoint: { every: 1, keep: 9 },
      });
    const { folder: out } = await run({ config: made(6), out: join(folder, 'synced'), threads: 1 });
    const kl = (await out.readMetrics()).map((record) => record.kl ?? Number.NaN);
    expect(kl[0]).toBe(0);
    for (const [i, value] of kl.entries()) {
      if (i % 2 === 0) expect(value).toBeLessThan(1e-9);
    }
    expect(Math.max(...kl)).toBeGreaterThan(1e-6);
    await run({ config: made(3, 0.5), out: join(folder, 'half'), threads: 1 });
    const continued = await run({
      config: made(6, 0.5),
      out: join(folder, 'half'),
      resume: true,
      threads: 1,
    });
    const whole = await run({ config: made(6, 0.5), out: join(folder, 'half-whole'), threads: 1 });
    expect(timeless(await continued.folder.readMetrics())).toEqual(
      timeless(await whole.folder.readMetrics()),
    );
  });
});

describe('importance weights', () => {
  it('of tokens that the policy itself sampled are 1: nothing changes', async () => {
    const made = (cap: number | null) => config({ objective: { importance_cap: cap }, train: { steps: 2 } });
    const [plain, weighted] = await Promise.all([
      run({ config: made(null), out: join(folder, 'unweighted'), threads: 1 }),
      run({ config: made(2), out: join(folder, 'weighted'), threads: 1 }),
    ]);
    const [a, b] = [await plain.folder.readMetrics(), await weighted.folder.readMetrics()];
    a.forEach((record, i) => {
      expect(b[i].grad_norm).toBeCloseTo(record.grad_norm as number, 4);
    });
  });
});

describe('combinations that have no meaning', () => {
  it.each([
    [{ loss: 'gspo' }, "objective.loss: expected another loss with method lambda-grpo (gspo's one ratio"],
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
    const made = resolveConfig({
      method: 'grpo',
      task: { name: 'binary-tree' },
      model: { layers: 1, heads: 2, width: 16 },
      objective: { loss: 'gspo', updates_per_batch: 2 },
      train: { steps: 2 },
    });
    const { step } = await run({ config: made, out: join(folder, 'gspo'), threads: 1 });
    expect(step).toBe(2);
  });
});
