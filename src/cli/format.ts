/**
 * Text for the terminal: aligned tables, and colours where they are wanted. Widths are counted in characters as a
 * terminal shows them (combining marks take no column, wide East Asian ones take two). The tree has its own file.
 */

export interface ColourStream {
  readonly isTTY?: boolean;
}

/** Whether to colour: a terminal, and NO_COLOR (no-color.org) not set; FORCE_COLOR overrules the first. */
export function wantsColour(stream: ColourStream, environment: NodeJS.ProcessEnv = process.env): boolean {
  if (environment.NO_COLOR) return false;
  if (environment.FORCE_COLOR && environment.FORCE_COLOR !== '0') return true;
  return stream.isTTY === true && environment.TERM !== 'dumb';
}

export interface Paint {
  bold(text: string): string;
  dim(text: string): string;
  /** Blue for more than 0, orange for less, as strong as |value| / scale; plain at 0. */
  signed(text: string, value: number, scale: number): string;
}

// 256-colour cube, from weak to strong. Blue and orange are told apart with every common colour blindness.
const BLUE = [110, 75, 39, 33];
const ORANGE = [180, 179, 214, 208];

export function paint(colour: boolean): Paint {
  const wrap = (code: string, text: string) => (colour && text !== '' ? `\x1b[${code}m${text}\x1b[0m` : text);
  return {
    bold: (text) => wrap('1', text),
    dim: (text) => wrap('2', text),
    signed(text, value, scale) {
      const strength = Math.min(1, Math.abs(value) / scale);
      if (!(strength > 0.02)) return text;
      const level = Math.min(3, Math.floor(strength * 4));
      return wrap(`38;5;${(value > 0 ? BLUE : ORANGE)[level]}`, text);
    },
  };
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: colours are control characters
const ESCAPE = /\x1b\[[0-9;]*m/g;

/** Columns a text takes in a terminal, colours not counted. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const character of text.replace(ESCAPE, '')) {
    if (/\p{Mark}|\u200d/u.test(character)) continue;
    width +=
      /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u.test(
        character,
      )
        ? 2
        : 1;
  }
  return width;
}

/** A text filled up with blanks to a width. */
export function pad(text: string, width: number, side: 'left' | 'right' = 'left'): string {
  const blanks = ' '.repeat(Math.max(0, width - displayWidth(text)));
  return side === 'left' ? text + blanks : blanks + text;
}

/** A plain text cut in its middle to a width: `the beginning…the end`. */
export function elide(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  const characters = [...text];
  const take = (list: string[], room: number) => {
    let used = 0;
    const end = list.findIndex((character) => {
      used += displayWidth(character);
      return used > room;
    });
    return list.slice(0, end < 0 ? list.length : end);
  };
  const room = Math.max(0, width - 1);
  const head = take(characters, Math.ceil(room / 2));
  const tail = take(characters.slice(head.length).reverse(), Math.floor(room / 2));
  return width < 1 ? '' : `${head.join('')}…${tail.reverse().join('')}`;
}

/** A text on one line: line ends, tabs and other control characters as symbols. */
export function visible(text: string): string {
  return text
    .replaceAll('\n', '⏎')
    .replaceAll('\t', '⇥')
    .replace(/\p{Cc}/gu, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/**
 * Rows under a header, columns aligned: text left, what looks like a number right.
 * @param header [columns]; @param rows [rows][columns]
 */
export function formatTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [header, ...rows];
  const widths = header.map((_, c) => Math.max(...cells.map((row) => displayWidth(row[c] ?? ''))));
  const right = header.map((_, c) => rows.length > 0 && rows.every((row) => isNumeric(row[c] ?? '')));
  const lines = cells.map((row) =>
    widths
      .map((width, c) => pad(row[c] ?? '', width, right[c] ? 'right' : 'left'))
      .join('  ')
      .trimEnd(),
  );
  const rule = widths.map((width) => '─'.repeat(width)).join('  ');
  return [lines[0], rule, ...lines.slice(1)].map((line) => `${line}\n`).join('');
}

function isNumeric(cell: string): boolean {
  return /^[-+−±]?(\d[\d,.]*|∞|–)?([eE][-+]?\d+)?%?( ?± ?[\d.]+)?$/.test(cell.replace(ESCAPE, '').trim());
}

/** `+0.22`, `−1.11`, `0.00`. */
export function signedNumber(value: number, digits = 2): string {
  const text = Math.abs(value).toFixed(digits);
  if (Number(text) === 0) return text;
  return value < 0 ? `−${text}` : `+${text}`;
}
