/**
 * Writes lines of CSV (RFC 4180) that are safe in spreadsheets. Numbers are written unchanged; a text that a
 * spreadsheet would evaluate (`=1+1`, also after spaces or in full width) gets a leading apostrophe; invisible
 * characters are shown as `\x1b`, so that a cell is one line and reads the same in every program.
 */
import { HIDDEN, shownCharacter } from './shown.js';

export type CsvCell = string | number | boolean | null;

const HIDDEN_CHARACTERS = new RegExp(HIDDEN, 'gu');
const SYMBOLS: Readonly<Record<string, string>> = { '\n': '⏎', '\t': '⇥' };
const NUMBER = /^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$/;
const FORMULA = /^\s*[=+\-@＝＋－＠]/u;

/** The cells of a row, with line end; null is an empty cell. */
export function csvLine(cells: readonly CsvCell[]): string {
  return `${cells.map(csvCell).join(',')}\r\n`;
}

function csvCell(value: CsvCell): string {
  if (typeof value !== 'string') return value === null ? '' : String(value);
  const shown = value.replace(
    HIDDEN_CHARACTERS,
    (character) => SYMBOLS[character] ?? shownCharacter(character),
  );
  const text = FORMULA.test(shown) && !NUMBER.test(shown) ? `'${shown}` : shown;
  // Some spreadsheets split cells at semicolons.
  return /[",;]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
