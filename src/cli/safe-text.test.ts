import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { paint } from './format.js';
import { safeJson, safeText, visible, withoutStyle } from './safe-text.js';

/** Characters that a terminal obeys or that are invisible, by the names of the Unicode tables. */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;

describe('text for a terminal', () => {
  test('shows escape sequences, C1 controls, bidi, zero width and tag characters', () => {
    expect(safeText('\x1b]0;owned\x07\x1b[31mred\r\b\x7f')).toBe(
      '\\x1b]0;owned\\x07\\x1b[31mred\\x0d\\x08\\x7f',
    );
    expect(safeText('\u009b31m\u202eevil\u2066\u200b\ufeff\u2028')).toBe(
      '\\x9b31m\\u202eevil\\u2066\\u200b\\ufeff\\u2028',
    );
    expect(safeText('\u{e0041}\ud800x\udc00')).toBe('\\u{e0041}\\ud800x\\udc00');
  });

  test('keeps what people write: line ends, λ, combining marks, Japanese, Arabic, emoji with joiners', () => {
    const text = 'λ R̂ Â ±\n日本語 Привет العربية 👩‍🔬 👨🏽‍🚀 ❤️‍🔥 🇩🇪 → █';
    expect(safeText(text)).toBe(text);
    // A joiner anywhere else is invisible.
    expect(safeText('a\u200db 👩\u200dx')).toBe('a\\u200db 👩\\u200dx');
  });

  test('lets our own colours through, and no others', () => {
    const painted = paint(true).bold('\x1b[1mx\x1b[0m');
    expect(safeText(painted)).toBe('\x1b[1m\\x1b[1mx\\x1b[0m\x1b[0m');
    expect(withoutStyle(painted)).toBe('\x1b[1mx\x1b[0m');
    expect(safeText(paint(false).bold('x'))).toBe('x');
  });

  test('for any text, no invisible character is written except line ends, and on one line not even those', () => {
    const anything = fc.string({
      unit: fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('\x1b', '\n', '\u202e', '\u200d')),
    });
    fc.assert(
      fc.property(anything, (text) => {
        const joined = /(?<=\p{Extended_Pictographic}[\ufe0f\u{1f3fb}-\u{1f3ff}]?)\u200d/gu;
        expect(safeText(text).replaceAll('\n', '').replace(joined, '')).not.toMatch(HIDDEN);
        expect(visible(text).replace(joined, '')).not.toMatch(HIDDEN);
        const json = safeJson({ text });
        expect(json.replace(joined, '')).not.toMatch(HIDDEN);
        expect(JSON.parse(json)).toEqual({ text });
      }),
    );
  });

  test('JSON keeps its value, tags outside the first plane included', () => {
    const value = { '\u009b31m': ['\u202e', '\u{e0041}', '\u2028', 'λ'] };
    expect(safeJson(value)).toBe('{"\\u009b31m":["\\u202e","\\udb40\\udc41","\\u2028","λ"]}');
    expect(JSON.parse(safeJson(value))).toEqual(value);
  });
});
