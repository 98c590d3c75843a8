/**
 * Whether two answers that were read mean the same. Order matters in tuples and matrices, not in sets and lists; open
 * and closed ends matter; a name (`x = 5`) is dropped only if the other answer has none. In doubt the answers differ:
 * rewarding a wrong answer is worse than missing a right one.
 */
import { modulus } from './complex.js';
import { evaluateAt, POINTS, valueAt } from './evaluate.js';
import { type Expr, hasOp, isExpr, type Node, num, op, print, replace, sym, variables } from './node.js';
import { realSet, sameRealSet, solve } from './reals.js';
import { constant, order, type ScalarOptions, sameValue } from './scalar.js';
import { canonicalUnit, conversion } from './units.js';

type Relation = Extract<Node, { kind: 'relation' }>;
type Ratio = Extract<Node, { kind: 'ratio' }>;

/** `x`, `f(x)`, `|AB|`, `AB`, `∠ABC`, `x/y`, (x, y): a quantity whose value an equation can give. */
function isName(node: Node): boolean {
  if (node.kind === 'sym') return !['e', 'i', 'pi', 'inf'].includes(node.name);
  if (node.kind === 'tuple') return node.items.every(isName);
  if (node.kind === 'ratio') return node.parts.every(isName);
  if (node.kind !== 'op') return false;
  if (node.op.startsWith('f:')) return true;
  if (node.op === 'abs' || node.op === 'div') return node.args.every(isName);
  if (node.op !== 'mul') return false;
  // m∠A, the measure of an angle.
  const [first, second] = node.args;
  const measure =
    first.kind === 'op' && first.op === 'mul' && print(first) === print(op('mul', sym('m'), sym('angle')));
  return node.args.every((arg) => isSegment(arg)) || (measure && isSegment(second));
}
/** Points side by side: AB, ∠ABC. */
const isSegment = (node: Expr): boolean =>
  node.kind === 'sym'
    ? /^(?:[A-Z](?:_.*)?'*|angle|triangle|widehat:.*)$/.test(node.name)
    : node.kind === 'op' && node.op === 'mul' && node.args.every(isSegment);

const nameOf = (node: Node): string => {
  if (isExpr(node)) return print(node);
  if (node.kind === 'tuple') return `(${node.items.map(nameOf).join(',')})`;
  return node.kind === 'ratio' ? node.parts.map(print).join(':') : '';
};
const isConstant = (node: Node): boolean =>
  node.kind === 'unit' ? isConstant(node.amount) : isExpr(node) && variables(node).size === 0;

/** `name = … = value`; the arguments of a function are placeholders, so W(n) = n and W(x) = x are the same. */
interface Assignment {
  readonly name: string;
  readonly value: Node;
  /** The value with its original variable names. */
  readonly written: Node;
}

/**
 * A chain of equal expressions and the names that they define: x = \frac13 ≈ 0.33. A single name stands for its own
 * value.
 */
function chain(node: Node): { sides: readonly Node[]; about: readonly Node[] } | null {
  if (node.kind !== 'relation' || !node.ops.every((sign) => sign === '=' || sign === 'approx')) return null;
  const first = node.ops.indexOf('approx');
  if (first < 0) return { sides: node.sides, about: [] };
  const named = node.sides.slice(0, first + 1).every(isHead);
  const cut = named ? first + 2 : first + 1;
  return { sides: node.sides.slice(0, cut), about: node.sides.slice(cut) };
}

/** A name, or a letter that is a constant elsewhere: e = ½ may be an eccentricity. */
const isHead = (node: Node): boolean =>
  isName(node) || (node.kind === 'sym' && (node.name === 'e' || node.name === 'i'));

/** The value that an equation gives to a name; null for an equation that defines nothing, such as 3 = a + b. */
function assignment(node: Node): Assignment | null {
  const linked = chain(node);
  if (!linked) return null;
  const sides = [...linked.sides];
  const last = sides[sides.length - 1];
  if (isName(last) && sides.slice(0, -1).every(isConstant)) sides.unshift(sides.pop() as Node);
  const [head, ...rest] = sides;
  if (!isHead(head) && !sides.every(isConstant)) return null;
  if (!rest.slice(0, -1).every((side) => isConstant(side) || isExpr(side) || isName(side))) return null;
  const value = rest[rest.length - 1] ?? head;
  if (head.kind === 'op' && head.op.startsWith('f:') && isExpr(value)) {
    const names = head.args.map((arg) => (arg.kind === 'sym' ? arg.name : ''));
    if (names.every((name, i) => name !== '' && names.indexOf(name) === i)) {
      const bound = (part: Expr) =>
        part.kind === 'sym' && names.includes(part.name) ? sym(`#${names.indexOf(part.name)}`) : null;
      return { name: `${head.op}/${names.length}`, value: replace(value, bound), written: value };
    }
  }
  return { name: isHead(head) ? nameOf(head) : '', value, written: value };
}

/** The value that an equation gives, with its original variable names. */
const plainValue = (node: Node): Node => assignment(node)?.written ?? node;

/** Whether two values may be rounded forms of each other: within 5 % or less than one unit of the last digit. */
function isAbout(value: Node, rounded: Node): boolean {
  if (!isConstant(value) || !isConstant(rounded)) return true;
  const [a, b] = [value, rounded].map((side) =>
    constant(side.kind === 'unit' ? side.amount : (side as Expr)),
  );
  if (!Number.isFinite(a) || !Number.isFinite(b)) return true;
  const fraction = rounded.kind === 'num' && rounded.digits !== null ? rounded.value.d : 1n;
  return Math.abs(a - b) <= 0.05 * Math.abs(a) || Math.abs(a - b) < 1 / Number(fraction);
}

/** ± and ∓ expanded to two answers. */
function signs(node: Node): Node[] {
  const has = (part: Node): boolean => {
    if (isExpr(part)) return hasOp(part, (name) => name === 'pm' || name === 'mp');
    if (part.kind === 'relation') return part.sides.some(has);
    return part.kind === 'tuple' ? part.items.some(has) : part.kind === 'unit' && has(part.amount);
  };
  if (!has(node)) return [node];
  const choose = (part: Node, upper: boolean): Node => {
    const expr = (whole: Expr): Expr =>
      replace(whole, (inner) => {
        if (inner.kind !== 'op' || (inner.op !== 'pm' && inner.op !== 'mp')) return null;
        const [a, b] = inner.args.map(expr);
        return op('add', a, (inner.op === 'pm') === upper ? b : op('neg', b));
      });
    if (isExpr(part)) return expr(part);
    if (part.kind === 'relation') return { ...part, sides: part.sides.map((side) => choose(side, upper)) };
    if (part.kind === 'tuple') return { ...part, items: part.items.map((item) => choose(item, upper)) };
    return part.kind === 'unit' ? { ...part, amount: expr(part.amount) } : part;
  };
  return [choose(node, true), choose(node, false)];
}

/** x ∈ S with a name x. */
const isMembership = (node: Node): node is Relation =>
  node.kind === 'relation' && node.ops.length === 1 && node.ops[0] === 'in' && isName(node.sides[0]);
/** x ∈ S means S. */
const membership = (node: Node): Node => (isMembership(node) ? node.sides[1] : node);

/** An answer without the remark that a variable is a whole number, and that variable. */
function withoutInteger(node: Node): { node: Node; integer: string | null } {
  if (node.kind !== 'list' || node.items.length !== 2) return { node, integer: null };
  const [subject, remark] = node.items;
  if (!isMembership(remark) || !isExpr(subject)) return { node, integer: null };
  const [name, set] = remark.sides;
  const integers =
    set.kind === 'sym' && set.name === 'bb:Z' && name.kind === 'sym' && variables(subject).has(name.name);
  return integers ? { node: subject, integer: name.name } : { node, integer: null };
}

/** An answer with its ± expanded, as a list if that gives two answers. */
function spread(node: Node): Node {
  if (node.kind === 'list' || node.kind === 'set') return { ...node, items: node.items.flatMap(signs) };
  const answers = signs(node);
  return answers.length === 1 ? node : { kind: 'list', items: answers, join: 'or' };
}

/**
 * Entries of a list, set or tuple (not of an interval); in `x = 1, 2, 3` the name applies to all. Null for other
 * answers.
 */
function entriesOf(node: Node): { entries: readonly Node[] | null; name: string } {
  const interval =
    node.kind === 'tuple' && node.brackets !== '()' && (node.brackets !== '[]' || node.items.length < 3);
  if ((node.kind !== 'list' && node.kind !== 'set' && node.kind !== 'tuple') || interval) {
    return { entries: null, name: '' };
  }
  const [first, ...rest] = node.items;
  const named = rest.length > 0 && rest.every((item) => item.kind !== 'relation') ? assignment(first) : null;
  return named
    ? { entries: [plainValue(first), ...rest], name: named.name }
    : { entries: node.items, name: '' };
}

/** A quantity without its percent sign, degree sign or unit. */
interface Quantity {
  readonly amount: Expr;
  readonly mark: 'percent' | 'degree' | null;
  readonly unit: string | null;
}
function quantity(node: Expr | Extract<Node, { kind: 'unit' }>): Quantity {
  if (node.kind === 'unit') return { ...quantity(node.amount), unit: canonicalUnit(node.unit) };
  if (node.kind === 'op' && (node.op === 'percent' || node.op === 'degree')) {
    return { amount: node.args[0], mark: node.op, unit: null };
  }
  if (node.kind === 'op' && node.op === 'neg') {
    const inner = quantity(node.args[0]);
    if (inner.mark) return { ...inner, amount: op('neg', inner.amount) };
  }
  return { amount: node, mark: null, unit: null };
}

export class Comparison {
  readonly #options: ScalarOptions;

  constructor(options: ScalarOptions) {
    this.#options = options;
  }

  /**
   * Whether two answers are equal, in either order. An answer that contradicts itself (2 + 2 = 5 = 4) equals nothing.
   * @throws Unreadable if the comparison is too much work
   */
  equal(gold: Node, candidate: Node): boolean {
    return (
      this.#oneWay(gold, candidate) &&
      this.#oneWay(candidate, gold) &&
      !this.#contradicts(gold) &&
      !this.#contradicts(candidate)
    );
  }

  #contradicts(node: Node): boolean {
    if (node.kind === 'list' || node.kind === 'set' || node.kind === 'tuple') {
      return node.items.some((item) => this.#contradicts(item));
    }
    const linked = chain(node);
    if (!linked) return false;
    const { sides, about } = linked;
    // A letter before its value is a name.
    const values = isHead(sides[0]) ? sides.slice(1) : sides;
    const constants = values.filter(isConstant);
    if (constants.some((side) => !this.#plain(constants[0], side))) return true;
    const value = values[values.length - 1];
    if (value !== undefined && about.some((side) => !isAbout(value, side))) return true;
    // f(x) = (x + 1)² = x² + 2x + 1, with a name that is not one of the variables.
    if (!isHead(sides[0]) || !value || !isExpr(value) || isName(value)) return false;
    const names = variables(value);
    const head = sides[0].kind === 'sym' ? sides[0].name : '';
    const alike = values.filter((side): side is Expr => {
      if (!isExpr(side) || isName(side)) return false;
      const others = variables(side);
      return others.size === names.size && [...others].every((name) => names.has(name) && name !== head);
    });
    return names.size > 0 && alike.some((side) => !sameValue(side, value, this.#options));
  }

  #oneWay(gold: Node, candidate: Node): boolean {
    if (isMembership(gold) && isMembership(candidate)) return this.#same(gold, candidate);
    // A set of one answer equals that answer.
    const alone = (node: Node): Node => {
      const set = membership(node);
      return set.kind === 'set' && set.items.length === 1 ? set.items[0] : set;
    };
    const [g, c] = [withoutInteger(gold), withoutInteger(candidate)];
    // The name of a variable over the whole numbers does not matter: kπ, k ∈ ℤ is nπ, n ∈ ℤ.
    if (g.integer && c.integer && g.integer !== c.integer && isExpr(c.node)) {
      const [from, to] = [c.integer, g.integer];
      const renamed = replace(c.node, (part) => (part.kind === 'sym' && part.name === from ? sym(to) : null));
      return !variables(c.node).has(to) && this.#same(alone(g.node), renamed);
    }
    return this.#same(alone(g.node), alone(c.node));
  }

  #same(gold: Node, candidate: Node): boolean {
    if (
      isMembership(gold) &&
      isMembership(candidate) &&
      nameOf(gold.sides[0]) !== nameOf(candidate.sides[0])
    ) {
      return false;
    }
    const [g, c] = [spread(membership(gold)), spread(membership(candidate))];
    if (g.kind === 'list' || c.kind === 'list') {
      const [a, b] = [realSet(g, this.#options.budget), realSet(c, this.#options.budget)];
      if (a && b) return sameRealSet(a, b, this.#options);
      // (x, y) = (1, 2) compared with x = 1, y = 2
      return this.#lists(plainValue(g), plainValue(c));
    }
    if (g.kind === 'relation' || c.kind === 'relation') return this.#relations(g, c);
    return this.#plain(g, c);
  }

  #relations(g: Node, c: Node): boolean {
    const [a, b] = [assignment(g), assignment(c)];
    if (a && b) {
      if (a.name === b.name || a.name === '' || b.name === '') return this.#same(a.value, b.value);
      return g.kind === 'relation' && c.kind === 'relation' && this.#proportional(g, c);
    }
    if (g.kind === 'relation' && c.kind === 'relation') {
      const [p, q] = [solve(g, this.#options.budget), solve(c, this.#options.budget)];
      if (p && q) return p.variable === q.variable && sameRealSet(p.set, q.set, this.#options);
      return this.#proportional(g, c);
    }
    if (a) return this.#same(plainValue(g), c);
    if (b) return this.#same(g, plainValue(c));
    return this.#plain(g, c);
  }

  /** Two equations or inequalities are equal if their differences of sides are multiples of each other. */
  #proportional(g: Relation, c: Relation): boolean {
    if (g.ops.length !== 1 || c.ops.length !== 1) return false;
    const difference = ({ sides: [left, right], ops: [sign] }: Relation): Expr | null => {
      if (!isExpr(left) || !isExpr(right)) return null;
      return sign[0] === '<' ? op('add', right, op('neg', left)) : op('add', left, op('neg', right));
    };
    if (g.ops[0] === 'approx' || c.ops[0] === 'approx') return false;
    const [strictG, strictC] = [g.ops[0].replace('<', '>'), c.ops[0].replace('<', '>')];
    const [a, b] = [difference(g), difference(c)];
    if (!a || !b || strictG !== strictC || strictG === 'in') return false;
    const names = variables(a);
    if (names.size === 0 || names.size !== variables(b).size || ![...variables(b)].every((n) => names.has(n)))
      return false;
    let ratio = Number.NaN;
    let tried = 0;
    for (let point = 0; point < POINTS; point++) {
      this.#options.budget.compare();
      const [x, y] = [evaluateAt(a, point).value, evaluateAt(b, point).value];
      if (!Number.isFinite(modulus(x)) || !Number.isFinite(modulus(y))) continue;
      const r = (x[0] * y[0] + x[1] * y[1]) / (y[0] * y[0] + y[1] * y[1]);
      const gap = Math.hypot(x[0] - r * y[0], x[1] - r * y[1]);
      if (!Number.isFinite(r) || r === 0 || gap > 1e-9 * modulus(x)) return false;
      if (tried++ === 0) ratio = r;
      else if (Math.abs(r - ratio) > 1e-8 * Math.abs(ratio)) return false;
    }
    if (tried < 5 || (strictG[0] === '>' && !(ratio > 0))) return false;
    // Doubles show no difference, so the test is repeated exactly: a(x)·b(x₀) = b(x)·a(x₀), with x₀ fixed and neither
    // of them 0 there.
    const fix = (expr: Expr): Expr =>
      replace(expr, (part) =>
        part.kind === 'sym' && variables(part).size > 0
          ? num(Math.round(valueAt(part.name, 1) * 1024), 1024)
          : null,
      );
    const [atA, atB] = [fix(a), fix(b)];
    const { budget } = this.#options;
    const signs = [order(atA, num(0), budget), order(atB, num(0), budget)];
    if (signs.some((value) => value === null || value === 0)) return false;
    if (strictG[0] === '>' && signs[0] !== signs[1]) return false;
    return sameValue(op('mul', a, atB), op('mul', b, atA), this.#options);
  }

  #lists(g: Node, c: Node): boolean {
    // One value in several forms, \boxed{1\frac12} or \boxed{1.5}.
    for (const [value, list] of [
      [g, c],
      [c, g],
    ]) {
      if (list.kind !== 'list' || !(isExpr(value) || value.kind === 'unit')) continue;
      const forms = new Set(list.items.map((item) => (isExpr(item) ? print(item) : '')));
      return forms.size === list.items.length && list.items.every((item) => this.#same(value, item));
    }
    const [{ entries: gold, name: nameG }, { entries: candidate, name: nameC }] = [
      entriesOf(g),
      entriesOf(c),
    ];
    if (!gold || !candidate || (nameG && nameC && nameG !== nameC)) return false;
    // A point is not a choice between its coordinates.
    const choice = [g, c].some((node) => node.kind === 'list' && node.join === 'or');
    if (choice && (g.kind === 'tuple' || c.kind === 'tuple')) return false;
    const named = (entries: readonly Node[]) => entries.filter((entry) => assignment(entry)).length;
    const [namedG, namedC] = [named(gold), named(candidate)];
    // Names on one side only: several different quantities in order, or several values of one.
    if (
      namedG !== namedC &&
      (namedG === gold.length || namedG === 0) &&
      (namedC === candidate.length || namedC === 0)
    ) {
      const entries = namedG > 0 ? gold : candidate;
      const names = new Set(entries.map((entry) => (assignment(entry)?.name ?? '').replace(/_[^"']*/g, '')));
      const ordered = names.size > 1;
      if (ordered && (g.kind === 'set' || c.kind === 'set')) return false;
      const [x, y] = [gold.map(plainValue), candidate.map(plainValue)];
      return ordered ? this.#ordered(x, y) : this.#matched(x, y);
    }
    if (g.kind === 'tuple' || c.kind === 'tuple') return this.#ordered(gold, candidate);
    // Values may be repeated on purpose (a double root); repeated points in a list of solutions count once.
    const points = [...gold, ...candidate].every((entry) => entry.kind === 'tuple');
    if (points || g.kind === 'set' || c.kind === 'set')
      return this.#matched(this.#distinct(gold), this.#distinct(candidate));
    return this.#matched(gold, candidate);
  }

  #ordered(gold: readonly Node[], candidate: readonly Node[]): boolean {
    return gold.length === candidate.length && gold.every((entry, i) => this.#same(entry, candidate[i]));
  }

  /** Whether the entries can be matched one to one. */
  #matched(gold: readonly Node[], candidate: readonly Node[]): boolean {
    if (gold.length !== candidate.length) return false;
    const left = [...candidate];
    for (const entry of gold) {
      const at = left.findIndex((other) => this.#same(entry, other));
      if (at < 0) return false;
      left.splice(at, 1);
    }
    return true;
  }
  #distinct(entries: readonly Node[]): Node[] {
    const kept: Node[] = [];
    for (const entry of entries) if (!kept.some((other) => this.#same(other, entry))) kept.push(entry);
    return kept;
  }

  /** Answers that are neither lists nor equations. */
  #plain(g: Node, c: Node): boolean {
    if ((isExpr(g) || g.kind === 'unit') && (isExpr(c) || c.kind === 'unit'))
      return this.#quantities(quantity(g), quantity(c));
    if (g.kind === 'text' || c.kind === 'text') {
      return g.kind === 'text' && c.kind === 'text' && g.text.toLowerCase() === c.text.toLowerCase();
    }
    if (g.kind === 'based' || c.kind === 'based') {
      return g.kind === 'based' && c.kind === 'based' && g.base === c.base && g.digits === c.digits;
    }
    if (g.kind === 'matrix' || c.kind === 'matrix') {
      return (
        g.kind === 'matrix' &&
        c.kind === 'matrix' &&
        g.rows.length === c.rows.length &&
        g.rows[0].length === c.rows[0].length &&
        g.rows.every((row, i) => row.every((entry, j) => sameValue(entry, c.rows[i][j], this.#options)))
      );
    }
    if (g.kind === 'ratio' || c.kind === 'ratio') return this.#ratios(g, c);
    if (g.kind === 'tuple' && c.kind === 'tuple') {
      return g.brackets === c.brackets && this.#ordered(g.items, c.items);
    }
    if (g.kind === 'set' && c.kind === 'set') return this.#lists(g, c);
    const [a, b] = [realSet(g, this.#options.budget), realSet(c, this.#options.budget)];
    return a !== null && b !== null && sameRealSet(a, b, this.#options);
  }

  /**
   * Ratios are equal if one is a multiple of the other (a part that is 0 requires equality of each part). Times of day
   * are equal if they are the same time; at most one of them may leave am or pm open.
   */
  #ratios(g: Node, c: Node): boolean {
    const ratio = (node: Node): Ratio | null => {
      if (node.kind === 'ratio') return node;
      return isExpr(node) ? { kind: 'ratio', parts: [node, num(1)], clock: null, half: '' } : null;
    };
    const [a, b] = [ratio(g), ratio(c)];
    if (!a || !b || a.parts.length !== b.parts.length) return false;
    const same = (x: Expr, y: Expr) => sameValue(x, y, this.#options);
    if (a.clock === 'certain' || b.clock === 'certain' || (a.clock && b.clock)) {
      if (!a.clock || !b.clock) return false;
      const [x, y] = [a, b].map(({ parts: [hour, ...rest], half }) => {
        const hours = constant(hour);
        return [
          half === '' || hours > 12 ? hours : (hours % 12) + (half === 'pm' ? 12 : 0),
          ...rest.map(constant),
        ];
      });
      const minutes = x.slice(1).every((part, i) => part === y[i + 1]);
      // 3:30 and 3:30 p.m.; but 15:30 is in the afternoon.
      const open = (a.half === '') !== (b.half === '') && constant(a.parts[0]) === constant(b.parts[0]);
      return minutes && (x[0] === y[0] || open);
    }
    const zero = (expr: Expr) => variables(expr).size === 0 && same(expr, num(0));
    const pivot = b.parts.findIndex((part) => !zero(part));
    if ([...a.parts, ...b.parts].some(zero)) return a.parts.every((part, i) => same(part, b.parts[i]));
    const [p, q] = [a.parts[pivot], b.parts[pivot]];
    return a.parts.every((part, i) => i === pivot || same(op('mul', part, q), op('mul', b.parts[i], p)));
  }

  /** Units and signs of percent or degrees may be missing on one side; two different ones are different answers. */
  #quantities(g: Quantity, c: Quantity): boolean {
    if (g.unit !== null && c.unit !== null && g.unit !== c.unit) {
      const ratio = g.mark || c.mark ? null : conversion(g.unit, c.unit);
      return ratio !== null && sameValue(op('mul', num(ratio.n, ratio.d), g.amount), c.amount, this.#options);
    }
    const equal = (a: Expr, b: Expr) => sameValue(a, b, this.#options);
    if (g.mark === c.mark) return equal(g.amount, c.amount);
    if (g.mark && c.mark) return false;
    const mark = (g.mark ?? c.mark) as string;
    const unit = g.unit ?? c.unit;
    if (unit !== null && !(mark === 'degree' && unit === 'radian')) return false;
    if (mark === 'percent') {
      const hundredth = (q: Quantity) => (q.mark ? op('percent', q.amount) : q.amount);
      // 28 for 28 %, and 28 % for 28; but 0.5 % is not 0.5.
      return (
        equal(hundredth(g), hundredth(c)) || (Math.abs(constant(g.amount)) >= 1 && equal(g.amount, c.amount))
      );
    }
    const radians = (q: Quantity) => (q.mark ? op('degree', q.amount) : q.amount);
    return (unit === null && equal(g.amount, c.amount)) || equal(radians(g), radians(c));
  }
}
