/** Mean and 95% confidence interval of a few independent runs (Student's t). */

export interface Interval {
  readonly mean: number;
  /** Half the width of the 95% interval; 0 for a single value. */
  readonly half: number;
  readonly count: number;
}

/** 97.5% quantiles of Student's t for 1 … 30 degrees of freedom (standard table); beyond: the normal's. */
const T_QUANTILE = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131,
  2.12, 2.11, 2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042,
];

/** @param values one figure for each run, at least one */
export function confidenceInterval(values: readonly number[]): Interval {
  const count = values.length;
  const mean = values.reduce((a, b) => a + b, 0) / count;
  if (count < 2) return { mean, half: 0, count };
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (count - 1);
  return { mean, half: (T_QUANTILE[count - 2] ?? 1.96) * Math.sqrt(variance / count), count };
}
