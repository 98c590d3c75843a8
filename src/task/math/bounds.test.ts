/** A verdict takes less than a second and never throws, whatever the policy writes. */
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { answersEqual, checkAnswer } from './index.js';

const GOLD = [
  '5',
  'x^2+1',
  '\\{1,2\\}',
  '[0,1)',
  '\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}',
  '1,2,3',
  'y=2x+1',
  '\\pi',
];

function verdicts(text: string, gold: readonly string[]): number {
  let slowest = 0;
  for (const answer of gold) {
    for (const judge of [checkAnswer, answersEqual]) {
      const start = performance.now();
      const verdict = judge(text, answer);
      slowest = Math.max(slowest, performance.now() - start);
      expect(typeof verdict.equal).toBe('boolean');
      expect(verdict.reason).not.toBe('');
    }
  }
  return slowest;
}

describe('bounds', () => {
  // Constants are computed once, at the first comparison.
  beforeAll(() => {
    answersEqual('\\sqrt{8}', '2\\sqrt{2}');
  });

  const units = [
    '(',
    '[',
    '{',
    '\\{',
    '\\boxed{',
    '\\frac{',
    '\\sqrt{',
    '\\left(',
    '|',
    '-',
    '^',
    '_',
    '9^',
    '2^{',
    'x^{',
    '!',
    '\\pm ',
    '1,',
    '\\text{',
    '$',
    '\\(',
    '\\',
    '\\\\',
    '%',
    'e^{',
    '\\sin ',
    '\\binom{',
    'f(',
    '\\cup ',
    'x=',
    '1 ',
    'a and ',
    '#### ',
    'answer is ',
    '</think>',
    '\\begin{pmatrix}',
    '&',
    '🙂',
    '\u0000',
    '(1,2),',
    '\\frac12',
    "'",
    '\\overline{',
  ];
  test.each(units)('a few and ten thousand of %j', (unit) => {
    for (const count of [10, 300, 10_000]) {
      const run = unit.repeat(count);
      for (const text of [
        run,
        `${run}5${'}'.repeat(count)}`,
        `\\boxed{${run}}`,
        `\\boxed{${run}5${'}'.repeat(count)}}`,
      ]) {
        expect(verdicts(text, GOLD.slice(0, 3))).toBeLessThan(1000);
      }
    }
  });

  test.each([
    '9^{9^{9^{9^{9}}}}',
    '9^9^9^9^9',
    '100000!',
    '((((9!)!)!)!)!',
    '1e999999999',
    '1e-99999999',
    '9'.repeat(1990),
    `0.${'1'.repeat(1900)}`,
    '\\frac{9^{9999}}{9^{9998}}',
    '\\binom{100000}{50000}',
    'x^{99999999}',
    '(x+1)^{10000}',
    '(1+10^{-10})^{10^{10}}',
    '\\exp(\\exp(\\exp(\\exp(10))))',
    '\\tan(10^{300})',
    '(\\sqrt{2}+\\pi)^{400}',
    '\\pi^{\\pi^{\\pi^{\\pi}}}',
    '\\sin(10^{5000})',
    '\\lfloor e^{8000} \\rfloor',
    'x^{10000}(1+e^{-1000})^{10000}',
    '10^{10^{10^{10}}}+1',
    Array.from({ length: 40 }, (_, i) => `e^{-${100 * i}x}`).join('+'),
    `\\begin{vmatrix}${Array.from({ length: 5 }, (_, i) => Array.from({ length: 5 }, (_, k) => `\\sin(${i}x+${k})`).join('&')).join('\\\\')}\\end{vmatrix}`,
    '0^0',
    '\\infty-\\infty',
    '\\log_{1}5',
    '\\sqrt[0]{5}',
    `\\{${Array.from({ length: 80 }, (_, i) => `\\sqrt{${i}}`).join(',')}\\}`,
    Array.from({ length: 80 }, (_, i) => `(${i},x^${i})`).join(','),
    Array.from({ length: 150 }, () => '\\sin(x)').join('+'),
    `${'\\pm '.repeat(30)}1`,
    '\\constructor{1}',
    '\\hasOwnProperty(1)',
    '\\begin{__proto__}1\\end{__proto__}',
    '__proto__',
  ])('%s', (text) => {
    expect(verdicts(text, [...GOLD, text])).toBeLessThan(1000);
    expect(verdicts(`\\boxed{${text}}`, [...GOLD, text])).toBeLessThan(1000);
  });

  test.each([
    '\\boxed{',
    '\\[ ',
    '$x$ and ',
    'answer is ',
    '\\( x',
    '\\boxed{1} and ',
    '{',
    '}',
    '\\',
    '1,',
    '<answer>',
    ' ',
  ])('a megabyte of %j', (unit) => {
    expect(verdicts(unit.repeat(1_000_000 / unit.length), ['5'])).toBeLessThan(1000);
  });

  test('noise does not score', () => {
    for (const text of ['((((((5))))', '1 1 1 1 5', '}}}}5', '^5', '5_', '#5', '\\5']) {
      expect(checkAnswer(text, '5').equal, text).toBe(false);
    }
  });

  test('any text, and any mixture of pieces of answers, has a verdict', () => {
    const piece = fc.constantFrom(
      ...units,
      '1',
      '2',
      'x',
      ')',
      '}',
      ']',
      '\\}',
      '+',
      '/',
      '=',
      '<',
      ',',
      ' ',
      '.',
      '\\pi',
      '\\infty',
    );
    const mixture = fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join(''));
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ unit: 'binary', maxLength: 200 }), mixture),
        fc.constantFrom(...GOLD),
        (text, gold) => {
          verdicts(text, [gold]);
          verdicts(gold, [text]);
          // An answer equals itself, unless it is not an answer.
          const { equal, reason } = answersEqual(text, text);
          expect(equal || reason.includes('empty'), `${text}: ${reason}`).toBe(true);
        },
      ),
      { numRuns: 1500, seed: 6 },
    );
  });
});
