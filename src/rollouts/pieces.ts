/**
 * Token texts that can be joined. A token may hold only part of a character. Bytes that are not valid UTF-8 alone are
 * kept as lone surrogates, U+DC80 … U+DCFF for 80 … FF (Python: surrogateescape). Joined bytes that form a character
 * become that character; the others are shown as bytes, so that different tokens look different.
 */

const FIRST = 0xdc80;
const LAST = 0xdcff;
const SHIFT = 0xdc00;

const decoder = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true });

/** The character that begins here; null: these bytes do not begin a character. */
function characterAt(bytes: Uint8Array, at: number): { text: string; length: number } | null {
  for (let length = 1; length <= 4 && at + length <= bytes.length; length++) {
    try {
      return { text: decoder.decode(bytes.subarray(at, at + length)), length };
    } catch {
      // Incomplete, or not a character.
    }
  }
  return null;
}

/** Bytes as text; bytes that are not part of a character become lone surrogates. */
export function escapeBytes(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    let text = '';
    for (let at = 0; at < bytes.length; ) {
      const character = characterAt(bytes, at);
      text += character?.text ?? String.fromCharCode(SHIFT + bytes[at]);
      at += character?.length ?? 1;
    }
    return text;
  }
}

const isEscaped = (code: number): boolean => code >= FIRST && code <= LAST;

/** Joins the texts of tokens: adjacent escaped bytes become the characters that they form; other bytes stay escaped. */
export function joinPieces(pieces: readonly string[], separator = ''): string {
  // With the flag u, the second half of a surrogate pair does not match as a byte.
  return pieces
    .join(separator)
    .replace(/[\udc80-\udcff]{2,}/gu, (run) =>
      escapeBytes(Uint8Array.from(run, (code) => code.charCodeAt(0) - SHIFT)),
    );
}

/**
 * Text of a token by its id; `⟨id⟩` if it has none or only � (logs written before bytes were kept), so that no two
 * tokens look the same.
 */
export function pieceOf(texts: Readonly<Record<number, string>> | undefined, id: number): string {
  const text = texts?.[id];
  return text === undefined || text.includes('\ufffd') ? `⟨${id}⟩` : text;
}

/** The text for display: incomplete bytes as ⟨E2⟩, half a surrogate pair as ⟨D83D⟩. */
export function shownPieces(pieces: readonly string[], separator = ''): string {
  return shownBytes(joinPieces(pieces, separator));
}

/** Replaces escaped bytes by ⟨E2⟩, and other lone surrogates by ⟨D83D⟩. */
export function shownBytes(text: string): string {
  return text.replace(/\p{Surrogate}/gu, (half) => {
    const code = half.charCodeAt(0);
    return `⟨${(isEscaped(code) ? code - SHIFT : code).toString(16).toUpperCase()}⟩`;
  });
}

/** The escaped bytes at the end of a text that may still begin a character; '' if there are none. */
export function openBytes(text: string): string {
  const end = /[\udc80-\udcff]{1,3}$/u.exec(text)?.[0] ?? '';
  for (let at = 0; at < end.length; at++) {
    const lead = end.charCodeAt(at) - SHIFT;
    const needs =
      lead >= 0xf0 && lead < 0xf5 ? 4 : lead >= 0xe0 && lead < 0xf0 ? 3 : lead >= 0xc2 && lead < 0xe0 ? 2 : 0;
    if (needs > end.length - at) return end.slice(at);
  }
  return '';
}
