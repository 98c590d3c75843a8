/**
 * Values of expressions as complex balls, and the decision whether a value is zero. A ball that does not contain 0
 * proves that a value is not zero. No ball proves that it is zero: a value counts as zero if it is smaller than any
 * non-zero value of an expression of this size can be. The bound is 2^−(200 + 2h + 8n) of the largest term, with n
 * operations and h bits of height: the digits of all numbers and whole parts, the sizes of arguments, and the ratios of
 * the terms of sums, which can hide small terms (the form of Richardson's uniformity conjecture). A value that needs
 * more than LIMITS.precision bits stays undecided.
 */
import {
  abs,
  add as addBalls,
  type Ball,
  bits,
  divide as divideBalls,
  holdsZero,
  isZero,
  magnitude,
  multiply as multiplyBalls,
  NeedsPrecision,
  negate as negateBall,
  ONE,
  quotient,
  shift,
  sign,
  squareRoot,
  Undecided,
  ZERO,
} from './ball.js';
import {
  arcTangent,
  circleConstant,
  circular,
  exponential,
  logarithm,
  wholePower,
} from './ball-functions.js';
import { hash, valueAt } from './evaluate.js';
import { type Budget, LIMITS } from './limits.js';
import type { Expr } from './node.js';
import * as exact from './rational.js';

/**
 * A complex value: `q` if it is known to be rational, `log` if its real logarithm is known, `height` as defined above.
 */
export interface Value {
  readonly re: Ball;
  readonly im: Ball;
  readonly q: exact.Rational | null;
  readonly height: number;
  readonly log?: () => Value;
}

/** A value that does not exist: a quotient by zero, the logarithm of zero, ∞. */
export class NoValue extends Error {
  override name = 'NoValue';
}

const size = (ball: Ball): number => (isZero(ball) ? 0 : Math.abs(magnitude(ball)));
const isReal = ({ im }: Value): boolean => isZero(im);
const vanishes = ({ re, im }: Value): boolean => isZero(re) && isZero(im);
/** Rational values are kept exact up to this many bits. */
const RATIONAL_BITS = 2_000;
/** Largest whole power that is computed by squaring, largest factorial by multiplying. */
const LARGEST_POWER = 20_000;
const LARGEST_FACTORIAL = 5_000;

/** Evaluates expressions at one point of their variables, with one precision in bits. */
export class Enclosure {
  readonly #p: number;
  readonly #point: number;
  readonly #budget: Budget;
  /** Values of unknown functions so far, by name and arguments. */
  readonly #known: { readonly name: string; readonly args: readonly Value[]; readonly value: Value }[] = [];

  constructor(precision: number, point: number, budget: Budget) {
    this.#p = precision;
    this.#point = point;
    this.#budget = budget;
  }

