/**
 * Groups without a gradient are left out of the update: only the time changes, and their entropies are the sampler's.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Engine, LocalEngine, type TrainExample } from '../engine/index.js';
import { nodeBackend } from '../runtime/node.js';
import { createTask } from '../task/index.js';
import { hasGradient } from './batch.js';
import { createRunFolder, randomModel, resolveConfig, train } from './index.js';
import { optimizerConfig } from './random-model.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lambda-grpo-skipped-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const config = (objective: Record<string, unknown> = {}, method = 'grpo') =>
  resolveConfig({
    method,
    task: { name: 'binary-tree', n: 1, negative_reward: 0, other_reward: 0 },
    model: { layers: 1, heads: 2, width: 16 },
    optimizer: { name: 'sgd', learning_rate: 0.5, max_grad_norm: null },
    sampling: { group_size: 4, prompts_per_step: 5 },
    objective: { updates_per_batch: 2, ...objective },
    train: { steps: 4 },
    evaluation: { every: 0 },
  });

/** Runs with or without the sampler's entropies, and records the examples of each update. */
async function trained(name: string, settings: ReturnType<typeof config>, entropies: boolean) {
  const task = createTask(settings.task, settings.seed);
  const local = new LocalEngine({
    backend: nodeBackend(),
    model: randomModel(settings, task),
    optimizer: optimizerConfig(settings.optimizer),
    seed: settings.seed,
    threads: 1,
  });
  const updates: (readonly TrainExample[])[] = [];
  const engine = new Proxy<Engine>(local, {
    get: (_, key: keyof Engine) => {
      if (key === 'sample' && !entropies) {
        return async (...args: Parameters<Engine['sample']>) => {
          const { completions, statistics } = await local.sample(...args);
          const without = completions.map((group) => group.map(({ entropies: _, ...rest }) => rest));
          return { completions: without, statistics };
        };
      }
      if (key === 'update') {
        return (...[batch, options]: Parameters<Engine['update']>) => {
          updates.push(batch);
          return local.update(batch, options);
        };
      }
      const value = local[key];
      return typeof value === 'function' ? value.bind(local) : value;
    },
  });
  const run = await createRunFolder(join(folder, name), settings);
  await train({ config: settings, task, engine, folder: run });
  await run.close();
  const metrics = await run.readMetrics();
  const weights = local.parameters.flat.slice();
  await local.dispose();
  return { metrics, weights, updates };
}

describe.each([
  ['lambda-grpo', {}, 'lambda-grpo'],
  ['gspo', { loss: 'gspo' }, 'grpo'],
  ["a gradient scaled to the norm of λ-GRPO's", { rescale_to: 'lambda-grpo' }, 'grpo'],
])('%s', (name, objective, method) => {
  it('gives the weights and figures of updates with all groups', async () => {
    const settings = config(objective, method);
    const [skipping, whole] = [
      await trained(`${name}-skipping`, settings, true),
      await trained(`${name}-whole`, settings, false),
    ];
    expect(whole.metrics.some(({ skipped_groups }) => skipped_groups !== undefined)).toBe(false);
    let skipped = 0;
    skipping.metrics.forEach((line, i) => {
      const { skipped_groups: count = 0, ...record } = line;
      skipped += count;
      expect(count).toBe(Math.round((record.zero_variance_share ?? 0) * 5));
      for (const [key, value] of Object.entries(whole.metrics[i])) {
        if (typeof value !== 'number' || /seconds|difference/.test(key)) continue;
        const now = record[key as keyof typeof record] as number;
        expect(Math.abs(now - value), key).toBeLessThan(1e-4 * Math.max(1, Math.abs(value)));
      }
    });
    expect(skipped).toBeGreaterThan(2);
    expect(skipped).toBeLessThan(20);
    const largest = skipping.weights.reduce(
      (most, w, i) => Math.max(most, Math.abs(w - whole.weights[i])),
      0,
    );
    expect(largest).toBeLessThan(1e-5);
    expect(
      skipping.updates.every((batch) => batch.every((example) => hasGradient(example, settings.objective))),
    ).toBe(true);
    const count = (all: typeof whole.updates) => all.reduce((n, batch) => n + batch.length, 0);
    expect(count(whole.updates) - count(skipping.updates)).toBe(2 * skipped);
  });
});

describe('what has a gradient', () => {
  it('with a KL term or an entropy bonus every group has one', async () => {
    for (const objective of [{ kl_beta: 0.1 }, { entropy_bonus: 0.01 }]) {
      const { metrics, updates } = await trained(JSON.stringify(objective), config(objective), true);
      expect(metrics.some(({ zero_variance_share }) => (zero_variance_share ?? 0) > 0)).toBe(true);
      expect(metrics.some(({ skipped_groups }) => skipped_groups !== undefined)).toBe(false);
      for (const batch of updates) expect(batch).toHaveLength(5);
    }
  });

  it('any non-zero coefficient, also of a first token only, and one that is not a number', () => {
    const zeros = () => new Float64Array(3);
    const plain = { kl_beta: 0, entropy_bonus: 0 };
    const example = (coefficients: Partial<TrainExample['coefficients']>, advantages?: Float64Array) =>
      ({
        coefficients: { plus: zeros(), minus: zeros(), kl: zeros(), ...coefficients },
        sequenceAdvantages: advantages,
      }) as unknown as TrainExample;
    expect(hasGradient(example({}), plain)).toBe(false);
    expect(hasGradient(example({ kl: Float64Array.of(1, 0, 0) }), plain)).toBe(false);
    const tiny = Float64Array.of(0, 1e-300, 0);
    expect(hasGradient(example({ plus: tiny }), plain)).toBe(true);
    expect(hasGradient(example({ minus: Float64Array.of(0, Number.NaN, 0) }), plain)).toBe(true);
    expect(hasGradient(example({ first: { plus: zeros(), minus: tiny } }), plain)).toBe(true);
    expect(hasGradient(example({}, tiny), plain)).toBe(true);
  });
});
