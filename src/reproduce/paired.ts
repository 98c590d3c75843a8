/**
 * Paired comparison across seeds: runs with the same seed share weights, problems and random streams, so their
 * difference is tested, one for each seed. Mean difference with its 95% interval (Student's t) and, for up to 20 pairs,
 * the exact two-sided sign-flip test: the share of all 2ⁿ choices of signs whose mean is at least as far from 0.
 */
import { confidenceInterval, type Interval, mean, sum } from '../statistics/index.js';

export interface Paired extends Interval {
  /** Number of pairs in which the first is greater, and in which it is less. */
  readonly wins: number;
  readonly losses: number;
  /** p of the sign-flip test; null for more than 20 pairs. */
  readonly p: number | null;
}

const MOST_PAIRS = 20;

/**
 * @param a figures of one method, one per seed, [n], at least one
 * @param b of the other method, the same seeds in the same order, [n]
 */
export function paired(a: readonly number[], b: readonly number[]): Paired {
  if (a.length !== b.length || a.length === 0) {
    throw new RangeError(`expected pairs of runs, at least one, got ${a.length} and ${b.length} runs`);
  }
  const differences = a.map((value, i) => value - b[i]);
  return {
    ...confidenceInterval(differences),
    wins: differences.filter((d) => d > 0).length,
    losses: differences.filter((d) => d < 0).length,
    p: differences.length <= MOST_PAIRS ? signFlip(differences) : null,
  };
}

/**
 * Averages several figures of each seed: cases, tasks or learning rates of one seed share its weights and problems, so
 * they are averaged before any interval is computed; n stays the number of seeds.
 * @param cases [cases][seeds], the same seeds in the same order
 * @returns [seeds]
 */
export function perSeed(cases: readonly (readonly number[])[]): number[] {
  const [first] = cases;
  if (!first || cases.some((values) => values.length !== first.length)) {
    throw new RangeError(
      `cases of ${cases.map((values) => values.length).join(', ')} seeds; expected the same seeds in each, at least one case`,
    );
  }
  return first.map((_, seed) => mean(cases.map((values) => values[seed])));
}

/** Whether the 95% interval of the difference is above 0; false for a single pair. */
export function isAbove({ mean, half, count }: Interval): boolean {
  return count > 1 && mean - half > 0;
}

/** Whether the 95% interval of the difference is below 0. */
export function isBelow({ mean, half, count }: Interval): boolean {
  return count > 1 && mean + half < 0;
}

function signFlip(differences: readonly number[]): number {
  const observed = Math.abs(sum(differences));
  const bound = observed - 1e-9 * Math.max(1, observed);
  const signs = new Int8Array(differences.length).fill(1);
  let total = sum(differences);
  let count = 0;
  const all = 2 ** differences.length;
  // A Gray code: each step changes one sign.
  for (let i = 1; i <= all; i++) {
    if (Math.abs(total) >= bound) count++;
    if (i === all) break;
    const turn = 31 - Math.clz32(i & -i);
    total -= 2 * signs[turn] * differences[turn];
    signs[turn] = -signs[turn];
  }
  return count / all;
}
