/** Values of expressions: exact if they are rational, else as complex doubles at chosen values of the variables. */
import {
  type Complex,
  exp,
  FUNCTIONS,
  factorial,
  log,
  minus,
  modulus,
  over,
  plus,
  power,
  real,
  times,
  UNDEFINED,
} from './complex.js';
import type { Expr } from './node.js';
import * as exact from './rational.js';

/** The exact value of an expression without variables; null if it is not rational, not defined or too large. */
export function exactly(expr: Expr): exact.Rational | null {
  if (expr.kind === 'num') return expr.value;
  if (expr.kind === 'sym') return null;
  const args: exact.Rational[] = [];
  for (const arg of expr.args) {
    const value = exactly(arg);
    if (!value) return null;
    args.push(value);
  }
  const [a, b] = args;
  switch (expr.op) {
    case 'add':
    case 'mul':
      return args.reduce<exact.Rational | null>(
        (sum, value) => sum && (expr.op === 'add' ? exact.add : exact.multiply)(sum, value),
        { n: expr.op === 'add' ? 0n : 1n, d: 1n },
      );
    case 'neg':
      return { n: -a.n, d: a.d };
    case 'div':
      return exact.divide(a, b);
    case 'pow':
      return exact.power(a, b);
    case 'fact':
      return exact.factorial(a);
    case 'fact2':
      return exact.doubleFactorial(a);
    case 'gcd':
    case 'lcm':
    case 'mod':
      return exact.wholeFunction(expr.op, args);
    case 'max':
    case 'min':
      return args.reduce((x, y) => (exact.order(x, y) >= 0 === (expr.op === 'max') ? x : y));
    case 'percent':
      return exact.divide(a, { n: 100n, d: 1n });
    case 'abs':
      return { n: a.n < 0n ? -a.n : a.n, d: a.d };
    case 'floor':
      return exact.floor(a);
    case 'ceil': {
      const down = exact.floor({ n: -a.n, d: a.d });
      return down && { n: -down.n, d: 1n };
    }
    case 'binom': {
      if (a.d !== 1n || b.d !== 1n || b.n < 0n || a.n < b.n) return null;
      const [top, bottom, rest] = [a, b, { n: a.n - b.n, d: 1n }].map(exact.factorial);
      const product = bottom && rest && exact.multiply(bottom, rest);
      return top && product && exact.divide(top, product);
    }
    default:
      return null;
  }
}

/** 32 bits that depend on every character (FNV-1a with a final mix): the same on every machine. */
export function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x45d9f3b);
  h = Math.imul(h ^ (h >>> 16), 0x45d9f3b);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Number of points at which an identity is tested: 4 with positive values, 4 of any sign, 2 with larger ones. */
export const POINTS = 10;

/** The value of a variable at a point: a multiple of 1/1024, so that it is also exact, and a function of both alone. */
export function valueAt(name: string, point: number): number {
  const u = (hash(`${point}:${name}`) % 4093) / 4093;
  const x = point < 4 ? 0.3 + 3 * u : point < 8 ? (u < 0.5 ? -3.3 + 6 * u : 0.3 + 6 * (u - 0.5)) : 3 + 9 * u;
  return Math.round(x * 1024) / 1024;
}

/**
 * A value and the largest term of a sum on the way to it, with which a difference of two values must be compared.
 * `plain` if all steps were well within the range of doubles, so that different values are certainly different.
 */
export interface Evaluated {
  readonly value: Complex;
  readonly scale: number;
  readonly plain: boolean;
}

/** The value of an expression at a point; not finite if it has none. */
export function evaluateAt(expr: Expr, point: number): Evaluated {
  let scale = 0;
  let plain = true;
  const seen = (z: Complex): Complex => {
    scale = Math.max(scale, modulus(z) || 0);
    return z;
  };
  const value = (part: Expr): Complex => {
    const result = compute(part);
    const size = modulus(result);
    if (!(size < 1e150) || (size < 1e-150 && part.kind !== 'num')) plain = false;
    return result;
  };
  const compute = (part: Expr): Complex => {
    if (part.kind === 'num') return real(exact.toNumber(part.value));
    if (part.kind === 'sym') {
      if (part.name === 'pi') return real(Math.PI);
      if (part.name === 'e') return real(Math.E);
      if (part.name === 'i') return [0, 1];
      return part.name === 'inf' ? UNDEFINED : real(valueAt(part.name, point));
    }
    const z = part.args.map(value);
    const ofReals = (f: (...x: number[]) => number): Complex =>
      z.every(([, im]) => Math.abs(im) < 1e-12) ? real(f(...z.map(([re]) => re))) : UNDEFINED;
    switch (part.op) {
      case 'add':
        return z.map(seen).reduce(plus);
      case 'mul':
        return z.reduce(times);
      case 'neg':
        return minus(z[0]);
      case 'div':
        return over(z[0], z[1]);
      case 'pow':
        return part.args[0].kind === 'sym' && part.args[0].name === 'e' ? exp(z[1]) : power(z[0], z[1]);
      case 'root':
        return power(z[1], over([1, 0], z[0]));
      case 'log':
        return over(log(z[1]), log(z[0]));
      case 'percent':
        return times(z[0], [0.01, 0]);
      case 'degree':
        return times(z[0], [Math.PI / 180, 0]);
      case 'abs':
        return real(modulus(z[0]));
      case 'fact':
        return ofReals(factorial);
      case 'binom':
        return ofReals((n, k) => factorial(n) / (factorial(k) * factorial(n - k)));
      case 'floor':
        return ofReals((x) => Math.floor(x + 1e-12));
      case 'ceil':
        return ofReals((x) => Math.ceil(x - 1e-12));
    }
    if (Object.hasOwn(FUNCTIONS, part.op)) return FUNCTIONS[part.op](z[0]);
    if (!part.op.startsWith('f:')) return UNDEFINED;
    // An unknown function: an arbitrary value that depends only on its name and arguments.
    const key = z.map(([re, im]) => `${re.toPrecision(9)},${im.toPrecision(9)}`).join(';');
    return real(0.5 + hash(`${part.op}(${key}`) / 2 ** 32);
  };
  const result = value(expr);
  return { value: result, scale, plain };
}
