import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { displayWidth } from './format.js';
import { formatTable } from './table.js';

const HEADER = ['method', 'seeds', 'target frequency, last 50 steps', 'seeds above 0.5'];
const ROWS = [
  ['GRPO', '5', '0.598 ± 0.678', '3 of 5'],
  ['λ-GRPO', '5', '0.996 ± 0.002', '5 of 5'],
];
const widest = (text: string) => Math.max(...text.split('\n').map(displayWidth));

describe('a table that is wider than the terminal', () => {
  test('breaks its headers first', () => {
    expect(`\n${formatTable(HEADER, ROWS, 50)}`).toBe(`
               target frequency,
method  seeds      last 50 steps  seeds above 0.5
──────  ─────  ─────────────────  ───────────────
GRPO        5      0.598 ± 0.678  3 of 5
λ-GRPO      5      0.996 ± 0.002  5 of 5
`);
    expect(formatTable(HEADER, ROWS, 200)).toBe(formatTable(HEADER, ROWS, Number.POSITIVE_INFINITY));
  });

  test('goes on below, with the first column again, where columns have no room side by side', () => {
    expect(`\n${formatTable(HEADER, ROWS, 25)}`).toBe(`
method  seeds
──────  ─────
GRPO        5
λ-GRPO      5

        target frequency,
method      last 50 steps
──────  ─────────────────
GRPO        0.598 ± 0.678
λ-GRPO      0.996 ± 0.002

method  seeds above 0.5
──────  ───────────────
GRPO    3 of 5
λ-GRPO  5 of 5
`);
  });

  test('has texts that go on in the next line, and bars in proportion', () => {
    const rows = [
      ['組の数', '12', '█'.repeat(24)],
      ['a long name of something', '3', '█'.repeat(6)],
      ['x', '0', '▏'],
    ];
    const text = formatTable(['', 'value', ''], rows, 30);
    expect(widest(text)).toBeLessThanOrEqual(30);
    const bars = [...text.matchAll(/█+/g)].map(([bar]) => bar.length);
    expect(bars[0]).toBe(4 * bars[1]);
  });

  test('keeps to any width, also in wide characters, and loses no figure', () => {
    const cell = fc.oneof(
      fc.integer().map(String),
      fc.string({ unit: 'grapheme', maxLength: 40 }),
      fc.constantFrom('東京都の人口は', '👩‍🔬👩‍🔬', '█████████', '0.5 ± 0.25', '–', '12.5%'),
    );
    const tables = fc
      .integer({ min: 1, max: 7 })
      .chain((columns) =>
        fc.tuple(
          fc.array(cell, { minLength: columns, maxLength: columns }),
          fc.array(fc.array(cell, { minLength: columns, maxLength: columns }), { maxLength: 5 }),
        ),
      );
    fc.assert(
      fc.property(tables, fc.integer({ min: 8, max: 120 }), ([header, rows], width) => {
        expect(widest(formatTable(header, rows, width))).toBeLessThanOrEqual(width);
      }),
      { numRuns: 300 },
    );
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.integer(), { minLength: 9, maxLength: 9 }), { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 26, max: 120 }),
        (rows, width) => {
          const shown = formatTable(
            [...'abcdefghi'],
            rows.map((row) => row.map(String)),
            width,
          );
          for (const value of rows.flat()) expect(shown.split(/\s+/)).toContain(String(value));
        },
      ),
    );
  });

  test('cells that would be obeyed are shown', () => {
    const text = formatTable(['\x1b[31mname'], [['a\nb\u202e']]);
    expect(text).toBe('\\x1b[31mname\n────────────\na⏎b\\u202e\n');
  });
});
