/**
 * Sums, means and spreads of a few numbers. They add from the first to the last, in doubles, so equal values in equal
 * order give equal digits. (The paper's mean and standard deviation of a group are in objective/advantages.ts, which
 * depends on nothing.)
 */

export function sum(values: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i];
  return total;
}

/** 0 for an empty list. */
export function mean(values: ArrayLike<number>): number {
  return values.length > 0 ? sum(values) / values.length : 0;
}

/** Mean, unbiased variance (0 for a single value) and count. */
export interface Moments {
  readonly mean: number;
  readonly variance: number;
  readonly count: number;
}

export function moments(values: readonly number[]): Moments {
  const count = values.length;
  const middle = mean(values);
  const squares = sum(values.map((value) => (value - middle) ** 2));
  return { mean: middle, variance: count > 1 ? squares / (count - 1) : 0, count };
}

/** Mean of each value and up to `window − 1` earlier ones, [n]. */
export function movingMean(values: readonly number[], window: number): number[] {
  return values.map((_, i) => mean(values.slice(Math.max(0, i - window + 1), i + 1)));
}

/** The median; for an even number of values, the mean of the two in the middle. At least one value. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
