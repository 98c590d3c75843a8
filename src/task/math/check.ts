/**
 * The verdict on a completion: its answer is found (extract.ts), read (tokens.ts, parse.ts) and compared with the gold
 * answer (compare.ts). A verdict never throws and takes at most a second. An answer that cannot be read is not equal,
 * and the reason is given.
 */
import { Comparison } from './compare.js';
import { boxes, type Extracted, extractAnswer, isProse } from './extract.js';
import { Budget, LIMITS, Unreadable } from './limits.js';
import type { Node } from './node.js';
import { parse } from './parse.js';
import { group, prepare, type Reading, spelling, tokenize } from './tokens.js';

export interface AnswerOptions {
  /** Only a closed box is an answer (for prompts that ask for one). Default false. */
  readonly boxedOnly?: boolean;
  /** Constants may differ by this fraction of the gold answer (0.01 for physics to two digits). Default 0. */
  readonly relativeTolerance?: number;
}

export interface AnswerVerdict {
  readonly equal: boolean;
  /** The reason in one line. */
  readonly reason: string;
  /** The answer found in the completion; absent if there is none. */
  readonly extracted?: string;
  /** The rule that found it. */
  readonly rule?: Extracted['rule'];
}

const show = (answer: string) => {
  const line = answer.replace(/\s+/g, ' ').trim();
  return line.length > 60 ? `${line.slice(0, 57)}…` : line;
};

/** Readings of an answer, the usual one first; alternatives only if its form is ambiguous. */
function readings(text: string, decimalComma: boolean): Reading[] {
  const usual = { thousands: true, scientific: true, decimalComma: false };
  const result: Reading[] = [usual];
  if (/\d,\d{3}/.test(text)) result.push({ ...usual, thousands: false });
  if (/\de-\d(?!\d)/i.test(text)) result.push({ ...usual, scientific: false });
  if (decimalComma && /^-?\d+,(?:\d\d|\d{4,})$/.test(text)) result.push({ ...usual, decimalComma: true });
  return result;
}

/** The possible meanings of an answer, or the reason why it cannot be read. */
function read(text: string, decimalComma = false): { nodes: Node[]; reason: string } {
  const nodes: Node[] = [];
  let reason = '';
  for (const reading of readings(text, decimalComma)) {
    try {
      nodes.push(parse(tokenize(text, reading)));
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      reason ||= error.message;
    }
  }
  return { nodes, reason };
}

const WRAPPER = /\\(?:text|textbf|textit|textrm|mathrm|mathbf|mbox|emph)\s*\{([^{}]*)\}/g;

/** An answer of words: lower case, without article and punctuation; null if it has anything else. */
function words(prepared: string): { text: string; wrapped: boolean } | null {
  const plain = prepared.replace(WRAPPER, ' $1 ').replace(/\s+/g, ' ').trim();
  if (!/^[a-zA-Z][a-zA-Z '’,.-]*$/.test(plain)) return null;
  const wrapped = plain !== prepared.replace(/\s+/g, ' ').trim();
  const text = plain.replace(/^(?:an?|the) (?!(?:and|or)\b)(?=\w)/i, '').replace(/[.,]$/, '');
  return { text: wrapped || isProse(plain) ? text.toLowerCase() : text, wrapped };
}

/** Sets that have a name in LaTeX. */
function setInWords(text: string | undefined): string | null {
  if (text === undefined) return null;
  if (/^all real(?:s| numbers)$/i.test(text)) return '\\mathbb{R}';
  return /^(?:(?:the )?empty set|none|no (?:real )?solutions?)$/i.test(text) ? '\\emptyset' : null;
}

/** Converts synonyms and lists of words to one form: "A and B" becomes "A, B". */
function sameWords(text: string): string {
  const plain = text.toLowerCase() === 'dne' ? 'does not exist' : text;
  return plain.replace(/,?\s+and\s+|\s*,\s*/g, ', ');
}

/** A letter of a multiple choice, as in (B), \text{B}, B.; `marked` if it can be nothing else. */
function choice(prepared: string): { letter: string; marked: boolean; rest: string } | null {
  const plain = prepared.replace(WRAPPER, ' $1 ').replace(/\s+/g, ' ').trim();
  const whole = /^(\()?\s*([A-Za-z])\s*(\))?[.:]?$/.exec(plain);
  if (whole) {
    const marked = whole[3] !== undefined || plain !== prepared;
    return { letter: whole[2], marked, rest: '' };
  }
  const labelled = /^(?:\(\s*([A-J])\s*\)|([A-J])[.):])[.:]?\s*(\S.*)$/.exec(plain);
  if (!labelled || !/[a-zA-Z0-9\\(]/.test(labelled[3][0])) return null;
  const rest = prepared.slice(prepared.search(/[A-J]/) + 1).replace(/^[\s).:}]+/, '');
  return { letter: labelled[1] ?? labelled[2], marked: true, rest };
}

