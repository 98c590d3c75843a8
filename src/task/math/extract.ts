/**
 * Where the answer stands in a completion. The first rule that finds something decides:
 *
 * 1. box: the last closed `\boxed{…}` (`\fbox`, `\framebox`). Boxes in a row, with nothing but separators or a short
 *    "and" between them, are one answer of several parts. A box that is cut off is no answer.
 *    Likewise what the last `<answer>…</answer>` holds (rule tag), where no box follows it.
 * 2. hashes: what follows the last `####` at the start of a line (GSM8K).
 * 3. whole: a completion of one short line without words is its own answer.
 * 4. marker: what follows the last "answer is", "answer:" or "Final Answer", up to the end of its sentence.
 * 5. end: the last formula, tuple or number of the last sentence; numbers only in a sentence of words.
 *
 * What stands after `</think>` goes before what stands within. Everything is linear in the completion's length.
 */
import { LIMITS } from './limits.js';
import { isUnitWord } from './units.js';

export interface Extracted {
  readonly answer: string;
  readonly rule: 'box' | 'tag' | 'hashes' | 'whole' | 'marker' | 'end';
}

interface Span {
  readonly content: string;
  readonly start: number;
  readonly end: number;
}

/** Closed boxes that are in no other box, in order. */
export function boxes(text: string): Span[] {
  const found: Span[] = [];
  const open: { at: number; start: number }[] = [];
  const scan = /\\\\?(?:boxed|fbox|framebox)\s*\{|\\.|[{}]/gs;
  for (let match = scan.exec(text); match; match = scan.exec(text)) {
    const [sign] = match;
    if (sign === '{') open.push({ at: match.index, start: -1 });
    else if (sign.length > 2 && sign.endsWith('{')) open.push({ at: scan.lastIndex - 1, start: match.index });
    else if (sign === '}') {
      const group = open.pop();
      if (!group || group.start < 0) continue;
      while (found.length > 0 && found[found.length - 1].start > group.start) found.pop();
      found.push({ content: text.slice(group.at + 1, match.index), start: group.start, end: scan.lastIndex });
    }
  }
  return found;
}

/** Whether what stands between two parts of an answer joins them: separators, or a few words with "and" or "or". */
function joins(gap: string): boolean {
  if (gap.length > 60 || /\n\s*\n/.test(gap)) return false;
  const words = gap
    .replace(/\\(?:quad|qquad|text|mbox|mathrm|textbf)(?![a-zA-Z])|\\[\][(),;:! ]|[$~{}]/g, ' ')
    .trim();
  if (/^[\s,;]*$/.test(words)) return true;
  return /(?:^|[\s,;])(?:and|or)(?:[\s,;]|$)/i.test(words) && /^[\sa-zA-Z(),;]*$/.test(words);
}

/** The last part and those before it that it is joined to, as one answer; parts said twice count once. */
function lastRun(spans: readonly Span[], text: string): string | null {
  if (spans.length === 0) return null;
  let first = spans.length - 1;
  while (
    first > 0 &&
    spans.length - first < LIMITS.items &&
    joins(text.slice(spans[first - 1].end, spans[first].start))
  )
    first--;
  const parts = spans.slice(first).map(({ content }) => content.trim());
  return [...new Set(parts)].join(', ');
}

/** Formulas between dollars (on one line) or \( \), \[ \], $$ $$, as they end in the text. */
function formulas(text: string): Span[] {
  const found: Span[] = [];
  const scan = /\$\$([^$]+)\$\$|\\\[((?:(?!\\\]).)+)\\\]|\\\(((?:(?!\\\)).)+)\\\)|\$((?:\\.|[^$\\\n])+)\$/gs;
  for (const match of text.matchAll(scan)) {
    const content = match[1] ?? match[2] ?? match[3] ?? match[4];
    found.push({ content, start: match.index, end: match.index + match[0].length });
  }
  return found;
}

/** Whether a text has words beyond those that belong to answers. */
export function isProse(text: string): boolean {
  const plain = text
    .replace(/\\(?:text|textbf|textit|mathrm|mbox|operatorname|begin|end)\s*\{[^{}]*\}/g, ' ')
    .replace(/\\[a-zA-Z]+/g, ' ');
  const known = /^(?:and|or|or[A-Z]|and[A-Z]|sqrt|sin|cos|tan|log|exp|arcsin|arccos|arctan|inf|infinity)$/;
  return (plain.match(/[a-zA-Z]{2,}/g) ?? []).some(
    (word) =>
      !known.test(word) &&
      !isUnitWord(word) &&
      (word.length > 2 || /^(?:is|it|of|to|so|we|no|if|in|as)$/i.test(word)),
  );
}

