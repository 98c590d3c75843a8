/**
 * Reads the tokens of an answer: recursive descent with a bound on depth. What has no single meaning here (sums with
 * dots, integrals, words between formulas) is unreadable rather than guessed.
 *
 *   answer   = item { (';' | ',') item }
 *   item     = operand { relation operand }          x = 5, 0 < x ≤ 2, x ∈ [0, 1]
 *   operand  = side { ∪ side | ∖ side }              intervals and sets
 *   side     = sum { ':' sum } [unit]                numbers, expressions, ratios
 */
import { FUNCTIONS } from './complex.js';
import { LIMITS, Unreadable } from './limits.js';
import { type Expr, isExpr, type Node, num, op, print, sym } from './node.js';
import { fromDigits, multiply, power, rational } from './rational.js';
import { spelling, type Token } from './tokens.js';

const RELATIONS: Readonly<Record<string, string>> = {
  '=': '=',
  '==': '=',
  '<': '<',
  lt: '<',
  '>': '>',
  gt: '>',
  '<=': '<=',
  le: '<=',
  leq: '<=',
  leqslant: '<=',
  leqq: '<=',
  '>=': '>=',
  ge: '>=',
  geq: '>=',
  geqslant: '>=',
  geqq: '>=',
  '!=': '!=',
  ne: '!=',
  neq: '!=',
  in: 'in',
  approx: 'approx',
  simeq: 'approx',
  sim: 'approx',
};
const UNREADABLE = new Set([
  'int',
  'iint',
  'oint',
  'sum',
  'prod',
  'lim',
  'pmod',
  'mod',
  'bmod',
  'equiv',
  'mid',
  'ldots',
  'cdots',
  'dots',
  'dotsc',
  'dotsm',
  'vdots',
  'to',
  'rightarrow',
  'Rightarrow',
  'mapsto',
  'implies',
  'iff',
  'forall',
  'exists',
  'cap',
  'perp',
  'parallel',
  'subset',
  'notin',
  'propto',
  'cong',
  'hline',
]);
const ACCENTS = new Set([
  'bar',
  'overline',
  'dot',
  'ddot',
  'tilde',
  'widehat',
  'widetilde',
  'overrightarrow',
  'underline',
]);
const MATRICES = new Set(['matrix', 'pmatrix', 'bmatrix', 'array', 'smallmatrix', 'Bmatrix']);
const SELF_APPLIED = /^[fghFGH]$/;
const CLOSING: Readonly<Record<string, readonly string[]>> = {
  '(': [')', ']'],
  '[': [']', ')'],
  '{': ['}'],
  '\\{': ['\\}'],
};
/** Signs of currency, by the unit that they are. */
const CURRENCIES: Readonly<Record<string, string>> = {
  dollar: 'dollar',
  euro: 'euro',
  pounds: 'gbp',
  yen: 'yen',
};
const CONSTANTS: Readonly<Record<string, string>> = { pi: 'pi', infty: 'inf', mathrme: 'e' };

type Matrix = Extract<Node, { kind: 'matrix' }>;

/** Product of two matrices, entry by entry as expressions. */
function matrixProduct(a: Matrix, b: Matrix): Matrix {
  if (a.rows[0].length !== b.rows.length) throw new Unreadable('a product of matrices that do not fit');
  return {
    kind: 'matrix',
    rows: a.rows.map((row) =>
      b.rows[0].map((_, j) => op('add', ...row.map((x, i) => op('mul', x, b.rows[i][j])))),
    ),
  };
}

class Parser {
  #at = 0;
  #depth = 0;
  /** Open bars of absolute values: within them a bar closes. */
  #bars = 0;
  #currency = '';
  readonly #tokens: Token[];

  constructor(tokens: readonly Token[]) {
    this.#tokens = [...tokens];
  }

