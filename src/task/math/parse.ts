/**
 * Reads the tokens of an answer, by recursive descent:
 *
 *   answer   = item { (';' | ',' | 'or' | 'and') item }
 *   item     = operand { relation operand }          x = 5, 0 < x ≤ 2, x ∈ [0, 1]
 *   operand  = side { ∪ side | ∖ side }              intervals and sets
 *   side     = sum { ':' sum } [unit]                numbers, expressions, ratios
 */
import { CURRENCIES, RELATIONS } from './commands.js';
import { FactorReader } from './factors.js';
import { LIMITS, Unreadable } from './limits.js';
import { isExpr, type Node, num, op } from './node.js';
import { spelling, type Token } from './tokens.js';
import { isUnitLetter } from './units.js';

type Matrix = Extract<Node, { kind: 'matrix' }>;

/** Product of two matrices, entry by entry as expressions. */
function matrixProduct(a: Matrix, b: Matrix): Matrix {
  if (a.rows[0].length !== b.rows.length)
    throw new Unreadable('the shapes of multiplied matrices do not match');
  return {
    kind: 'matrix',
    rows: a.rows.map((row) =>
      b.rows[0].map((_, j) => op('add', ...row.map((x, i) => op('mul', x, b.rows[i][j])))),
    ),
  };
}

const MULTIPLES: Readonly<Record<string, bigint>> = {
  hundred: 100n,
  thousand: 1_000n,
  million: 1_000_000n,
  billion: 1_000_000_000n,
  trillion: 1_000_000_000_000n,
};

/** Separates a multiple such as million from a unit: 1.5 million dollars. */
function withoutMultiple(unit: string): readonly [unit: string, multiple: bigint] {
  const [first, ...rest] = unit.split(' ');
  const multiple = Object.hasOwn(MULTIPLES, first.toLowerCase()) ? MULTIPLES[first.toLowerCase()] : 1n;
  return multiple > 1n ? [rest.join(' '), multiple] : [unit, multiple];
}

/** Whether digits, am or pm show that a ratio is a time of day. */
function clockTime(
  written: string,
  half: 'am' | 'pm' | '',
): { clock: 'certain' | 'possible' | null; half: 'am' | 'pm' | '' } {
  const time = /^(\d{1,2}):([0-5]\d)(?::[0-5]\d)?$/.exec(written);
  if (half !== '') return { clock: 'certain', half };
  if (!time || Number(time[1]) > 24) return { clock: null, half };
  return { clock: /^0/.test(time[2]) || /^0\d/.test(time[1]) ? 'certain' : 'possible', half };
}

class AnswerReader extends FactorReader {
  answer(): Node {
    const node = this.sequence();
    if (this.peek()) throw this.unexpected();
    return node;
  }

  /** Items with separators between them; a single item is returned as itself. */
  protected sequence(): Node {
    const groups: Node[][] = [[]];
    let count = 0;
    const joins = new Set<string>();
    for (;;) {
      if (++count > LIMITS.items) throw new Unreadable(`a list has more than ${LIMITS.items} entries`);
      groups[groups.length - 1].push(this.item());
      let semicolon = false;
      if (!this.is('sep')) break;
      while (this.is('sep')) {
        semicolon ||= this.is('sep', ';');
        joins.add((this.peek() as Token).text);
        this.at++;
      }
      if (semicolon) groups.push([]);
    }
    const [only] = joins;
    const join = joins.size === 1 && (only === 'or' || only === 'and') ? only : ',';
    const list = (items: Node[]): Node => (items.length === 1 ? items[0] : { kind: 'list', items, join });
    return list(groups.map(list));
  }

  protected item(): Node {
    const sides: Node[] = [this.operand()];
    const ops: string[] = [];
    for (;;) {
      const token = this.peek();
      const relation =
        token && (token.kind === 'sign' || token.kind === 'cmd') && Object.hasOwn(RELATIONS, token.text)
          ? RELATIONS[token.text]
          : null;
      if (!relation) break;
      if (ops.length >= LIMITS.items) throw new Unreadable(`it has more than ${LIMITS.items} relations`);
      this.at++;
      const side = this.operand();
      ops.push(relation);
      sides.push(side);
    }
    return ops.length === 0 ? sides[0] : { kind: 'relation', sides, ops };
  }

