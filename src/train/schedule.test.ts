import { describe, expect, it } from 'vitest';
import { resolveConfig } from './config-sources.js';
import { learningRateAt } from './schedule.js';

function rates(optimizer: object, steps: number): number[] {
  const config = resolveConfig({
    task: { name: 'binary-tree' },
    optimizer: { learning_rate: 1, ...optimizer },
    train: { steps },
  });
  return Array.from({ length: steps }, (_, i) => learningRateAt(config, i + 1));
}

describe('the learning rate', () => {
  it('rises over the first steps and stays', () => {
    expect(rates({ warmup_steps: 4 }, 6)).toEqual([0.25, 0.5, 0.75, 1, 1, 1]);
    expect(rates({}, 2)).toEqual([1, 1]);
  });

  // get_linear_schedule_with_warmup and get_cosine_schedule_with_warmup of transformers 5.24, base 1, 3 warm-up steps,
  // 10 in all, at steps 3 to 9. There the warm-up begins at 0.
  it.each([
    ['linear', [1, 0.857143, 0.714286, 0.571429, 0.428571, 0.285714, 0.142857]],
    ['cosine', [1, 0.950484, 0.811745, 0.61126, 0.38874, 0.188255, 0.049516]],
  ] as const)('falls as transformers’ %s schedule does', (schedule, expected) => {
    const all = rates({ schedule, warmup_steps: 3 }, 10);
    expect(all.slice(0, 3)).toEqual([1 / 3, 2 / 3, 1]);
    all.slice(3).forEach((rate, i) => {
      expect(rate).toBeCloseTo(expected[i], 6);
    });
  });

  it('falls to the share that is to be left', () => {
    const all = rates({ schedule: 'cosine', final_share: 0.1 }, 1000);
    expect(all[0]).toBe(1);
    expect(all[999]).toBeCloseTo(0.1, 4);
    expect(Math.min(...all)).toBeGreaterThanOrEqual(0.1);
  });
});
