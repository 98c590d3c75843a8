/**
 * Real numbers with a proven error: a ball [m − r, m + r]·2^e of big integers, rounded outwards to a working precision.
 * Every operation returns a ball that contains the true result for all members of its arguments. The precision and the
 * exponents are bounded; a value beyond the bounds is undecided, never guessed.
 */

export interface Ball {
  readonly m: bigint;
  readonly r: bigint;
  readonly e: number;
}

/** More bits are needed for a decision; the evaluation starts again with twice as many. */
export class NeedsPrecision extends Error {
  override name = 'NeedsPrecision';
}
/** No decision is possible within the bounds of this checker. */
export class Undecided extends Error {
  override name = 'Undecided';
}

/** Largest binary exponent of a ball. */
const LARGEST_EXPONENT = 2 ** 48;

export const abs = (a: bigint): bigint => (a < 0n ? -a : a);
/** Bits of |a|: 0 for 0. */
export function bits(a: bigint): number {
  if (a === 0n) return 0;
  const digits = abs(a).toString(16);
  return 4 * digits.length - Math.clz32(Number.parseInt(digits[0], 16)) + 28;
}
/** a·2^by, rounded down. */
export const shift = (a: bigint, by: number): bigint =>
  by >= 0 ? a << BigInt(by) : a >> BigInt(Math.min(-by, 2 ** 30));

export const ZERO: Ball = { m: 0n, r: 0n, e: 0 };
export const ONE: Ball = { m: 1n, r: 0n, e: 0 };

export const isZero = ({ m, r }: Ball): boolean => m === 0n && r === 0n;
/** Whether 0 is a member, so that the sign is unknown (or 0). */
export const holdsZero = ({ m, r }: Ball): boolean => abs(m) <= r;
/** Sign of a ball that does not contain 0, or that is 0. */
export const sign = ({ m }: Ball): number => (m === 0n ? 0 : m < 0n ? -1 : 1);
/** An upper bound of log2 |x|; −∞ for 0. */
export const magnitude = ({ m, r, e }: Ball): number =>
  m === 0n && r === 0n ? -Infinity : bits(abs(m) + r) + e;

/** A ball with a midpoint of at most `p` bits and a radius of at most 32. */
export function round({ m, r, e }: Ball, p: number): Ball {
  const by = Math.max(bits(m) - p, bits(r) - 32);
  if (by <= 0) return checked({ m, r, e });
  return checked({ m: shift(m, -by), r: shift(r, -by) + 2n, e: e + by });
}
function checked(ball: Ball): Ball {
  if (Math.abs(ball.e) > LARGEST_EXPONENT) throw new Undecided('a number is too large or too small');
  return ball;
}

export const negate = ({ m, r, e }: Ball): Ball => ({ m: -m, r, e });

export function add(a: Ball, b: Ball, p: number): Ball {
  if (isZero(a)) return b;
  if (isZero(b)) return a;
  const top = Math.max(magnitude(a), magnitude(b));
  const e = Math.max(Math.min(a.e, b.e), top - p - 64);
  const at = (x: Ball): Ball =>
    x.e >= e
      ? { m: shift(x.m, x.e - e), r: shift(x.r, x.e - e), e }
      : { m: shift(x.m, x.e - e), r: shift(x.r, x.e - e) + 2n, e };
  const [x, y] = [at(a), at(b)];
  return round({ m: x.m + y.m, r: x.r + y.r, e }, p);
}

export function multiply(a: Ball, b: Ball, p: number): Ball {
  if (isZero(a) || isZero(b)) return ZERO;
  const r = abs(a.m) * b.r + abs(b.m) * a.r + a.r * b.r;
  return round({ m: a.m * b.m, r, e: a.e + b.e }, p);
}

/** @throws NeedsPrecision if the divisor contains 0 */
export function divide(a: Ball, b: Ball, p: number): Ball {
  if (holdsZero(b)) throw new NeedsPrecision();
  if (isZero(a)) return ZERO;
  const k = Math.max(0, p + 8 + bits(b.m) - bits(a.m));
  const size = abs(b.m);
  const r = shift(a.r * size + abs(a.m) * b.r, k) / (size * (size - b.r)) + 2n;
  return round({ m: shift(a.m, k) / b.m, r, e: a.e - k - b.e }, p);
}

/** ⌊√a⌋ for a ≥ 0, by divisions of growing precision. */
export function integerRoot(a: bigint): bigint {
  if (a <= 0n) return 0n;
  const c = (bits(a) - 1) >> 1;
  let root = 1n;
  let d = 0;
  for (let s = 32 - Math.clz32(c) - 1; s >= 0; s--) {
    const e = d;
    d = c >> s;
    root = (root << BigInt(d - e - 1)) + (a >> BigInt(2 * c - e - d + 1)) / root;
  }
  return root * root > a ? root - 1n : root;
}

/** Square root of a ball of positive numbers, or of 0. */
export function squareRoot(a: Ball, p: number): Ball {
  if (isZero(a)) return a;
  if (holdsZero(a)) throw new NeedsPrecision();
  if (a.m < 0n) throw new Undecided('the argument of a square root is negative');
  let k = Math.max(0, 2 * p + 16 - bits(a.m));
  if ((a.e - k) % 2 !== 0) k++;
  const m = shift(a.m, k);
  const root = integerRoot(m);
  const exact = a.r === 0n && root * root === m;
  return round({ m: root, r: exact ? 0n : shift(a.r, k) / root + 2n, e: (a.e - k) / 2 }, p);
}

/** n / d as a ball. */
export const quotient = (n: bigint, d: bigint, p: number): Ball =>
  d === 1n ? round({ m: n, r: 0n, e: 0 }, p) : divide({ m: n, r: 0n, e: 0 }, { m: d, r: 0n, e: 0 }, p);

/** m·2^e in units of 2^−q, rounded down, and a radius in those units. */
export const fixed = ({ m, r, e }: Ball, q: number): { m: bigint; r: bigint } => ({
  m: shift(m, e + q),
  r: shift(r, e + q) + (e + q < 0 ? 2n : 0n),
});
