/**
 * Reads the factors of an expression: numbers, symbols, brackets, functions and commands, with their postfix operators.
 * Text without a single meaning (sums with dots, integrals) is refused rather than guessed.
 */
import { ACCENTS, BETWEEN_FACTORS, CURRENCIES, MATRICES, RELATIONS, UNREADABLE } from './commands.js';
import { FUNCTIONS } from './complex.js';
import { LIMITS, Unreadable } from './limits.js';
import { type Expr, type Node, num, op, print, sym } from './node.js';
import { fromDigits, multiply, power, rational } from './rational.js';
import { TokenReader } from './reader.js';
import { spelling, type Token } from './tokens.js';

/** Letters that name functions whatever their arguments. */
const SELF_APPLIED = /^[fghFGH]$/;
const CLOSING: Readonly<Record<string, readonly string[]>> = {
  '(': [')', ']'],
  '[': [']', ')'],
  '{': ['}'],
  '\\{': ['\\}'],
};
const CONSTANTS: Readonly<Record<string, string>> = { pi: 'pi', infty: 'inf' };

/** The determinant by its first row, for matrices of up to five rows. */
function determinant(rows: readonly (readonly Expr[])[]): Expr {
  if (rows.length !== rows[0].length) throw new Unreadable('the matrix of a determinant is not square');
  if (rows.length > 5) throw new Unreadable('the matrix of a determinant has more than 5 rows');
  const [first, ...rest] = rows;
  if (rest.length === 0) return first[0];
  const terms = first.map((entry, i) => {
    const term = op('mul', entry, determinant(rest.map((row) => row.filter((_, j) => j !== i))));
    return i % 2 === 0 ? term : op('neg', term);
  });
  return op('add', ...terms);
}

export abstract class FactorReader extends TokenReader {
  /** Number of open absolute-value bars: within them a bar closes. */
  protected bars = 0;
  /** The currency sign in the expression that is being read. */
  protected currency = '';

  /** Items with separators between them. */
  protected abstract sequence(): Node;
  protected abstract sum(): Node;

