/**
 * Whether two expressions are equal, and which is larger. Rational constants are compared exactly; everything else by
 * balls that contain the true values (enclose.ts), expressions with variables at ten points of either sign that depend
 * on their names. So |x| and x, or √(x²) and x, are different. Undecided means not equal. Doubles save work if they
 * already distinguish two values.
 */
import { modulus } from './complex.js';
import { decide, type Enclosure, NoValue } from './enclose.js';
import { evaluateAt, exactly, POINTS } from './evaluate.js';
import type { Budget } from './limits.js';
import { type Expr, isInfinite, num, op, print, variables } from './node.js';
import * as rational from './rational.js';

type Rational = rational.Rational;

const AGREE = 1e-9;
const ROUNDING = 1e-13;
/** A decimal with fewer digits is not accepted as the rounded value of an exact answer. */
const ROUNDED_DIGITS = 5;
/**
 * Number of points at which values are enclosed even if doubles agree; if these give no decision, all points are used.
 */
const ENCLOSED = [0, 5, 8];

/** The value of a constant as a double; NaN if it has no real value. */
export function constant(expr: Expr): number {
  if (expr.kind === 'sym' && expr.name === 'inf') return Infinity;
  if (expr.kind === 'op' && expr.op === 'neg' && constant(expr.args[0]) === Infinity) return -Infinity;
  if (variables(expr).size > 0) return Number.NaN;
  const known = exactly(expr);
  if (known) return rational.toNumber(known);
  const [re, im] = evaluateAt(expr, 0).value;
  return Math.abs(im) <= 1e-12 * Math.abs(re) ? re : Number.NaN;
}

/** −1, 0 or 1 by the order of two real constants, including ±∞; null if it is unknown. */
export function order(a: Expr, b: Expr, budget: Budget): number | null {
  const [infiniteA, infiniteB] = [isInfinite(a), isInfinite(b)];
  if (infiniteA !== 0 || infiniteB !== 0) return Math.sign(infiniteA - infiniteB);
  if (variables(a).size > 0 || variables(b).size > 0) return null;
  if (print(a) === print(b)) return 0;
  const [x, y] = [exactly(a), exactly(b)];
  if (x && y) return rational.order(x, y);
  budget.step();
  const [u, v] = [evaluateAt(a, 0), evaluateAt(b, 0)];
  const gap = u.value[0] - v.value[0];
  const clear = 1e-6 * Math.max(u.scale, v.scale, modulus(u.value), modulus(v.value));
  if (u.plain && v.plain && u.value[1] === 0 && v.value[1] === 0 && Math.abs(gap) > clear)
    return Math.sign(gap);
  return ask(0, budget, (at) => at.order(a, b));
}

/** A decision within the precision limit; null if there is none, or a value does not exist. */
function ask<T>(point: number, budget: Budget, question: (at: Enclosure) => T): T | null {
  try {
    return decide(point, budget, question);
  } catch (error) {
    if (error instanceof NoValue) return null;
    throw error;
  }
}

/** A decimal as written: its value and significant digits; null for any other expression. */
function decimal(expr: Expr): { value: Rational; digits: number } | null {
  if (expr.kind === 'num') return expr.digits === null ? null : { value: expr.value, digits: expr.digits };
  if (expr.kind !== 'op' || (expr.op !== 'neg' && expr.op !== 'percent')) return null;
  const inner = decimal(expr.args[0]);
  if (!inner) return null;
  const value =
    expr.op === 'neg'
      ? { n: -inner.value.n, d: inner.value.d }
      : rational.divide(inner.value, { n: 100n, d: 1n });
  return value && { value, digits: inner.digits };
}

/**
 * Whether a decimal of at least five digits is the rounded value of an exact expression that is not a decimal itself. A
 * value much closer to the decimal than its last digit is not rounding: it is an absorbed term (1.0000 is not 1 −
 * e^−100).
 */
