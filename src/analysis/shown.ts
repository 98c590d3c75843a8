/**
 * Makes invisible and control characters visible, for the terminal and CSV: control characters (C0, C1, DEL), format
 * characters (bidi, zero width, tags), line and paragraph separators, lone surrogates. The joiner within an emoji is
 * kept: 👩‍🔬 is three code points.
 */
const JOINED =
  '(?<=\\p{Extended_Pictographic}(?:\\ufe0f|\\p{Emoji_Modifier})?)\\u200d(?=\\p{Extended_Pictographic})';

/** Matches one of these characters, with the flag u. */
export const HIDDEN = `(?!${JOINED})[\\p{Cc}\\p{Cf}\\p{Cs}\\p{Zl}\\p{Zp}]`;

/** `\x1b`, `\u202e`, `\u{e0041}`. */
export function shownCharacter(character: string): string {
  const code = character.codePointAt(0) as number;
  const digits = code.toString(16);
  if (code < 0x100) return `\\x${digits.padStart(2, '0')}`;
  return code < 0x10000 ? `\\u${digits.padStart(4, '0')}` : `\\u{${digits}}`;
}