const NUMBER =
  /[-−+]?(?:\\?[$€£]\s?)?(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+,\d\d(?!\d)|\d+(?:\.\d+)?|\.\d+)(?:\s*\/\s*\d+)?(?:\s*(?:\\?%|percent\b|pct\b))?/g;

/** Pairs and longer tuples that a sentence has in plain text: (1, 2), [0, 5). */
function plainTuples(sentence: string): Span[] {
  return [...sentence.matchAll(/[([]([^()[\]\n]{1,80})[)\]]/g)]
    .filter(([, inner]) => inner.includes(',') && !isProse(inner))
    .map((match) => ({ content: match[0], start: match.index, end: match.index + match[0].length }));
}

/** The last formula, tuple or number of a sentence, whichever ends last. Numbers without a sentence are no answer. */
function lastOf(sentence: string): string | null {
  const spans = formulas(sentence);
  const inFormula = (at: number) => spans.some(({ start, end }) => at >= start && at < end);
  const tuples = plainTuples(sentence).filter(({ start }) => !inFormula(start));
  const last = [spans.at(-1), tuples.at(-1)].reduce((a, b) => (b && b.end > (a?.end ?? -1) ? b : a));
  let lastNumber: { text: string; end: number } | null = null;
  for (const match of isProse(sentence) ? sentence.matchAll(NUMBER) : []) {
    // Digits of a name (H2O), of a formula or of a tuple are no number of the sentence.
    if (/[a-zA-Z_\\]/.test(sentence[match.index - 1] ?? '')) continue;
    // Nor are those of a formula that single dollars open on one line and close on another.
    if (/\$\s*\n\s*$/.test(sentence.slice(Math.max(0, match.index - 40), match.index))) return null;
    if ([...spans, ...tuples].some(({ start, end }) => match.index >= start && match.index < end)) continue;
    lastNumber = { text: match[0], end: match.index + match[0].length };
  }
  if (lastNumber && lastNumber.end > (last?.end ?? -1)) return lastNumber.text.trim();
  return last && spans.includes(last) ? lastRun(spans, sentence) : (last?.content ?? null);
}

/** An answer that takes itself back: nothing else is looked for. */
const REFUSED = '';

const TAKEN_BACK = /^[\s$\\)\]]*(?:is|was)\s+(?:wrong|incorrect|not\s+(?:right|correct|the\s+answer))\b/i;