  protected operand(): Node {
    let node = this.side();
    const parts = [node];
    for (;;) {
      if (this.command('cup') || (this.is('letter', 'U') && parts.length > 0 && !this.afterOperator())) {
        this.at++;
        parts.push(this.side());
        node = { kind: 'union', items: [...parts] };
      } else if (this.command('setminus', 'backslash')) {
        this.at++;
        node = { kind: 'without', from: node, less: this.side() };
        return node;
      } else return node;
    }
  }

  protected side(): Node {
    if (this.is('text')) {
      const words = this.words();
      if (words !== null) return { kind: 'text', text: words };
    }
    this.currency = '';
    let node = this.sum();
    const currency = this.currency;
    if (this.sign(':') && isExpr(node)) {
      const start = this.at - 1;
      const parts = [node];
      while (this.take(':')) parts.push(this.expr(this.sum()));
      if (parts.length > 8) throw new Unreadable('a ratio has more than 8 terms');
      const written = this.tokens
        .slice(start, this.at)
        .map(({ text }) => text)
        .join('');
      return { kind: 'ratio', parts, ...clockTime(written, this.halfOfDay()) };
    }
    const half = isExpr(node) ? this.halfOfDay() : '';
    if (half !== '' && isExpr(node)) return { kind: 'ratio', parts: [node, num(0)], clock: 'certain', half };
    const [unit, multiple] = withoutMultiple(this.unit());
    if (multiple > 1n && isExpr(node)) node = op('mul', node, num(multiple));
    if (!isExpr(node)) {
      if (unit) throw new Unreadable(`the unit '${unit.slice(0, 40)}' does not follow a number`);
      return node;
    }
    if (/^(?:percent|pct|percentage)$/i.test(unit)) node = op('percent', node);
    else if (/^(?:degrees?|deg)$/i.test(unit)) node = op('degree', node);
    else if (unit) return { kind: 'unit', amount: node, unit };
    return currency ? { kind: 'unit', amount: node, unit: currency } : node;
  }

  /** `am` or `pm` in any notation after a time of day; otherwise nothing is consumed. */
  protected halfOfDay(): 'am' | 'pm' | '' {
    let end = this.at;
    let text = '';
    for (; end < this.at + 4 && /^[a-zA-Z. ]+$/.test(this.tokens[end]?.text ?? ''); end++) {
      text += this.tokens[end].text;
    }
    const match = /^(?:([ap])\.?m|(noon)|(midnight))\.?$/i.exec(text.replace(/\s/g, ''));
    if (!match) return '';
    this.at = end;
    if (match[2]) return 'pm';
    return match[3] || match[1].toLowerCase() === 'a' ? 'am' : 'pm';
  }

