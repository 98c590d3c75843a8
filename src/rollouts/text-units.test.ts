/**
 * Text units: joined they are the text; text with spaces is split by fixed rules, and scripts without spaces into
 * words.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { textUnits } from './text-units.js';

/**
 * Expected units of text with spaces: runs of letters, digits and underscores, or one other character, with the
 * preceding white space.
 */
const spaced = (text: string) => text.match(/\s*(?:[\p{L}\p{M}\p{N}_]+|[^\s\p{L}\p{M}\p{N}_])|\s+$/gu) ?? [];

const PIECES = [
  '我们首先需要计算向量',
  '東京都に住んでいます',
  'カタカナ',
  'ー',
  'สวัสดีชาวโลก',
  'ສະບາຍດີ',
  'សួស្តី',
  'မင်္ဂလာပါ',
  'ꦧꦱꦗꦮ',
  '한국어 문장',
  'naïve',
  'e\u0301\u0323',
  '👩‍👩‍👧‍👦',
  '🇯🇵',
  '\ud83d',
  '\udc00',
  '\u200d',
  ' ',
  '\n\n',
  '\t',
  '\u3000',
  '\u00a0',
  '。',
  '、',
  'x_1',
  '42',
  '٣',
  '\\boxed{',
  '}',
  '=',
  '\0',
  'مرحبا',
  'नमस्ते',
  'བོད་ཡིག',
];

describe('text units', () => {
  test('joined are the text: scripts, emoji, combining marks, lone surrogates, any white space', () => {
    const mixed = fc.array(fc.oneof(fc.constantFrom(...PIECES), fc.string({ unit: 'binary' })), {
      maxLength: 12,
    });
    fc.assert(
      fc.property(mixed, (pieces) => {
        const text = pieces.join('');
        const units = textUnits(text);
        expect(units.join('')).toBe(text);
        expect(units).not.toContain('');
      }),
      { numRuns: 2000 },
    );
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 0xffff })), (codes) => {
        const text = String.fromCharCode(...codes);
        expect(textUnits(text).join('')).toBe(text);
      }),
    );
  });

  test('of text in scripts with spaces are runs of letters, as ever', () => {
    const withSpaces = fc
      .array(fc.oneof(fc.constantFrom(...PIECES), fc.string()), { maxLength: 12 })
      .map((pieces) => pieces.join(''))
      .filter(
        (text) =>
          !/[\p{scx=Han}\p{scx=Hira}\p{scx=Kana}\p{scx=Bopo}\p{scx=Thai}\p{scx=Laoo}\p{scx=Khmr}\p{scx=Mymr}\p{scx=Java}]/u.test(
            text,
          ),
      );
    fc.assert(
      fc.property(withSpaces, (text) => {
        expect(textUnits(text)).toEqual(Array.from(spaced(text)));
      }),
      {
        numRuns: 1000,
      },
    );
    expect(textUnits('Let x_1 = 3.5, so  it is\n\nnaïve. 한국어 문장입니다 ')).toEqual([
      'Let',
      ' x_1',
      ' =',
      ' 3',
      '.',
      '5',
      ',',
      ' so',
      '  it',
      ' is',
      '\n\nnaïve',
      '.',
      ' 한국어',
      ' 문장입니다',
      ' ',
    ]);
  });

  test.each([
    ['Chinese', '我们首先需要计算向量的横坐标和纵坐标然后代入目标函数求得最小值为三分之四'],
    ['Japanese', '私たちはまずベクトルの座標を計算する必要があります'],
    ['Thai', 'เราต้องคำนวณพิกัดของเวกเตอร์ก่อน'],
    ['Lao', 'ພວກເຮົາຕ້ອງຄິດໄລ່ກ່ອນ'],
    ['Khmer', 'យើងត្រូវគណនាជាមុនសិន'],
    ['Burmese', 'ကျွန်တော်တို့အရင်တွက်ချက်ရမယ်'],
    ['Javanese', 'ꦧꦱꦗꦮꦲꦏ꧀ꦱꦫ'],
  ])('of %s are words, not one run', (_, text) => {
    const units = textUnits(`  ${text}`);
    const graphemes = [...new Intl.Segmenter().segment(text)].length;
    expect(units.length).toBeGreaterThanOrEqual(Math.floor(graphemes / 6));
    expect(units.length).toBeGreaterThan(2);
    expect(units.length).toBeLessThanOrEqual(graphemes);
    expect(units[0]).toMatch(/^ {2}\S/);
    // A unit never separates a character from its marks.
    const ends = new Set(Array.from(new Intl.Segmenter().segment(text), ({ index }) => index));
    let at = 0;
    for (const unit of textUnits(text)) {
      expect(ends.has(at)).toBe(true);
      at += unit.length;
    }
  });

  test('two texts that differ at their ends share what is before', () => {
    const [a, b] = ['三分之四', '七'].map((end) =>
      textUnits(`我们首先需要计算向量的横坐标和纵坐标然后代入目标函数求得最小值为${end}`),
    );
    let shared = 0;
    while (a[shared] === b[shared]) shared++;
    expect(shared).toBeGreaterThan(10);
    expect(shared).toBeLessThan(a.length);
  });

  test('of 280,000 characters without a space come in time that grows with the length', () => {
    const start = performance.now();
    const text = '我们首先需要计算向量的横坐标'.repeat(20_000);
    expect(textUnits(text).length).toBeGreaterThan(100_000);
    expect(performance.now() - start).toBeLessThan(10_000);
  });
});
