/** Zero variance: the single definition, checked against the advantages and against exact fractions. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { groupAdvantages, hasZeroVariance, rewardStatistics, zeroVariance } from './index.js';

/** Rewards that are equal in exact arithmetic, each summed in a different order. */
const SAME: readonly (readonly number[])[] = [
  [0.3, 0.1 + 0.2],
  [0.7, 0.1 + 0.6, 0.2 + 0.5, 7 * 0.1],
  [0, 0.1 + 0.2 - 0.3, 0.3 - 0.2 - 0.1],
  [1, 0.1 * 10, 0.1 + 0.1 + 0.1 + 0.1 + 0.1 + 0.1 + 0.1 + 0.1 + 0.1 + 0.1],
  [0, -0],
  [123456.3, 123456.1 + 0.2],
  [1e9 + 0.3, 1e9 + (0.1 + 0.2)],
  [-1.1, -1 - 0.1, 0.1 - 1.2],
];

describe('zero variance', () => {
  it('holds for rewards that are equal but for rounding; then all advantages are exact zeros in every scale', () => {
    for (const rewards of SAME) {
      expect(hasZeroVariance(rewards), String(rewards)).toBe(true);
      expect(rewardStatistics(rewards)).toMatchObject({ std: 0, zeroVariance: true });
      for (const scale of ['std', 'batch', 'none'] as const) {
        expect([...groupAdvantages(rewards, { scale, batchStd: 0.5 })].every((a) => a === 0)).toBe(true);
      }
    }
  });

  it('does not hold for rewards that differ by more', () => {
    for (const rewards of [
      [0.3, 0.30000001],
      [0, 1e-6],
      [1e9, 1e9 + 1],
      [-1, 1],
      [1, 1, 1, 0.999],
    ]) {
      expect(hasZeroVariance(rewards), String(rewards)).toBe(false);
      expect(groupAdvantages(rewards).some((a) => a > 0)).toBe(true);
    }
  });

  it('is what the advantages say, for sums of parts in any order', () => {
    const parts = fc.array(fc.integer({ min: -200, max: 200 }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(fc.array(parts, { minLength: 1, maxLength: 8 }), (group) => {
        // In hundredths the exact sums are whole numbers.
        const exact = group.map((list) => list.reduce((a, b) => a + b, 0));
        const rewards = group.map((list) => list.reduce((a, b) => a + b / 100, 0));
        const equal = exact.every((sum) => sum === exact[0]);
        expect(hasZeroVariance(rewards)).toBe(equal);
        expect(groupAdvantages(rewards).every((a) => a === 0)).toBe(equal);
      }),
      { numRuns: 1000 },
    );
  });

  it('a single completion, and none, have no variance', () => {
    expect([hasZeroVariance([0.5]), hasZeroVariance([])]).toEqual([true, true]);
  });

  it('is split by what was solved, else by the usual rewards', () => {
    expect(zeroVariance([0, 1])).toBeNull();
    expect(zeroVariance([0, 1], [true, true])).toBeNull();
    expect(zeroVariance([1, 0.9 + 0.1])).toBe('right');
    expect(zeroVariance([0, 0.1 + 0.2 - 0.3])).toBe('wrong');
    expect(zeroVariance([-1, -1])).toBe('wrong');
    expect(zeroVariance([0.3, 0.1 + 0.2])).toBe('other');
    expect(zeroVariance([])).toBe('other');
    expect(zeroVariance([0.3, 0.3], [true, true])).toBe('right');
    expect(zeroVariance([1, 1], [false, false])).toBe('wrong');
    expect(zeroVariance([1, 1], [true, false])).toBe('other');
    expect(zeroVariance([1, 1], [undefined, true])).toBe('right');
    expect(zeroVariance([0.5, 0.5], [undefined, true])).toBe('other');
  });
});
