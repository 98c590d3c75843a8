/** Distance between arrays of numbers. */
import { expect } from 'vitest';

/** Largest difference of elements at the same place; the arrays must be of one length. */
export function largest(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  let most = 0;
  for (let i = 0; i < a.length; i++) most = Math.max(most, Math.abs(a[i] - b[i]));
  return most;
}

/** Euclidean. */
export const norm = (a: ArrayLike<number>): number => Math.sqrt(Array.from(a).reduce((n, x) => n + x * x, 0));