  /**
   * An item that consists of words (else null, with nothing consumed); words that end in a colon introduce the next
   * item.
   */
  protected words(): string | null {
    let end = this.at;
    while (this.tokens[end]?.kind === 'text') end++;
    const next = this.tokens[end];
    const text = this.tokens
      .slice(this.at, end)
      .map((token) => token.text)
      .join(' ');
    if (
      next === undefined ||
      next.kind === 'sep' ||
      (next.kind === 'sign' && /^(?:[)\]}]|\\\})$/.test(next.text))
    ) {
      this.at = end;
      return text;
    }
    if (text.endsWith(':')) this.at = end;
    return null;
  }

  /** Words with powers, products and quotients after a number; empty if there are none. */
  protected unit(): string {
    let unit = '';
    if (this.command(...Object.keys(CURRENCIES))) {
      unit = CURRENCIES[(this.peek() as Token).text];
      this.at++;
    }
    while (this.is('text')) {
      unit += `${unit && !unit.endsWith('/') ? ' ' : ''}${this.peek()?.text}`;
      this.at++;
      if (this.sign('^')) {
        this.at++;
        unit += `^${spelling([...this.raw()])}`.replace(/\s/g, '');
      }
      if (this.sign('/') && this.is('text', undefined, 1)) {
        this.at++;
        unit += '/';
      } else if (
        this.sign('/') &&
        this.is('letter', undefined, 1) &&
        isUnitLetter(this.peek(1)?.text ?? '')
      ) {
        unit += `/${this.peek(1)?.text}`;
        this.at += 2;
      } else if (this.command('cdot', 'times') && this.is('text', undefined, 1)) this.at++;
    }
    return unit;
  }

  protected sum(): Node {
    let node: Node;
    if (this.command('pm', 'mp')) {
      const name = this.peek()?.text as string;
      this.at++;
      node = op(name, num(0), this.expr(this.product()));
    } else node = this.product();
    for (let count = 0; ; count++) {
      if (count > 200) throw new Unreadable('a sum has more than 200 terms');
      if (this.take('+')) node = op('add', this.expr(node), this.expr(this.product()));
      else if (this.take('-')) node = op('add', this.expr(node), op('neg', this.expr(this.product())));
      else if (this.command('pm', 'mp')) {
        const name = this.peek()?.text as string;
        this.at++;
        node = op(name, this.expr(node), this.expr(this.product()));
      } else return node;
    }
  }

  protected product(): Node {
    return this.within(() => {
      if (this.take('-')) {
        const negated = this.product();
        if (negated.kind === 'matrix') {
          return { kind: 'matrix', rows: negated.rows.map((row) => row.map((x) => op('neg', x))) };
        }
        return op('neg', this.expr(negated));
      }
      if (this.take('+')) return this.product();
      let node = this.power();
      for (let count = 0; ; count++) {
        if (count > 200) throw new Unreadable('a product has more than 200 factors');
        if (this.take('*') || this.command('cdot', 'times', 'ast')) {
          if (this.peek(-1)?.text !== '*') this.at++;
          node = this.times(node, this.signed());
        } else if (this.command('bmod')) {
          this.at++;
          node = op('mod', this.expr(node), this.expr(this.signed()));
        } else if (this.take('/') || this.command('div')) {
          if (this.peek(-1)?.text !== '/') this.at++;
          node = op('div', this.expr(node), this.expr(this.signed()));
        } else if (this.startsFactor()) {
          const mixed = this.mixed(node);
          node = mixed ?? this.times(node, this.power());
        } else return node;
      }
    });
  }

  /** A factor after × or /, which may have a sign. */
  protected signed(): Node {
    if (this.take('-')) return op('neg', this.expr(this.power()));
    return this.power();
  }

  protected times(a: Node, b: Node): Node {
    if (a.kind === 'matrix' && b.kind === 'matrix') return matrixProduct(a, b);
    if (a.kind === 'matrix' || b.kind === 'matrix') {
      const [matrix, factor] = a.kind === 'matrix' ? [a, this.expr(b)] : [b as Matrix, this.expr(a)];
      return { kind: 'matrix', rows: matrix.rows.map((row) => row.map((x) => op('mul', factor, x))) };
    }
    return op('mul', this.expr(a), this.expr(b));
  }

  /** 1\frac{4}{5} and 1 4/5: a whole number and a fraction of digits. */
  protected mixed(whole: Node): Node | null {
    if (whole.kind !== 'num' || whole.digits !== null || !this.is('num', undefined, -1)) return null;
    if (this.command('frac')) {
      const start = this.at;
      const fraction = this.power();
      if (
        fraction.kind === 'op' &&
        fraction.op === 'div' &&
        fraction.args.every((a) => a.kind === 'num' && a.digits === null)
      ) {
        return op('add', whole, fraction);
      }
      // 33\frac13 %
      if (fraction.kind === 'op' && fraction.op === 'percent') {
        const [amount] = fraction.args;
        const plain =
          amount.kind === 'op' &&
          amount.op === 'div' &&
          amount.args.every((a) => a.kind === 'num' && a.digits === null);
        if (plain) return op('percent', op('add', whole, amount));
      }
      this.at = start;
      return null;
    }
    const [a, slash, b] = [this.peek(), this.peek(1), this.peek(2)];
    if (
      a?.kind === 'num' &&
      a.space &&
      slash?.text === '/' &&
      b?.kind === 'num' &&
      /^\d+$/.test(a.text + b.text)
    ) {
      this.at += 3;
      return op('add', whole, op('div', num(BigInt(a.text)), num(BigInt(b.text))));
    }
    return null;
  }
}

/** The meaning of an answer. @throws Unreadable with the reason if it cannot be read */
export function parse(tokens: readonly Token[]): Node {
  if (tokens.length === 0) throw new Unreadable('it is empty');
  return new AnswerReader(tokens).answer();
}
