import { describe, expect, test } from 'vitest';
import { ProcessTree } from '../tree/index.js';
import { displayWidth, elide, paint, signedNumber, visible, wantsColour } from './format.js';
import { formatTree } from './format-tree.js';
import { safeText } from './safe-text.js';
import { formatTable } from './table.js';

// The worked example of the paper: step rewards and advantages computed by hand from PAPER.md §2.
const TEXTS = ['ABCD', 'ABEFHI', 'JKLM', 'JKLNQST', 'JKLNQU', 'VWYZ'];
const tree = ProcessTree.build(TEXTS.map((text) => Int32Array.from(text, (c) => c.charCodeAt(0))));
const BY_STEP: Record<string, [number, number]> = {
  '': [0.4167, 0],
  AB: [0.5, 0.22],
  CD: [0.5, 0.22],
  EFHI: [0.5, 0.22],
  JKL: [1 / 3, -0.22],
  M: [1, 1.55],
  NQ: [0, -1.11],
  ST: [0, -1.11],
  U: [0, -1.11],
  VWYZ: [0.5, 0.22],
};
const ofNode = (n: number) => BY_STEP[String.fromCharCode(...tree.stepTokens(n))];
const nodes = Array.from({ length: tree.nodeCount }, (_, n) => n);
const figures = {
  tree,
  stepRewards: nodes.map((n) => ofNode(n)[0]),
  stepAdvantages: nodes.map((n) => ofNode(n)[1]),
  tokenText: (id: number) => String.fromCharCode(id),
};

describe('a printed tree', () => {
  test('shows the worked example: branches, |λ|, step reward and advantage', () => {
    expect(`\n${formatTree(figures)}`).toBe(`
step         |λ|     R̂      Â
(root)         6  0.42   0.00
├─ AB          2  0.50  +0.22
│  ├─ CD       1  0.50  +0.22
│  └─ EFHI     1  0.50  +0.22
├─ JKL         3  0.33  −0.22
│  ├─ M        1  1.00  +1.55
│  └─ NQ       2  0.00  −1.11
│     ├─ ST    1  0.00  −1.11
│     └─ U     1  0.00  −1.11
└─ VWYZ        1  0.50  +0.22
`);
  });

  test('has the same text in colours, blue for what is pushed up and orange for what is pushed down', () => {
    const coloured = safeText(formatTree(figures, { colour: true }));
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are control characters
    expect(coloured.replace(/\x1b\[[0-9;]*m/g, '')).toBe(formatTree(figures));
    expect(coloured).toContain('\x1b[38;5;33mM\x1b[0m');
    expect(coloured).toContain('\x1b[38;5;214mNQ\x1b[0m');
    expect(coloured).toContain('\x1b[38;5;110mAB\x1b[0m');
    expect(coloured).toContain('(root)    '); // neutral
  });

  test('fits its width: long steps lose their middle, and what is not shown is counted', () => {
    const long = ProcessTree.build([
      new Int32Array(500).fill(97),
      new Int32Array(500).fill(98),
      Int32Array.of(),
    ]);
    const zeros = new Float64Array(long.nodeCount);
    const text = formatTree(
      { tree: long, stepRewards: zeros, stepAdvantages: zeros, tokenText: figures.tokenText },
      { width: 60 },
    );
    const lines = text.trimEnd().split('\n');
    expect(lines).toHaveLength(5);
    for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(60);
    expect(text).toContain('aaaaaaa…aaaaaaa');
    expect(text).toContain('(ends)');
    expect(formatTree(figures, { maxNodes: 3 })).toContain('… and 7 more steps');
  });

  test('holds a chain of 300 nested prefixes within the width', () => {
    const deep = ProcessTree.build(Array.from({ length: 300 }, (_, i) => new Int32Array(i).fill(97)));
    const zeros = new Float64Array(deep.nodeCount);
    const text = formatTree(
      { tree: deep, stepRewards: zeros, stepAdvantages: zeros, tokenText: figures.tokenText },
      { width: 72 },
    );
    for (const line of text.trimEnd().split('\n')) expect(displayWidth(line)).toBeLessThanOrEqual(72);
  });
});

describe('text for a terminal', () => {
  test('aligns tables by what is seen: λ, combining marks, wide characters and colours', () => {
    const bold = paint(true).bold('red');
    expect(displayWidth(`λ±R̂${bold}`)).toBe(6);
    expect(displayWidth('漢字')).toBe(4);
    expect(
      formatTable(
        ['method', 'target', 'seeds'],
        [
          ['GRPO', '0.39 ± 0.45', '5'],
          ['λ-GRPO', '0.98 ± 0.02', '15'],
          [bold, '–', '−3'],
        ],
      ),
    ).toBe(
      [
        'method       target  seeds',
        '──────  ───────────  ─────',
        'GRPO    0.39 ± 0.45      5',
        'λ-GRPO  0.98 ± 0.02     15',
        `${bold}               –     −3`,
        '',
      ].join('\n'),
    );
    expect(
      formatTable(
        ['a', 'share'],
        [
          ['x', '0.5 [0.25, 1.00]'],
          ['y', '1.000 [0.5, 1.00]'],
        ],
      ),
    ).toContain('x   0.5 [0.25, 1.00]\n');
    expect(formatTable(['a', 'b'], [])).toBe('a  b\n─  ─\n');
  });

  test('is coloured on a terminal only, and never against NO_COLOR', () => {
    expect(wantsColour({ isTTY: true }, {})).toBe(true);
    expect(wantsColour({ isTTY: false }, {})).toBe(false);
    expect(wantsColour({}, { FORCE_COLOR: '1' })).toBe(true);
    expect(wantsColour({ isTTY: true }, { NO_COLOR: '1', FORCE_COLOR: '1' })).toBe(false);
    expect(wantsColour({ isTTY: true }, { TERM: 'dumb' })).toBe(false);
    expect(paint(false).signed('x', 1, 1) + paint(false).bold('y')).toBe('xy');
    expect(paint(true).signed('x', 0, 1)).toBe('x');
  });

  test('is cut in the middle, on one line, with a true minus', () => {
    expect(elide('abcdefghij', 7)).toBe('abc…hij');
    expect(elide('abc', 3)).toBe('abc');
    expect(elide('abc', 1)).toBe('…');
    expect(displayWidth(elide('漢字漢字漢字', 7))).toBeLessThanOrEqual(7);
    expect(visible('a\nb\tc\x1b')).toBe('a⏎b⇥c\\x1b');
    expect([signedNumber(0.216), signedNumber(-1.107), signedNumber(-0.001)]).toEqual([
      '+0.22',
      '−1.11',
      '0.00',
    ]);
  });
});
