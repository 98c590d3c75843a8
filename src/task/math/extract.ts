/**
 * Finds the answer in a completion. The first rule that finds something decides:
 *
 * 1. box: the last closed `\boxed{…}` (`\fbox`, `\framebox`). Adjacent boxes, with only separators or a short "and"
 * between them, are one answer of several parts. A truncated box is not an answer.
 *    tag: the content of the last `<answer>…</answer>`, if no box follows it.
 * 2. hashes: the text after the last `####` at the start of a line (GSM8K).
 * 3. whole: a completion of one short line without words is its own answer.
 * 4. marker: the text after the last "answer is", "answer:", "Final Answer" or "A:" at the start of a line, up to the
 * end of its sentence, in a text of any length.
 * 5. end: the last formula, tuple or number of the last sentence; numbers count only in a sentence with words. A
 * sentence without an end was truncated, unless it is the whole text.
 *
 * Text after `</think>` takes precedence over the text inside, where only boxes count. An empty box is not an answer.
 * Everything is linear in the completion's length.
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

/** Whether a box is an empty placeholder, as in "write it in \boxed{}". */
export const isEmptyBox = (content: string): boolean =>
  /^(?:\s|~|\.{3}|…|\\[,;:! ]|\\(?:[lc]?dots|quad|phantom\s*\{[^{}]*\}|text\s*\{\s*\})|\$)*$/.test(content);

/** Closed boxes with content that are not inside other boxes, in order, and whether one is still open at the end. */
function scanBoxes(text: string): { closed: Span[]; unfinished: boolean } {
  const boxes: Span[] = [];
  const open: { at: number; start: number }[] = [];
  const scan = /\\\\?(?:boxed|fbox|framebox)\s*\{|\\.|[{}]/gs;
  for (let match = scan.exec(text); match; match = scan.exec(text)) {
    const [sign] = match;
    if (sign === '{') open.push({ at: match.index, start: -1 });
    else if (sign.length > 2 && sign.endsWith('{')) open.push({ at: scan.lastIndex - 1, start: match.index });
    else if (sign === '}') {
      const group = open.pop();
      if (!group || group.start < 0) continue;
      while (boxes.length > 0 && boxes[boxes.length - 1].start > group.start) boxes.pop();
      const content = text.slice(group.at + 1, match.index);
      if (!isEmptyBox(content)) boxes.push({ content, start: group.start, end: scan.lastIndex });
    }
  }
  return { closed: boxes, unfinished: open.some(({ start }) => start >= 0) };
}
export const boxes = (text: string): Span[] => scanBoxes(text).closed;

/** Whether the text between two parts of an answer joins them: separators, or a few words with "and" or "or". */
function joins(gap: string): boolean {
  if (gap.length > 60 || /\n\s*\n/.test(gap)) return false;
  const words = gap
    .replace(/\\(?:quad|qquad|text|mbox|mathrm|textbf)(?![a-zA-Z])|\\[\][(),;:! ]|[$~{}]/g, ' ')
    .trim();
  if (/^[\s,;]*$/.test(words)) return true;
  return /(?:^|[\s,;])(?:and|or)(?:[\s,;]|$)/i.test(words) && /^[\sa-zA-Z(),;]*$/.test(words);
}

/** The last part and those before it that are joined to it, as one answer; repeated parts count once. */
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

/** Formulas between dollars (on one line) or \( \), \[ \], $$ $$, in the order in which they end. */
function formulas(text: string): Span[] {
  const spans: Span[] = [];
  const scan =
    /\$\$([^$]+)\$\$|\\\[((?:(?!\\\]).)+)\\\]|\\\(((?:(?!\\\)).)+)\\\)|\$((?:\\.|[^$\\\n])+)\$(?!\d)/gs;
  for (const match of text.matchAll(scan)) {
    const content = match[1] ?? match[2] ?? match[3] ?? match[4];
    spans.push({ content, start: match.index, end: match.index + match[0].length });
  }
  return spans;
}

