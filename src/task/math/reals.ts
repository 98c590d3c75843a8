/** Sets of real numbers: intervals, their unions, and the inequalities that describe them. */

import type { Budget } from './limits.js';
import { type Expr, isExpr, type Node, num, op, print, sym, variables } from './node.js';
import { constant, order, type ScalarOptions, sameValue } from './scalar.js';

/** From `low` to `high`; each bound is in the set or not. */
export interface Interval {
  readonly low: Expr;
  readonly high: Expr;
  readonly closed: readonly [low: boolean, high: boolean];
}
/** Parts of a set, in any order. */
export type RealSet = readonly Interval[];

const INFINITY = sym('inf');
const MINUS_INFINITY = op('neg', INFINITY);
const between = (low: Expr, high: Expr, lowClosed: boolean, highClosed: boolean): Interval => ({
  low,
  high,
  closed: [lowClosed, highClosed],
});
const finite = (expr: Expr) => Math.abs(constant(expr)) !== Infinity;

/** A node as a set of real numbers; null if it is not one. A pair in brackets is read as an interval. */
export function realSet(node: Node, budget: Budget): RealSet | null {
  switch (node.kind) {
    case 'tuple': {
      if (node.items.length !== 2) return null;
      const [low, high] = node.items;
      if (!isExpr(low) || !isExpr(high)) return null;
      return [
        between(low, high, node.brackets[0] === '[' && finite(low), node.brackets[1] === ']' && finite(high)),
      ];
    }
    case 'set':
      return node.items.every(isExpr) ? node.items.map((at) => between(at, at, true, true)) : null;
    case 'union': {
      const sets = node.items.map((item) => realSet(item, budget));
      return sets.every((set) => set !== null) ? sets.flat() : null;
    }
    case 'without': {
      const [from, less] = [realSet(node.from, budget), realSet(node.less, budget)];
      return from && less && without(from, less, budget);
    }
    case 'list': {
      // x < 1 or x > 3; x > 1 and x < 3
      const solved = node.items.map((item) => solve(item, budget));
      const sets = solved.flatMap((solution) => (solution ? [solution.set] : []));
      const variable = solved[0]?.variable;
      if (sets.length < solved.length || !solved.every((solution) => solution?.variable === variable))
        return null;
      if (node.join === 'or') return sets.flat();
      return sets.reduce<RealSet | null>((all, set) => all && common(all, set, budget), sets[0]);
    }
    default:
      return solve(node, budget)?.set ?? null;
  }
}

/** The intersection of two intervals; null for other sets and if the order of the bounds is unknown. */
function common([a, ...moreA]: RealSet, [b, ...moreB]: RealSet, budget: Budget): RealSet | null {
  if (!a || !b || moreA.length > 0 || moreB.length > 0) return null;
  const [lows, highs] = [order(a.low, b.low, budget), order(a.high, b.high, budget)];
  if (lows === null || highs === null) return null;
  const low = lows > 0 || (lows === 0 && !a.closed[0]) ? a : b;
  const high = highs < 0 || (highs === 0 && !a.closed[1]) ? a : b;
  return [between(low.low, high.high, low.closed[0], high.closed[1])];
}

/** Removes points from intervals; null if something larger than points is to be removed. */
function without(from: RealSet, less: RealSet, budget: Budget): RealSet | null {
  let parts: Interval[] = [...from];
  for (const { low: point, high } of less) {
    if (print(point) !== print(high) || !Number.isFinite(constant(point))) return null;
    const next: Interval[] = [];
    for (const part of parts) {
      const [low, up] = [order(point, part.low, budget), order(point, part.high, budget)];
      if (low === null || up === null) return null;
      if (low < 0 || up > 0) next.push(part);
      else if (low === 0 && up === 0) continue;
      else if (low === 0) next.push({ ...part, closed: [false, part.closed[1]] });
      else if (up === 0) next.push({ ...part, closed: [part.closed[0], false] });
      else {
        next.push(between(part.low, point, part.closed[0], false));
        next.push(between(point, part.high, false, part.closed[1]));
      }
    }
    parts = next;
  }
  return parts;
}

const FLIP: Readonly<Record<string, string>> = { '<': '>', '<=': '>=', '>': '<', '>=': '<=', '!=': '!=' };

/** x, f(x), or the absolute value of one. */
const isAtom = (expr: Expr): boolean =>
  (expr.kind === 'sym' && variables(expr).size === 1) ||
  (expr.kind === 'op' &&
    (expr.op.startsWith('f:') || (expr.op === 'abs' && isAtom(expr.args[0]) && expr.args[0].kind === 'sym')));

