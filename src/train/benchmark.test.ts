import { describe, expect, it } from 'vitest';
import { passAtK, wilsonInterval } from './benchmark.js';

describe('pass@k', () => {
  it('is the share of all ways to draw k of n that have a right one', () => {
    for (let n = 1; n <= 9; n++)
      for (let c = 0; c <= n; c++)
        for (let k = 1; k <= n; k++) {
          let [ways, hits] = [0, 0];
          for (let set = 0; set < 2 ** n; set++) {
            const chosen = [...Array(n).keys()].filter((i) => (set >> i) & 1);
            if (chosen.length !== k) continue;
            ways++;
            if (chosen.some((i) => i < c)) hits++;
          }
          expect(passAtK(n, c, k)).toBeCloseTo(hits / ways, 12);
        }
  });

  it('cannot be asked of fewer samples than k', () => {
    expect(() => passAtK(4, 1, 5)).toThrow('pass@5 of 1 right among 4');
  });
});

describe("Wilson's interval", () => {
  // Newcombe 1998 (Statistics in Medicine 17:857–872), table I, method 3.
  it.each([
    [81, 263, 0.2553, 0.3662],
    [15, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
    [1, 29, 0.0061, 0.1718],
  ])('%i of %i', (successes, count, low, high) => {
    const share = wilsonInterval(successes / count, count);
    expect(share.value).toBe(successes / count);
    expect(share.low).toBeCloseTo(low, 4);
    expect(share.high).toBeCloseTo(high, 4);
  });

  it('of all is that of none turned around', () => {
    const [none, all] = [wilsonInterval(0, 30), wilsonInterval(1, 30)];
    expect(all.low).toBeCloseTo(1 - none.high, 12);
    expect(none.low).toBe(0);
    expect(all.high).toBeCloseTo(1, 12);
  });
});
