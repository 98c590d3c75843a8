/**
 * The checker on worked solutions with right and wrong last lines: from our own problems, and from GSM8K if it is
 * available.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Stream } from '../src/random/stream.js';
import { checkAnswer, extractAnswer } from '../src/task/math/index.js';
import { anotherValue, ENDINGS, ownProblem, solution } from './solutions.js';

const DATA = join(import.meta.dirname, '../../shared/data/math');

/** Verdicts on a right and a wrong solution of each problem that differ from what was written. */
function faults(problems: readonly { body: string; answer: string }[], stream: Stream): string[] {
  const seen: string[] = [];
  for (const { body, answer } of problems) {
    const value = answer.replace(/,/g, '');
    for (const [right, written] of [
      [true, value],
      [false, anotherValue(body, value, stream)],
    ] as const) {
      const { text, ending } = solution(body, written, stream);
      if (checkAnswer(text, answer).equal !== right) {
        seen.push(`${ending}, gold ${answer}: …${text.slice(-80)} → ${extractAnswer(text)?.answer}`);
      }
    }
  }
  return seen;
}

describe('worked solutions', () => {
  test('2,000 of our own, in forty ways of ending', () => {
    const stream = new Stream(1, 'solutions');
    expect(Object.keys(ENDINGS)).toHaveLength(40);
    const problems = Array.from({ length: 1_000 }, () => ownProblem(stream));
    expect(faults(problems, stream)).toEqual([]);
  });

  test('one that breaks off within its last sentence has no answer', () => {
    const stream = new Stream(2, 'solutions');
    for (let i = 0; i < 300; i++) {
      const { body, answer } = ownProblem(stream);
      const text = `${body}\nTherefore the farmer has ${answer} of them and gives 1`;
      const start = text.lastIndexOf('\n') + 2;
      const cut = text.slice(0, start + stream.int(text.length - start));
      expect(checkAnswer(cut, answer), cut).toMatchObject({ equal: false });
    }
  });

  test.skipIf(!existsSync(DATA))('10,000 of GSM8K: no wrong one accepted, none missed', () => {
    const stream = new Stream(3, 'solutions');
    const problems = ['gsm8k_train', 'gsm8k_test'].flatMap((name) =>
      readFileSync(join(DATA, `${name}.jsonl`), 'utf8')
        .trim()
        .split('\n')
        .map((line) => {
          const [body, answer] = String(JSON.parse(line).answer).split('####');
          return { body: body.trim(), answer: answer.trim() };
        }),
    );
    const chosen = Array.from({ length: 5_000 }, () => problems[stream.int(problems.length)]);
    expect(faults(chosen, stream)).toEqual([]);
  });
});
