/**
 * Splits texts as the `tokenizers` library does: the parts between the matches of a pattern, with a rule for the
 * matches.
 */

/** What happens to the matches. */
export type SplitBehaviour = 'Removed' | 'Isolated' | 'MergedWithPrevious' | 'MergedWithNext' | 'Contiguous';

interface Span {
  start: number;
  end: number;
  match: boolean;
}

/** The whole text in order: the matches and the text between them. */
function spans(text: string, pattern: RegExp): Span[] {
  const all: Span[] = [];
  let at = 0;
  for (const { index, 0: matched } of text.matchAll(pattern)) {
    if (index > at) all.push({ start: at, end: index, match: false });
    all.push({ start: index, end: index + matched.length, match: true });
    at = index + matched.length;
  }
  if (at < text.length) all.push({ start: at, end: text.length, match: false });
  return all;
}

/**
 * @param pattern with the flag g
 * @param invert exchanges the matches and the text between them
 * @returns the pieces in order, none of them empty
 */
export function splitText(
  text: string,
  pattern: RegExp,
  behaviour: SplitBehaviour,
  invert = false,
): string[] {
  const all = spans(text, pattern).map((span) => ({ ...span, match: span.match !== invert }));
  const merged: Span[] = [];
  if (behaviour === 'MergedWithNext') {
    let before = false;
    for (const span of all.reverse()) {
      const next = merged.at(-1);
      if (span.match && !before && next) next.start = span.start;
      else merged.push(span);
      before = span.match;
    }
    merged.reverse();
  } else {
    let before: boolean | null = null;
    for (const span of all) {
      const last = merged.at(-1);
      const joins =
        behaviour === 'Contiguous'
          ? span.match === before
          : behaviour === 'MergedWithPrevious' && span.match && before !== true;
      if (behaviour !== 'Removed' || !span.match) {
        if (joins && last) last.end = span.end;
        else merged.push(span);
      }
      before = span.match;
    }
  }
  return merged.filter(({ start, end }) => end > start).map(({ start, end }) => text.slice(start, end));
}
