/** Exact rational numbers of bounded size, for constants that doubles cannot distinguish. */
import { abs, bits, integerRoot } from './ball.js';
import { LIMITS } from './limits.js';

/** n / d in lowest terms, d > 0. */
export interface Rational {
  readonly n: bigint;
  readonly d: bigint;
}

export const ZERO: Rational = { n: 0n, d: 1n };
export const ONE: Rational = { n: 1n, d: 1n };

function gcd(a: bigint, b: bigint): bigint {
  let [x, y] = [abs(a), abs(b)];
  while (y > 0n) [x, y] = [y, x % y];
  return x;
}

/** n / d, or null if d is 0 or either is too large. */
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

/** n / d that is already in lowest terms, unless it is too large. */
const bounded = (n: bigint, d: bigint): Rational | null =>
  bits(n) > LIMITS.bits || bits(d) > LIMITS.bits ? null : { n, d };

/** The sum, using only common divisors of the denominators: two large numbers rarely have one. */
export function add(a: Rational, b: Rational): Rational | null {
  const common = gcd(a.d, b.d);
  if (common === 1n) return bounded(a.n * b.d + b.n * a.d, a.d * b.d);
  const sum = a.n * (b.d / common) + b.n * (a.d / common);
  const left = gcd(sum, common);
  return bounded(sum / left, (a.d / common) * (b.d / left));
}
export function multiply(a: Rational, b: Rational): Rational | null {
  const [first, second] = [gcd(a.n, b.d), gcd(b.n, a.d)];
  return bounded((a.n / first) * (b.n / second), (a.d / second) * (b.d / first));
}
export function divide(a: Rational, b: Rational): Rational | null {
  if (b.n === 0n) return null;
  return multiply(a, b.n < 0n ? { n: -b.d, d: -b.n } : { n: b.d, d: b.n });
}
export const equal = (a: Rational, b: Rational) => a.n === b.n && a.d === b.d;

/** −1, 0 or 1 as a is below, equal to or above b. */
export function order(a: Rational, b: Rational): number {
  const difference = a.n * b.d - b.n * a.d;
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

/** a to an integer power; null if the result is undefined or too large. */
export function power(a: Rational, exponent: Rational): Rational | null {
  if (exponent.d !== 1n || (a.n === 0n && exponent.n <= 0n)) return null;
  const e = abs(exponent.n);
  if (e > BigInt(LIMITS.bits) || Number(e) * Math.max(bits(a.n), bits(a.d)) > 4 * LIMITS.bits) {
    return a.d === 1n && (a.n === 0n || a.n === 1n) ? a : null;
  }
  const flip = exponent.n < 0n && a.n < 0n && e % 2n === 1n ? -1n : 1n;
  return exponent.n < 0n ? bounded(flip * a.d ** e, abs(a.n) ** e) : bounded(a.n ** e, a.d ** e);
}

export function factorial(a: Rational): Rational | null {
  if (a.d !== 1n || a.n < 0n || a.n > BigInt(LIMITS.factorial)) return null;
  let product = 1n;
  for (let i = 2n; i <= a.n; i++) product *= i;
  return rational(product);
}

export function doubleFactorial(a: Rational): Rational | null {
  if (a.d !== 1n || a.n < 0n || a.n > BigInt(LIMITS.factorial)) return null;
  let product = 1n;
  for (let i = a.n; i > 1n; i -= 2n) product *= i;
  return rational(product);
}

/** Greatest common divisor, least common multiple or remainder of whole numbers; null if an argument is not whole. */
export function wholeFunction(
  name: 'gcd' | 'lcm' | 'mod',
  args: readonly (Rational | null)[],
): Rational | null {
  const values = args.flatMap((arg) => (arg && arg.d === 1n ? [arg.n] : []));
  if (values.length !== args.length || values.length === 0) return null;
  const [a, b] = values;
  if (name === 'mod') return values.length === 2 && b > 0n ? rational(((a % b) + b) % b) : null;
  const fold =
    name === 'gcd' ? gcd : (x: bigint, y: bigint) => (x === 0n || y === 0n ? 0n : abs(x * y) / gcd(x, y));
  return rational(values.reduce(fold, name === 'gcd' ? 0n : 1n));
}

/** √a if it is rational, else null. */
export function squareRoot(a: Rational): Rational | null {
  if (a.n < 0n || bits(a.n) > 2_000 || bits(a.d) > 2_000) return null;
  const [n, d] = [a.n, a.d].map(integerRoot);
  return n * n === a.n && d * d === a.d ? { n, d } : null;
}
/** Largest integer ≤ a. */
export const floor = (a: Rational) => rational(a.n >= 0n || a.n % a.d === 0n ? a.n / a.d : a.n / a.d - 1n);

/** The double nearest to a, even if numerator and denominator overflow doubles. */
export function toNumber({ n, d }: Rational): number {
  const shift = BigInt(Math.max(0, Math.max(bits(n), bits(d)) - 1_000));
  if (shift === 0n) return Number(n) / Number(d);
  const down = (a: bigint) => Number(a >> shift);
  if (down(d) !== 0 && down(n) !== 0) return down(n) / down(d);
  return n === 0n ? 0 : bits(n) > bits(d) ? (n < 0n ? -Infinity : Infinity) : 0;
}