function rounds(short: Expr, full: Expr, budget: Budget): boolean {
  const written = decimal(short);
  if (!written || decimal(full) || written.digits < ROUNDED_DIGITS || written.value.d === 1n) return false;
  const shown = rational.toNumber(written.value);
  // A whole number is written without decimals: 2.9999999 is not 3 rounded.
  if (exactly(full)?.d === 1n) return false;
  if (!Number.isFinite(shown) || shown === 0 || !(Math.abs(constant(full) - shown) <= 1e-3 * Math.abs(shown)))
    return false;
  // Half a unit of the last written digit.
  const places = written.digits - tens(written.value) - 1;
  const unit = rational.power({ n: 10n, d: 1n }, { n: BigInt(-places), d: 1n });
  if (!unit) return false;
  const gap = op('abs', op('add', full, op('neg', num(written.value.n, written.value.d))));
  const times = (n: bigint, d: bigint) => num(unit.n * n, unit.d * d);
  const [toHalf, toSmallest] = [order(gap, times(1n, 2n), budget), order(gap, times(1n, 10_000n), budget)];
  return toHalf !== null && toHalf <= 0 && toSmallest === 1;
}

/** ⌊log10 |a|⌋ for a ≠ 0. */
function tens({ n, d }: Rational): number {
  const size = n < 0n ? -n : n;
  const guess = `${size}`.length - `${d}`.length;
  const reaches = guess >= 0 ? size >= d * 10n ** BigInt(guess) : size * 10n ** BigInt(-guess) >= d;
  return reaches ? guess : guess - 1;
}

export interface ScalarOptions {
  readonly budget: Budget;
  /** Constants may differ by this fraction of the smaller one. */
  readonly relativeTolerance: number;
}

/** Whether two expressions have the same value wherever both are defined. */
export function sameValue(
  gold: Expr,
  candidate: Expr,
  { budget, relativeTolerance }: ScalarOptions,
): boolean {
  budget.compare();
  const written = [print(gold), print(candidate)].sort();
  if (written[0] === written[1]) return true;
  return budget.once(written.join(' | '), () => compare(gold, candidate, budget, relativeTolerance));
}

function compare(gold: Expr, candidate: Expr, budget: Budget, relativeTolerance: number): boolean {
  const [a, b] = [exactly(gold), exactly(candidate)];
  if (a && b && rational.equal(a, b)) return true;
  const constants = variables(gold).size === 0 && variables(candidate).size === 0;
  if (constants && relativeTolerance > 0) {
    const [x, y] = [constant(gold), constant(candidate)];
    const smaller = Math.min(Math.abs(x), Math.abs(y));
    if (Number.isFinite(x) && Math.abs(x - y) <= relativeTolerance * smaller) return true;
  }
  if (constants && (rounds(candidate, gold, budget) || rounds(gold, candidate, budget))) return true;
  return !(a && b) && agree(gold, candidate, budget, constants);
}

/** Whether doubles distinguish the values at a point, see no difference, or give no information. */
function inDoubles(a: Expr, b: Expr, point: number): 'apart' | 'alike' | null {
  const [x, y] = [evaluateAt(a, point), evaluateAt(b, point)];
  if (!x.plain || !y.plain) return null;
  const gap = Math.hypot(x.value[0] - y.value[0], x.value[1] - y.value[1]);
  const cancelled = ROUNDING * Math.max(x.scale, y.scale);
  const alike = gap <= Math.max(AGREE * Math.max(modulus(x.value), modulus(y.value)), cancelled);
  return alike ? 'alike' : 'apart';
}

function agree(a: Expr, b: Expr, budget: Budget, constants: boolean): boolean {
  const points = Array.from({ length: constants ? 1 : POINTS }, (_, i) => i);
  const seen = points.map((point) => {
    budget.step();
    return inDoubles(a, b, point);
  });
  if (seen.includes('apart')) return false;
  let shared = 0;
  for (const point of points) {
    const enclosed = constants || seen[point] === null || ENCLOSED.includes(point) || shared < 3;
    if (!enclosed) continue;
    const value = (expr: Expr) => ask(point, budget, (at) => at.value(expr));
    try {
      const same = decide(point, budget, (at) => at.same(a, b));
      if (!same) return false;
      shared++;
    } catch (error) {
      if (!(error instanceof NoValue)) throw error;
      // Neither has a value here, or only one of them.
      if (value(a) !== null || value(b) !== null) return false;
    }
  }
  return shared >= (constants ? 1 : 3);
}