  /** Whether the next token can be a factor without a multiplication sign before it. */
  protected startsFactor(): boolean {
    const token = this.peek();
    if (!token) return false;
    if (token.kind === 'letter') return !(token.text === 'U' && !this.afterOperator());
    if (token.kind === 'num') {
      const before = this.peek(-1);
      const mixed =
        before?.kind === 'num' && token.space && this.is('sign', '/', 1) && this.is('num', undefined, 2);
      if (mixed) return true;
      // (n − 2) 2ⁿ and n 2ⁿ, but neither 1 2 nor x2.
      const closed = before?.kind === 'sign' && /^[)\]}|!]$/.test(before.text);
      if (closed || (before?.kind === 'letter' && token.space)) return true;
      throw new Unreadable(`there is no operator before the number ${token.text.slice(0, 40)}`);
    }
    if (token.kind === 'cmd') {
      return !(
        Object.hasOwn(RELATIONS, token.text) ||
        token.text.startsWith('end:') ||
        Object.hasOwn(CURRENCIES, token.text) ||
        BETWEEN_FACTORS.has(token.text)
      );
    }
    if (token.kind === 'sign')
      return ['(', '[', '{', '\\{'].includes(token.text) || (token.text === '|' && this.bars === 0);
    return false;
  }

  /** Whether the letter U at this place is a variable: between brackets it means a union. */
  protected afterOperator(): boolean {
    const before = this.peek(-1)?.text ?? '';
    const after = this.peek(1)?.text ?? '';
    return !(/^(?:[)\]]|\\\})$/.test(before) && /^(?:[([]|\\\{)$/.test(after));
  }

  /** A primary with its postfix operators: powers, !, %, °, primes. */
  protected power(): Node {
    let node = this.primary();
    for (let count = 0; ; count++) {
      if (count > 12) throw new Unreadable('it has more than 12 powers, signs or marks in a row');
      if (this.sign('!')) {
        this.at++;
        const double = this.is('sign', '!') && !this.peek()?.space;
        if (double) this.at++;
        node = op(double ? 'fact2' : 'fact', this.expr(node));
      } else if (this.sign('%', '\\%')) {
        this.at++;
        node = op('percent', this.expr(node));
      } else if (this.sign("'")) {
        this.at++;
        node = this.prime(node);
      } else if (this.command('degree')) {
        this.at++;
        node = op('degree', this.expr(node));
      } else if (this.take('^')) {
        const raw = this.lookRaw();
        if (raw === 'circ') {
          this.raw();
          node = op('degree', this.expr(node));
        } else if (/^(?:prime ?)+$/.test(raw)) {
          this.raw();
          node = this.prime(node);
        } else node = op('pow', this.expr(node), this.exponent());
      } else return node;
    }
  }

  protected prime(node: Node): Expr {
    if (node.kind === 'sym') return sym(`${node.name}'`);
    throw new Unreadable('a prime does not follow a symbol');
  }

  protected exponent(): Expr {
    return this.within(() => {
      if (this.take('-')) return op('neg', this.exponent());
      const base = this.expr(this.primary());
      // x^a^b is x^(a^b) in plain text.
      return this.take('^') ? op('pow', base, this.exponent()) : base;
    });
  }

  /** One LaTeX argument as an expression; of bare digits only the first belongs to it: \frac12. */
  protected argument(): Expr {
    const token = this.peek();
    if (token?.kind === 'num' && token.text.length > 1) {
      this.tokens[this.at] = { kind: 'num', text: token.text.slice(1), space: false };
      return this.number(token.text[0]);
    }
    return this.expr(this.primary());
  }

  protected number(text: string): Expr {
    const [mantissa, exponent] = text.split('e');
    if (mantissa.length > LIMITS.answerCharacters) throw new Unreadable('a number has too many digits');
    const value = fromDigits(mantissa);
    const scale = exponent === undefined ? null : rational(BigInt(exponent));
    const factor = scale && power({ n: 10n, d: 1n }, scale);
    const whole = value && (exponent === undefined ? value : factor && multiply(value, factor));
    if (!whole) throw new Unreadable('a number is too large');
    const decimal = mantissa.includes('.') || exponent !== undefined;
    const digits = mantissa.replace('.', '').replace(/^0+/, '').length;
    return { kind: 'num', value: whole, digits: decimal ? digits : null };
  }

  protected primary(): Node {
    return this.within(() => {
      const token = this.peek();
      if (!token) throw this.unexpected();
      if (token.kind === 'num') return this.numeral(token);
      if (token.kind === 'letter') return this.symbol(token.text);
      if (token.kind === 'cmd') return this.commandOf(token.text);
      if (token.kind === 'text') {
        this.at++;
        const next = this.peek();
        if (next && !(next.kind === 'sign' || (next.kind === 'cmd' && Object.hasOwn(RELATIONS, next.text)))) {
          throw new Unreadable(`the words '${token.text.slice(0, 40)}' stand before a formula`);
        }
        return sym(`text:${token.text.toLowerCase()}`);
      }
      if (token.kind === 'sign') {
        if (Object.hasOwn(CLOSING, token.text)) return this.bracket(token.text);
        if (token.text === '|') return this.bar('|');
      }
      throw this.unexpected();
    });
  }

  protected numeral(token: Token): Node {
    this.at++;
    const repeated =
      this.command('overline', 'bar') && !this.peek()?.space ? this.repeating(token.text) : null;
    if (repeated) return repeated;
    if (!this.take('_')) return this.number(token.text);
    const base = spelling(this.raw()).replace(/"|\s/g, '');
    if (!/^\d{1,2}$/.test(base)) throw new Unreadable('the subscript of a number is not a base');
    return { kind: 'based', digits: token.text.replace(/^0+(?=\d)/, ''), base };
  }

  /** 0.1\overline{6}: repeating digits; null, with nothing consumed, for other text. */
  protected repeating(start: string): Expr | null {
    const at = this.at++;
    const digits = this.lookRaw();
    const [whole, fraction] = start.split('.');
    const all = `${whole}${fraction ?? ''}`;
    if (fraction === undefined || !/^\d{1,12}$/.test(digits) || all.length > 24) {
      this.at = at;
      return null;
    }
    this.raw();
    const nines = 10n ** BigInt(digits.length) - 1n;
    return num(BigInt(all) * nines + BigInt(digits), nines * 10n ** BigInt(fraction.length));
  }

  protected symbol(letter: string): Node {
    this.at++;
    let name = letter;
    if (this.take('_')) name += `_${spelling(this.raw()).replace(/"|\s|rm /g, '')}`;
    while (this.take("'")) name += "'";
    if (name === 'e' || name === 'i') return sym(name);
    // f⁻¹(x), the inverse function.
    const inverse = SELF_APPLIED.test(name) && this.sign('^') ? this.inverse() : null;
    if (inverse) return op(`f:${name}⁻¹`, ...inverse);
    const argument = this.appliedTo(letter);
    return argument ? op(`f:${name}`, ...argument) : sym(name);
  }

  protected inverse(): Expr[] | null {
    const start = this.at++;
    if (this.sign('{') && /^- 1$/.test(spelling(this.raw()))) {
      const argument = this.appliedTo('f');
      if (argument) return argument;
    }
    this.at = start;
    return null;
  }

  /** Arguments of a symbol that is a function: f(…), or any symbol before a single letter or number in parentheses. */
  protected appliedTo(letter: string): Expr[] | null {
    if (!this.is('sign', '(')) return null;
    const [inner, close] = [this.peek(1), this.peek(2)];
    const single =
      close?.text === ')' && (inner?.kind === 'letter' || inner?.kind === 'num' || inner?.kind === 'cmd');
    if (!single && !SELF_APPLIED.test(letter)) return null;
    const node = this.bracket('(');
    const items = node.kind === 'tuple' ? node.items : [node];
    return items.map((item) => this.expr(item));
  }

  /** ( … ), [ … ], { … }, \{ … \}: a group, a tuple or interval, a set. */
  protected bracket(open: string): Node {
    return this.within(() => {
      this.at++;
      const bars = this.bars;
      this.bars = 0;
      const close = CLOSING[open];
      const set = open === '\\{';
      if (set && this.take('\\}')) return { kind: 'set', items: [] };
      const built = set && this.builder();
      const node = this.sequence();
      const token = this.peek();
      if (token?.kind !== 'sign' || !close.includes(token.text)) throw this.unexpected();
      this.at++;
      this.bars = bars;
      if (built) {
        if (node.kind !== 'relation' && !(node.kind === 'list' && node.join !== ',')) {
          throw new Unreadable('the condition of a set is not a relation');
        }
        return node;
      }
      const items = node.kind === 'list' ? node.items : [node];
      if (set || (open === '{' && items.length > 1)) return { kind: 'set', items };
      if (items.length > 1) return { kind: 'tuple', items, brackets: open + token.text };
      if (open !== '{' && open + token.text !== '()' && open + token.text !== '[]') throw this.unexpected();
      return node;
    });
  }

  /** The head of \{x ∈ ℝ : …\}, a set defined by a condition; false, with nothing consumed, for other sets. */
  protected builder(): boolean {
    const start = this.at;
    if (this.is('letter')) {
      this.at++;
      if (this.command('in') && this.is('cmd', 'mathbb', 1)) {
        this.at += 2;
        if (spelling(this.raw()) !== 'R')
          throw new Unreadable('a set contains something other than real numbers');
      }
      if (this.sign('|', ':') || this.command('mid', 'vert')) {
        this.at++;
        return true;
      }
    }
    this.at = start;
    return false;
  }

  protected bar(close: string): Expr {
    return this.within(() => {
      this.at++;
      this.bars++;
      const inner = this.sum();
      this.bars--;
      const token = this.peek();
      if (token?.text !== close && !(close === '|' && token?.text === 'vert')) throw this.unexpected();
      this.at++;
      return inner.kind === 'matrix' ? determinant(inner.rows) : op('abs', this.expr(inner));
    });
  }

  protected until(name: string, close: string): Expr {
    this.at++;
    const inner = this.expr(this.sum());
    if (!this.command(close)) throw this.unexpected();
    this.at++;
    return op(name, inner);
  }

  protected commandOf(name: string): Node {
    if (Object.hasOwn(FUNCTIONS, name) || name === 'log' || name === 'lg') return this.function(name);
    if (Object.hasOwn(CURRENCIES, name)) {
      this.at++;
      this.currency = CURRENCIES[name];
      return this.primary();
    }
    if (name.startsWith('begin:')) return this.matrix(name.slice(6));
    if (name === 'vert') return this.bar('vert');
    if (name === 'lvert') return this.bar('rvert');
    if (name === 'lfloor') return this.until('floor', 'rfloor');
    if (name === 'lceil') return this.until('ceil', 'rceil');
    if (UNREADABLE.has(name) || name.startsWith('end:'))
      throw new Unreadable(`'${name.slice(0, 40)}' is not supported`);
    this.at++;
    switch (name) {
      case 'frac':
        return this.fraction();
      case 'binom':
        return op('binom', this.argument(), this.argument());
      case 'sqrt': {
        let index: Expr = num(2);
        if (this.take('[')) {
          index = this.expr(this.sum());
          if (!this.take(']')) throw this.unexpected();
        }
        return op('root', index, this.expr(this.primary()));
      }
      case 'abs':
        return op('abs', this.expr(this.primary()));
      case 'emptyset':
      case 'varnothing':
        return { kind: 'set', items: [] };
      case 'mathbb': {
        const set = spelling(this.raw());
        if (set !== 'R') return sym(`bb:${set}`);
        return { kind: 'tuple', items: [op('neg', sym('inf')), sym('inf')], brackets: '()' };
      }
      case 'operatorname': {
        const called = spelling(this.raw()).replace(/[" ]/g, '');
        this.at--;
        if (Object.hasOwn(FUNCTIONS, called)) return this.function(called);
        this.at++;
        if (/^(?:max|min|gcd|lcm)$/.test(called)) return this.ofList(called);
        return op(`f:${called}`, this.expr(this.primary()));
      }
      case 'max':
      case 'min':
      case 'gcd':
      case 'lcm':
        return this.ofList(name);
      case 'det': {
        const node = this.primary();
        if (node.kind !== 'matrix') throw new Unreadable('the argument of a determinant is not a matrix');
        return determinant(node.rows);
      }
    }
    if (ACCENTS.has(name)) {
      const under = spelling(this.raw()).replace(/ /g, '');
      // The segment AB has two notations.
      const points = name === 'overline' ? /^([A-Z])([A-Z])$/.exec(under) : null;
      if (points) return op('mul', sym(points[1]), sym(points[2]));
      return sym(`${name}:${under}${this.take('_') ? `_${spelling(this.raw()).replace(/ /g, '')}` : ''}`);
    }
    if (Object.hasOwn(CONSTANTS, name)) return sym(CONSTANTS[name]);
    this.at--;
    return this.symbol(name.replace(/^var(?=epsilon|phi|theta|rho|sigma)/, ''));
  }

  /** max, min, gcd or lcm of the arguments in brackets. */
  protected ofList(name: string): Expr {
    const node = this.primary();
    const items = node.kind === 'tuple' || node.kind === 'set' ? node.items : [node];
    return op(name, ...items.map((item) => this.expr(item)));
  }

  protected fraction(): Expr {
    const [numerator, denominator] = [this.argument(), this.argument()];
    // dy/dt is a quantity, not a quotient in which d cancels.
    if (
      [numerator, denominator].every((part) => /^(?:mul\()*(?:pow\()?"(?:d|partial)"[,]/.test(print(part)))
    ) {
      return sym(`${print(numerator)}/${print(denominator)}`);
    }
    return op('div', numerator, denominator);
  }

  /** sin x, sin²x, sin⁻¹x, log_b x; without brackets the argument is the next product. */
  protected function(name: string): Expr {
    this.at++;
    let power: Expr | null = null;
    let base: Expr | null = null;
    for (;;) {
      if (this.take('^')) power = this.exponent();
      else if (this.take('_')) base = this.argument();
      else break;
    }
    let argument: Expr;
    if (this.sign('(', '{', '[')) argument = this.expr(this.bracket(this.peek()?.text as string));
    else {
      argument = this.expr(this.power());
      while (
        this.startsFactor() &&
        !(this.is('cmd') && Object.hasOwn(FUNCTIONS, this.peek()?.text as string))
      ) {
        argument = op('mul', argument, this.expr(this.power()));
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

  protected matrix(name: string): Node {
    if (!MATRICES.has(name)) throw new Unreadable(`the environment ${name.slice(0, 40)} is not supported`);
    return this.within(() => {
      this.at++;
      const rows: Expr[][] = [[]];
      for (let count = 0; ; count++) {
        if (count > LIMITS.items) throw new Unreadable(`a matrix has more than ${LIMITS.items} entries`);
        if (this.command(`end:${name}`)) break;
        rows[rows.length - 1].push(this.expr(this.sum()));
        if (this.take('&')) continue;
        if (this.take('\\\\')) rows.push([]);
      }
      this.at++;
      if (rows.at(-1)?.length === 0) rows.pop();
      const width = rows[0]?.length ?? 0;
      if (width === 0 || rows.some((row) => row.length !== width))
        throw new Unreadable('the rows of a matrix differ in length');
      return name === 'vmatrix' ? determinant(rows) : { kind: 'matrix', rows };
    });
  }
}
