/**
 * Makes text safe to print. Logs, models and file names may hold escape sequences, bidirectional control characters or
 * invisible characters; they are shown as `\x1b`, `\u202e`, `\u{e0041}`. Our own colours pass, because their codes carry
 * a random mark that no input can contain.
 */
import { randomBytes } from 'node:crypto';
import { HIDDEN, shownCharacter } from '../analysis/shown.js';

/** Private-use characters, drawn anew for each process. */
const MARK = Array.from(randomBytes(8), (byte) => String.fromCodePoint(0xf0000 + byte)).join('');
const CODE = `${MARK}[0-9;]*m`;
const CODES = new RegExp(CODE, 'gu');
const CODES_AND_HIDDEN = new RegExp(`${CODE}|(?!\\n)${HIDDEN}`, 'gu');

/** A colour code for text that is printed later: 1, 38;5;33. */
export function styleCode(code: string): string {
  return `${MARK}${code}m`;
}

/** Text without our colour codes. */
export function withoutStyle(text: string): string {
  return text.replace(CODES, '');
}

/** Text that is safe to print; line ends stay. */
export function safeText(text: string): string {
  return replaceHidden(text, shownCharacter).replace(CODES, (code) => `\x1b[${code.slice(MARK.length)}`);
}

/** A text on one line, for a cell or a message: line ends and tabs as symbols, no control characters. */
export function visible(text: string): string {
  return replaceHidden(text.replaceAll('\n', '⏎').replaceAll('\t', '⇥'), shownCharacter);
}

/** JSON on one line with the same value and without control characters. */
export function safeJson(value: unknown): string {
  return replaceHidden(JSON.stringify(value), (character) =>
    Array.from(
      { length: character.length },
      (_, i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`,
    ).join(''),
  );
}

function replaceHidden(text: string, shown: (character: string) => string): string {
  return text.replace(CODES_AND_HIDDEN, (part) => (part.startsWith(MARK) ? part : shown(part)));
}