/**
 * The gold answer: without its box and the worked solution around it. Gold answers are trusted, so a box may be
 * unclosed.
 */
function goldAnswer(gold: string): string {
  const closed = boxes(gold).length > 0;
  if (!closed) {
    const open = /\\+(?:boxed|fbox)\s*\{/.exec(gold);
    if (open && group(gold, open.index + open[0].length - 1) === null)
      return gold.slice(open.index + open[0].length);
    if (!/####|\banswer\b/i.test(gold)) return gold;
  }
  return extractAnswer(gold)?.answer ?? gold;
}

function compare(
  candidate: string,
  gold: string,
  options: AnswerOptions,
): { equal: boolean; reason: string } {
  const no = (reason: string) => ({ equal: false, reason });
  const yes = (reason: string) => ({ equal: true, reason });
  if (candidate.length > LIMITS.answerCharacters)
    return no(`the answer has more than ${LIMITS.answerCharacters} characters`);
  if (gold.length > LIMITS.answerCharacters)
    return no(`the gold answer has more than ${LIMITS.answerCharacters} characters`);
  let g = prepare(gold);
  let c = prepare(candidate);
  if (g === '') return no('the gold answer is empty');
  if (c === '') return no('the answer is empty');
  const [usual] = readings('', false);
  if (spelling(tokenize(g, usual)) === spelling(tokenize(c, usual))) return yes('the same text');
  const [letterG, letterC] = [choice(g), choice(c)];
  if (letterC && letterG && (letterG.marked || letterC.marked)) {
    const fold = (letter: string) => (letterG.marked && letterC.marked ? letter.toUpperCase() : letter);
    return fold(letterG.letter) === fold(letterC.letter)
      ? yes('the same choice')
      : no(`choice ${letterC.letter} is not ${letterG.letter}`);
  }
  if (letterC && letterC.rest !== '' && !letterG) c = letterC.rest;
  if (letterG && letterG.rest !== '' && !letterC) g = letterG.rest;
  const [wordsG, wordsC] = [words(g), words(c)];
  if (wordsG && wordsC) {
    const fold =
      wordsG.wrapped || wordsC.wrapped ? (text: string) => text.toLowerCase() : (text: string) => text;
    if (fold(sameWords(wordsG.text)) === fold(sameWords(wordsC.text))) return yes('the same words');
  }
  const onlyWords = (text: string, parsed: ReturnType<typeof words>) =>
    parsed !== null && !setInWords(parsed.text) && (parsed.wrapped || isProse(text));
  if (onlyWords(g, wordsG) || onlyWords(c, wordsC)) return no(`'${show(c)}' is not '${show(g)}'`);
  const [textG, textC] = [setInWords(wordsG?.text) ?? g, setInWords(wordsC?.text) ?? c];
  const numbers = (nodes: readonly Node[]) => nodes.length > 0 && nodes.every((node) => node.kind === 'num');
  let [goldRead, candidateRead] = [read(textG), read(textC)];
  // 3,75 may be a decimal if the other answer is a single number.
  const [commaG, commaC] = [numbers(candidateRead.nodes), numbers(goldRead.nodes)];
  if (commaG) goldRead = read(textG, true);
  if (commaC) candidateRead = read(textC, true);
  if (goldRead.nodes.length === 0)
    return no(`the gold answer '${show(g)}' cannot be read: ${goldRead.reason}`);
  if (candidateRead.nodes.length === 0) return no(`'${show(c)}' cannot be read: ${candidateRead.reason}`);
  const comparison = new Comparison({
    budget: new Budget(),
    relativeTolerance: options.relativeTolerance ?? 0,
  });
  const equal = goldRead.nodes.some((a) => candidateRead.nodes.some((b) => comparison.equal(a, b)));
  return equal ? yes('equal in value') : no(`'${show(c)}' is not '${show(g)}'`);
}

/**
 * Whether two answers, each in LaTeX or text, are equal, in either order. Only the gold answer may be inside its worked
 * solution.
 */
export function answersEqual(candidate: string, gold: string, options: AnswerOptions = {}): AnswerVerdict {
  try {
    const answer = candidate === gold ? gold : goldAnswer(gold);
    return { ...compare(candidate, answer, options), extracted: candidate };
  } catch (error) {
    const reason = error instanceof Unreadable ? error.message : 'it is beyond what this checker computes';
    return {
      equal: false,
      reason: `'${show(String(candidate))}' was not compared: ${reason}`,
      extracted: candidate,
    };
  }
}

/** Whether a completion ends in the gold answer, and the reason. */
export function checkAnswer(completion: string, gold: string, options: AnswerOptions = {}): AnswerVerdict {
  let extracted: Extracted | null;
  try {
    extracted = extractAnswer(completion, options.boxedOnly);
  } catch {
    return { equal: false, reason: 'the completion could not be searched for an answer' };
  }
  if (!extracted) return { equal: false, reason: 'no answer found' };
  return { ...answersEqual(extracted.answer, gold, options), rule: extracted.rule };
}
