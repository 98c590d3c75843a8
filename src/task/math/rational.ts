/** Exact rational numbers of bounded size, for constants that a double cannot tell apart. */
import { LIMITS } from './limits.js';

/** n / d in lowest terms, d > 0. */
export interface Rational {
  readonly n: bigint;
  readonly d: bigint;
}

const abs = (a: bigint) => (a < 0n ? -a : a);
const bits = (a: bigint) => abs(a).toString(16).length * 4;

function gcd(a: bigint, b: bigint): bigint {
  let [x, y] = [abs(a), abs(b)];
  while (y > 0n) [x, y] = [y, x % y];
  return x;
}

/** n / d, or null where d is 0 or either is too large. */
export function rational(n: bigint, d = 1n): Rational | null {
  if (d === 0n || bits(n) > 2 * LIMITS.bits || bits(d) > 2 * LIMITS.bits) return null;
  const g = d === 1n ? 1n : gcd(n, d) * (d < 0n ? -1n : 1n);
  const result = { n: n / g, d: d / g };
  return bits(result.n) > LIMITS.bits || bits(result.d) > LIMITS.bits ? null : result;
}

/** The value of digits such as 12, 0.50, .5, 3. (no sign, no exponent). */
export function fromDigits(text: string): Rational | null {
  const [whole, fraction = ''] = text.split('.');
  return rational(BigInt(`0${whole}${fraction}`.replace(/^0+(?=\d)/, '')), 10n ** BigInt(fraction.length));
}

export const add = (a: Rational, b: Rational) => rational(a.n * b.d + b.n * a.d, a.d * b.d);
export const multiply = (a: Rational, b: Rational) => rational(a.n * b.n, a.d * b.d);
export const divide = (a: Rational, b: Rational) => rational(a.n * b.d, a.d * b.n);
export const equal = (a: Rational, b: Rational) => a.n === b.n && a.d === b.d;

/** a to an integer power; null where the result is undefined or too large. */
export function power(a: Rational, exponent: Rational): Rational | null {
  if (exponent.d !== 1n || (a.n === 0n && exponent.n <= 0n)) return null;
  const e = abs(exponent.n);
  if (e > BigInt(LIMITS.bits) || Number(e) * Math.max(bits(a.n), bits(a.d)) > 4 * LIMITS.bits) {
    return a.d === 1n && (a.n === 0n || a.n === 1n) ? a : null;
  }
  return exponent.n < 0n ? rational(a.d ** e, a.n ** e) : rational(a.n ** e, a.d ** e);
}

export function factorial(a: Rational): Rational | null {
  if (a.d !== 1n || a.n < 0n || a.n > BigInt(LIMITS.factorial)) return null;
  let product = 1n;
  for (let i = 2n; i <= a.n; i++) product *= i;
  return rational(product);
}

/** Largest integer that is not above a. */
export const floor = (a: Rational) => rational(a.n >= 0n || a.n % a.d === 0n ? a.n / a.d : a.n / a.d - 1n);

/** The double nearest to a, also where numerator and denominator overflow doubles. */
export function toNumber({ n, d }: Rational): number {
  const shift = BigInt(Math.max(0, Math.max(bits(n), bits(d)) - 1_000));
  if (shift === 0n) return Number(n) / Number(d);
  const down = (a: bigint) => Number(a >> shift);
  if (down(d) !== 0 && down(n) !== 0) return down(n) / down(d);
  return n === 0n ? 0 : bits(n) > bits(d) ? (n < 0n ? -Infinity : Infinity) : 0;
}
