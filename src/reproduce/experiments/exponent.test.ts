import { expect, it } from 'vitest';
import { exponent, exponentVerdict } from './exponent.js';

const P = [0, 0.5, 1, 1.25];
const around = (mean: number, shift = 0): number[] =>
  Array.from({ length: 10 }, (_, i) => mean + 0.02 * Math.sin(3 * i + shift));

it('p = 1 best and above p = 0: holds', () => {
  expect(exponentVerdict(P, [around(0.4), around(0.6, 1), around(0.8, 2), around(0.7, 3)])).toBe('holds');
});

it('another exponent better, but not surely: in part', () => {
  expect(exponentVerdict(P, [around(0.4), around(0.6, 1), around(0.8, 2), around(0.805, 3)])).toBe(
    'holds in part',
  );
});

it('another exponent surely better, or no better than GRPO: not here', () => {
  expect(exponentVerdict(P, [around(0.4), around(0.95, 1), around(0.8, 2), around(0.7, 3)])).toBe(
    'does not hold here',
  );
  expect(exponentVerdict(P, [around(0.8), around(0.6, 1), around(0.8, 2), around(0.7, 3)])).toBe(
    'does not hold here',
  );
});

it('p = 0 and p = 1 are the runs of the binary tree, at its learning rates', () => {
  const units = exponent.units(exponent.settings({ quick: false }), {});
  expect(new Set(units.map(({ id }) => id)).size).toBe(6 * 3 * 20);
});
