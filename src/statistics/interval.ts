/**
 * 95% confidence intervals of the mean over a few independent runs. The unit is the seed: each value is one seed's. Whoever
 * has several values of a seed (cases, tasks, learning rates) averages them first.
 */
import { moments } from './mean.js';
import { type Share, wilsonInterval, Z } from './wilson.js';

/** Student's t: of a difference, or of a quantity without bounds. */
export interface Interval {
  readonly mean: number;
  /** Half the width of the 95% interval; 0 for a single value. */
  readonly half: number;
  readonly count: number;
}

/** Of a share, within [0, 1]; not symmetric. */
export interface ShareInterval {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
  readonly count: number;
}

/** 97.5% quantiles of Student's t for 1 … 30 degrees of freedom (standard table); beyond: the normal's. */
const T_QUANTILE = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131,
  2.12, 2.11, 2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042,
];

/** @param values one figure for each run, at least one */
export function confidenceInterval(values: readonly number[]): Interval {
  const { mean, variance, count } = moments(values);
  if (count < 2) return { mean, half: 0, count };
  return { mean, half: quantile(count) * Math.sqrt(variance / count), count };
}

/**
 * Wilson's interval of a mean of shares. Its trials are the seeds, fewer or more as the seeds differ more or less than
 * single trials would: n_eff = m(1 − m) / (s²/n) · (z/t)², the effective number with Student's t in the place of the
 * normal (Korn and Graubard 1998), at most `trials` for each seed.
 * @param values share of each seed, each in [0, 1], at least one
 * @param trials independent problems behind each value: 1 where a seed ends in one outcome, as on the binary tree; infinite
 * where the spread between seeds alone is to decide
 */
export function shareInterval(values: readonly number[], trials = 1): ShareInterval {
  const { mean, variance, count } = moments(values);
  const { low, high }: Share = wilsonInterval(mean, effectiveTrials(mean, variance, count, trials));
  return { mean, low: Math.min(low, mean), high: Math.max(high, mean), count };
}

function effectiveTrials(mean: number, variance: number, count: number, trials: number): number {
  // One seed says nothing of the spread over seeds.
  if (count < 2) return 1;
  const most = count * trials;
  // Shares that differ by rounding alone have a mean of 0 or 1.
  if (variance === 0 || mean * (1 - mean) === 0) return most;
  return Math.min(most, ((count * mean * (1 - mean)) / variance) * (Z / quantile(count)) ** 2);
}

function quantile(count: number): number {
  return T_QUANTILE[count - 2] ?? Z;
}
