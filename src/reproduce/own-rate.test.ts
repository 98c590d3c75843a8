import { expect, it } from 'vitest';
import { ownRates } from './own-rate.js';

it('the rate of a seed is the best of the other seeds, whatever its own figure', () => {
  // Sums over the other seeds. Seed 0: 0.3 and 0.9; seed 1: 1.1 and 0.7; seed 2: 1 and 0.8.
  expect(
    ownRates([
      [0.9, 0.1, 0.2],
      [0.3, 0.5, 0.4],
    ]),
  ).toEqual([1, 0, 0]);
});

it('of equals, and for a single seed, the first', () => {
  expect(ownRates([[0.4], [0.9]])).toEqual([0]);
  expect(
    ownRates([
      [0.5, 0.5],
      [0.5, 0.5],
    ]),
  ).toEqual([0, 0]);
});