/** The set that x ≥ 2, 1 < x ≤ 3, |x| < 2 or x ≠ 0 describes; null for other forms. */
export function solve(node: Node, budget: Budget): { variable: string; set: RealSet } | null {
  if (node.kind !== 'relation' || !node.ops.every((sign) => Object.hasOwn(FLIP, sign))) return null;
  if (!node.sides.every(isExpr) || node.sides.length > 3) return null;
  const at = node.sides.findIndex((side) => isAtom(side as Expr));
  const atom = node.sides[at] as Expr | undefined;
  if (!atom || node.sides.some((side, i) => i !== at && Number.isNaN(constant(side as Expr)))) return null;
  if (node.sides.length === 3 && at !== 1) return null;
  let [low, high, lowClosed, highClosed]: [Expr, Expr, boolean, boolean] = [
    MINUS_INFINITY,
    INFINITY,
    false,
    false,
  ];
  let bounds = 0;
  for (let i = 0; i < node.ops.length; i++) {
    const bound = node.sides[i < at ? i : i + 1] as Expr;
    const sign = i < at ? FLIP[node.ops[i]] : node.ops[i];
    if (sign === '!=') {
      const out = without(
        [between(MINUS_INFINITY, INFINITY, false, false)],
        [between(bound, bound, true, true)],
        budget,
      );
      return node.ops.length === 1 && atom.kind === 'sym' && out ? { variable: print(atom), set: out } : null;
    }
    if (sign[0] === '<') {
      [high, highClosed] = [bound, sign === '<='];
      bounds |= 1;
    } else {
      [low, lowClosed] = [bound, sign === '>='];
      bounds |= 2;
    }
  }
  // 1 < x > 3 bounds one side twice.
  if (node.ops.length === 2 && bounds !== 3) return null;
  if (atom.kind !== 'op' || atom.op !== 'abs') {
    return { variable: print(atom), set: [between(low, high, lowClosed, highClosed)] };
  }
  const variable = print(atom.args[0]);
  const negative = (expr: Expr): Expr =>
    expr === INFINITY ? MINUS_INFINITY : expr === MINUS_INFINITY ? INFINITY : op('neg', expr);
  if (low === MINUS_INFINITY || order(low, num(0), budget) === -1) {
    return { variable, set: [between(negative(high), high, highClosed, highClosed)] };
  }
  return {
    variable,
    set: [
      between(negative(high), negative(low), highClosed, lowClosed),
      between(low, high, lowClosed, highClosed),
    ],
  };
}

/** Parts in order, with adjacent ones merged; null if the order of bounds is unknown. */
function merged(set: RealSet, budget: Budget): Interval[] | null {
  const parts = [...set];
  let known = true;
  const compare = (x: Expr, y: Expr): number => {
    const result = order(x, y, budget);
    if (result === null) known = false;
    return result ?? 0;
  };
  parts.sort((a, b) => compare(a.low, b.low) || Number(b.closed[0]) - Number(a.closed[0]));
  const result: Interval[] = [];
  for (const part of parts) {
    const length = compare(part.high, part.low);
    if (length < 0 || (length === 0 && !(part.closed[0] && part.closed[1]))) return null;
    const last = result.at(-1);
    const gap = last ? compare(part.low, last.high) : 1;
    if (!last || gap > 0 || (gap === 0 && !last.closed[1] && !part.closed[0])) {
      result.push(part);
      continue;
    }
    const further = compare(part.high, last.high);
    const high = further > 0 ? part : last;
    const closed = further === 0 ? last.closed[1] || part.closed[1] : high.closed[1];
    result[result.length - 1] = { ...last, high: high.high, closed: [last.closed[0], closed] };
  }
  return known ? result : null;
}

/** Whether two sets have the same parts after adjacent ones are merged. */
export function sameRealSet(gold: RealSet, candidate: RealSet, options: ScalarOptions): boolean {
  const [a, b] = [merged(gold, options.budget) ?? gold, merged(candidate, options.budget) ?? candidate];
  const bound = (x: Expr, y: Expr) =>
    finite(x) && finite(y) ? sameValue(x, y, options) : constant(x) === constant(y);
  return (
    a.length === b.length &&
    a.every(
      (part, i) =>
        part.closed[0] === b[i].closed[0] &&
        part.closed[1] === b[i].closed[1] &&
        bound(part.low, b[i].low) &&
        bound(part.high, b[i].high),
    )
  );
}
