/**
 * Added tokens beside the vocabulary (`<|im_end|>`): each is matched in a text as a whole, the longest first, before
 * all other processing. Tokens marked `normalized` are matched in the normalized text.
 */
import type { Normalizer } from './normalizer.js';
import { expression, SPACE, WORD } from './unicode.js';

export interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** Matches only as a whole word: no letters or digits next to it. */
  readonly single_word?: boolean;
  /** Includes the white space before it, or after it. */
  readonly lstrip?: boolean;
  readonly rstrip?: boolean;
  readonly normalized?: boolean;
  readonly special?: boolean;
}

/** A stretch of text, or the token found there. */
export type Section = string | number;

const SPACES_BEFORE = new RegExp(`${expression(`${SPACE}*`).source}$`, 'u');
const SPACES_AFTER = new RegExp(`^${expression(`${SPACE}*`).source}`, 'u');
let words: readonly [before: RegExp, after: RegExp] | null = null;
const wordSides = (): readonly [RegExp, RegExp] => {
  const { source } = expression(`[${WORD}]`);
  words ??= [new RegExp(`${source}$`, 'u'), new RegExp(`^${source}`, 'u')];
  return words;
};

/** Splits a text at the tokens. */
function finder(
  tokens: readonly (readonly [text: string, token: AddedToken])[],
): (text: string) => Section[] {
  const named = new Map(tokens.filter(([text]) => text !== ''));
  if (named.size === 0) return (text) => (text === '' ? [] : [text]);
  // Longest first, because the first alternative that fits is taken.
  const alternatives = [...named.keys()]
    .sort((a, b) => b.length - a.length)
    .map((text) => text.replace(/[$()*+./?[\\\]^{|}]/g, '\\$&'));
  const pattern = new RegExp(alternatives.join('|'), 'gu');
  return (text) => {
    const sections: Section[] = [];
    let at = 0;
    for (const { index, 0: match } of text.matchAll(pattern)) {
      const token = named.get(match) as AddedToken;
      let [start, end] = [index, index + match.length];
      if (token.single_word) {
        const [before, after] = wordSides();
        if (before.test(text.slice(0, start)) || after.test(text.slice(end))) continue;
      }
      if (token.lstrip)
        start = Math.max(at, start - (SPACES_BEFORE.exec(text.slice(0, start))?.[0] ?? '').length);
      if (token.rstrip) end += (SPACES_AFTER.exec(text.slice(end))?.[0] ?? '').length;
      if (start > at) sections.push(text.slice(at, start));
      sections.push(token.id);
      at = end;
    }
    if (at < text.length) sections.push(text.slice(at));
    return sections;
  };
}

/** Splits a text into added tokens and normalized stretches. */
export function sections(tokens: readonly AddedToken[], normalize: Normalizer): (text: string) => Section[] {
  const normalized = ({ normalized: flag, special }: AddedToken): boolean => flag ?? !special;
  const raw = finder(tokens.filter((token) => !normalized(token)).map((token) => [token.content, token]));
  const later = finder(tokens.filter(normalized).map((token) => [normalize(token.content), token]));
  return (text) =>
    raw(text).flatMap((section) => (typeof section === 'string' ? later(normalize(section)) : [section]));
}
