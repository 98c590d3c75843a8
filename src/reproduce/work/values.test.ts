import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { treeConfig } from '../tree-runs.js';
import { CLASSES, rankCorrelation, runValues, type ValuesFigures, type ValuesSpec } from './values.js';

describe('rank correlation', () => {
  // scipy.stats.spearmanr of SciPy 1.17.
  it.each([
    [[1, 2, 3, 4, 5], [5, 6, 7, 8, 7], 0.82078],
    [[0.1, 0.1, 0.5, 0.9], [3, 1, 2, 2], 0],
    [[1, 2, 3], [9, 4, 1], -1],
  ])('of %j and %j', (a, b, expected) => {
    expect(rankCorrelation(a, b)).toBeCloseTo(expected, 4);
  });

  it('is none where a side does not vary', () => {
    expect(rankCorrelation([1, 1, 1], [1, 2, 3])).toBeNull();
  });
});

describe('process rewards of the binary tree', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lambda-grpo-values-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const measure = (change: Partial<ValuesSpec>): Promise<ValuesFigures> =>
    runValues(
      {
        kind: 'values',
        config: treeConfig({ n: 1, reward: -1, optimizer: 'adamw', learningRate: 1e-3, steps: 2 }),
        start: null,
        sizes: [16],
        groups: 40,
        steps: 1000,
        rollouts: 0,
        ...change,
      },
      { folder, id: `values-${JSON.stringify(change).length}`, progress: () => {} },
    );

  it('exact values and those of many fresh completions agree, and so do errors, limits and signs', async () => {
    const exact = await measure({ groups: 20 });
    const sampled = await measure({ rollouts: 300, groups: 20 });
    expect(sampled.value).toBeCloseTo(exact.value, 1);
    const [a, b] = [exact.sizes[0], sampled.sizes[0]];
    expect(b.classes.map(({ size, steps }) => [size, steps])).toEqual(
      a.classes.map(({ size, steps }) => [size, steps]),
    );
    a.classes.forEach(({ bias, error, limit, biasAtEnd }, i) => {
      const other = b.classes[i];
      expect(Math.abs(bias - other.bias)).toBeLessThan(0.03);
      expect(Math.abs(biasAtEnd - other.biasAtEnd)).toBeLessThan(0.03);
      expect(Math.abs(error - other.error)).toBeLessThan(0.03);
      expect(Math.abs(limit - other.limit)).toBeLessThan(0.03);
    });
    expect(Math.abs((a.rank ?? 0) - (b.rank ?? 0))).toBeLessThan(0.1);
    expect(Math.abs((a.wrongMass?.grpo ?? 0) - (b.wrongMass?.grpo ?? 1))).toBeLessThan(0.05);
  });

  it('steps of more members are estimated better, and the error is that of as many completions', async () => {
    const [{ classes }] = (await measure({ groups: 300 })).sizes;
    expect(classes.map(({ size }) => size)).toEqual(CLASSES.slice(0, classes.length).map((_, i) => i));
    const total = (value: (c: (typeof classes)[number]) => number): number =>
      classes.reduce((sum, c) => sum + c.steps * value(c), 0);
    const ratio = total(({ error }) => error) / total(({ limit }) => limit);
    expect(ratio).toBeGreaterThan(0.9);
    expect(ratio).toBeLessThan(1.1);
    for (const { bias, limit, steps } of classes) {
      // Steps of one group are not independent; four standard errors of independent ones leave room for that.
      expect(Math.abs(bias)).toBeLessThan(4 * Math.sqrt(limit / steps) + 0.01);
    }
  });
});
