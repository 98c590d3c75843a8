/**
 * Groups without variance: all rewards are equal, so every advantage is 0 and nothing is learnt. This is the only
 * definition, used by the trainer, dynamic sampling and every figure. Rewards are equal if they differ only by
 * rounding, like 0.3 and 0.1 + 0.2. Divided by ε = 1e-4 (PAPER.md §1), such a difference gives an advantage of at most
 * 1e-8.
 */

/** Rewards are sums of parts: a difference this small is rounding for parts of order 10³ and less. */
const ABSOLUTE = 1e-12;
/** The same for larger rewards, relative to the largest. */
const RELATIVE = 1e-13;

/**
 * What the completions of a group without variance have in common: all are right, all are wrong, or neither is known
 * ('other': another constant, or right and wrong completions with the same reward).
 */
export type ZeroVariance = 'right' | 'wrong' | 'other';

/** @param rewards rᵢ, [k]; true for a single completion and for none */
export function hasZeroVariance(rewards: ArrayLike<number>): boolean {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < rewards.length; i++) {
    low = Math.min(low, rewards[i]);
    high = Math.max(high, rewards[i]);
  }
  return rewards.length < 2 || areEqual(low, high);
}

/**
 * The kind of a group without variance; null for one with mixed rewards.
 * @param rewards rᵢ, [k]
 * @param success whether each completion solved its problem, [k], if known. Otherwise the reward decides by common
 * scales: 1 is right, 0 and −1 are wrong.
 */
export function zeroVariance(
  rewards: ArrayLike<number>,
  success?: ArrayLike<boolean | undefined>,
): ZeroVariance | null {
  if (!hasZeroVariance(rewards)) return null;
  const solved = new Set<boolean | null>();
  for (let i = 0; i < rewards.length; i++) solved.add(success?.[i] ?? solvedBy(rewards[i]));
  const [first = null] = solved;
  if (solved.size !== 1 || first === null) return 'other';
  return first ? 'right' : 'wrong';
}

function solvedBy(reward: number): boolean | null {
  if (areEqual(reward, 1)) return true;
  return areEqual(reward, 0) || areEqual(reward, -1) ? false : null;
}

function areEqual(a: number, b: number): boolean {
  return Math.abs(a - b) <= Math.max(ABSOLUTE, RELATIVE * Math.max(Math.abs(a), Math.abs(b)));
}
