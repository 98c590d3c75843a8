/**
 * Wilson's score interval of a share (1927): it stays within 0 and 1 and has a positive width even if all or no trials
 * succeed.
 */

/** A share with its 95% interval. */
export interface Share {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** 97.5% quantile of the normal distribution. */
export const Z = 1.959963984540054;

/**
 * @param value observed share; a mean of estimates, such as pass@k, is treated as a share
 * @param count number of independent trials; need not be whole
 */
export function wilsonInterval(value: number, count: number): Share {
  const squared = Z * Z;
  const middle = (value + squared / (2 * count)) / (1 + squared / count);
  const half =
    (Z * Math.sqrt((value * (1 - value)) / count + squared / (4 * count * count))) / (1 + squared / count);
  return { value, low: Math.max(0, middle - half), high: Math.min(1, middle + half) };
}
