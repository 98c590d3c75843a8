/** Complex numbers as pairs of doubles, with real results wherever school mathematics has one (cube root of −8 is −2). */

export type Complex = readonly [re: number, im: number];

export const UNDEFINED: Complex = [Number.NaN, Number.NaN];
export const real = (x: number): Complex => [x, 0];
export const modulus = ([a, b]: Complex): number => Math.hypot(a, b);
export const plus = ([a, b]: Complex, [c, d]: Complex): Complex => [a + c, b + d];
export const minus = ([a, b]: Complex): Complex => [-a, b === 0 ? 0 : -b];
export const times = ([a, b]: Complex, [c, d]: Complex): Complex =>
  b === 0 && d === 0 ? [a * c, 0] : [a * c - b * d, a * d + b * c];

export function over([a, b]: Complex, [c, d]: Complex): Complex {
  if (c === 0 && d === 0) return UNDEFINED;
  if (d === 0) return [a / c, b / c];
  const m = c * c + d * d;
  return [(a * c + b * d) / m, (b * c - a * d) / m];
}

export const exp = ([a, b]: Complex): Complex =>
  b === 0 ? [Math.exp(a), 0] : [Math.exp(a) * Math.cos(b), Math.exp(a) * Math.sin(b)];

export const log = (z: Complex): Complex =>
  modulus(z) === 0 ? UNDEFINED : [Math.log(modulus(z)), Math.atan2(z[1], z[0])];

/** Smallest odd q ≤ 99 for which x·q is whole, if x is not whole; else null. */
function oddDenominator(x: number): number | null {
  for (let q = 3; q <= 99; q += 2) if (Math.abs(x * q - Math.round(x * q)) < 1e-12 * q) return q;
  return null;
}

/** z to the power w: whole powers exactly, odd roots of negative numbers as real numbers, else the principal value. */
export function power(z: Complex, w: Complex): Complex {
  const [x, y] = w;
  if (modulus(z) === 0) return y === 0 && x > 0 ? [0, 0] : UNDEFINED;
  if (y === 0 && z[1] === 0) {
    if (z[0] > 0 || Number.isInteger(x)) return [z[0] ** x, 0];
    const q = oddDenominator(x);
    if (q) return [(Math.round(x * q) % 2 === 0 ? 1 : -1) * (-z[0]) ** x, 0];
  }
  if (y === 0 && Number.isInteger(x) && Math.abs(x) <= 64) {
    let product: Complex = [1, 0];
    for (let i = 0; i < Math.abs(x); i++) product = times(product, z);
    return x < 0 ? over([1, 0], product) : product;
  }
  return exp(times(w, log(z)));
}

export const sqrt = (z: Complex): Complex => (modulus(z) === 0 ? [0, 0] : power(z, [0.5, 0]));

const I: Complex = [0, 1];
const scale = ([a, b]: Complex, by: number): Complex => [a * by, b * by];
const sin = (z: Complex): Complex =>
  z[1] === 0 ? [Math.sin(z[0]), 0] : over(plus(exp(times(I, z)), minus(exp(minus(times(I, z))))), [0, 2]);
const cos = (z: Complex): Complex =>
  z[1] === 0 ? [Math.cos(z[0]), 0] : scale(plus(exp(times(I, z)), exp(minus(times(I, z)))), 0.5);
const asin = (z: Complex): Complex =>
  z[1] === 0 && Math.abs(z[0]) <= 1
    ? [Math.asin(z[0]), 0]
    : minus(times(I, log(plus(times(I, z), sqrt(plus([1, 0], minus(times(z, z))))))));
const atan = (z: Complex): Complex =>
  z[1] === 0
    ? [Math.atan(z[0]), 0]
    : times([0, 0.5], plus(log(plus([1, 0], minus(times(I, z)))), minus(log(plus([1, 0], times(I, z))))));
const sinh = (z: Complex): Complex => scale(plus(exp(z), minus(exp(minus(z)))), 0.5);
const cosh = (z: Complex): Complex => scale(plus(exp(z), exp(minus(z))), 0.5);
const inverse = (z: Complex) => over([1, 0], z);

/** Functions of one argument, by the names that LaTeX gives them. */
export const FUNCTIONS: Readonly<Record<string, (z: Complex) => Complex>> = {
  sin,
  cos,
  tan: (z) => over(sin(z), cos(z)),
  cot: (z) => over(cos(z), sin(z)),
  sec: (z) => inverse(cos(z)),
  csc: (z) => inverse(sin(z)),
  arcsin: asin,
  arccos: (z) => plus([Math.PI / 2, 0], minus(asin(z))),
  arctan: atan,
  arccot: (z) => plus([Math.PI / 2, 0], minus(atan(z))),
  sinh,
  cosh,
  tanh: (z) => over(sinh(z), cosh(z)),
  exp,
  ln: log,
};

const LANCZOS = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
  12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
];

/** Γ(x + 1) for real x (Lanczos): factorials between whole numbers. */
export function factorial(x: number): number {
  if (Number.isInteger(x)) {
    if (x < 0) return Number.NaN;
    let product = 1;
    for (let i = 2; i <= x && product < Infinity; i++) product *= i;
    return product;
  }
  if (x < -0.5) return Math.PI / (Math.sin(Math.PI * (x + 1)) * factorial(-x - 1));
  let sum = LANCZOS[0];
  for (let i = 1; i < LANCZOS.length; i++) sum += LANCZOS[i] / (x + i);
  const t = x + 7.5;
  return Math.sqrt(2 * Math.PI) * t ** (x + 0.5) * Math.exp(-t) * sum;
}
