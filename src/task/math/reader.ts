/** A cursor over the tokens of an answer, with a depth limit, shared by the readers of its parts. */
import { LIMITS, Unreadable } from './limits.js';
import { type Expr, isExpr, type Node } from './node.js';
import { spelling, type Token } from './tokens.js';

export abstract class TokenReader {
  protected at = 0;
  #depth = 0;
  protected readonly tokens: Token[];

  constructor(tokens: readonly Token[]) {
    this.tokens = [...tokens];
  }

  protected peek(ahead = 0): Token | undefined {
    return this.tokens[this.at + ahead];
  }

  protected is(kind: Token['kind'], text?: string, ahead = 0): boolean {
    const token = this.peek(ahead);
    return token?.kind === kind && (text === undefined || token.text === text);
  }

  protected sign(...texts: string[]): boolean {
    const token = this.peek();
    return token?.kind === 'sign' && texts.includes(token.text);
  }

  protected command(...names: string[]): boolean {
    const token = this.peek();
    return token?.kind === 'cmd' && names.includes(token.text);
  }

  protected take(sign: string): boolean {
    if (!this.sign(sign)) return false;
    this.at++;
    return true;
  }

  protected unexpected(): Unreadable {
    const token = this.peek();
    return new Unreadable(token ? `unexpected '${token.text.slice(0, 40)}'` : 'it ends too early');
  }

  protected within<T>(read: () => T): T {
    if (++this.#depth > LIMITS.depth)
      throw new Unreadable(`brackets are nested more than ${LIMITS.depth} levels deep`);
    const result = read();
    this.#depth--;
    return result;
  }

  /** Tokens of one LaTeX argument, as they are. */
  protected raw(): readonly Token[] {
    if (!this.take('{')) return this.tokens.slice(this.at++, this.at);
    const start = this.at;
    for (let level = 1; this.peek(); this.at++) {
      if (this.sign('{')) level++;
      else if (this.sign('}') && --level === 0) return this.tokens.slice(start, this.at++);
    }
    throw this.unexpected();
  }

  protected lookRaw(): string {
    const start = this.at;
    try {
      return spelling(this.raw());
    } finally {
      this.at = start;
    }
  }

  protected expr(node: Node): Expr {
    if (isExpr(node)) return node;
    throw new Unreadable(`unexpected ${node.kind} inside an expression`);
  }
}