  /** @throws NoValue, NeedsPrecision, Undecided */
  value(expr: Expr): Value {
    if (expr.kind === 'num') return this.#rational(expr.value);
    if (expr.kind === 'sym') {
      if (expr.name === 'pi') return this.#real(circleConstant(this.#p), 2);
      if (expr.name === 'e')
        return { ...this.#real(exponential(ONE, this.#p), 2), log: () => this.#whole(1n) };
      if (expr.name === 'i') return { re: ZERO, im: ONE, q: null, height: 1 };
      if (expr.name === 'inf') throw new NoValue();
      const at = exact.rational(BigInt(Math.round(valueAt(expr.name, this.#point) * 1024)), 1024n);
      return this.#rational(at as exact.Rational);
    }
    this.#budget.step();
    const args = expr.args.map((arg) => this.value(arg));
    const result = this.#operation(expr.op, args);
    return { ...result, height: result.height + 4 };
  }

  /** Whether two expressions have the same value here. */
  same(a: Expr, b: Expr): boolean {
    return this.#equal(this.value(a), this.value(b));
  }

  /** −1, 0 or 1 by the order of two real values. */
  order(a: Expr, b: Expr): number {
    const difference = this.#minus(this.value(a), this.value(b));
    if (!isReal(difference)) throw new NoValue();
    return sign(difference.re);
  }

  #operation(name: string, args: readonly Value[]): Value {
    const [a, b] = args;
    switch (name) {
      case 'add':
        return this.#sum(args);
      case 'mul':
        return args.reduce((x, y) => this.#times(x, y));
      case 'neg':
        return this.#negative(a);
      case 'div':
        return this.#over(a, b);
      case 'pow':
        return this.#power(a, b);
      case 'root':
        return this.#power(b, this.#over(this.#whole(1n), a));
      case 'log':
        return this.#over(this.#ln(b), this.#ln(a));
      case 'ln':
        return this.#ln(a);
      case 'exp':
        return this.#exp(a);
      case 'percent':
        return this.#over(a, this.#whole(100n));
      case 'degree':
        return this.#times(a, this.#over(this.#pi(), this.#whole(180n)));
      case 'abs':
        return this.#abs(a);
      case 'floor':
        return this.#floor(a);
      case 'ceil':
        return this.#negative(this.#floor(this.#negative(a)));
      case 'fact':
        return this.#factorial(a);
      case 'fact2':
        return this.#doubleFactorial(a);
      case 'binom':
        return this.#binomial(a, b);
      case 'max':
      case 'min':
        return args.reduce((x, y) => {
          const difference = this.#minus(x, y);
          if (!isReal(difference)) throw new NoValue();
          return sign(difference.re) >= 0 === (name === 'max') ? x : y;
        });
      case 'gcd':
      case 'lcm':
      case 'mod': {
        const value = exact.wholeFunction(
          name,
          args.map(({ q }) => q),
        );
        return value ? this.#rational(value) : this.#unknown(name, args);
      }
    }
    if (name.startsWith('f:')) return this.#unknown(name, args);
    return this.#named(name, a);
  }

  // Sums, products, quotients

  #whole(n: bigint): Value {
    return this.#rational({ n, d: 1n });
  }
  #rational(q: exact.Rational, height = 0): Value {
    const digits = bits(q.n) + bits(q.d);
    const re = quotient(q.n, q.d, this.#p);
    return { re, im: ZERO, q: digits <= RATIONAL_BITS ? q : null, height: Math.max(height, digits) };
  }
  #real(re: Ball, height: number): Value {
    return { re, im: ZERO, q: null, height };
  }
  #pi(): Value {
    return this.#real(circleConstant(this.#p), 2);
  }

  /**
   * Decides whether a ball that contains 0 is zero: returns a ball without 0, or the ball of 0. `scale` is the size of
   * its terms.
   */
  #settle(ball: Ball, scale: number, height: number): Ball {
    if (!holdsZero(ball) || isZero(ball)) return ball;
    if (magnitude(ball) < scale - 200 - 2 * height) return ZERO;
    if (height > 4 * LIMITS.precision) throw new Undecided('the terms of a sum differ too much in size');
    throw new NeedsPrecision();
  }

  #sum(terms: readonly Value[]): Value {
    const rational = terms.reduce<exact.Rational | null>(
      (sum, { q }) => sum && q && exact.add(sum, q),
      exact.ZERO,
    );
    let height = terms.reduce((sum, term) => sum + term.height, 0);
    if (rational && bits(rational.n) + bits(rational.d) <= RATIONAL_BITS) {
      return this.#rational(rational, height);
    }
    const sizes = terms.flatMap(({ re, im }) => [re, im]).filter((ball) => !isZero(ball));
    const scale = sizes.reduce((top, ball) => Math.max(top, magnitude(ball)), -Infinity);
    for (const ball of sizes) height += scale - magnitude(ball);
    const part = (balls: readonly Ball[]): Ball =>
      this.#settle(
        balls.reduce((x, y) => addBalls(x, y, this.#p), ZERO),
        scale,
        height,
      );
    return { re: part(terms.map(({ re }) => re)), im: part(terms.map(({ im }) => im)), q: null, height };
  }
  #negative({ re, im, q, height }: Value): Value {
    return { re: negateBall(re), im: negateBall(im), q: q && { n: -q.n, d: q.d }, height };
  }
  #minus(a: Value, b: Value): Value {
    return this.#sum([a, this.#negative(b)]);
  }
  #equal(a: Value, b: Value): boolean {
    return vanishes(this.#minus(a, b));
  }

  #times(a: Value, b: Value): Value {
    const height = a.height + b.height;
    if (vanishes(a) || vanishes(b)) return { ...this.#whole(0n), height };
    const q = a.q && b.q && exact.multiply(a.q, b.q);
    if (q && bits(q.n) + bits(q.d) <= RATIONAL_BITS) return this.#rational(q, height);
    const times = (x: Ball, y: Ball) => multiplyBalls(x, y, this.#p);
    if (isReal(a) && isReal(b)) return { re: times(a.re, b.re), im: ZERO, q: null, height };
    const real = (x: Ball): Value => ({ re: x, im: ZERO, q: null, height: height / 2 });
    const re = this.#minus(real(times(a.re, b.re)), real(times(a.im, b.im)));
    const im = this.#sum([real(times(a.re, b.im)), real(times(a.im, b.re))]);
    return { re: re.re, im: im.re, q: null, height: Math.max(re.height, im.height) };
  }

  #over(a: Value, b: Value): Value {
    if (vanishes(b)) throw new NoValue();
    const height = a.height + b.height;
    const q = a.q && b.q && exact.divide(a.q, b.q);
    if (q && bits(q.n) + bits(q.d) <= RATIONAL_BITS) return this.#rational(q, height);
    if (isReal(b)) {
      const part = (x: Ball) => divideBalls(x, b.re, this.#p);
      return { re: part(a.re), im: part(a.im), q: null, height };
    }
    const conjugate = { ...b, im: negateBall(b.im) };
    const [top, bottom] = [this.#times(a, conjugate), this.#times(b, conjugate)];
    return this.#over(top, { ...bottom, im: ZERO });
  }

  // Powers, logarithms, circular functions

  #exp(z: Value): Value {
    const re = exponential(z.re, this.#p);
    const height = z.height + 2 * size(z.re);
    if (isReal(z)) return { re, im: ZERO, q: vanishes(z) ? exact.ONE : null, height, log: () => z };
    const { sin, cos } = this.#circular({ ...z, re: z.im, im: ZERO });
    return this.#times({ re, im: ZERO, q: null, height }, { re: cos, im: sin, q: null, height: 0 });
  }

  /** Sine and cosine of a real value, each decided. */
  #circular(x: Value): { sin: Ball; cos: Ball; height: number } {
    const { sin, cos } = circular(x.re, this.#p);
    const height = x.height + 2 * size(x.re);
    const settled = { sin: this.#settle(sin, 0, height), cos: this.#settle(cos, 0, height) };
    return { ...settled, height: height + size(settled.sin) + size(settled.cos) };
  }

  /** The principal logarithm. */
  #ln(z: Value): Value {
    if (vanishes(z)) throw new NoValue();
    if (z.log) return z.log();
    if (isReal(z)) {
      const positive = sign(z.re) > 0;
      const height = z.height + 2 * size(z.re);
      const re = this.#settle(logarithm(positive ? z.re : negateBall(z.re), this.#p), 0, height);
      return { re, im: positive ? ZERO : circleConstant(this.#p), q: null, height: height + size(re) };
    }
    const modulus = this.#abs(z);
    const log = this.#ln(modulus);
    return { re: log.re, im: this.#angle(z), q: null, height: log.height + size(z.re) + size(z.im) };
  }

  /** The angle of a value that is not zero, in (−π, π]. */
  #angle({ re, im, height }: Value): Ball {
    const pi = circleConstant(this.#p);
    if (isZero(im)) return sign(re) > 0 ? ZERO : pi;
    const half = multiplyBalls(pi, { m: 1n, r: 0n, e: -1 }, this.#p);
    if (isZero(re)) return sign(im) > 0 ? half : negateBall(half);
    const angle = arcTangent(divideBalls(im, re, this.#p), this.#p);
    if (sign(re) > 0) return angle;
    const turned = addBalls(angle, sign(im) > 0 ? pi : negateBall(pi), this.#p);
    return this.#settle(turned, 0, height);
  }

  #squareRoot(x: Value): Value {
    const height = x.height + 2;
    if (sign(x.re) >= 0) return { re: squareRoot(x.re, this.#p), im: ZERO, q: this.#rootOf(x.q), height };
    return { re: ZERO, im: squareRoot(negateBall(x.re), this.#p), q: null, height };
  }
  /** The rational square root of a rational number. */
  #rootOf(q: exact.Rational | null): exact.Rational | null {
    return q && exact.squareRoot(q);
  }

  /** Whole powers exactly, odd roots of negative numbers as real numbers, else the principal value. */
  #power(z: Value, w: Value): Value {
    const height = z.height + w.height;
    if (vanishes(z)) {
      if (!isReal(w) || sign(w.re) <= 0) throw new NoValue();
      return { ...this.#whole(0n), height };
    }
    const { q } = w;
    if (q && q.d === 1n && abs(q.n) <= LARGEST_POWER) {
      const short = z.q && Number(abs(q.n)) * (bits(z.q.n) + bits(z.q.d)) <= RATIONAL_BITS;
      const rational = short && z.q && exact.power(z.q, q);
      if (rational) return this.#rational(rational, height);
      const n = Number(abs(q.n));
      let power: Value;
      if (isReal(z)) power = this.#real(wholePower(z.re, n, this.#p), height);
      else if (n <= 512) {
        power = this.#whole(1n);
        let factor = z;
        for (let left = n; left > 0; left = Math.floor(left / 2)) {
          if (left % 2 === 1) power = this.#times(power, factor);
          if (left > 1) factor = this.#times(factor, factor);
        }
      } else return this.#exp(this.#times(w, this.#ln(z)));
      const result = q.n < 0n ? this.#over(this.#whole(1n), power) : power;
      const log = isReal(z) && sign(z.re) > 0 && { log: () => this.#times(w, this.#ln(z)) };
      return { ...result, ...log, height };
    }
    if (q && q.d === 2n && isReal(z)) {
      const root = this.#squareRoot(z);
      return q.n === 1n ? { ...root, height } : this.#power(root, { ...this.#whole(q.n), height: w.height });
    }
    if (isReal(z) && sign(z.re) < 0 && q && q.d % 2n === 1n && q.d <= 99n) {
      const size = this.#exp(this.#times(w, this.#ln(this.#negative(z))));
      return q.n % 2n === 0n ? size : this.#negative(size);
    }
    if (isReal(z) && sign(z.re) < 0 && q && q.d === 1n) {
      const size = this.#exp(this.#times(w, this.#ln(this.#negative(z))));
      return q.n % 2n === 0n ? size : this.#negative(size);
    }
    return this.#exp(this.#times(w, this.#ln(z)));
  }

  #named(name: string, z: Value): Value {
    const whole = (n: bigint) => this.#whole(n);
    const inverse = (x: Value) => this.#over(whole(1n), x);
    const half = (x: Value) => this.#over(x, whole(2n));
    switch (name) {
      case 'sin':
      case 'cos': {
        if (isReal(z)) {
          const { sin, cos, height } = this.#circular(z);
          return { re: name === 'sin' ? sin : cos, im: ZERO, q: null, height };
        }
        const iz = this.#times({ re: ZERO, im: ONE, q: null, height: 1 }, z);
        const [up, down] = [this.#exp(iz), this.#exp(this.#negative(iz))];
        if (name === 'cos') return half(this.#sum([up, down]));
        return this.#over(this.#minus(up, down), { re: ZERO, im: shiftedOne(1), q: null, height: 2 });
      }
      case 'tan':
        return this.#over(this.#named('sin', z), this.#named('cos', z));
      case 'cot':
        return this.#over(this.#named('cos', z), this.#named('sin', z));
      case 'sec':
        return inverse(this.#named('cos', z));
      case 'csc':
        return inverse(this.#named('sin', z));
      case 'sinh':
        return half(this.#minus(this.#exp(z), this.#exp(this.#negative(z))));
      case 'cosh':
        return half(this.#sum([this.#exp(z), this.#exp(this.#negative(z))]));
      case 'tanh':
        return this.#over(this.#named('sinh', z), this.#named('cosh', z));
      case 'arctan': {
        if (!isReal(z)) throw new Undecided('the argument of an arctangent is complex');
        const re = arcTangent(z.re, this.#p);
        return { re, im: ZERO, q: null, height: z.height + 2 * size(z.re) + size(re) };
      }
      case 'arccot':
        return this.#minus(half(this.#pi()), this.#named('arctan', z));
      case 'arcsin': {
        if (!isReal(z)) throw new Undecided('the argument of an arcsine is complex');
        const cosine = this.#minus(whole(1n), this.#times(z, z));
        if (vanishes(cosine)) return this.#times(half(this.#pi()), whole(BigInt(sign(z.re))));
        if (sign(cosine.re) < 0) throw new Undecided('the argument of an arcsine is outside [−1, 1]');
        return this.#named('arctan', this.#over(z, this.#squareRoot(cosine)));
      }
      case 'arccos':
        return this.#minus(half(this.#pi()), this.#named('arcsin', z));
    }
    throw new Undecided(`the function ${name} is not supported`);
  }

  #abs(z: Value): Value {
    if (isReal(z)) return sign(z.re) < 0 ? this.#negative(z) : z;
    const square = (x: Ball): Value => ({
      re: multiplyBalls(x, x, this.#p),
      im: ZERO,
      q: null,
      height: z.height,
    });
    return this.#squareRoot(this.#sum([square(z.re), square(z.im)]));
  }

  // Whole numbers

  #floor(z: Value): Value {
    if (!isReal(z)) throw new NoValue();
    if (z.q) {
      const down = exact.floor(z.q);
      if (down) return this.#rational(down, z.height);
    }
    const { m, e } = z.re;
    if (e + bits(m) > LIMITS.precision) throw new Undecided('a number is too large to be rounded');
    const nearest = (shift(m, e + 1) + 1n) >> 1n;
    const near = this.#whole(nearest);
    const rest = this.#minus(z, near);
    const result = sign(rest.re) < 0 ? this.#whole(nearest - 1n) : near;
    return { ...result, height: z.height + near.height };
  }

  /** The whole number that equals a value, or null. */
  #integer(z: Value): bigint | null {
    if (z.q) return z.q.d === 1n ? z.q.n : null;
    const down = this.#floor(z);
    return down.q && this.#equal(z, down) ? down.q.n : null;
  }

  #factorial(z: Value): Value {
    if (!isReal(z)) throw new NoValue();
    const n = this.#integer(z);
    if (n !== null) {
      if (n < 0n) throw new NoValue();
      if (n > LARGEST_FACTORIAL) throw new Undecided('the argument of a factorial is too large');
      return this.#product(n, 1n, z.height);
    }
    // x! = x (x − 1) … (r + 1) r! with r in [0, 1), whose factorial is some number that depends on r alone.
    const steps = this.#floor(z).q?.n;
    if (steps === undefined || abs(steps) > 1_000n)
      throw new Undecided('the argument of a factorial is too large');
    const rest = this.#minus(z, this.#whole(steps));
    let result = this.#unknown('f:Γ', [rest]);
    for (let i = 1n; i <= steps; i++) result = this.#times(result, this.#sum([rest, this.#whole(i)]));
    for (let i = 0n; i > steps; i--) result = this.#over(result, this.#sum([rest, this.#whole(i)]));
    return result;
  }

  /** n (n − step) (n − 2 step) … down to the last positive factor. */
  #product(n: bigint, step: bigint, height: number): Value {
    let product = 1n;
    for (let i = n; i > 1n; i -= step) product *= i;
    return { ...this.#rational({ n: product, d: 1n }), height: height + bits(product) };
  }

  #doubleFactorial(z: Value): Value {
    const n = this.#integer(z);
    if (n === null || n < 0n) throw new NoValue();
    if (n > LARGEST_FACTORIAL) throw new Undecided('the argument of a factorial is too large');
    return this.#product(n, 2n, z.height);
  }

  #binomial(n: Value, k: Value): Value {
    const lower = this.#integer(k);
    if (lower !== null && lower <= 60n) {
      let result = this.#whole(lower < 0n ? 0n : 1n);
      for (let i = 0n; i < lower; i++) {
        result = this.#over(this.#times(result, this.#minus(n, this.#whole(i))), this.#whole(i + 1n));
      }
      return { ...result, height: result.height + n.height };
    }
    const rest = this.#factorial(this.#minus(n, k));
    return this.#over(this.#factorial(n), this.#times(this.#factorial(k), rest));
  }

  /** An unknown function may have any value that depends only on its name and arguments. */
  #unknown(name: string, args: readonly Value[]): Value {
    const same = this.#known.find(
      (call) =>
        call.name === name &&
        call.args.length === args.length &&
        call.args.every((arg, i) => this.#equal(arg, args[i])),
    );
    if (same) return same.value;
    const at = hash(`${name}(${this.#known.length},${this.#point}`);
    const value = this.#rational(exact.rational(BigInt(at) + 1n, 2n ** 32n) as exact.Rational);
    const height = args.reduce((sum, arg) => sum + arg.height, 40);
    this.#known.push({ name, args, value: { ...value, height } });
    return { ...value, height };
  }
}

const shiftedOne = (by: number): Ball => ({ m: 1n, r: 0n, e: by });

/**
 * Evaluates a question with more and more bits until it is decided; null if that is impossible within the bounds.
 * @throws NoValue if a value in it does not exist
 */
export function decide<T>(point: number, budget: Budget, ask: (at: Enclosure) => T): T | null {
  for (let precision = 192; precision <= LIMITS.precision; precision *= 2) {
    if (budget.late()) return null;
    try {
      return ask(new Enclosure(precision, point, budget));
    } catch (error) {
      if (error instanceof Undecided || error instanceof RangeError) return null;
      if (!(error instanceof NeedsPrecision)) throw error;
    }
  }
  return null;
}
