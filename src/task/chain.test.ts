import { describe, expect, it } from 'vitest';
import { CHAIN_DEFAULTS, chain } from './chain.js';

const task = chain({ seed: 3 });
const { vocabulary } = task;

/** The value of `3*5-6+2=`, evaluated from left to right with whole numbers and reduced only at the end. */
function value(prompt: string, modulus: number): number {
  const [, first, rest] = /^(\d)(.*)=$/.exec(prompt) ?? [];
  let at = BigInt(first);
  for (const [, operator, operand] of (rest ?? '').matchAll(/([-+*])(\d)/g)) {
    const b = BigInt(operand);
    at = operator === '+' ? at + b : operator === '-' ? at - b : at * b;
  }
  const m = BigInt(modulus);
  return Number(((at % m) + m) % m);
}

describe('chains modulo 7', () => {
  it('answers are those of whole-number arithmetic, the same problems for the same seed', () => {
    const again = chain({ seed: 3 });
    for (let i = 0; i < 500; i++) {
      const problem = task.trainProblem(i);
      expect(problem.promptText).toMatch(/^[0-6]([-+*][1-6]){8}=$/);
      expect(problem.answer).toBe(String(value(problem.promptText, 7)));
      expect(problem.promptTokens).toHaveLength(task.maxPromptTokens);
      expect(again.trainProblem(i).id).toBe(problem.id);
    }
    expect(chain({ seed: 4 }).trainProblem(0).id).not.toBe(task.trainProblem(0).id);
  });

  it('the last closed box counts', () => {
    const problem = { id: '', promptText: '', promptTokens: new Int32Array(1), answer: '4' };
    const judge = (text: string) => task.reward(problem, vocabulary.encode(text));
    expect(judge('3*5=1;\\boxed{4}')).toEqual({ reward: 1, note: 'right' });
    expect(judge('\\boxed{4}\\boxed{5}')).toEqual({ reward: 0, note: '5 is not 4' });
    expect(judge('4')).toEqual({ reward: 0, note: 'no closed box' });
    expect(task.success(problem, vocabulary.encode('\\boxed{4}'))).toBe(true);
  });

  it('held-out problems never come up in training or warm-up', () => {
    const small = chain({ operations: 2, modulus: 4, heldOut: 20, seed: 8 });
    const held = new Set(small.heldOut.map(({ promptText }) => promptText));
    expect(held.size).toBe(20);
    for (let i = 0; i < 3000; i++) {
      expect(held.has(small.trainProblem(i).promptText)).toBe(false);
      const example = small.warmupExample?.(i);
      expect(held.has(vocabulary.decode(example?.promptTokens ?? []))).toBe(false);
    }
  });

  it('warm-up solutions follow from their own steps; without faults all are right', () => {
    const honest = chain({ flipErrorRate: 0, slipRate: 0, seed: 1 });
    for (let i = 0; i < 300; i++) {
      const example = honest.warmupExample?.(i);
      if (!example) throw new Error('no warm-up');
      expect(example.correct).toBe(true);
      expect(example.completionTokens).toHaveLength(honest.maxCompletionTokens);
      const prompt = vocabulary.decode(example.promptTokens);
      const problem = { ...honest.heldOut[0], answer: String(value(prompt, 7)) };
      expect(honest.success(problem, example.completionTokens)).toBe(true);
      // The first number of each step is the result of the previous one.
      const steps = [...vocabulary.decode(example.completionTokens).matchAll(/(\d)[-+*]\d=(\d);/g)];
      expect(steps).toHaveLength(8);
      steps.slice(1).forEach(([, first], n) => {
        expect(first).toBe(steps[n][2]);
      });
    }
  });

  it('of solutions with the default faults about a third are right, and the flag says which', () => {
    const { flipErrorRate, slipRate } = CHAIN_DEFAULTS;
    expect([flipErrorRate, slipRate]).toEqual([0.65, 0.03]);
    let right = 0;
    for (let i = 0; i < 4000; i++) {
      const example = task.warmupExample?.(i);
      if (!example) throw new Error('no warm-up');
      const answer = String(value(vocabulary.decode(example.promptTokens), 7));
      const problem = { ...task.heldOut[0], answer };
      expect(task.success(problem, example.completionTokens)).toBe(example.correct);
      if (example.correct) right++;
    }
    expect(right / 4000).toBeGreaterThan(0.25);
    expect(right / 4000).toBeLessThan(0.5);
  });

  it('flips turn a − b with a < b around and touch nothing else', () => {
    const flips = chain({ flipErrorRate: 1, slipRate: 0, seed: 2 });
    for (let i = 0; i < 200; i++) {
      const text = vocabulary.decode(flips.warmupExample?.(i).completionTokens ?? []);
      for (const [, a, operator, b, c] of text.matchAll(/(\d)([-+*])(\d)=(\d);/g)) {
        const wanted = operator === '-' && a < b ? Number(b) - Number(a) : value(`${a}${operator}${b}=`, 7);
        expect(Number(c)).toBe(wanted);
      }
    }
  });

  it('options out of range are named', () => {
    expect(() => chain({ modulus: 11, seed: 0 })).toThrow(
      'task.modulus: expected a whole number from 2 to 10, got 11',
    );
    expect(() => chain({ operations: 1, modulus: 2, seed: 0 })).toThrow(
      /^task\.held_out: expected at most about \d+ with operations 1 and modulus 2, got 200/,
    );
  });
});
