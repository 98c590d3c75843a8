import { describe, expect, it } from 'vitest';
import type { ValueTask } from '../process-rewards-data.js';
import { className } from '../process-rewards-page.js';
import type { ClassRow } from '../process-rewards-rows.js';
import { atLeast, processRewardsVerdict } from './process-rewards.js';

const [tree, sums] = ['binary-tree', 'arithmetic'] as const;
const fair = { mean: 0.01, half: 0.02, count: 5 };
const biased = { mean: 0.03, half: 0.02, count: 5 };

const row = (change: Partial<ClassRow> = {}): ClassRow => ({
  k: 16,
  size: 0,
  steps: 100,
  measured: 100,
  bias: fair,
  biasAtEnd: null,
  error: { mean: 0.1, half: 0.01, count: 5 },
  limit: 0.1,
  ratio: null,
  rank: null,
  decided: null,
  wrong: null,
  ...change,
});
const rows = (count: number, change: Partial<ClassRow> = {}): ClassRow[] =>
  Array.from({ length: count }, () => row(change));

/** A task with these cells; over all steps it has the given bias and ratio. */
const task = (
  name: ValueTask,
  classes: readonly ClassRow[],
  bias = { mean: 0.01, half: 0.02, count: 5 },
  ratio = 1,
) => ({
  stages: [{ task: name, stage: 0, value: fair, classes, sizes: [] }],
  tasks: [{ task: name, bias, ratio: { mean: ratio, half: 0.1, count: 5 } }],
});
const verdict = (...tasks: ReturnType<typeof task>[]) =>
  processRewardsVerdict({
    weights: null,
    stages: tasks.flatMap(({ stages }) => stages),
    tasks: tasks.flatMap((part) => part.tasks),
  });

describe('the rule of process-rewards', () => {
  const good = task(sums, rows(20));

  it('holds where on both tasks the bias can be 0 and the error is that of as many completions', () => {
    expect(verdict(task(tree, rows(20)), good)).toBe('holds');
    expect(verdict(good)).toBe('holds in part');
    expect(verdict()).toBe('does not hold here');
  });

  it('allows as many biased cells as chance gives', () => {
    // 20 cells: 4 or more miss with probability 0.0159, 5 or more with 0.0026 (binomial table).
    expect(verdict(task(tree, [...rows(16), ...rows(4, { bias: biased })]), good)).toBe('holds');
    expect(verdict(task(tree, [...rows(15), ...rows(5, { bias: biased })]), good)).toBe('holds in part');
  });

  it('wants the interval of the whole bias within 0.05, and the whole error within a tenth of the limit', () => {
    expect(verdict(task(tree, rows(20), { mean: 0.02, half: 0.029, count: 5 }), good)).toBe('holds');
    expect(verdict(task(tree, rows(20), { mean: 0.02, half: 0.031, count: 5 }), good)).toBe('holds in part');
    expect(verdict(task(tree, rows(20), fair, 1.11), good)).toBe('holds in part');
    expect(verdict(task(tree, rows(20), fair, 0.89), good)).toBe('holds in part');
  });

  it('cells without variance or with fewer than five seeds say nothing; a task of them alone is not good', () => {
    const silent = [...rows(9, { limit: 0, bias: biased }), ...rows(9, { bias: { ...biased, count: 4 } })];
    expect(verdict(task(tree, [...silent, ...rows(1)]), good)).toBe('holds');
    expect(verdict(task(tree, silent), good)).toBe('holds in part');
  });

  it('a real model is reported beside', () => {
    expect(verdict(task(tree, rows(3)), good, task('smollm2', rows(9, { bias: biased }), fair, 2))).toBe(
      'holds',
    );
  });
});

it('a binomial tail is that of the table', () => {
  // scipy.stats.binom.sf(count − 1, trials, p)
  expect(atLeast(0, 20, 0.05)).toBe(1);
  expect(atLeast(4, 20, 0.05)).toBeCloseTo(0.015902, 6);
  expect(atLeast(2, 3, 0.5)).toBeCloseTo(0.5, 12);
});

it('classes are named by their members', () => {
  expect([0, 1, 2, 3, 4, 5].map(className)).toEqual(['1', '2', '3–4', '5–8', '9–16', '17+']);
});
