import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { treeConfig } from '../tree-runs.js';
import type { ClassSums } from './step-figures.js';
import { runPolicy } from './train.js';
import { runValues, type ValuesFigures, type ValuesSpec } from './values.js';

describe('process rewards of the binary tree', () => {
  let folder: string;
  const context = (id: string) => ({ folder, id, progress: () => {} });
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lambda-grpo-values-'));
    const config = treeConfig({ n: 1, reward: -1, optimizer: 'adamw', learningRate: 1e-3, steps: 2 });
    await runPolicy({ kind: 'policy', config, start: null }, context('policy'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const measure = (change: Partial<ValuesSpec>): Promise<ValuesFigures> =>
    runValues(
      {
        kind: 'values',
        policy: 'policy',
        seed: 0,
        sizes: [16],
        problems: 20,
        pool: 16,
        shared: false,
        prefixes: null,
        rollouts: 0,
        ends: true,
        ...change,
      },
      context('values'),
    );
  const shares = ({ weight, bias, error, limit, biasAtEnd }: ClassSums): number[] =>
    [bias, error, limit, biasAtEnd ?? Number.NaN].map((sum) => sum / weight);

  it('exact values and those of many fresh completions agree, and so do errors, limits and signs', async () => {
    const exact = await measure({});
    const sampled = await measure({ rollouts: 300 });
    expect(sampled.value).toBeCloseTo(exact.value, 1);
    const [a, b] = [exact.sizes[0], sampled.sizes[0]];
    expect(b.classes.map(({ size, steps }) => [size, steps])).toEqual(
      a.classes.map(({ size, steps }) => [size, steps]),
    );
    a.classes.forEach((sums, i) => {
      shares(sums).forEach((share, figure) => {
        expect(Math.abs(share - shares(b.classes[i])[figure])).toBeLessThan(0.03);
      });
    });
    expect(Math.abs((a.rank ?? 0) - (b.rank ?? 0))).toBeLessThan(0.1);
    for (const method of ['grpo', 'lambda-grpo'] as const) {
      const [known, estimated] = [a.mass[method], b.mass[method]];
      expect(estimated.all).toBeCloseTo(known.all, 3);
      expect(known.decided).toBeCloseTo(known.all, 3);
      expect(Math.abs(known.wrong / known.decided - estimated.wrong / estimated.decided)).toBeLessThan(0.05);
    }
  });

  it('steps of more members are estimated better, and the error is that of as many completions', async () => {
    const [{ classes }] = (await measure({ problems: 300 })).sizes;
    expect(classes.map(({ size }) => size)).toEqual([0, 1, 2, 3, 4]);
    const total = (value: (sums: ClassSums) => number): number =>
      classes.reduce((sum, row) => sum + value(row), 0);
    const ratio = total(({ error }) => error) / total(({ limit }) => limit);
    expect(ratio).toBeGreaterThan(0.9);
    expect(ratio).toBeLessThan(1.1);
    for (const { bias, limit, steps } of classes) {
      // Steps of one group are not independent; four standard errors of independent ones allow for that.
      expect(Math.abs(bias / steps)).toBeLessThan(4 * Math.sqrt(limit / steps / steps) + 0.01);
    }
  });

  it('pools are parted into groups; one pool serves all sizes, or each has its own', async () => {
    const counts = async (shared: boolean): Promise<number[]> => {
      const { sizes } = await measure({ problems: 3, sizes: [2, 4, 16], shared, ends: false });
      // The number of steps depends only on the completions in each group.
      return sizes.map(({ classes }) => classes.reduce((sum, { steps }) => sum + steps, 0));
    };
    const [pooled, apart] = [await counts(true), await counts(false)];
    expect(pooled[2]).not.toBe(0);
    expect(pooled).not.toEqual(apart);
    const [alone] = (await measure({ problems: 3, sizes: [4], shared: true, ends: false })).sizes;
    expect(alone.classes.reduce((sum, { steps }) => sum + steps, 0)).toBe(pooled[1]);
  });
});
