/**
 * Regular expressions with the `tokenizers` library's version of Unicode. JavaScript's `\s` has U+FEFF and lacks
 * U+0085, its `\p{L}` follows the version of Node, and its `\w` and `\d` are ASCII. So a pattern is first translated to
 * JavaScript by @huggingface/tokenizers, and then every property in it is replaced by ranges of one fixed table.
 * Scripts are those of Node, without code points that the table does not know.
 */
import { CATEGORIES, RUNS } from './unicode-table.js';

/** Members of a class: white space, and letters of words. */
export const SPACE = '\\p{White_Space}';
export const WORD = '\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\u200C\\u200D';

type Range = readonly [first: number, last: number];

const LAST = 0x10ffff;

/** Longer names of categories, and groups of them. */
const LONG: Readonly<Record<string, string>> = {
  Letter: 'L',
  Mark: 'M',
  Number: 'N',
  Punctuation: 'P',
  Symbol: 'S',
  Separator: 'Z',
  Other: 'C',
  Uppercase_Letter: 'Lu',
  Lowercase_Letter: 'Ll',
  Titlecase_Letter: 'Lt',
  Modifier_Letter: 'Lm',
  Other_Letter: 'Lo',
  Nonspacing_Mark: 'Mn',
  Spacing_Mark: 'Mc',
  Enclosing_Mark: 'Me',
  Decimal_Number: 'Nd',
  Letter_Number: 'Nl',
  Other_Number: 'No',
};

let parsed: { readonly category: string; readonly range: Range }[] | null = null;

/** The table, decoded once. */
function table(): readonly { readonly category: string; readonly range: Range }[] {
  if (parsed) return parsed;
  const names = CATEGORIES.split(' ');
  let first = 0;
  parsed = Array.from(RUNS.matchAll(/([a-zA-Z])(\d+)/g), ([, letter, count]) => {
    const index = letter >= 'a' ? letter.charCodeAt(0) - 97 : 26 + letter.charCodeAt(0) - 65;
    const range: Range = [first, first + Number(count) - 1];
    first += Number(count);
    return { category: names[index], range };
  });
  return parsed;
}

/** Ranges of a category or a group of them (`L`, `Lu`); null for any other name. */
function categoryRanges(name: string): Range[] | null {
  const short = LONG[name] ?? name;
  const wanted = short === 'LC' ? ['Lu', 'Ll', 'Lt'] : [short];
  if (!/^([LMNPSZC]|LC)$/.test(short) && !CATEGORIES.split(' ').includes(short)) return null;
  const ranges: [number, number][] = [];
  for (const { category, range } of table()) {
    if (!wanted.some((prefix) => category.startsWith(prefix))) continue;
    const before = ranges.at(-1);
    if (before && before[1] === range[0] - 1) before[1] = range[1];
    else ranges.push([...range]);
  }
  return ranges;
}

/** Ranges of another property: those of Node, limited to code points that the table knows. */
function otherRanges(name: string): Range[] {
  const matches = new RegExp(`^\\p{${name}}$`, 'u');
  const ranges: [number, number][] = [];
  for (const { category, range } of table()) {
    if (category === 'Cn' || category === 'Cs') continue;
    for (let point = range[0]; point <= range[1]; point++) {
      if (!matches.test(String.fromCodePoint(point))) continue;
      const before = ranges.at(-1);
      if (before && before[1] === point - 1) before[1] = point;
      else ranges.push([point, point]);
    }
  }
  return ranges;
}

const kept = new Map<string, readonly Range[]>();

function rangesOf(property: string): readonly Range[] {
  const name = property.replace(/^(General_Category|gc)=/, '');
  const before = kept.get(name);
  if (before) return before;
  const ranges = categoryRanges(name) ?? otherRanges(property);
  kept.set(name, ranges);
  return ranges;
}

function complement(ranges: readonly Range[]): Range[] {
  const others: Range[] = [];
  let next = 0;
  for (const [first, last] of ranges) {
    if (first > next) others.push([next, first - 1]);
    next = last + 1;
  }
  if (next <= LAST) others.push([next, LAST]);
  return others;
}

const written = (ranges: readonly Range[]): string =>
  ranges.map(([a, b]) => `\\u{${a.toString(16)}}${a === b ? '' : `-\\u{${b.toString(16)}}`}`).join('');

/** A JavaScript regular expression (flag u) with its properties replaced by ranges of the table. */
export function pinned(source: string): string {
  let out = '';
  let inClass = false;
  for (let i = 0; i < source.length; ) {
    const property = /^\\([pP])\{([^}]+)\}/.exec(source.slice(i, i + 64));
    if (property) {
      const [whole, kind, name] = property;
      const ranges = rangesOf(name);
      const text = written(kind === 'P' ? complement(ranges) : ranges);
      out += inClass ? text : `[${text}]`;
      i += whole.length;
    } else if (source[i] === '\\') {
      out += source.slice(i, i + 2);
      i += 2;
    } else {
      if (source[i] === '[') inClass = true;
      if (source[i] === ']') inClass = false;
      out += source[i++];
    }
  }
  return out;
}

/** A character class of code points that the table lists as hexadecimal ranges. */
export const listed = (ranges: string): RegExp =>
  new RegExp(
    `[${ranges
      .split(' ')
      .map((range) => range.replace(/[0-9a-f]+/g, (digits) => `\\u{${digits}}`))
      .join('')}]`,
    'gu',
  );

/** A translated expression that finds all matches. */
export const expression = (source: string): RegExp => new RegExp(pinned(source), 'gu');
