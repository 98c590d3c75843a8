import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Stream } from '../random/stream.js';
import { confidenceInterval, shareInterval } from './interval.js';
import { wilsonInterval } from './wilson.js';

const shares = fc.array(fc.oneof(fc.constantFrom(0, 1), fc.double({ min: 0, max: 1, noNaN: true })), {
  minLength: 1,
  maxLength: 30,
});

describe('the interval of a mean of shares', () => {
  it('lies within 0 and 1 around the mean, whatever the shares', () => {
    fc.assert(
      fc.property(shares, fc.integer({ min: 1, max: 500 }), (values, trials) => {
        const { mean, low, high, count } = shareInterval(values, trials);
        expect(count).toBe(values.length);
        expect(0 <= low && low <= mean && mean <= high && high <= 1).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  it('turned around is that of the failures', () => {
    fc.assert(
      fc.property(shares, (values) => {
        const [right, wrong] = [shareInterval(values), shareInterval(values.map((v) => 1 - v))];
        expect(right.low).toBeCloseTo(1 - wrong.high, 9);
        expect(right.high).toBeCloseTo(1 - wrong.low, 9);
      }),
    );
  });

  it('of shares that differ from 1 by rounding alone is that of seeds that all succeed', () => {
    const { low, high } = shareInterval([1 - 2 ** -53, 1]);
    expect(low).toBeCloseTo(wilsonInterval(1, 2).low, 12);
    expect(high).toBe(1);
  });

  it('of seeds that all succeed is Wilson’s over the seeds, not a point', () => {
    const { low, high } = shareInterval([1, 1, 1, 1, 1]);
    expect(low).toBeCloseTo(wilsonInterval(1, 5).low, 12);
    expect(low).toBeCloseTo(0.5655, 4); // 5 / (5 + 1.96²)
    expect(high).toBe(1);
    expect(shareInterval([0.5, 0.5], Number.POSITIVE_INFINITY)).toMatchObject({ low: 0.5, high: 0.5 });
    expect(shareInterval([0.97], 200).low).toBeLessThan(0.3); // a single seed gives no estimate of the spread
  });

  it('is close to Student’s t where seeds differ little and the share is far from its ends', () => {
    const values = [0.48, 0.5, 0.52, 0.49, 0.51, 0.5, 0.47, 0.53];
    const { mean, half } = confidenceInterval(values);
    const { low, high } = shareInterval(values, 1000);
    expect(low).toBeCloseTo(mean - half, 3);
    expect(high).toBeCloseTo(mean + half, 3);
  });

  it('covers the true share in at least 93% of experiments where a seed succeeds or fails (exact count)', () => {
    for (const n of [3, 5, 10, 20]) {
      const covers: number[] = [];
      for (let p = 0.025; p < 1; p += 0.05) {
        let covered = 0;
        let ways = 1;
        for (let k = 0; k <= n; k++) {
          const { low, high } = shareInterval(Array.from({ length: n }, (_, i) => Number(i < k)));
          if (low <= p && p <= high) covered += ways * p ** k * (1 - p) ** (n - k);
          ways *= (n - k) / (k + 1);
        }
        covers.push(covered);
      }
      expect(covers.reduce((a, b) => a + b, 0) / covers.length, `${n} seeds`).toBeGreaterThan(0.94);
      expect(Math.min(...covers), `${n} seeds`).toBeGreaterThan(0.86);
    }
  });

  it('covers it as often as Student’s t where seeds differ by more than their problems would; Wilson over all problems does not', () => {
    // The accuracies of seeds vary around 0.8; each is measured on 200 problems.
    const stream = new Stream('coverage');
    const experiments = 1000;
    const covered = { seeds: 0, problems: 0, t: 0 };
    for (let experiment = 0; experiment < experiments; experiment++) {
      const values = Array.from({ length: 5 }, () => {
        const p = 0.8 + 0.12 * (2 * stream.uniform() - 1);
        return (
          Array.from({ length: 200 }, () => Number(stream.uniform() < p)).reduce((a, b) => a + b, 0) / 200
        );
      });
      const mean = values.reduce((a, b) => a + b, 0) / 5;
      const bySeed = shareInterval(values, 200);
      const t = confidenceInterval(values);
      covered.t += Number(Math.abs(t.mean - 0.8) <= t.half);
      const pooled = wilsonInterval(mean, 1000);
      covered.seeds += Number(bySeed.low <= 0.8 && 0.8 <= bySeed.high);
      covered.problems += Number(pooled.low <= 0.8 && 0.8 <= pooled.high);
    }
    expect(covered.seeds / experiments).toBeGreaterThan(0.9);
    expect(Math.abs(covered.seeds - covered.t) / experiments).toBeLessThan(0.02);
    expect(covered.problems / experiments).toBeLessThan(0.8);
  });
});
