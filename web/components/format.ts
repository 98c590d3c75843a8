/** Formats numbers and texts for all pages. */
import { HIDDEN, shownCharacter } from '../../src/analysis/shown.js';

/** −0.50, 0.00, +1.26. */
export function signed(value: number, digits = 2): string {
  const text = Math.abs(value).toFixed(digits);
  if (Number(text) === 0) return text;
  return value < 0 ? `−${text}` : `+${text}`;
}

/** As short as possible, with up to 4 decimals. */
export function plain(value: number): string {
  return String(Number(value.toFixed(4))).replace('-', '−');
}

/** As `plain`, but very small numbers have two significant digits: 1.6e−6. */
export function figure(value: number): string {
  return value !== 0 && Math.abs(value) < 1e-3 ? value.toExponential(1).replace(/-/g, '−') : plain(value);
}

export function percent(share: number): string {
  return `${(100 * share).toFixed(0)}%`;
}

/** With thin spaces between thousands. */
export function count(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, '\u2009');
}

/** 1 token, 2 tokens; the plural can be given: 1 branch, 2 branches. */
export function counted(value: number, noun: string, plural = `${noun}s`): string {
  return `${count(value)} ${value === 1 ? noun : plural}`;
}

const HIDDEN_CHARACTER = new RegExp(HIDDEN, 'gu');

/**
 * A text on one line: line ends and tabs are shown as symbols, invisible and bidirectional control characters as
 * escapes.
 */
export function visible(text: string): string {
  return shown(text.replace(/\r\n?|\n/g, '⏎').replace(/\t/g, '⇥'));
}

/** A text on several lines: line ends and tabs stay, invisible characters are shown as escapes. */
export function shownLines(text: string): string {
  return text
    .replace(/\r\n?/g, '\n')
    .split(/([\n\t])/)
    .map((part) => (part === '\n' || part === '\t' ? part : shown(part)))
    .join('');
}

function shown(text: string): string {
  return text.replace(HIDDEN_CHARACTER, shownCharacter);
}
