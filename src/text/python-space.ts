/**
 * White space as in Python, for templates that trim or split: U+001C … U+001F and U+0085 are white space there but not
 * in JavaScript, and U+FEFF the other way round. In texts with such characters they are replaced by other characters of
 * the right kind that do not occur in the texts; after rendering they are put back.
 */

/** White space only in Python. */
const SPACE = ['\x1c', '\x1d', '\x1e', '\x1f', '\x85'];
/** White space only in JavaScript. */
const NO_SPACE = ['\ufeff'];
const AFFECTED = [...SPACE, ...NO_SPACE];

/** White space in both. */
const BOTH = Array.from(
  '\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2008\u2009\u200a\u202f\u205f\u3000',
);
/** White space in neither: private-use characters. */
const NEITHER = Array.from({ length: 64 }, (_, i) => String.fromCharCode(0xf000 + i));

/** Applies a function to every text within a value. */
function mapTexts(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === 'string') return change(value);
  if (Array.isArray(value)) return value.map((item) => mapTexts(item, change));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, mapTexts(item, change)]));
}

/**
 * Renders values with Python's white space.
 * @param source the template, whose characters must not be used as replacements either
 */
export function withPythonSpace<T>(values: T, source: string, render: (values: T) => string): string {
  const all: string[] = [];
  mapTexts(values, (text) => {
    all.push(text);
    return text;
  });
  if (!all.some((text) => AFFECTED.some((c) => text.includes(c)))) return render(values);
  const used = new Set([source, ...all].join(''));
  const free = (candidates: readonly string[]): string[] => candidates.filter((c) => !used.has(c));
  const [spaces, others] = [free(BOTH), free(NEITHER)];
  // If too few replacements are free, the characters stay.
  const pairs = [
    ...SPACE.map((c, i) => [c, spaces[i] ?? c] as const),
    ...NO_SPACE.map((c, i) => [c, others[i] ?? c] as const),
  ];
  const there = new Map<string, string>(pairs);
  const back = new Map<string, string>(pairs.map(([c, other]) => [other, c]));
  const swap = (text: string, by: ReadonlyMap<string, string>): string =>
    Array.from(text, (c) => by.get(c) ?? c).join('');
  return swap(render(mapTexts(values, (text) => swap(text, there)) as T), back);
}
