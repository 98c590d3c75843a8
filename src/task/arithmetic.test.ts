import { describe, expect, test } from 'vitest';
import { Stream } from '../random/stream.js';
import { ARITHMETIC_DEFAULTS, arithmetic } from './arithmetic.js';
import { lastBox } from './boxed.js';
import { writerAccuracy, writeSolution } from './writer.js';

const task = arithmetic({ seed: 3 });
const { vocabulary } = task;
const solve = (text: string) => [...vocabulary.encode(text), vocabulary.eos as number];

describe('addition', () => {
  test('pays the right number in the last closed box and says why it does not pay', () => {
    const problem = { id: '457+386', promptText: '', promptTokens: new Int32Array(1), answer: '843' };
    const judge = (text: string) => task.reward(problem, solve(text));
    expect(judge('7+6=13;5+8+1=14;4+3+1=8;\\boxed{843}')).toEqual({ reward: 1, note: 'right' });
    expect(judge('\\boxed{0843}').reward).toBe(1);
    expect(judge('\\boxed{1}\\boxed{843}').reward).toBe(1);
    expect(judge('\\boxed{843}\\boxed{9').reward).toBe(1);
    expect(judge('\\boxed{843}\\boxed{733}')).toEqual({ reward: 0, note: '733 is not 843' });
    expect(judge('843')).toEqual({ reward: 0, note: 'no closed box' });
    expect(judge('\\boxed{8+4}')).toEqual({ reward: 0, note: 'not a number: 8+4' });
    expect(judge('\\boxed{}')).toEqual({ reward: 0, note: 'not a number: ' });
    expect(task.success(problem, solve('\\boxed{843}'))).toBe(true);
  });

  test('gives problems of exactly three digits that repeat with seed and index and end in the sum', () => {
    const again = arithmetic({ seed: 3 });
    for (let i = 0; i < 500; i++) {
      const problem = task.trainProblem(i);
      const [, a, b] = /^(\d{3})\+(\d{3})=$/.exec(problem.promptText) ?? [];
      expect(problem.answer).toBe(String(Number(a) + Number(b)));
      expect(vocabulary.decode(problem.promptTokens)).toBe(problem.promptText);
      expect(problem.promptTokens).toHaveLength(task.maxPromptTokens);
      expect(again.trainProblem(i).id).toBe(problem.id);
    }
    expect(arithmetic({ seed: 4 }).trainProblem(0).id).not.toBe(task.trainProblem(0).id);
  });

  test('never trains or warms up on a held-out sum, in either order', () => {
    for (const digits of [1, 2, 3]) {
      const small = arithmetic({ digits, heldOut: digits === 1 ? 3 : 200, seed: 8 });
      const held = new Set(small.heldOut.map(({ id }) => id));
      expect(held.size).toBe(digits === 1 ? 3 : 200);
      for (let i = 0; i < 5000; i++) {
        for (const tokens of [
          small.trainProblem(i).promptTokens,
          small.warmupExample?.(i).promptTokens ?? [],
        ]) {
          const [a, b] = vocabulary.decode(tokens).replace('=', '').split('+');
          if (held.has(`${a}+${b}`) || held.has(`${b}+${a}`)) throw new Error(`${a}+${b} is held out`);
        }
      }
    }
  });

  test('writes solutions that fit, spell what they claim and are judged as they are labelled', () => {
    let longest = 0;
    for (let i = 0; i < 3000; i++) {
      const example = task.warmupExample?.(i);
      if (!example) throw new Error('no warm-up');
      const [a, b] = vocabulary.decode(example.promptTokens).replace('=', '').split('+').map(Number);
      const problem = { ...task.heldOut[0], answer: String(a + b) };
      expect(task.success(problem, example.completionTokens)).toBe(example.correct);
      longest = Math.max(longest, example.completionTokens.length);
    }
    expect(longest).toBe(task.maxCompletionTokens);
    expect(task.maxCompletionTokens).toBeLessThanOrEqual(40);
  });

  test('an honest writer is always right, a careless one consistent with its mistake', () => {
    const honest = { carryErrorRate: 0, slipRate: 0 };
    const careless = { carryErrorRate: 1, slipRate: 0 };
    expect(writeSolution(457, 386, honest, () => 0.5)).toEqual({
      text: '7+6=13;5+8+1=14;4+3+1=8;',
      answer: '843',
    });
    expect(writeSolution(457, 386, careless, () => 0.5)).toEqual({
      text: '7+6=13;5+8=13;4+3=7;',
      answer: '733',
    });
    expect(writeSolution(999, 999, honest, () => 0.5).answer).toBe('1998');
    expect(writerAccuracy(3, honest)).toEqual({
      sampled: expect.closeTo(1, 12),
      likeliest: expect.closeTo(1, 12),
    });
  });

  test('by default starts about 35% right when sampled and 30% when greedy', () => {
    const { sampled, likeliest } = writerAccuracy(3, ARITHMETIC_DEFAULTS);
    expect(sampled).toBeCloseTo(0.358, 2);
    expect(likeliest).toBeCloseTo(0.3025, 10); // no carry out of the two lower columns: 0.55²
  });

  test('has the exact shares that simulation finds', () => {
    for (const [digits, carryErrorRate, slipRate] of [
      [3, 0.7, 0.08],
      [2, 0.3, 0.3],
      [4, 0.5, 0],
    ]) {
      const stream = new Stream('simulate', digits);
      const low = 10 ** (digits - 1);
      const n = 40_000;
      let right = 0;
      for (let i = 0; i < n; i++) {
        const a = low + stream.int(9 * low);
        const b = low + stream.int(9 * low);
        const { answer } = writeSolution(a, b, { carryErrorRate, slipRate }, () => stream.uniform());
        if (answer === String(a + b)) right++;
      }
      const exact = writerAccuracy(digits, { carryErrorRate, slipRate }).sampled;
      expect(Math.abs(right / n - exact)).toBeLessThan(4 * Math.sqrt((exact * (1 - exact)) / n));
    }
  });

  test('says which option is out of range, and how many problems can be held out', () => {
    expect(() => arithmetic({ digits: 0, seed: 0 })).toThrow(
      'task.digits: expected a whole number from 1 to 8, got 0',
    );
    expect(() => arithmetic({ slipRate: 2, seed: 0 })).toThrow(
      'task.slip_rate: expected a number from 0 to 1, got 2',
    );
    expect(() => arithmetic({ digits: 1, seed: 0 })).toThrow(
      /^task\.held_out: expected at most about \d+ with digits 1, got 200$/,
    );
    expect(() => vocabulary.encode('1-2')).toThrow('cannot spell "-" at character 1');
    expect(() => vocabulary.tokenText(17)).toThrow('token id 17 is outside the vocabulary, 0 … 16');
  });
});

test('the last closed box is found among nested, open and empty ones', () => {
  expect(lastBox('\\boxed{\\frac{1}{2}} and')).toBe('\\frac{1}{2}');
  expect(lastBox('\\boxed{1} \\boxed{2} \\boxed{3')).toBe('2');
  expect(lastBox('\\boxed{}')).toBe('');
  expect(lastBox('\\boxed{1')).toBeNull();
  expect(lastBox('')).toBeNull();
});
