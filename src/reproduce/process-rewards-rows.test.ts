import { describe, expect, it } from 'vitest';
import { confidenceInterval } from '../statistics/index.js';
import { linearised, ratioInterval, taskRow } from './process-rewards-rows.js';
import type { ClassSums, ValuesFigures } from './work/index.js';

describe('the interval of a ratio of sums over seeds', () => {
  it('is Student’s t of the seeds’ own ratios where all have equally many steps', () => {
    const ratios = [0.1, 0.4, 0.25, 0.3];
    const { mean, half } = confidenceInterval(ratios);
    const interval = ratioInterval(ratios.map((ratio) => [50 * ratio, 50]));
    expect(interval?.mean).toBeCloseTo(mean, 4);
    expect(interval?.half).toBeCloseTo(half, 4);
    expect(interval?.count).toBe(4);
  });

  it('has the ratio of all sums in its middle, and a seed with few steps moves it little', () => {
    const values = linearised([
      [10, 100],
      [12, 100],
      [1, 1],
    ]);
    expect(values.reduce((sum, value) => sum + value, 0) / 3).toBeCloseTo(23 / 201, 9);
    expect(
      ratioInterval([
        [10, 100],
        [12, 100],
        [1, 1],
      ])?.half,
    ).toBeLessThan(0.05);
  });

  it('leaves out seeds with nothing below, and is none where no seed has anything', () => {
    expect(
      ratioInterval([
        [0, 0],
        [1, 2],
        [1, 2],
      ]),
    ).toEqual({ mean: 0.5, half: 0, count: 2 });
    expect(ratioInterval([[0, 0]])).toBeNull();
  });
});

it('all steps of a task are added up for each seed; classes without variance say nothing', () => {
  const sums = (change: Partial<ClassSums>): ClassSums => ({
    size: 0,
    steps: 10,
    measured: 10,
    weight: 10,
    bias: 1,
    error: 3,
    limit: 2,
    biasAtEnd: null,
    signed: 0,
    decided: 0,
    wrong: 0,
    rank: null,
    ...change,
  });
  const mass = { all: 0, decided: 0, wrong: 0 };
  const seed = (...classes: ClassSums[]): ValuesFigures => ({
    value: 0,
    sizes: [{ k: 4, classes, rank: null, mass: { grpo: mass, 'lambda-grpo': mass } }],
  });
  const row = taskRow('arithmetic', [
    [seed(sums({}), sums({ limit: 0, bias: 9 })), seed(sums({ weight: 30 }))],
    [seed(sums({ bias: -1 })), seed(sums({ error: 1 }))],
  ]);
  expect(row?.bias.mean).toBeCloseTo((1 - 1 + 1 + 1) / 60, 4);
  expect(row?.ratio.mean).toBeCloseTo((3 + 3 + 3 + 1) / 8, 4);
});
