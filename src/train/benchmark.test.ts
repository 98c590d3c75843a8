import { describe, expect, it } from 'vitest';
import { passAtK } from './benchmark.js';

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
