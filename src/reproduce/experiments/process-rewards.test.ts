import { describe, expect, it } from 'vitest';
import { type ClassRow, className, processRewardsVerdict } from './process-rewards.js';

const row = (task: ClassRow['task'], change: Partial<ClassRow> = {}): ClassRow => ({
  task,
  stage: 0,
  k: 16,
  size: 0,
  steps: 100,
  bias: { mean: 0.01, half: 0.02, count: 5 },
  biasAtEnd: { mean: 0, half: 0, count: 5 },
  error: 0.1,
  limit: 0.1,
  wrong: null,
  ...change,
});
const [tree, sums] = ['binary-tree', 'arithmetic'] as const;

describe('the rule of process-rewards', () => {
  it('holds where on both tasks the bias can be 0 and the error is that of as many completions', () => {
    expect(processRewardsVerdict([row(tree), row(sums)])).toBe('holds');
  });

  it('one biased class in ten is allowed, two are not', () => {
    const biased = row(tree, { bias: { mean: 0.03, half: 0.02, count: 5 } });
    const nine = Array.from({ length: 9 }, () => row(tree));
    expect(processRewardsVerdict([...nine, biased, row(sums)])).toBe('holds');
    expect(processRewardsVerdict([...nine.slice(1), biased, biased, row(sums)])).toBe('holds in part');
  });

  it('counts errors by their steps, and ends at a tenth beside the limit', () => {
    const large = row(tree, { error: 0.2, steps: 10 });
    expect(processRewardsVerdict([row(tree), large, row(sums)])).toBe('holds');
    expect(processRewardsVerdict([row(tree), { ...large, steps: 30 }, row(sums)])).toBe('holds in part');
    expect(processRewardsVerdict([row(tree, { error: 0.08 }), row(sums, { error: 0.12 })])).toBe(
      'does not hold here',
    );
  });

  it('classes without variance say nothing; a task of them alone is not good', () => {
    const certain = { error: 0, limit: 0, bias: { mean: 0, half: 0, count: 5 } };
    expect(processRewardsVerdict([row(tree), row(tree, certain), row(sums)])).toBe('holds');
    expect(processRewardsVerdict([row(tree), row(sums, certain)])).toBe('holds in part');
  });

  it('classes are named by their members', () => {
    expect([0, 1, 2, 3, 4, 5].map(className)).toEqual(['1', '2', '3–4', '5–8', '9–16', '17+']);
  });
});
