/**
 * π, exponentials, logarithms and trigonometric functions of balls, by series over big integers in fixed point. Each
 * function computes with enough extra bits that the total rounding error stays below one unit of the precision; the
 * radius includes it.
 */
import {
  add,
  type Ball,
  bits,
  fixed,
  holdsZero,
  integerRoot,
  isZero,
  magnitude,
  multiply,
  NeedsPrecision,
  negate,
  ONE,
  round,
  Undecided,
  ZERO,
} from './ball.js';

/** Σ (±1)^i / ((2i + 1) x^(2i + 1)) in units of 2^−q: arctan 1/x with alternating signs, artanh 1/x without. */
function inverseSeries(x: bigint, q: number, alternating: boolean): bigint {
  let term = (1n << BigInt(q)) / x;
  let sum = term;
  for (let i = 3n, negative = alternating; term !== 0n; i += 2n, negative = alternating && !negative) {
    term /= x * x;
    sum += negative ? -(term / i) : term / i;
  }
  return sum;
}

/** A constant in units of 2^−q, correct to 2^(20 − q); the most precise value so far is cached. */
function constantOf(compute: (q: number) => bigint): (q: number) => bigint {
  let [kept, precision] = [0n, 0];
  return (q) => {
    if (q > precision) [kept, precision] = [compute(q + 128), q + 128];
    return kept >> BigInt(precision - q);
  };
}
const pi = constantOf((q) => 16n * inverseSeries(5n, q, true) - 4n * inverseSeries(239n, q, true));
const ln2 = constantOf((q) => 2n * inverseSeries(3n, q, false));

/** A value in units of 2^−q with an error of at most `lost`, as a ball of precision p. */
const ballOf = (m: bigint, lost: bigint, q: number, p: number): Ball => round({ m, r: lost, e: -q }, p);

export const circleConstant = (p: number): Ball => ballOf(pi(p + 40), 1n << 24n, p + 40, p);

/** Number of halvings of an argument before a series, a good balance of both costs. */
const halvings = (p: number) => 4 + Math.floor(Math.sqrt(p) / 2);

/** Arguments beyond 2^this are not reduced. */
const LARGEST_ARGUMENT = 20_000;

export function exponential(x: Ball, p: number): Ball {
  if (isZero(x)) return ONE;
  const size = magnitude(x);
  if (size > 46) throw new Undecided('an exponential is too large or too small');
  const s = halvings(p);
  const q = p + 2 * s + 48 + Math.max(0, size);
  const { m, r } = fixed(x, q);
  // A radius beyond 1/2 gives no information.
  if (bits(r) >= q) throw new NeedsPrecision();
  const log = ln2(q);
  const k = m / log;
  const reduced = (m - k * log) >> BigInt(s);
  let term = 1n << BigInt(q);
  let sum = term;
  for (let i = 1n; term !== 0n && term !== -1n; i++) {
    term = ((term * reduced) >> BigInt(q)) / i;
    sum += term;
  }
  for (let i = 0; i < s; i++) sum = (sum * sum) >> BigInt(q);
  const result = ballOf(sum, 1n << BigInt(q - p), q, p);
  const spread: Ball = { m: 0n, r: 2n * r + 1n, e: -q };
  const widened = r === 0n ? result : add(result, multiply(result, spread, p), p);
  return { ...widened, e: widened.e + Number(k) };
}

/** Natural logarithm of a ball of positive numbers. */
export function logarithm(x: Ball, p: number): Ball {
  if (holdsZero(x)) throw new NeedsPrecision();
  if (x.r === 0n && x.m === 1n && x.e === 0) return ZERO;
  const k = bits(x.m) + x.e - 1;
  const s = halvings(p) >> 1;
  const q = p + s + 48 + bits(BigInt(Math.abs(k)));
  let y = fixed({ ...x, r: 0n, e: x.e - k }, q).m;
  for (let i = 0; i < s; i++) y = integerRoot(y << BigInt(q));
  const unit = 1n << BigInt(q);
  const t = ((y - unit) << BigInt(q)) / (y + unit);
  const square = (t * t) >> BigInt(q);
  let term = t;
  let sum = t;
  for (let i = 3n; term !== 0n && term !== -1n; i += 2n) {
    term = (term * square) >> BigInt(q);
    sum += term / i;
  }
  const result = ballOf((sum << BigInt(s + 1)) + BigInt(k) * ln2(q), 1n << BigInt(q - p), q, p);
  if (x.r === 0n) return result;
  // |ln(1 + t)| ≤ 2|t| while |t| ≤ 1/2.
  if (bits(x.r) >= bits(x.m) - 1) throw new NeedsPrecision();
  const spread = { m: 0n, r: x.r * 4n, e: 1 - bits(x.m) };
  return add(result, round(spread, p), p);
}

