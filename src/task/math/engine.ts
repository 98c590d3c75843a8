/**
 * The symbolic engine behind the comparison of expressions. Doubles find that two expressions differ; that they agree is
 * confirmed here with 60 digits, since e^(π√163) and the whole number next to it agree in 29. The
 * engine gets trees that were read and bounded by this room, never text.
 */
import { ComputeEngine } from '@cortex-js/compute-engine';
import { valueAt } from './evaluate.js';
import { LIMITS } from './limits.js';
import { type Expr, op, size, walk } from './node.js';
import { add, fromDigits, multiply, power, type Rational, toNumber } from './rational.js';

type Json = number | string | { num: string } | Json[];

const HEADS: Readonly<Record<string, string>> = {
  add: 'Add',
  mul: 'Multiply',
  neg: 'Negate',
  div: 'Divide',
  ln: 'Ln',
  exp: 'Exp',
  abs: 'Abs',
  sin: 'Sin',
  cos: 'Cos',
  tan: 'Tan',
  cot: 'Cot',
  sec: 'Sec',
  csc: 'Csc',
  arcsin: 'Arcsin',
  arccos: 'Arccos',
  arctan: 'Arctan',
  sinh: 'Sinh',
  cosh: 'Cosh',
  tanh: 'Tanh',
  pow: 'Power',
};
/** Exponents and arguments above this are left to the doubles: the engine expands powers. */
const LARGEST = 400;

let engine: ComputeEngine | null = null;

/** An expression in the engine's own form, variables at a point; null where the engine should not be asked. */
function toJson(expr: Expr, point: number): Json | null {
  if (expr.kind === 'num') {
    const { n, d } = expr.value;
    const numerator = { num: `${n}` };
    return d === 1n ? numerator : ['Divide', numerator, { num: `${d}` }];
  }
  if (expr.kind === 'sym') {
    if (expr.name === 'pi') return 'Pi';
    if (expr.name === 'e') return 'ExponentialE';
    if (expr.name === 'i' || expr.name === 'inf') return null;
    return ['Divide', { num: `${Math.round(valueAt(expr.name, point) * 1024)}` }, { num: '1024' }];
  }
  const args: Json[] = [];
  for (const arg of expr.args) {
    const json = toJson(arg, point);
    if (json === null) return null;
    args.push(json);
  }
  switch (expr.op) {
    case 'root':
      return ['Power', args[1], ['Divide', { num: '1' }, args[0]]];
    case 'log':
      return ['Divide', ['Ln', args[1]], ['Ln', args[0]]];
    case 'percent':
      return ['Divide', args[0], { num: '100' }];
    case 'degree':
      return ['Divide', ['Multiply', args[0], 'Pi'], { num: '180' }];
  }
  return Object.hasOwn(HEADS, expr.op) ? [HEADS[expr.op], ...args] : null;
}

/** Whether every number in it is small enough for an engine that computes powers as they stand. */
function modest(expr: Expr): boolean {
  let fits = size(expr) <= LIMITS.engineNodes;
  walk(expr, (part) => {
    if (part.kind === 'num' && `${part.value.n}${part.value.d}`.length > 60) fits = false;
    if (part.kind === 'op' && part.op === 'pow') {
      const exponent = part.args[1];
      walk(exponent, (inner) => {
        if (inner.kind === 'num' && Math.abs(Number(inner.value.n)) > LARGEST) fits = false;
        if (inner.kind === 'op' && inner.op === 'pow') fits = false;
      });
    }
  });
  return fits;
}

/** A decimal that the engine printed; null for anything else (undefined, complex, symbolic). */
function decimal(shown: string): Rational | null {
  const parts = /^(-?)(\d+(?:\.\d+)?)(?:e([+-]?\d{1,4}))?$/i.exec(shown);
  const value = parts && fromDigits(parts[2]);
  const scale = parts && power({ n: 10n, d: 1n }, { n: BigInt(parts[3] ?? 0), d: 1n });
  const product = value && scale && multiply(value, scale);
  return product && (parts[1] === '-' ? { n: -product.n, d: product.d } : product);
}

/**
 * Whether a − b vanishes at a point to 36 digits of `scale`, the largest term on the way: false when it certainly does not, true when it does, null where the
 * engine cannot say (not a number it computes, too large to be asked).
 */
export function confirmEqual(a: Expr, b: Expr, point: number, scale: number): boolean | null {
  const difference = op('add', a, op('neg', b));
  if (!modest(difference)) return null;
  const [left, right] = [toJson(a, point), toJson(b, point)];
  if (left === null || right === null) return null;
  try {
    if (!engine) {
      engine = new ComputeEngine();
      engine.precision = 60;
    }
    // Each side by itself: the engine rounds to doubles where it combines constants. Such a gap says nothing.
    const [x, y] = [left, right].map((json) =>
      decimal(
        (engine as ComputeEngine)
          .box(json as never)
          .N()
          .toString(),
      ),
    );
    const gap = x && y && add(x, { n: -y.n, d: y.d });
    if (!gap) return null;
    const size = Math.abs(toNumber(gap)) / Math.max(Math.abs(toNumber(x)), scale);
    return size > 1e-18 && size < 1e-13 ? null : !(size > 1e-36);
  } catch {
    return null;
  }
}
