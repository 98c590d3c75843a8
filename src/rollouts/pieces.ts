/**
 * Texts of tokens that can be joined. A token may hold a part of a character only; its bytes that are no text alone are
 * kept as lone surrogates, U+DC80 … U+DCFF for 80 … FF (Python calls it surrogateescape). Joined, the bytes that make
 * characters become characters, and the others are shown as bytes, so that no two tokens look the same.
 */

const FIRST = 0xdc80;
const LAST = 0xdcff;
const SHIFT = 0xdc00;

const decoder = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true });

/** The character that begins here; null: these bytes begin none. */
function characterAt(bytes: Uint8Array, at: number): { text: string; length: number } | null {
  for (let length = 1; length <= 4 && at + length <= bytes.length; length++) {
    try {
      return { text: decoder.decode(bytes.subarray(at, at + length)), length };
    } catch {
      // Not yet a character, or none.
    }
  }
  return null;
}

/** Bytes as text, those that are no character as lone surrogates. */
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

/**
 * Texts of tokens as one text: escaped bytes side by side become the characters that they make together; the others stay
 * escaped.
 */
export function joinPieces(pieces: readonly string[], separator = ''): string {
  const text = pieces.join(separator);
  return text.replace(/[\udc80-\udcff]{2,}/g, (run, index: number) => {
    // The second half of a pair is no byte.
    const paired = index > 0 && /[\ud800-\udbff]/.test(text[index - 1]);
    const codes = Uint8Array.from(run, (code) => code.charCodeAt(0) - SHIFT);
    return paired ? run[0] + escapeBytes(codes.subarray(1)) : escapeBytes(codes);
  });
}

/** What a person reads: bytes that are no character as ⟨E2⟩. */
export function shownPieces(pieces: readonly string[], separator = ''): string {
  return shownBytes(joinPieces(pieces, separator));
}

/** Escaped bytes of a text as ⟨E2⟩. */
export function shownBytes(text: string): string {
  return text.replace(/\p{Surrogate}/gu, (half) => {
    const code = half.charCodeAt(0);
    return isEscaped(code) ? `⟨${(code - SHIFT).toString(16).toUpperCase()}⟩` : '\ufffd';
  });
}

/** The escaped bytes at the end of a text that a character may yet begin with; ''. where there are none. */
export function openBytes(text: string): string {
  for (let length = 3; length > 0; length--) {
    const end = text.slice(-length);
    if (end.length < length || !Array.from(end, (c) => c.charCodeAt(0)).every(isEscaped)) continue;
    const [first] = end;
    const lead = first.charCodeAt(0) - SHIFT;
    const needs = lead >= 0xf0 && lead < 0xf5 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc2 ? 2 : 0;
    if (needs > length) return end;
  }
  return '';
}