export function arcTangent(x: Ball, p: number): Ball {
  if (isZero(x)) return ZERO;
  const size = magnitude(x);
  if (size > LARGEST_ARGUMENT || size < -LARGEST_ARGUMENT)
    throw new Undecided('the argument of an arctangent is too large or too small');
  const s = halvings(p);
  const q = p + 2 * s + 48 + Math.abs(size);
  const unit = 1n << BigInt(q);
  const { m, r } = fixed(x, q);
  let y = m < 0n ? -m : m;
  const large = y > unit;
  if (large) y = (unit * unit) / y;
  for (let i = 0; i < s; i++) y = (y << BigInt(q)) / (unit + integerRoot(unit * unit + y * y));
  const square = (y * y) >> BigInt(q);
  let term = y;
  let sum = y;
  for (let i = 3n, negative = true; term !== 0n; i += 2n, negative = !negative) {
    term = (term * square) >> BigInt(q);
    sum += negative ? -(term / i) : term / i;
  }
  sum <<= BigInt(s);
  if (large) sum = (pi(q) >> 1n) - sum;
  // The slope is at most 1.
  const lost = r + (1n << BigInt(s + 32));
  return ballOf(m < 0n ? -sum : sum, lost, q, p);
}

/** Sine and cosine. */
export function circular(x: Ball, p: number): { sin: Ball; cos: Ball } {
  if (isZero(x)) return { sin: ZERO, cos: ONE };
  const size = magnitude(x);
  if (size > LARGEST_ARGUMENT || size < -LARGEST_ARGUMENT)
    throw new Undecided('the argument of a sine or cosine is too large or too small');
  const s = halvings(p);
  const q = p + 2 * s + 64 + Math.abs(size);
  const { m, r } = fixed(x, q);
  const half = pi(q) >> 1n;
  const k = (2n * m + half) / (2n * half) - (2n * m + half < 0n ? 1n : 0n);
  const reduced = (m - k * half) >> BigInt(s);
  const unit = 1n << BigInt(q);
  const square = (reduced * reduced) >> BigInt(q);
  let [term, sum] = [reduced, reduced];
  for (let i = 2n; term !== 0n && term !== -1n; i += 2n) {
    term = -(((term * square) >> BigInt(q)) / (i * (i + 1n)));
    sum += term;
  }
  let sin = sum;
  let cos = integerRoot(unit * unit - sin * sin);
  for (let i = 0; i < s; i++) {
    [sin, cos] = [(sin * cos) >> BigInt(q - 1), (cos * cos - sin * sin) >> BigInt(q)];
  }
  // The error of the argument is k times the error of π; slopes are at most 1.
  const lost = r + (1n << BigInt(2 * s + 40 + Math.max(0, size)));
  const [a, b] = [ballOf(sin, lost, q, p), ballOf(cos, lost, q, p)];
  const turns = Number(((k % 4n) + 4n) % 4n);
  if (turns === 0) return { sin: a, cos: b };
  if (turns === 1) return { sin: b, cos: negate(a) };
  return turns === 2 ? { sin: negate(a), cos: negate(b) } : { sin: negate(b), cos: a };
}

/** x to a whole power, by squaring. */
export function wholePower(x: Ball, n: number, p: number): Ball {
  let result = ONE;
  let factor = x;
  for (let left = n; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) result = multiply(result, factor, p);
    if (left > 1) factor = multiply(factor, factor, p);
  }
  return result;
}
