/**
 * Pairs of answers with mathematically correct verdicts (pairs.txt), and equal verdicts in both orders for any two
 * answers.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { answersEqual, checkAnswer } from './index.js';

interface Pair {
  readonly kind: string;
  readonly a: string;
  readonly b: string;
  readonly equal: boolean;
}

function readPairs(): Pair[] {
  const pairs: Pair[] = [];
  let kind = '';
  for (const line of readFileSync(join(import.meta.dirname, 'pairs.txt'), 'utf8').split('\n')) {
    if (line.startsWith('# ')) kind = line.slice(2);
    const parts = /^(.*?) {2}(===|=\/=) {2}(.*)$/.exec(line);
    if (parts && kind) pairs.push({ kind, a: parts[1], b: parts[3], equal: parts[2] === '===' });
  }
  return pairs;
}

const PAIRS = readPairs();
const KINDS = [...new Set(PAIRS.map(({ kind }) => kind))];

describe('pairs of answers', () => {
  test('there are more than 700 of eight kinds', () => {
    expect(PAIRS.length).toBeGreaterThan(700);
    expect(KINDS.length).toBeGreaterThanOrEqual(8);
  });

  test.each(KINDS)('%s', (kind) => {
    const wrong: string[] = [];
    for (const { a, b, equal } of PAIRS.filter((pair) => pair.kind === kind)) {
      const verdicts = [
        answersEqual(a, b),
        answersEqual(b, a),
        checkAnswer(a, b),
        checkAnswer(b, a),
        checkAnswer(`So it is \\boxed{${a}}.`, b),
        checkAnswer(`So it is \\boxed{${b}}.`, a),
      ];
      for (const verdict of verdicts) {
        if (verdict.equal !== equal) wrong.push(`${a} | ${b}: ${verdict.reason}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  test('any two answers have the same verdict in both orders', () => {
    const pool = [...new Set(PAIRS.flatMap(({ a, b }) => [a, b]))].filter((_, i) => i % 16 === 0);
    expect(pool.length).toBeGreaterThan(70);
    for (const [i, a] of pool.entries()) {
      for (const b of pool.slice(0, i)) {
        expect(answersEqual(a, b).equal, `${a} | ${b}`).toBe(answersEqual(b, a).equal);
      }
    }
  });
});
