/**
 * Whether two expressions are equal. Rational constants exactly; everything else at ten points fixed by the names of its
 * variables, of either sign, and then by the symbolic engine. |x| and x, or √(x²) and x, are therefore different.
 */
import { modulus } from './complex.js';
import { confirmEqual } from './engine.js';
import { evaluateAt, exactly, POINTS } from './evaluate.js';
import type { Budget } from './limits.js';
import { type Expr, print, size, variables } from './node.js';
import { divide, equal, type Rational, toNumber } from './rational.js';

const AGREE = 1e-9;
const ROUNDING = 1e-13;
/** A decimal with fewer digits is not accepted as the rounded value of an exact answer. */
const ROUNDED_DIGITS = 5;

/** The value of a constant as a double; NaN where it has no real one. */
export function constant(expr: Expr): number {
  if (expr.kind === 'sym' && expr.name === 'inf') return Infinity;
  if (expr.kind === 'op' && expr.op === 'neg' && constant(expr.args[0]) === Infinity) return -Infinity;
  if (variables(expr).size > 0) return Number.NaN;
  const known = exactly(expr);
  if (known) return toNumber(known);
  const [re, im] = evaluateAt(expr, 0).value;
  return Math.abs(im) <= 1e-12 * Math.abs(re) ? re : Number.NaN;
}

/** A decimal as written: its value and significant digits; null for any other expression. */
function decimal(expr: Expr): { value: Rational; digits: number } | null {
  if (expr.kind === 'num') return expr.digits === null ? null : { value: expr.value, digits: expr.digits };
  if (expr.kind !== 'op' || (expr.op !== 'neg' && expr.op !== 'percent')) return null;
  const inner = decimal(expr.args[0]);
  if (!inner) return null;
  const value =
    expr.op === 'neg' ? { n: -inner.value.n, d: inner.value.d } : divide(inner.value, { n: 100n, d: 1n });
  return value && { value, digits: inner.digits };
}

/** Whether a decimal of at least five digits is the rounded value of an exact expression that is no decimal itself. */
function rounds(short: Expr, full: Expr): boolean {
  const written = decimal(short);
  if (!written || decimal(full) || written.digits < ROUNDED_DIGITS) return false;
  const value = constant(full);
  const shown = toNumber(written.value);
  if (!Number.isFinite(value) || value === 0 || shown === 0 || Number.isInteger(value)) return false;
  // Half a unit of the last digit that was written.
  const unit = 10 ** (Math.floor(Math.log10(Math.abs(shown)) + 1e-12) + 1 - written.digits);
  return Math.abs(value - shown) <= 0.5000001 * unit;
}

export interface ScalarOptions {
  readonly budget: Budget;
  /** Constants may differ by this fraction of the gold answer. */
  readonly relativeTolerance: number;
}

/** Whether two expressions have the same value wherever both have one. */
export function sameValue(
  gold: Expr,
  candidate: Expr,
  { budget, relativeTolerance }: ScalarOptions,
): boolean {
  budget.compare();
  if (print(gold) === print(candidate)) return true;
  const [a, b] = [exactly(gold), exactly(candidate)];
  if (a && b && equal(a, b)) return true;
  const constants = variables(gold).size === 0 && variables(candidate).size === 0;
  if (constants && relativeTolerance > 0) {
    const [x, y] = [constant(gold), constant(candidate)];
    if (Number.isFinite(x) && Math.abs(x - y) <= relativeTolerance * Math.abs(x)) return true;
  }
  if (constants && (rounds(candidate, gold) || rounds(gold, candidate))) return true;
  return !(a && b) && agree(gold, candidate, budget, constants);
}

function agree(a: Expr, b: Expr, budget: Budget, constants: boolean): boolean {
  const repeat = size(a) + size(b);
  let tried = 0;
  let last = 0;
  let scale = 0;
  for (let point = 0; point < (constants ? 1 : POINTS); point++) {
    if (repeat > 50) budget.compare();
    const [x, y] = [evaluateAt(a, point), evaluateAt(b, point)];
    const [sizeX, sizeY] = [modulus(x.value), modulus(y.value)];
    if (!Number.isFinite(sizeX) && !Number.isFinite(sizeY)) continue;
    if (!Number.isFinite(sizeX) || !Number.isFinite(sizeY)) return false;
    const gap = Math.hypot(x.value[0] - y.value[0], x.value[1] - y.value[1]);
    const cancelled = ROUNDING * Math.max(x.scale, y.scale);
    if (gap > Math.max(AGREE * Math.max(sizeX, sizeY), cancelled)) return false;
    tried++;
    last = point;
    scale = Math.max(x.scale, y.scale);
  }
  if (tried < (constants ? 1 : 3)) return false;
  return !(budget.confirm() && confirmEqual(a, b, last, scale) === false);
}
