/**
 * Tokens as bytes. A token of a byte-level vocabulary, or of one with byte fallback, may be part of a character: only
 * the bytes of several tokens together are text.
 */

/**
 * The letter of each byte in a byte-level vocabulary (GPT-2): the byte itself if it can be printed, else a letter from
 * U+0100 on.
 */
export const BYTE_LETTERS: readonly string[] = (() => {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const printed = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    return String.fromCharCode(printed ? byte : next++);
  });
})();

const BYTE_OF = new Map(BYTE_LETTERS.map((letter, byte) => [letter, byte]));
const encoder = new TextEncoder();

/** The bytes of a token in a byte-level vocabulary; a token with other letters is its own text. */
export function byteLevelBytes(token: string): Uint8Array {
  const bytes: number[] = [];
  for (const letter of token) {
    const byte = BYTE_OF.get(letter);
    if (byte === undefined) return encoder.encode(token);
    bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}

/** The byte of a token such as `<0xE2>`; null for any other token. */
export function fallbackByte(token: string): number | null {
  const match = /^<0x([0-9A-Fa-f]{2})>$/.exec(token);
  return match ? Number.parseInt(match[1], 16) : null;
}

/** Tokens as text: adjacent byte tokens that are not valid UTF-8 become a � each. */
export function fallbackTexts(tokens: readonly string[]): string[] {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const texts: string[] = [];
  for (let i = 0; i < tokens.length; ) {
    const bytes: number[] = [];
    for (let byte = fallbackByte(tokens[i]); byte !== null; byte = fallbackByte(tokens[i] ?? '')) {
      bytes.push(byte);
      i++;
    }
    if (bytes.length === 0) {
      texts.push(tokens[i++]);
      continue;
    }
    try {
      texts.push(decoder.decode(Uint8Array.from(bytes)));
    } catch {
      texts.push('\ufffd'.repeat(bytes.length));
    }
  }
  return texts;
}
