/** Runs that sample in int8: the difference is a metric, the loss is corrected, evaluations are exact. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Config, RunFolder, resolveConfig, run } from '../src/train/index.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lambda-grpo-int8-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

type Given = Parameters<typeof resolveConfig>[0];

const config = (steps: number, change: Record<string, unknown> = {}): Config =>
  resolveConfig({
    task: { name: 'binary-tree' },
    model: { layers: 1, heads: 2, width: 32, lora: { r: 4, alpha: 8, targets: 'all-linear' } },
    sampling: { precision: 'int8', group_size: 8, prompts_per_step: 3 },
    optimizer: { learning_rate: 0.01 },
    train: { steps },
    checkpoint: { every: 1, keep: 9 },
    evaluation: { every: 2, problems: 20 },
    ...change,
  } as Given);
const timeless = (all: readonly object[]) =>
  all.map((record) => Object.fromEntries(Object.entries(record).filter(([key]) => !key.endsWith('seconds'))));

describe('a run that samples in int8', () => {
  it('reports how far its samples are from the policy; a continued run gives the same numbers', async () => {
    const out = (name: string): string => join(folder, name);
    await run({ config: config(2), out: out('cut'), threads: 1 });
    await run({ config: config(5), out: out('cut'), resume: true, threads: 1 });
    const { folder: whole } = await run({ config: config(5), out: out('whole'), threads: 1 });
    const metrics = await whole.readMetrics();
    expect(timeless(await new RunFolder(out('cut')).readMetrics())).toEqual(timeless(metrics));
    const differences = metrics.flatMap(({ sampling_logp_difference_mean: mean }) => mean ?? []);
    expect(differences.length).toBe(5);
    for (const difference of differences) {
      expect(difference).toBeGreaterThan(1e-5);
      expect(difference).toBeLessThan(0.1);
    }
    const { folder: exact } = await run({
      config: config(5, { sampling: { group_size: 8, prompts_per_step: 3 } }),
      out: out('exact'),
      threads: 1,
    });
    const [first] = await exact.readMetrics();
    // The evaluation before training does not depend on how completions are sampled.
    expect(metrics[0]).toEqual(first);
    for (const line of await exact.readMetrics()) {
      if (line.sampling_logp_difference_mean !== undefined)
        expect(line.sampling_logp_difference_mean).toBeLessThan(1e-5);
    }
  });

  it('has a cap of 2 for importance weights, unless another is given', () => {
    expect(config(1).objective.importance_cap).toBe(2);
    expect(config(1, { objective: { importance_cap: 5 } }).objective.importance_cap).toBe(5);
    const plain = config(1, { sampling: {} });
    expect([plain.sampling.precision, plain.objective.importance_cap]).toEqual(['float32', null]);
  });

  it.each([
    [{ model: { layers: 1 } }, 'sampling.precision: expected float32 without model.lora'],
    [
      { method: 'grpo', objective: { loss: 'gspo' } },
      'sampling.precision: expected float32 with loss gspo (it has no terms of tokens to weight), got int8',
    ],
    [
      { model: {}, engine: { name: 'tinker', url: 'http://127.0.0.1:1', base_model: 'm' } },
      'sampling.precision: expected float32 with engine tinker (the server chooses its own), got int8',
    ],
    [{ sampling: { precision: 'int4' } }, 'sampling.precision: expected float32 or int8, got "int4"'],
  ])('%j is refused in one line', (change, line) => {
    expect(() => config(1, change)).toThrow(line);
  });
});
