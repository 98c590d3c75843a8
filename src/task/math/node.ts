/**
 * The parsed form of an answer: expressions (numbers, symbols, operations) and the structures that answers consist of.
 * Nothing here is ever passed to a code interpreter.
 */
import { type Rational, rational } from './rational.js';

/** A number as it was written; `digits` counts the significant ones of a decimal, null for whole numbers. */
export interface Num {
  readonly kind: 'num';
  readonly value: Rational;
  readonly digits: number | null;
}
/** A variable or constant: `pi`, `e`, `i` and `inf` have their usual values. */
export interface Sym {
  readonly kind: 'sym';
  readonly name: string;
}
/**
 * An operation: add, mul, div, pow, neg, root (index, radicand), pm (a ± b), mp, fact, abs, floor, ceil, binom,
 * percent, degree, log (base, x), the usual functions by name, and `f:name` for an unknown function.
 */
export interface Op {
  readonly kind: 'op';
  readonly op: string;
  readonly args: readonly Expr[];
}
export type Expr = Num | Sym | Op;

export type Node =
  | Expr
  /** A quantity with its unit. */
  | { readonly kind: 'unit'; readonly amount: Expr; readonly unit: string }
  /** (a, b), [a, b), …: a tuple, or an interval if there are two entries; brackets as written. */
  | { readonly kind: 'tuple'; readonly items: readonly Node[]; readonly brackets: string }
  | { readonly kind: 'set'; readonly items: readonly Node[] }
  /** Answers in any order, and their separator; if they are separated by semicolons, each may be a list. */
  | { readonly kind: 'list'; readonly items: readonly Node[]; readonly join: 'or' | 'and' | ',' }
  | { readonly kind: 'union'; readonly items: readonly Node[] }
  /** `from` without the points or parts `less`. */
  | { readonly kind: 'without'; readonly from: Node; readonly less: Node }
  /** s0 op0 s1 op1 s2 …, with operators = approx < <= > >= != in */
  | { readonly kind: 'relation'; readonly sides: readonly Node[]; readonly ops: readonly string[] }
  | { readonly kind: 'matrix'; readonly rows: readonly (readonly Expr[])[] }
  /** a : b, or a time of day: certainly (05, or with am or pm), possibly (two digits below 60), or not. */
  | {
      readonly kind: 'ratio';
      readonly parts: readonly Expr[];
      readonly clock: 'certain' | 'possible' | null;
      readonly half: 'am' | 'pm' | '';
    }
  /** Digits in another base than ten. */
  | { readonly kind: 'based'; readonly digits: string; readonly base: string }
  | { readonly kind: 'text'; readonly text: string };

export const num = (n: bigint | number, d: bigint | number = 1): Num => {
  const value = rational(BigInt(n), BigInt(d));
  if (!value) throw new RangeError(`${n}/${d} is too large or too small a number`);
  return { kind: 'num', value, digits: null };
};
export const sym = (name: string): Sym => ({ kind: 'sym', name });
export const op = (name: string, ...args: Expr[]): Op => ({ kind: 'op', op: name, args });

export const isExpr = (node: Node): node is Expr =>
  node.kind === 'num' || node.kind === 'sym' || node.kind === 'op';

/** 1 for ∞, −1 for −∞, 0 for any other expression. */
export function isInfinite(expr: Expr): number {
  if (expr.kind === 'sym') return expr.name === 'inf' ? 1 : 0;
  return expr.kind === 'op' && expr.op === 'neg' ? 0 - isInfinite(expr.args[0]) : 0;
}

/** Calls `see` on every part of an expression. */
export function walk(expr: Expr, see: (part: Expr) => void): void {
  see(expr);
  if (expr.kind === 'op') for (const arg of expr.args) walk(arg, see);
}

const CONSTANTS = new Set(['pi', 'e', 'i', 'inf']);

/** Names of the variables of an expression. */
export function variables(expr: Expr): Set<string> {
  const names = new Set<string>();
  walk(expr, (part) => {
    if (part.kind === 'sym' && !CONSTANTS.has(part.name)) names.add(part.name);
  });
  return names;
}

/** Whether an expression has an operation whose name satisfies `test`. */
export function hasOp(expr: Expr, test: (name: string) => boolean): boolean {
  let matches = false;
  walk(expr, (part) => {
    if (part.kind === 'op' && test(part.op)) matches = true;
  });
  return matches;
}

export function size(expr: Expr): number {
  let count = 0;
  walk(expr, () => count++);
  return count;
}

/** A canonical text: equal texts are equal expressions. */
export function print(expr: Expr): string {
  if (expr.kind === 'num') return expr.value.d === 1n ? `${expr.value.n}` : `${expr.value.n}/${expr.value.d}`;
  if (expr.kind === 'sym') return `"${expr.name}"`;
  return `${expr.op}(${expr.args.map(print).join(',')})`;
}

/** An expression with some parts replaced; `change` returns null to keep a part. */
export function replace(expr: Expr, change: (part: Expr) => Expr | null): Expr {
  const changed = change(expr);
  if (changed) return changed;
  if (expr.kind !== 'op') return expr;
  return { ...expr, args: expr.args.map((arg) => replace(arg, change)) };
}
