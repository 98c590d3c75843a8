/**
 * Tables that fit the terminal. Columns are aligned by displayed width. If a table is too wide, headers are broken at
 * spaces, and bars and texts become narrower (texts wrap). Columns that still do not fit follow in a second table, which
 * repeats the first column. Numbers are never cut.
 */
import { breakText, displayWidth, pad, visible } from './format.js';
import { withoutStyle } from './safe-text.js';
import { outputWidth } from './terminal.js';

const GAP = 2;
/** Minimum width of a text. */
const LEAST_TEXT = 12;
/** A bar with less room is left out. */
const LEAST_BAR = 4;

interface Column {
  readonly kind: 'number' | 'bar' | 'text';
  readonly cells: readonly string[];
  readonly header: string;
  readonly natural: number;
  readonly least: number;
}

/**
 * Rows below a header, with aligned columns: text left, numbers right.
 * @param header [columns]; @param rows [rows][columns]
 * @param width in columns of the terminal; default: that of standard output
 */
export function formatTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  width = outputWidth(),
): string {
  const columns = header.map((name, c) =>
    columnOf(
      visible(name),
      rows.map((row) => visible(row[c] ?? '')),
    ),
  );
  const natural = columns.map((column) => column.natural);
  if (total(natural) <= width) return render(columns, natural);
  return blocks(columns, width)
    .map((block) => render(block, fitted(block, width)))
    .join('\n');
}

function columnOf(header: string, cells: readonly string[]): Column {
  const filled = cells.filter((cell) => cell !== '');
  const body = Math.max(0, ...cells.map(displayWidth));
  const word = Math.max(0, ...header.split(' ').map(displayWidth));
  const natural = Math.max(1, displayWidth(header), body);
  if (cells.length > 0 && cells.every(isNumeric))
    return { kind: 'number', header, cells, natural, least: Math.max(word, body) };
  if (filled.length > 0 && filled.every((cell) => /^[█▏]+$/.test(cell)))
    return { kind: 'bar', header, cells, natural, least: header === '' ? 0 : Math.max(word, LEAST_BAR) };
  return { kind: 'text', header, cells, natural, least: Math.min(natural, Math.max(word, LEAST_TEXT)) };
}

/** Distributes the columns over tables that fit if every column has its minimum width. */
function blocks(columns: readonly Column[], width: number): Column[][] {
  const [first, ...rest] = columns;
  const result: Column[][] = [[first]];
  for (const column of rest) {
    const block = result[result.length - 1];
    if (total([...block, column].map(({ least }) => least)) <= width) block.push(column);
    else if (column.kind !== 'bar') result.push([first, column]);
  }
  return result.filter((block) => block.length > 1 || columns.length === 1);
}

/** Widths that fit: the widest columns are narrowed first, bars before texts. */
function fitted(columns: readonly Column[], width: number): number[] {
  const widths = columns.map(({ natural }) => natural);
  const shrink = (may: (column: Column) => boolean, least: (column: Column) => number): void => {
    while (total(widths) > width) {
      let widest = -1;
      columns.forEach((column, c) => {
        if (may(column) && widths[c] > least(column) && (widest < 0 || widths[c] > widths[widest]))
          widest = c;
      });
      if (widest < 0) return;
      widths[widest]--;
    }
  };
  shrink(
    ({ kind }) => kind === 'number',
    (column) => column.least,
  );
  shrink(
    ({ kind }) => kind === 'bar',
    () => LEAST_BAR,
  );
  shrink(
    () => true,
    ({ kind, least }) => (kind === 'bar' ? LEAST_BAR : least),
  );
  columns.forEach(({ kind, least }, c) => {
    if (c > 0 && kind === 'bar' && total(widths) > width) widths[c] = least;
  });
  // On an extremely narrow terminal even figures are broken.
  shrink(
    () => true,
    () => 1,
  );
  // Text that is broken at spaces seldom fills its lines.
  return widths.map((width, c) => {
    const { kind, header, cells } = columns[c];
    if (kind === 'bar' || width === 0) return width;
    return Math.max(1, ...[header, ...cells].flatMap((cell) => breakText(cell, width)).map(displayWidth));
  });
}

function total(widths: readonly number[]): number {
  const shown = widths.filter((width) => width > 0);
  return shown.reduce((sum, width) => sum + width, 0) + GAP * Math.max(0, shown.length - 1);
}

function render(all: readonly Column[], allWidths: readonly number[]): string {
  const columns = all.filter((_, c) => allWidths[c] > 0);
  const widths = allWidths.filter((width) => width > 0);
  const side = columns.map(({ kind }) => (kind === 'number' ? 'right' : 'left'));
  const row = (cells: readonly (readonly string[])[]): string[] =>
    Array.from({ length: Math.max(...cells.map((lines) => lines.length)) }, (_, i) =>
      widths
        .map((width, c) => pad(cells[c][i] ?? '', width, side[c]))
        .join(' '.repeat(GAP))
        .trimEnd(),
    );
  // A header of two lines is aligned with the rule below.
  const headers = columns.map(({ header }, c) => breakText(header, widths[c]));
  const height = Math.max(...headers.map((lines) => lines.length));
  const lines = row(headers.map((header) => [...Array(height - header.length).fill(''), ...header]));
  lines.push(widths.map((width) => '─'.repeat(width)).join(' '.repeat(GAP)));
  const bodies = columns.map((column, c) => bodyOf(column, widths[c]));
  for (let r = 0; r < columns[0].cells.length; r++) lines.push(...row(bodies.map((body) => body[r])));
  return lines.map((line) => `${line}\n`).join('');
}

/** Lines of each cell, [rows][lines]. */
function bodyOf({ kind, cells, natural }: Column, width: number): string[][] {
  if (kind !== 'bar' || width >= natural) return cells.map((cell) => breakText(cell, width));
  const longest = Math.max(...cells.map(displayWidth));
  return cells.map((cell) => {
    const full = cell.replaceAll('▏', '').length;
    return [full === 0 ? cell : '█'.repeat(Math.round((full * width) / longest)) || '▏'];
  });
}

function isNumeric(cell: string): boolean {
  return /^[-+−±]?(\d[\d,.]*|∞|–)?([eE][-+]?\d+)?%?( ?± ?[\d.]+)?( \[[\d.]+, [\d.]+\])?$/.test(
    withoutStyle(cell).trim(),
  );
}
