/**
 * 95% confidence intervals of the mean over a few independent runs. The unit of replication is the seed: each value
 * belongs to one seed. Several values of a seed (cases, tasks, learning rates) must be averaged first.
 */
import { moments } from './mean.js';
import { type Share, wilsonInterval, Z } from './wilson.js';

/** Student's t: for a difference, or a quantity without bounds. */
export interface Interval {
  readonly mean: number;
  /** Half the width of the 95% interval; 0 for a single value. */
  readonly half: number;
  readonly count: number;
}

/** For a share, within [0, 1]; not symmetric. */
export interface ShareInterval {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
  readonly count: number;
}

/** 97.5% quantiles of Student's t for 1 … 30 degrees of freedom (standard table); beyond them, the normal quantile. */
const T_QUANTILE = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131,
  2.12, 2.11, 2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042,
];

/** @param values one figure per run, at least one */
export function confidenceInterval(values: readonly number[]): Interval {
  const { mean, variance, count } = moments(values);
  if (count < 2) return { mean, half: 0, count };
  return { mean, half: quantile(count) * Math.sqrt(variance / count), count };
}

/**
 * Wilson's interval for a mean of shares. Its number of trials is the effective number: larger or smaller than the
 * number of seeds, as the seeds differ less or more than single trials would: n_eff = m(1 − m) / (s²/n) · (z/t)², with
 * Student's t in place of the normal quantile (Korn and Graubard 1998), at most `trials` for each seed.
 * @param values share of each seed, each in [0, 1], at least one
 * @param trials independent problems behind each value: 1 if a seed ends in one outcome, as on the binary tree;
 * infinite if only the spread between seeds should decide
 */
export function shareInterval(values: readonly number[], trials = 1): ShareInterval {
  const { mean, variance, count } = moments(values);
  const { low, high }: Share = wilsonInterval(mean, effectiveTrials(mean, variance, count, trials));
  return { mean, low: Math.min(low, mean), high: Math.max(high, mean), count };
}

function effectiveTrials(mean: number, variance: number, count: number, trials: number): number {
  // One seed gives no estimate of the spread over seeds.
  if (count < 2) return 1;
  const most = count * trials;
  // If shares differ only by rounding, their mean is 0 or 1.
  if (variance === 0 || mean * (1 - mean) === 0) return most;
  return Math.min(most, ((count * mean * (1 - mean)) / variance) * (Z / quantile(count)) ** 2);
}

function quantile(count: number): number {
  return T_QUANTILE[count - 2] ?? Z;
}