/** Whether a text has words that do not belong to an answer. */
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

/** Pairs and longer tuples in plain text: (1, 2), [0, 5). */
function plainTuples(sentence: string): Span[] {
  return [...sentence.matchAll(/[([]([^()[\]\n]{1,80})[)\]]/g)]
    .filter(([, inner]) => inner.includes(',') && !isProse(inner))
    .map((match) => ({ content: match[0], start: match.index, end: match.index + match[0].length }));
}

/**
 * The last formula, tuple or number of a sentence, whichever ends last. Numbers outside of a sentence are not an
 * answer.
 */
function lastOf(sentence: string): string | null {
  const spans = formulas(sentence);
  const inFormula = (at: number) => spans.some(({ start, end }) => at >= start && at < end);
  const tuples = plainTuples(sentence).filter(({ start }) => !inFormula(start));
  const last = [spans.at(-1), tuples.at(-1)].reduce((a, b) => (b && b.end > (a?.end ?? -1) ? b : a));
  let lastNumber: { text: string; end: number } | null = null;
  for (const match of isProse(sentence) ? sentence.matchAll(NUMBER) : []) {
    // Digits within a name (H2O), a formula or a tuple are not numbers of the sentence.
    if (/[a-zA-Z_\\]/.test(sentence[match.index - 1] ?? '')) continue;
    // Nor are digits of a formula whose single dollars are on different lines.
    if (/\$\s*\n\s*$/.test(sentence.slice(Math.max(0, match.index - 40), match.index))) return null;
    if ([...spans, ...tuples].some(({ start, end }) => match.index >= start && match.index < end)) continue;
    lastNumber = { text: match[0], end: match.index + match[0].length };
  }
  if (lastNumber && lastNumber.end > (last?.end ?? -1)) return lastNumber.text.trim();
  return last && spans.includes(last) ? lastRun(spans, sentence) : (last?.content ?? null);
}

/** An answer that is retracted: the search ends. */
const REFUSED = '';

const TAKEN_BACK = /^[\s$\\)\]]*(?:is|was)\s+(?:wrong|incorrect|not\s+(?:right|correct|the\s+answer))\b/i;

