/**
 * Text for the terminal: colours if they are wanted, and widths as a terminal shows them (combining marks take no
 * column, wide East Asian characters and emoji take two). Tables and the tree have their own files.
 */
import stringWidth from 'string-width';
import { styleCode, withoutStyle } from './safe-text.js';

export { visible } from './safe-text.js';

export interface ColourStream {
  readonly isTTY?: boolean;
}

/**
 * Whether to use colours: on a terminal, unless NO_COLOR (no-color.org) is set; FORCE_COLOR overrides the terminal
 * check.
 */
export function wantsColour(stream: ColourStream, environment: NodeJS.ProcessEnv = process.env): boolean {
  if (environment.NO_COLOR) return false;
  if (environment.FORCE_COLOR && environment.FORCE_COLOR !== '0') return true;
  return stream.isTTY === true && environment.TERM !== 'dumb';
}

export interface Paint {
  bold(text: string): string;
  dim(text: string): string;
  /** Blue above 0, orange below 0, with strength |value| / scale; plain at 0. */
  signed(text: string, value: number, scale: number): string;
}

// 256-colour cube, from weak to strong. People with common colour blindness can distinguish blue and orange.
const BLUE = [110, 75, 39, 33];
const ORANGE = [180, 179, 214, 208];

export function paint(colour: boolean): Paint {
  const wrap = (code: string, text: string) =>
    colour && text !== '' ? `${styleCode(code)}${text}${styleCode('0')}` : text;
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

/** Width of a text in terminal columns, without our colour codes. */
export function displayWidth(text: string): number {
  return stringWidth(withoutStyle(text), { countAnsiEscapeCodes: true });
}

/** A text padded with spaces to a width. */
export function pad(text: string, width: number, side: 'left' | 'right' = 'left'): string {
  const blanks = ' '.repeat(Math.max(0, width - displayWidth(text)));
  return side === 'left' ? text + blanks : blanks + text;
}

/** Splits plain text into what a reader sees as characters. */
const GRAPHEMES = new Intl.Segmenter(undefined, { granularity: 'grapheme' });
/** Maximum number of code units in a character; longer ones are split. */
const LONGEST_CHARACTER = 32;

/** A plain text shortened in its middle to a width: `the beginning…the end`. */
export function elide(text: string, width: number): string {
  if (width < 1) return '';
  // Only the ends of a long text are needed.
  const reach = LONGEST_CHARACTER * (width + 1);
  if (text.length <= 2 * reach && displayWidth(text) <= width) return text;
  const apart = text.length > 2 * reach;
  const head = fitting(apart ? text.slice(0, reach) : text, Math.ceil((width - 1) / 2));
  const rest = apart ? text.slice(-reach) : text.slice(head.length);
  return `${head}…${fitting(rest, Math.floor((width - 1) / 2), true)}`;
}

/** The first or the last characters of a text that fit into the width. */
export function fitting(text: string, width: number, fromEnd = false): string {
  const characters = Array.from(GRAPHEMES.segment(text), ({ segment }) => segment);
  if (fromEnd) characters.reverse();
  let used = 0;
  const end = characters.findIndex((character) => {
    used += displayWidth(character);
    return used > width;
  });
  const visible = characters.slice(0, end < 0 ? characters.length : end);
  return (fromEnd ? visible.reverse() : visible).join('');
}

/** A text split into lines of at most a width: at spaces, or within a word that is wider than the line. */
export function breakText(text: string, width: number): string[] {
  if (displayWidth(text) <= width) return [text];
  const lines: string[] = [];
  let line = '';
  for (const word of withoutStyle(text).split(' ')) {
    const joined = line === '' ? word : `${line} ${word}`;
    if (displayWidth(joined) <= width) {
      line = joined;
      continue;
    }
    if (line !== '') lines.push(line);
    line = word;
    while (displayWidth(line) > width) {
      // A wide character does not fit into one column, but is kept.
      const start = fitting(line, width) || ([...GRAPHEMES.segment(line)][0]?.segment ?? line);
      lines.push(start);
      line = line.slice(start.length);
    }
  }
  if (line !== '') lines.push(line);
  return lines.length === 0 ? [''] : lines;
}

/** `+0.22`, `−1.11`, `0.00`. */
export function signedNumber(value: number, digits = 2): string {
  const text = Math.abs(value).toFixed(digits);
  if (Number(text) === 0) return text;
  return value < 0 ? `−${text}` : `+${text}`;
}