  answer(): Node {
    const node = this.#sequence();
    if (this.#peek()) throw this.#unexpected();
    return node;
  }

  #peek(ahead = 0): Token | undefined {
    return this.#tokens[this.#at + ahead];
  }
  #is(kind: Token['kind'], text?: string, ahead = 0): boolean {
    const token = this.#peek(ahead);
    return token?.kind === kind && (text === undefined || token.text === text);
  }
  #sign(...texts: string[]): boolean {
    const token = this.#peek();
    return token?.kind === 'sign' && texts.includes(token.text);
  }
  #command(...names: string[]): boolean {
    const token = this.#peek();
    return token?.kind === 'cmd' && names.includes(token.text);
  }
  #take(sign: string): boolean {
    if (!this.#sign(sign)) return false;
    this.#at++;
    return true;
  }
  #unexpected(): Unreadable {
    const token = this.#peek();
    return new Unreadable(token ? `'${token.text.slice(0, 40)}' is not expected there` : 'it ends too early');
  }
  #within<T>(read: () => T): T {
    if (++this.#depth > LIMITS.depth) throw new Unreadable(`brackets deeper than ${LIMITS.depth}`);
    const result = read();
    this.#depth--;
    return result;
  }

  /** Items with separators between them; one item stands for itself. */
  #sequence(): Node {
    const groups: Node[][] = [[]];
    let count = 0;
    const joins = new Set<string>();
    for (;;) {
      if (++count > LIMITS.items) throw new Unreadable(`more than ${LIMITS.items} entries`);
      groups[groups.length - 1].push(this.#item());
      let semicolon = false;
      if (!this.#is('sep')) break;
      while (this.#is('sep')) {
        semicolon ||= this.#is('sep', ';');
        joins.add((this.#peek() as Token).text);
        this.#at++;
      }
      if (semicolon) groups.push([]);
    }
    const [only] = joins;
    const join = joins.size === 1 && (only === 'or' || only === 'and') ? only : ',';
    const list = (items: Node[]): Node => (items.length === 1 ? items[0] : { kind: 'list', items, join });
    return list(groups.map(list));
  }

  #item(): Node {
    const sides: Node[] = [this.#operand()];
    const ops: string[] = [];
    for (;;) {
      const token = this.#peek();
      const relation =
        token && (token.kind === 'sign' || token.kind === 'cmd') && Object.hasOwn(RELATIONS, token.text)
          ? RELATIONS[token.text]
          : null;
      if (!relation) break;
      if (ops.length >= LIMITS.items) throw new Unreadable(`more than ${LIMITS.items} relations`);
      this.#at++;
      const side = this.#operand();
      // What something is about is no more than a remark on its value.
      if (relation === 'approx') break;
      ops.push(relation);
      sides.push(side);
    }
    while (this.#command('approx', 'simeq', 'sim')) {
      this.#at++;
      this.#operand();
    }
    return ops.length === 0 ? sides[0] : { kind: 'relation', sides, ops };
  }

  #operand(): Node {
    let node = this.#side();
    const parts = [node];
    for (;;) {
      if (this.#command('cup') || (this.#is('letter', 'U') && parts.length > 0 && !this.#afterOperator())) {
        this.#at++;
        parts.push(this.#side());
        node = { kind: 'union', items: [...parts] };
      } else if (this.#command('setminus', 'backslash')) {
        this.#at++;
        node = { kind: 'without', from: node, less: this.#side() };
        return node;
      } else return node;
    }
  }
  /** Whether the letter U at hand is a variable: it joins only brackets. */
  #afterOperator(): boolean {
    const before = this.#peek(-1)?.text ?? '';
    const after = this.#peek(1)?.text ?? '';
    return !(/^(?:[)\]]|\\\})$/.test(before) && /^(?:[([]|\\\{)$/.test(after));
  }

  #side(): Node {
    if (this.#is('text')) {
      const words = this.#words();
      if (words !== null) return { kind: 'text', text: words };
    }
    this.#currency = '';
    let node = this.#sum();
    const currency = this.#currency;
    if (this.#sign(':') && isExpr(node)) {
      const parts = [node];
      while (this.#take(':')) parts.push(this.#expr(this.#sum()));
      if (parts.length > 8) throw new Unreadable('a ratio of more than 8');
      return { kind: 'ratio', parts };
    }
    const unit = this.#unit();
    if (!isExpr(node)) {
      if (unit) throw new Unreadable(`the unit '${unit.slice(0, 40)}' after something that is no number`);
      return node;
    }
    if (/^(?:percent|pct|percentage)$/i.test(unit)) node = op('percent', node);
    else if (/^(?:degrees?|deg)$/i.test(unit)) node = op('degree', node);
    else if (unit) return { kind: 'unit', of: node, unit };
    return currency ? { kind: 'unit', of: node, unit: currency } : node;
  }

  /** An item of words alone (null otherwise, nothing taken); words that end in a colon introduce what follows. */
  #words(): string | null {
    let end = this.#at;
    while (this.#tokens[end]?.kind === 'text') end++;
    const next = this.#tokens[end];
    const text = this.#tokens
      .slice(this.#at, end)
      .map((token) => token.text)
      .join(' ');
    if (
      next === undefined ||
      next.kind === 'sep' ||
      (next.kind === 'sign' && /^(?:[)\]}]|\\\})$/.test(next.text))
    ) {
      this.#at = end;
      return text;
    }
    if (text.endsWith(':')) this.#at = end;
    return null;
  }

  /** Words with powers, products and quotients that follow a number; empty where there are none. */
  #unit(): string {
    let unit = '';
    if (this.#command(...Object.keys(CURRENCIES))) {
      unit = CURRENCIES[(this.#peek() as Token).text];
      this.#at++;
    }
    while (this.#is('text')) {
      unit += `${unit && !unit.endsWith('/') ? ' ' : ''}${this.#peek()?.text}`;
      this.#at++;
      if (this.#sign('^')) {
        this.#at++;
        unit += `^${spelling([...this.#raw()])}`.replace(/\s/g, '');
      }
      if (this.#sign('/') && this.#is('text', undefined, 1)) {
        this.#at++;
        unit += '/';
      } else if (this.#command('cdot', 'times') && this.#is('text', undefined, 1)) this.#at++;
    }
    return unit;
  }

  #expr(node: Node): Expr {
    if (isExpr(node)) return node;
    throw new Unreadable(`a ${node.kind} inside an expression`);
  }

  #sum(): Node {
    let node: Node;
    if (this.#command('pm', 'mp')) {
      const name = this.#peek()?.text as string;
      this.#at++;
      node = op(name, num(0), this.#expr(this.#product()));
    } else node = this.#product();
    for (let count = 0; ; count++) {
      if (count > 200) throw new Unreadable('a sum of more than 200 terms');
      if (this.#take('+')) node = op('add', this.#expr(node), this.#expr(this.#product()));
      else if (this.#take('-')) node = op('add', this.#expr(node), op('neg', this.#expr(this.#product())));
      else if (this.#command('pm', 'mp')) {
        const name = this.#peek()?.text as string;
        this.#at++;
        node = op(name, this.#expr(node), this.#expr(this.#product()));
      } else return node;
    }
  }

  #product(): Node {
    return this.#within(() => {
      if (this.#take('-')) {
        const negated = this.#product();
        if (negated.kind === 'matrix') {
          return { kind: 'matrix', rows: negated.rows.map((row) => row.map((x) => op('neg', x))) };
        }
        return op('neg', this.#expr(negated));
      }
      if (this.#take('+')) return this.#product();
      let node = this.#power();
      for (let count = 0; ; count++) {
        if (count > 200) throw new Unreadable('a product of more than 200 factors');
        if (this.#take('*') || this.#command('cdot', 'times', 'ast')) {
          if (this.#peek(-1)?.text !== '*') this.#at++;
          node = this.#times(node, this.#signed());
        } else if (this.#take('/') || this.#command('div')) {
          if (this.#peek(-1)?.text !== '/') this.#at++;
          node = op('div', this.#expr(node), this.#expr(this.#signed()));
        } else if (this.#startsFactor()) {
          const mixed = this.#mixed(node);
          node = mixed ?? this.#times(node, this.#power());
        } else return node;
      }
    });
  }
  /** A factor after × or /, which may have a sign of its own. */
  #signed(): Node {
    if (this.#take('-')) return op('neg', this.#expr(this.#power()));
    return this.#power();
  }
  #times(a: Node, b: Node): Node {
    if (a.kind === 'matrix' && b.kind === 'matrix') return matrixProduct(a, b);
    if (a.kind === 'matrix' || b.kind === 'matrix') {
      const [matrix, factor] = a.kind === 'matrix' ? [a, this.#expr(b)] : [b as Matrix, this.#expr(a)];
      return { kind: 'matrix', rows: matrix.rows.map((row) => row.map((x) => op('mul', factor, x))) };
    }
    return op('mul', this.#expr(a), this.#expr(b));
  }

  /** 1\frac{4}{5} and 1 4/5: a whole number and a proper-looking fraction of digits. */
  #mixed(whole: Node): Node | null {
    if (whole.kind !== 'num' || whole.digits !== null || !this.#is('num', undefined, -1)) return null;
    if (this.#command('frac')) {
      const start = this.#at;
      const fraction = this.#power();
      if (
        fraction.kind === 'op' &&
        fraction.op === 'div' &&
        fraction.args.every((a) => a.kind === 'num' && a.digits === null)
      ) {
        return op('add', whole, fraction);
      }
      this.#at = start;
      return null;
    }
    const [a, slash, b] = [this.#peek(), this.#peek(1), this.#peek(2)];
    if (
      a?.kind === 'num' &&
      a.space &&
      slash?.text === '/' &&
      b?.kind === 'num' &&
      /^\d+$/.test(a.text + b.text)
    ) {
      this.#at += 3;
      return op('add', whole, op('div', num(BigInt(a.text)), num(BigInt(b.text))));
    }
    return null;
  }

  /** Whether the next token can be a factor without a sign of multiplication before it. */
  #startsFactor(): boolean {
    const token = this.#peek();
    if (!token) return false;
    if (token.kind === 'letter') return !(token.text === 'U' && !this.#afterOperator());
    if (token.kind === 'num') {
      const before = this.#peek(-1);
      const mixed =
        before?.kind === 'num' && token.space && this.#is('sign', '/', 1) && this.#is('num', undefined, 2);
      if (mixed) return true;
      throw new Unreadable(`the number ${token.text.slice(0, 40)} follows without an operator`);
    }
    if (token.kind === 'cmd') {
      return !(
        Object.hasOwn(RELATIONS, token.text) ||
        token.text.startsWith('end:') ||
        Object.hasOwn(CURRENCIES, token.text) ||
        [
          'cup',
          'setminus',
          'backslash',
          'pm',
          'mp',
          'cdot',
          'times',
          'div',
          'ast',
          'rvert',
          'rfloor',
          'rceil',
        ].includes(token.text)
      );
    }
    if (token.kind === 'sign')
      return ['(', '[', '{', '\\{'].includes(token.text) || (token.text === '|' && this.#bars === 0);
    return false;
  }

  /** A primary with what is written behind it: powers, !, %, °, primes. */
  #power(): Node {
    let node = this.#primary();
    for (let count = 0; ; count++) {
      if (count > 12) throw new Unreadable('more than 12 powers, signs or marks in a row');
      if (this.#take('!')) node = op('fact', this.#expr(node));
      else if (this.#sign('%', '\\%')) {
        this.#at++;
        node = op('percent', this.#expr(node));
      } else if (this.#sign("'")) {
        this.#at++;
        node = this.#prime(node);
      } else if (this.#command('degree')) {
        this.#at++;
        node = op('degree', this.#expr(node));
      } else if (this.#take('^')) {
        const raw = this.#lookRaw();
        if (raw === 'circ') {
          this.#raw();
          node = op('degree', this.#expr(node));
        } else if (/^(?:prime ?)+$/.test(raw)) {
          this.#raw();
          node = this.#prime(node);
        } else node = op('pow', this.#expr(node), this.#exponent());
      } else return node;
    }
  }
  #prime(node: Node): Expr {
    if (node.kind === 'sym') return sym(`${node.name}'`);
    throw new Unreadable('a prime after something that is no symbol');
  }
  #exponent(): Expr {
    return this.#within(() => {
      if (this.#take('-')) return op('neg', this.#exponent());
      const base = this.#expr(this.#primary());
      // x^a^b is x^(a^b) in plain text.
      return this.#take('^') ? op('pow', base, this.#exponent()) : base;
    });
  }

  /** Tokens of one LaTeX argument, taken as they stand. */
  #raw(): readonly Token[] {
    if (!this.#take('{')) return this.#tokens.slice(this.#at++, this.#at);
    const start = this.#at;
    for (let level = 1; this.#peek(); this.#at++) {
      if (this.#sign('{')) level++;
      else if (this.#sign('}') && --level === 0) return this.#tokens.slice(start, this.#at++);
    }
    throw this.#unexpected();
  }
  #lookRaw(): string {
    const start = this.#at;
    try {
      return spelling(this.#raw());
    } finally {
      this.#at = start;
    }
  }

  /** One LaTeX argument as an expression; of bare digits only the first belongs to it: \frac12. */
  #argument(): Expr {
    const token = this.#peek();
    if (token?.kind === 'num' && token.text.length > 1) {
      this.#tokens[this.#at] = { kind: 'num', text: token.text.slice(1), space: false };
      return this.#number(token.text[0]);
    }
    return this.#expr(this.#primary());
  }

  #number(text: string): Expr {
    const [mantissa, exponent] = text.split('e');
    if (mantissa.length > LIMITS.answerCharacters) throw new Unreadable('a number too long');
    const value = fromDigits(mantissa);
    const scale = exponent === undefined ? null : rational(BigInt(exponent));
    const factor = scale && power({ n: 10n, d: 1n }, scale);
    const whole = value && (exponent === undefined ? value : factor && multiply(value, factor));
    if (!whole) throw new Unreadable('a number too large');
    const decimal = mantissa.includes('.') || exponent !== undefined;
    const digits = mantissa.replace('.', '').replace(/^0+/, '').length;
    return { kind: 'num', value: whole, digits: decimal ? digits : null };
  }

  #primary(): Node {
    return this.#within(() => {
      const token = this.#peek();
      if (!token) throw this.#unexpected();
      if (token.kind === 'num') return this.#numeral(token);
      if (token.kind === 'letter') return this.#symbol(token.text);
      if (token.kind === 'cmd') return this.#commandOf(token.text);
      if (token.kind === 'text') {
        this.#at++;
        const next = this.#peek();
        if (next && !(next.kind === 'sign' || (next.kind === 'cmd' && Object.hasOwn(RELATIONS, next.text)))) {
          throw new Unreadable(`the words '${token.text.slice(0, 40)}' stand before a formula`);
        }
        return sym(`text:${token.text.toLowerCase()}`);
      }
      if (token.kind === 'sign') {
        if (Object.hasOwn(CLOSING, token.text)) return this.#bracket(token.text);
        if (token.text === '|') return this.#bar('|');
      }
      throw this.#unexpected();
    });
  }

  #numeral(token: Token): Node {
    this.#at++;
    const repeated =
      this.#command('overline', 'bar') && !this.#peek()?.space ? this.#repeating(token.text) : null;
    if (repeated) return repeated;
    if (!this.#take('_')) return this.#number(token.text);
    const base = spelling(this.#raw()).replace(/"|\s/g, '');
    if (!/^\d{1,2}$/.test(base)) throw new Unreadable('a number with a subscript that is no base');
    return { kind: 'based', digits: token.text.replace(/^0+(?=\d)/, ''), base };
  }

  /** 0.1\overline{6}: digits that go on for ever; null, nothing taken, where it is no such number. */
  #repeating(start: string): Expr | null {
    const at = this.#at++;
    const digits = this.#lookRaw();
    const [whole, fraction] = start.split('.');
    const all = `${whole}${fraction ?? ''}`;
    if (fraction === undefined || !/^\d{1,12}$/.test(digits) || all.length > 24) {
      this.#at = at;
      return null;
    }
    this.#raw();
    const nines = 10n ** BigInt(digits.length) - 1n;
    return num(BigInt(all) * nines + BigInt(digits), nines * 10n ** BigInt(fraction.length));
  }

  #symbol(letter: string): Node {
    this.#at++;
    let name = letter;
    if (this.#take('_')) name += `_${spelling(this.#raw()).replace(/"|\s|rm /g, '')}`;
    while (this.#take("'")) name += "'";
    if (name === 'e' || name === 'i') return sym(name);
    const argument = this.#appliedTo(letter);
    return argument ? op(`f:${name}`, ...argument) : sym(name);
  }

  /** Arguments where a symbol is a function: f(…), or any symbol before one letter or number in parentheses. */
  #appliedTo(letter: string): Expr[] | null {
    if (!this.#is('sign', '(')) return null;
    const [inner, close] = [this.#peek(1), this.#peek(2)];
    const single =
      close?.text === ')' && (inner?.kind === 'letter' || inner?.kind === 'num' || inner?.kind === 'cmd');
    if (!single && !SELF_APPLIED.test(letter)) return null;
    const node = this.#bracket('(');
    const items = node.kind === 'tuple' ? node.items : [node];
    return items.map((item) => this.#expr(item));
  }

  /** ( … ), [ … ], { … }, \{ … \}: a group, a tuple or interval, a set. */
  #bracket(open: string): Node {
    return this.#within(() => {
      this.#at++;
      const bars = this.#bars;
      this.#bars = 0;
      const close = CLOSING[open];
      const set = open === '\\{';
      if (set && this.#take('\\}')) return { kind: 'set', items: [] };
      const node = this.#sequence();
      const token = this.#peek();
      if (token?.kind !== 'sign' || !close.includes(token.text)) throw this.#unexpected();
      this.#at++;
      this.#bars = bars;
      const items = node.kind === 'list' ? node.items : [node];
      if (set || (open === '{' && items.length > 1)) return { kind: 'set', items };
      if (items.length > 1) return { kind: 'tuple', items, brackets: open + token.text };
      if (open !== '{' && open + token.text !== '()' && open + token.text !== '[]') throw this.#unexpected();
      return node;
    });
  }

  #bar(close: string): Expr {
    return this.#within(() => {
      this.#at++;
      this.#bars++;
      const inner = this.#expr(this.#sum());
      this.#bars--;
      const token = this.#peek();
      if (token?.text !== close && !(close === '|' && token?.text === 'vert')) throw this.#unexpected();
      this.#at++;
      return op('abs', inner);
    });
  }
  #until(name: string, close: string): Expr {
    this.#at++;
    const inner = this.#expr(this.#sum());
    if (!this.#command(close)) throw this.#unexpected();
    this.#at++;
    return op(name, inner);
  }

  #commandOf(name: string): Node {
    if (Object.hasOwn(FUNCTIONS, name) || name === 'log' || name === 'lg') return this.#function(name);
    if (Object.hasOwn(CURRENCIES, name)) {
      this.#at++;
      this.#currency = CURRENCIES[name];
      return this.#primary();
    }
    if (name.startsWith('begin:')) return this.#matrix(name.slice(6));
    if (name === 'vert') return this.#bar('vert');
    if (name === 'lvert') return this.#bar('rvert');
    if (name === 'lfloor') return this.#until('floor', 'rfloor');
    if (name === 'lceil') return this.#until('ceil', 'rceil');
    if (UNREADABLE.has(name) || name.startsWith('end:'))
      throw new Unreadable(`'${name.slice(0, 40)}' is not read here`);
    this.#at++;
    switch (name) {
      case 'frac':
        return this.#fraction();
      case 'binom':
        return op('binom', this.#argument(), this.#argument());
      case 'sqrt': {
        let index: Expr = num(2);
        if (this.#take('[')) {
          index = this.#expr(this.#sum());
          if (!this.#take(']')) throw this.#unexpected();
        }
        return op('root', index, this.#expr(this.#primary()));
      }
      case 'abs':
        return op('abs', this.#expr(this.#primary()));
      case 'lbrace':
        this.#at--;
        return this.#bracket('\\{');
      case 'emptyset':
      case 'varnothing':
        return { kind: 'set', items: [] };
      case 'mathbb': {
        const set = spelling(this.#raw());
        if (set !== 'R') return sym(`bb:${set}`);
        return { kind: 'tuple', items: [op('neg', sym('inf')), sym('inf')], brackets: '()' };
      }
      case 'operatorname': {
        const called = spelling(this.#raw()).replace(/[" ]/g, '');
        this.#at--;
        if (Object.hasOwn(FUNCTIONS, called)) return this.#function(called);
        this.#at++;
        return op(`f:${called}`, this.#expr(this.#primary()));
      }
      case 'max':
      case 'min':
      case 'gcd':
      case 'lcm': {
        const node = this.#primary();
        return op(
          `f:${name}`,
          ...(node.kind === 'tuple' ? node.items : [node]).map((item) => this.#expr(item)),
        );
      }
    }
    if (ACCENTS.has(name)) return sym(`${name}:${spelling(this.#raw()).replace(/ /g, '')}`);
    if (Object.hasOwn(CONSTANTS, name)) return sym(CONSTANTS[name]);
    this.#at--;
    return this.#symbol(name.replace(/^var(?=epsilon|phi|theta|rho|sigma)/, ''));
  }

  #fraction(): Expr {
    const [above, below] = [this.#argument(), this.#argument()];
    // dy/dt is a quantity of its own, not a quotient in which d cancels.
    if ([above, below].every((part) => /^(?:mul\()*(?:pow\()?"(?:d|partial)"[,]/.test(print(part)))) {
      return sym(`${print(above)}/${print(below)}`);
    }
    return op('div', above, below);
  }

  /** sin x, sin²x, sin⁻¹x, log_b x; without brackets the argument is the product that follows. */
  #function(name: string): Expr {
    this.#at++;
    let power: Expr | null = null;
    let base: Expr | null = null;
    for (;;) {
      if (this.#take('^')) power = this.#exponent();
      else if (this.#take('_')) base = this.#argument();
      else break;
    }
    let argument: Expr;
    if (this.#sign('(', '{', '[')) argument = this.#expr(this.#bracket(this.#peek()?.text as string));
    else {
      argument = this.#expr(this.#power());
      while (
        this.#startsFactor() &&
        !(this.#is('cmd') && Object.hasOwn(FUNCTIONS, this.#peek()?.text as string))
      ) {
        argument = op('mul', argument, this.#expr(this.#power()));
      }
    }
    const inverse =
      power?.kind === 'op' &&
      power.op === 'neg' &&
      power.args[0].kind === 'num' &&
      power.args[0].value.n === 1n;
    if (inverse && Object.hasOwn(FUNCTIONS, `arc${name}`)) return op(`arc${name}`, argument);
    const value = name === 'log' || name === 'lg' ? op('log', base ?? num(10), argument) : op(name, argument);
    return power ? op('pow', value, power) : value;
  }

  #matrix(name: string): Node {
    if (!MATRICES.has(name)) throw new Unreadable(`the environment ${name.slice(0, 40)} is not read here`);
    return this.#within(() => {
      this.#at++;
      const rows: Expr[][] = [[]];
      for (let count = 0; ; count++) {
        if (count > LIMITS.items) throw new Unreadable(`more than ${LIMITS.items} entries`);
        if (this.#command(`end:${name}`)) break;
        rows[rows.length - 1].push(this.#expr(this.#sum()));
        if (this.#take('&')) continue;
        if (this.#take('\\\\')) rows.push([]);
      }
      this.#at++;
      if (rows.at(-1)?.length === 0) rows.pop();
      const width = rows[0]?.length ?? 0;
      if (width === 0 || rows.some((row) => row.length !== width))
        throw new Unreadable('rows of different length');
      return { kind: 'matrix', rows };
    });
  }
}

/** What an answer says. @throws Unreadable with the reason where it cannot be read */
export function parse(tokens: readonly Token[]): Node {
  if (tokens.length === 0) throw new Unreadable('it is empty');
  return new Parser(tokens).answer();
}
