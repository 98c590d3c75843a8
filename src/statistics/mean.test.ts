import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mean, median, moments, movingMean, sum } from './mean.js';

const numbers = fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 40 });

describe('means', () => {
  it('add from the first to the last, to the digit', () => {
    expect(sum([0.1, 0.2, 0.3])).toBe(0.1 + 0.2 + 0.3);
    expect(sum([0.3, 0.2, 0.1])).toBe(0.6);
    fc.assert(
      fc.property(numbers, (values) => {
        const total = values.reduce((a, b) => a + b, 0);
        expect(sum(values)).toBe(total);
        expect(sum(Float64Array.from(values))).toBe(total);
        expect(mean(values)).toBe(total / values.length);
      }),
    );
  });

  it('of nothing are 0', () => {
    expect([sum([]), mean([]), mean(new Float64Array())]).toEqual([0, 0, 0]);
  });

  it('moments are the mean and the unbiased variance: half the mean squared difference of two values', () => {
    expect(moments([7])).toEqual({ mean: 7, variance: 0, count: 1 });
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -50, max: 50 }), { minLength: 2, maxLength: 12 }), (values) => {
        const pairs = values.flatMap((a, i) => values.filter((_, j) => j !== i).map((b) => (a - b) ** 2));
        const halfOfPairs = pairs.reduce((a, b) => a + b, 0) / pairs.length / 2;
        expect(moments(values).variance).toBeCloseTo(halfOfPairs, 9);
        expect(moments(values).count).toBe(values.length);
      }),
    );
  });

  it('a moving mean looks back over its window and no further', () => {
    expect(movingMean([1, 2, 6, 4], 2)).toEqual([1, 1.5, 4, 5]);
    expect(movingMean([1, 2, 6], 10)).toEqual([1, 1.5, 3]);
    expect(movingMean([], 3)).toEqual([]);
  });

  it('as many values lie below the median as above', () => {
    expect(median([3])).toBe(3);
    expect(median([10, 1, 3, 2])).toBe(2.5);
    fc.assert(
      fc.property(numbers, (values) => {
        const middle = median(values);
        expect(values.filter((v) => v < middle).length).toBeLessThanOrEqual(values.length / 2);
        expect(values.filter((v) => v > middle).length).toBeLessThanOrEqual(values.length / 2);
      }),
    );
  });
});
