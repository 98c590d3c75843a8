import { describe, expect, it } from 'vitest';
import { isAbove, isBelow, paired } from './paired.js';

describe('paired differences', () => {
  it('mean, interval, wins and the exact sign-flip test of a small table', () => {
    const { mean, half, wins, losses, p, count } = paired([3, 4, 5, 6, 7], [2, 2, 2, 2, 2.5]);
    // Differences 1, 2, 3, 4, 4.5: mean 2.9, sd 1.4318, t(4) 2.776. All have the same sign, so 2 of 32 sign choices are
    // as extreme.
    expect(mean).toBeCloseTo(2.9, 12);
    expect(half).toBeCloseTo((2.776 * 1.43178) / Math.sqrt(5), 4);
    expect([wins, losses, count]).toEqual([5, 0, 5]);
    expect(p).toBe(2 / 32);
  });

  it('the sign-flip test agrees with counting every choice of signs', () => {
    const a = [0.3, -0.1, 0.7, 0.2, -0.4, 0.05, 0.9];
    const total = Math.abs(a.reduce((x, y) => x + y, 0));
    let extreme = 0;
    for (let signs = 0; signs < 2 ** a.length; signs++) {
      const sum = a.reduce((x, y, i) => x + ((signs >> i) & 1 ? -y : y), 0);
      if (Math.abs(sum) >= total - 1e-12) extreme++;
    }
    expect(
      paired(
        a,
        a.map(() => 0),
      ).p,
    ).toBeCloseTo(extreme / 2 ** a.length, 12);
  });

  it('equal runs tell nothing; more than 20 pairs have an interval and no exact test', () => {
    expect(paired([1, 2], [1, 2])).toMatchObject({ mean: 0, half: 0, p: 1, wins: 0, losses: 0 });
    expect(paired(new Array(21).fill(1), new Array(21).fill(0)).p).toBeNull();
    expect(() => paired([1], [])).toThrow(RangeError);
  });

  it('one pair lies neither above nor below; several do when their interval leaves 0 out', () => {
    expect(isAbove(paired([1], [0]))).toBe(false);
    expect(isAbove(paired([1, 1.1], [0, 0]))).toBe(true);
    expect(isAbove(paired([1, 0], [0, 1]))).toBe(false);
    expect(isBelow(paired([0, 0], [1, 1.1]))).toBe(true);
  });
});
