import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Candidates } from './choose.js';

/** Tokens that may be chosen, found by sorting: the definition of top-k and top-p. */
function sorted(p: Float32Array, topK: number, topP: number): number[] {
  const order = [...p.keys()].sort((a, b) => p[b] - p[a] || a - b);
  const kept = topK > 0 ? order.slice(0, topK) : order;
  const total = kept.reduce((sum, id) => sum + p[id], 0);
  let count = 0;
  let sum = 0;
  while (topP < 1 && count < kept.length && sum < topP * total) sum += p[kept[count++]];
  return (topP < 1 ? kept.slice(0, Math.max(1, count)) : kept).sort((a, b) => a - b);
}

/** Tokens chosen over a fine grid of quantiles, each with its frequency. */
function chosen(candidates: Candidates, steps = 20_000): Map<number, number> {
  const shares = new Map<number, number>();
  for (let i = 0; i < steps; i++) {
    const [token] = candidates.draw((i + 0.5) / steps);
    shares.set(token, (shares.get(token) ?? 0) + 1 / steps);
  }
  return shares;
}

describe('top-k and top-p', () => {
  it('keep the tokens that sorting keeps, ties by id, each with its share of the probability', () => {
    // Powers of a half: sums are exact, so both sides cut at the same place.
    const level = fc.integer({ min: 1, max: 9 }).map((n) => 2 ** -n);
    fc.assert(
      fc.property(
        fc.array(level, { minLength: 1, maxLength: 40 }),
        fc.nat(45),
        fc.constantFrom(1, 0.93, 0.71, 0.3, 0.07, 1e-9),
        (levels, topK, topP) => {
          const p = Float32Array.from(levels);
          const expected = sorted(p, topK, topP);
          const shares = chosen(new Candidates(p, { topK, topP }), 8000);
          const total = expected.reduce((sum, id) => sum + p[id], 0);
          expect([...shares.keys()].every((id) => expected.includes(id))).toBe(true);
          for (const id of expected) {
            expect(Math.abs((shares.get(id) ?? 0) - p[id] / total)).toBeLessThan(5e-4);
          }
        },
      ),
      { numRuns: 150 },
    );
  });

  it('a vocabulary of 152,000 takes milliseconds, whatever its order', () => {
    const size = 152_000;
    const orders: Record<string, (i: number) => number> = {
      random: (i) => -12 - 3 * Math.sin(7919 * i) ** 2,
      rising: (i) => -14 + i / size,
      falling: (i) => -14 - i / size,
      equal: () => -Math.log(size),
    };
    for (const [name, valueAt] of Object.entries(orders)) {
      const p = Float32Array.from({ length: size }, (_, i) => Math.exp(valueAt(i)));
      const from = performance.now();
      for (let i = 0; i < 3; i++) new Candidates(p, { topK: 50_000, topP: 0.9 }).draw(0.4);
      // Sorting takes 135 ms and more for each on an idle machine.
      expect((performance.now() - from) / 3, name).toBeLessThan(120);
    }
  });
});