/** Whether a sentence denies its last answer: "It is not 12." */
function denies(sentence: string, answer: string): boolean {
  const before = sentence.slice(0, Math.max(0, sentence.lastIndexOf(answer))).replace(/[\s$\\([*]+$/, '');
  return /(?:\bnot|n['’]t)(?:\s+[a-z]+){0,2}$/i.test(before);
}

/** The answer in what follows "the answer is". */
function afterMarker(region: string): string | null {
  const text = region.replace(/^[\s*_:]+/, '').replace(/I hope it is correct\.?/i, '');
  const [first] = formulas(text.slice(0, LIMITS.answerCharacters));
  if (first && /^["'\s]*$/.test(text.slice(0, first.start))) {
    // A formula directly after the marker, and the formulas joined to it.
    const spans = formulas(text.slice(0, LIMITS.answerCharacters));
    let last = 0;
    while (last + 1 < spans.length && joins(text.slice(spans[last].end, spans[last + 1].start))) last++;
    return spans
      .slice(0, last + 1)
      .map(({ content }) => content.trim())
      .join(', ');
  }
  const [sentence] = text.split(/(?<=[.!?])\s+(?=[A-Z<])|\n/);
  // An explanation is not part of the answer: "20, since 60 − 40 = 20".
  const [clause] = sentence.split(/,?\s+(?:since|because|after|given|where|which)\b/i);
  const claim = (/[\d$\\]/.test(clause) ? clause : sentence).replace(/[\s.*"']+$/, '');
  if (claim === '') return null;
  // "20 + 3 =", "1,": truncated.
  if (/(?:[-+*/=,(:^]|\\(?:times|cdot|frac|approx))$/.test(claim)) return REFUSED;
  if (!isProse(claim)) return claim;
  const [letter] = /^(?:\([A-Z]\)|[A-Z][.):](?=\s))/.exec(claim) ?? [];
  if (letter) return letter;
  // "not 5", "5 or maybe 6": no definite answer.
  if (/\b(?:not|or|either|between|unclear|unknown)\b/i.test(claim)) return REFUSED;
  const verb = [...claim.matchAll(/\b(?:is|are|equals|be)\b:?/g)].at(-1);
  const rest = verb ? claim.slice(verb.index + verb[0].length).trim() : '';
  if (rest !== '' && !isProse(rest)) return rest;
  return lastOf(rest === '' ? claim : rest) ?? (claim.length <= 60 && !/\d/.test(claim) ? claim : null);
}

/** The last `<answer>…</answer>`. */
function lastTag(text: string): Span | null {
  const end = text.lastIndexOf('</answer>');
  const start = end < 0 ? -1 : text.lastIndexOf('<answer>', end);
  return start < 0 ? null : { content: text.slice(start + '<answer>'.length, end), start, end };
}

/** Beginnings of lines or sentences that announce an answer: "A: 20", "Ans. 20". */
const LINE_MARKER =
  /(?:^|\n|[.!?]\s)[ \t*_]*(?:A|Ans|Answer)(?:\s*\*\*)?\s*(?::|(?<=ns)\.|(?<=er)\s[-–]?(?=\s*\$?\d))(?=[ \t*]*\S)/gi;
/** Listed choices: "A: 3 B: 4". */
const LISTED = /(?:^|\s)B[:.)]\s/;

/** Start of the text after the last marker; −1 if there is none. */
function afterLastMarker(text: string): number {
  const markers = [
    ...text.matchAll(/\b(?:answer|(?:correct|right) (?:option|choice))\b[*_\s]{0,8}(?:is|are|:|=|\n)/gi),
    ...text.matchAll(LINE_MARKER),
  ].map((match) => ({
    at: match.index,
    end: match.index + match[0].length,
    listed: /A[:\s*]*$/.test(match[0]),
  }));
  const usable = markers.filter(({ end, listed }) => !listed || !LISTED.test(text.slice(end, end + 400)));
  return usable.reduce((last, { end }) => Math.max(last, end), -1);
}

/** Whether a text ends within a sentence. A line that consists of a value does not. */
const breaksOff = (text: string): boolean => !/[.!?)\]}$*"'”]$/.test(text);

const EMPTY_BOX = /\\\\?(?:boxed|fbox|framebox)\s*\{([^{}]{0,40})\}/g;
/** A value that is the whole last line, alone or after a label: 20, = 20, ### 20, Total: $20. */
const VALUE_ALONE =
  /^(?:[A-Z][A-Za-z ]{0,30}[:=]|[#*=\s]+)?\s*([-−]?[$€£]?\s?\d[\d,]*(?:\.\d+)?\s?%?)[\s*]*$/;
/** `strict`: truncated text is not an answer, however short. */
function search(whole: string, boxedOnly: boolean, strict = false): Extracted | typeof REFUSED | null {
  const text = whole.replace(EMPTY_BOX, (box, content: string) => (isEmptyBox(content) ? ' ' : box));
  const { closed: closedBoxes, unfinished } = scanBoxes(text);
  const tag = lastTag(text);
  if (tag && !boxedOnly && tag.end > (closedBoxes.at(-1)?.end ?? -1)) {
    const inner = lastRun(boxes(tag.content), tag.content);
    if (tag.content.trim() !== '')
      return { answer: inner ?? tag.content.trim(), rule: inner === null ? 'tag' : 'box' };
  }
  const boxed = lastRun(closedBoxes, text);
  // "\boxed{12} is wrong."
  if (
    boxed !== null &&
    TAKEN_BACK.test(text.slice(closedBoxes.at(-1)?.end, (closedBoxes.at(-1)?.end ?? 0) + 60))
  )
    return REFUSED;
  if (boxed !== null) return { answer: boxed, rule: 'box' };
  if (boxedOnly) return null;
  const hashes = text.lastIndexOf('####');
  const starts = hashes >= 0 && /(?:^|\n)[ \t]*$/.test(text.slice(Math.max(0, hashes - 40), hashes));
  if (starts || (hashes >= 0 && /^####\s*[-−]?[$€£]?\s*[\d.]/.test(text.slice(hashes, hashes + 20)))) {
    const [line] = text.slice(hashes + 4, hashes + 4 + LIMITS.answerCharacters).split('\n');
    if (line.trim() !== '') return { answer: line.trim(), rule: 'hashes' };
  }
  // If an answer was begun and truncated, no other one is used.
  if (unfinished) return null;
  const trimmed = text.trim();
  if (
    trimmed !== '' &&
    trimmed.length <= LIMITS.answerCharacters &&
    !/\n/.test(trimmed) &&
    !isProse(trimmed)
  ) {
    return { answer: trimmed, rule: 'whole' };
  }
  const start = afterLastMarker(text);
  if (start >= 0) {
    const answer = afterMarker(text.slice(start, start + 2 * LIMITS.answerCharacters));
    if (answer === REFUSED) return REFUSED;
    if (answer) return { answer, rule: 'marker' };
  }
  const paragraph = trimmed
    .slice(-LIMITS.answerCharacters)
    .split(/\n\s*\n/)
    .at(-1) as string;
  const line = paragraph.split('\n').at(-1) as string;
  const alone = VALUE_ALONE.exec(line.trim());
  if (alone && trimmed !== line.trim()) return { answer: alone[1], rule: 'end' };
  const sentences = paragraph.split(/(?<=[.!?])\s+(?=[A-Z])/);
  const last = lastSentence(sentences[sentences.length - 1]);
  // A text that ends within a sentence was truncated before its answer, unless it consists of that sentence.
  const named = /^(.*)\bis (?:the|our|my) (?:final |correct )?answer\W*$/i.exec(last);
  const value = named && !/\b(?:not|or|if)\b/i.test(named[1]) ? lastOf(`it is ${named[1]}`) : null;
  if (value) return { answer: value, rule: 'marker' };
  if ((strict || trimmed.length > 300 || last.length < trimmed.length) && breaksOff(trimmed)) return null;
  const answer = /\b(?:either|or)\b/i.test(last) ? null : (lastOf(last) ?? lastOf(paragraph));
  if (answer && denies(last, answer)) return REFUSED;
  if (answer) return { answer, rule: 'end' };
  return text === whole && trimmed !== '' && trimmed.length <= 60 && !/[\d\\$]/.test(trimmed)
    ? { answer: trimmed, rule: 'whole' }
    : null;
}

/** The last line of a sentence, unless its lines are parts of a displayed formula. */
function lastSentence(text: string): string {
  if (/\\\[|\\\]|\$\$|\\begin|\$\s*$/.test(text)) return text;
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const last = lines.at(-1) ?? text;
  return /[a-zA-Z]/.test(last) || breaksOff(last) ? last : text;
}

/** The answer of a completion and the rule that found it; null if there is none. */
export function extractAnswer(completion: string, boxedOnly = false): Extracted | null {
  let text = completion.slice(-LIMITS.completionCharacters);
  text = text.replace(/(?:<\|[a-z_]{1,30}\|>)(?:user|assistant)?\s*$/, '');
  const extracted = (answer: ReturnType<typeof search>): Extracted | null =>
    answer === REFUSED ? null : answer;
  const thought = text.lastIndexOf('</think>');
  // Unfinished thinking has no conclusion.
  if (text.lastIndexOf('<think>') > thought) return extracted(search(text, true));
  if (thought < 0) return extracted(search(text, boxedOnly));
  const draft = text.slice(0, thought);
  const after = text.slice(thought + '</think>'.length);
  if (after.trim() === '') return extracted(search(draft, boxedOnly));
  const answer = search(after, boxedOnly, true);
  // Without a conclusion, a box in the draft is the answer.
  return extracted(answer ?? search(draft, true));
}
