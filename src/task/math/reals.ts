/** Sets of real numbers: intervals, their unions, and the inequalities that describe them. */
import { type Expr, isExpr, type Node, op, print, sym, variables } from './node.js';
import { constant, type ScalarOptions, sameValue } from './scalar.js';

/** From `low` to `high`, each bound in the set or not. */
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

/** A node as a set of real numbers; null where it is none. A pair in brackets is read as an interval. */
export function realSet(node: Node): RealSet | null {
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
      const sets = node.items.map(realSet);
      return sets.every((set) => set !== null) ? sets.flat() : null;
    }
    case 'without': {
      const [from, less] = [realSet(node.from), realSet(node.less)];
      return from && less && without(from, less);
    }
    case 'list': {
      // x < 1 or x > 3; x > 1 and x < 3
      const solved = node.items.map(solve);
      const sets = solved.flatMap((one) => (one ? [one.set] : []));
      const variable = solved[0]?.variable;
      if (sets.length < solved.length || !solved.every((one) => one?.variable === variable)) return null;
      if (node.join === 'or') return sets.flat();
      return sets.reduce<RealSet | null>((all, set) => all && common(all, set), sets[0]);
    }
    default:
      return solve(node)?.set ?? null;
  }
}

/** What two intervals have in common; null for other sets and for bounds that are no constants. */
function common([a, ...moreA]: RealSet, [b, ...moreB]: RealSet): RealSet | null {
  if (!a || !b || moreA.length > 0 || moreB.length > 0) return null;
  const bounds = [a.low, b.low, a.high, b.high].map(constant);
  if (bounds.some(Number.isNaN)) return null;
  const low = bounds[0] > bounds[1] || (bounds[0] === bounds[1] && !a.closed[0]) ? a : b;
  const high = bounds[2] < bounds[3] || (bounds[2] === bounds[3] && !a.closed[1]) ? a : b;
  return [between(low.low, high.high, low.closed[0], high.closed[1])];
}

/** Points taken out of intervals; null where something larger than points is to be taken out. */
function without(from: RealSet, less: RealSet): RealSet | null {
  let parts = [...from];
  for (const { low: point, high } of less) {
    const at = constant(point);
    if (print(point) !== print(high) || !Number.isFinite(at)) return null;
    parts = parts.flatMap((part) => {
      const [low, up] = [constant(part.low), constant(part.high)];
      if (Number.isNaN(low) || Number.isNaN(up) || at < low || at > up) return [part];
      if (at === low && at === up) return [];
      if (at === low) return [{ ...part, closed: [false, part.closed[1]] as const }];
      if (at === up) return [{ ...part, closed: [part.closed[0], false] as const }];
      return [
        between(part.low, point, part.closed[0], false),
        between(point, part.high, false, part.closed[1]),
      ];
    });
  }
  return parts;
}

const FLIP: Readonly<Record<string, string>> = { '<': '>', '<=': '>=', '>': '<', '>=': '<=', '!=': '!=' };

/** x, f(x), or the absolute value of one. */
const isAtom = (expr: Expr): boolean =>
  (expr.kind === 'sym' && variables(expr).size === 1) ||
  (expr.kind === 'op' &&
    (expr.op.startsWith('f:') || (expr.op === 'abs' && isAtom(expr.args[0]) && expr.args[0].kind === 'sym')));

/** What x ≥ 2, 1 < x ≤ 3, |x| < 2 or x ≠ 0 says of x; null for anything that is not of this form. */
export function solve(node: Node): { variable: string; set: RealSet } | null {
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
  if (low === MINUS_INFINITY || constant(low) < 0) {
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

/** Parts in order, with those that touch made one; null where a bound is no constant. */
function merged(set: RealSet): Interval[] | null {
  const parts = set.map((part) => ({ part, low: constant(part.low), high: constant(part.high) }));
  if (parts.some(({ low, high }) => Number.isNaN(low) || Number.isNaN(high))) return null;
  const near = (a: number, b: number) => a === b || Math.abs(a - b) <= 1e-12 * Math.abs(a);
  parts.sort((a, b) => a.low - b.low || Number(b.part.closed[0]) - Number(a.part.closed[0]));
  const result: { part: Interval; high: number }[] = [];
  for (const { part, low, high } of parts) {
    if (low > high || (low === high && !(part.closed[0] && part.closed[1]))) return null;
    const last = result.at(-1);
    const touches =
      last && (low < last.high || (near(low, last.high) && (last.part.closed[1] || part.closed[0])));
    if (!last || !touches) result.push({ part, high });
    else if (near(high, last.high)) {
      const closed = last.part.closed[1] || part.closed[1];
      last.part = { ...last.part, closed: [last.part.closed[0], closed] };
    } else if (high > last.high) {
      last.part = { ...last.part, high: part.high, closed: [last.part.closed[0], part.closed[1]] };
      last.high = high;
    }
  }
  return result.map(({ part }) => part);
}

/** Whether two sets have the same parts once parts that touch are one. */
export function sameRealSet(gold: RealSet, candidate: RealSet, options: ScalarOptions): boolean {
  const [a, b] = [merged(gold) ?? gold, merged(candidate) ?? candidate];
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