/** Whether a sentence says of its last answer that it is not it: "It is not 12." */
function denies(sentence: string, answer: string): boolean {
  const before = sentence.slice(0, Math.max(0, sentence.lastIndexOf(answer))).replace(/[\s$\\([*]+$/, '');
  return /(?:\bnot|n['’]t)(?:\s+[a-z]+){0,2}$/i.test(before);
}

/** The answer in what follows "the answer is". */
function afterMarker(region: string): string | null {
  const text = region.replace(/^[\s*_:]+/, '').replace(/I hope it is correct\.?/i, '');
  const [first] = formulas(text.slice(0, LIMITS.answerCharacters));
  if (first && /^["'\s]*$/.test(text.slice(0, first.start))) {
    // A formula at once, and those joined to it.
    const spans = formulas(text.slice(0, LIMITS.answerCharacters));
    let last = 0;
    while (last + 1 < spans.length && joins(text.slice(spans[last].end, spans[last + 1].start))) last++;
    return spans
      .slice(0, last + 1)
      .map(({ content }) => content.trim())
      .join(', ');
  }
  const [sentence] = text.split(/(?<=[.!?])\s+(?=[A-Z<])|\n/);
  const said = sentence.replace(/[\s.*"']+$/, '');
  if (said === '') return null;
  if (!isProse(said)) return said;
  const [letter] = /^(?:\([A-Z]\)|[A-Z][.):](?=\s))/.exec(said) ?? [];
  if (letter) return letter;
  // "not 5", "5 or maybe 6": nothing that can be held to.
  if (/\b(?:not|or|either|between|unclear|unknown)\b/i.test(said)) return REFUSED;
  const verb = [...said.matchAll(/\b(?:is|are|equals|be)\b:?/g)].at(-1);
  const rest = verb ? said.slice(verb.index + verb[0].length).trim() : '';
  if (rest !== '' && !isProse(rest)) return rest;
  return lastOf(rest === '' ? said : rest) ?? (said.length <= 60 && !/\d/.test(said) ? said : null);
}

/** The last `<answer>…</answer>`. */
function lastTag(text: string): Span | null {
  const end = text.lastIndexOf('</answer>');
  const start = end < 0 ? -1 : text.lastIndexOf('<answer>', end);
  return start < 0 ? null : { content: text.slice(start + '<answer>'.length, end), start, end };
}

function search(text: string, boxedOnly: boolean): Extracted | null {
  const found = boxes(text);
  const tag = lastTag(text);
  if (tag && !boxedOnly && tag.end > (found.at(-1)?.end ?? -1)) {
    const inner = lastRun(boxes(tag.content), tag.content);
    if (tag.content.trim() !== '')
      return { answer: inner ?? tag.content.trim(), rule: inner === null ? 'tag' : 'box' };
  }
  const boxed = lastRun(found, text);
  // "\boxed{12} is wrong."
  if (boxed !== null && TAKEN_BACK.test(text.slice(found.at(-1)?.end, (found.at(-1)?.end ?? 0) + 60)))
    return null;
  if (boxed !== null) return { answer: boxed, rule: 'box' };
  if (boxedOnly) return null;
  const hashes = text.lastIndexOf('####');
  if (hashes >= 0 && /(?:^|\n)[ \t]*$/.test(text.slice(Math.max(0, hashes - 40), hashes))) {
    const [line] = text.slice(hashes + 4, hashes + 4 + LIMITS.answerCharacters).split('\n');
    if (line.trim() !== '') return { answer: line.trim(), rule: 'hashes' };
  }
  // An answer that was begun and cut off is not looked for elsewhere.
  if (/\\(?:boxed|fbox|framebox)\s*\{/.test(text.slice(-LIMITS.answerCharacters))) return null;
  const trimmed = text.trim();
  if (
    trimmed !== '' &&
    trimmed.length <= LIMITS.answerCharacters &&
    !/\n/.test(trimmed) &&
    !isProse(trimmed)
  ) {
    return { answer: trimmed, rule: 'whole' };
  }
  const markers = [
    ...text.matchAll(/\b(?:answer|(?:correct|right) (?:option|choice))\b[*_\s]{0,8}(?:is|are|:|=|\n)/gi),
  ];
  const marker = markers.at(-1);
  if (marker) {
    const start = marker.index + marker[0].length;
    const answer = afterMarker(text.slice(start, start + 2 * LIMITS.answerCharacters));
    if (answer === REFUSED) return null;
    if (answer) return { answer, rule: 'marker' };
  }
  const paragraph = trimmed
    .slice(-LIMITS.answerCharacters)
    .split(/\n\s*\n/)
    .at(-1) as string;
  // A long text that ends within a sentence was cut off before its answer.
  if (trimmed.length > 300 && !/[.!?)\]}$*"'”]$/.test(trimmed)) return null;
  const sentences = paragraph.split(/(?<=[.!?])\s+(?=[A-Z])/);
  const last = sentences[sentences.length - 1];
  const answer = /\b(?:either|or)\b/i.test(last) ? null : (lastOf(last) ?? lastOf(paragraph));
  if (answer && denies(last, answer)) return null;
  if (answer) return { answer, rule: 'end' };
  return trimmed !== '' && trimmed.length <= 60 && !/[\d\\$]/.test(trimmed)
    ? { answer: trimmed, rule: 'whole' }
    : null;
}

/** The answer that a completion gives and the rule that found it; null where it gives none. */
export function extractAnswer(completion: string, boxedOnly = false): Extracted | null {
  let text = completion.slice(-LIMITS.completionCharacters);
  text = text.replace(/(?:<\|[a-z_]{1,30}\|>)(?:user|assistant)?\s*$/, '');
  const thought = text.lastIndexOf('</think>');
  if (thought >= 0) {
    const after = text.slice(thought + '</think>'.length);
    const found = after.trim() === '' ? null : search(after, boxedOnly);
    if (found) return found;
  }
  return search(text, boxedOnly);
}
