/**
 * Addition with a written chain of thought. Prompt `457+386=`; completion, column by column from the right, with the
 * carry as a third summand: `7+6=13;5+8+1=14;4+3+1=8;\boxed{843}`. It stops when the box closes, as in the paper's
 * trainer: text after the answer cannot affect the reward. Reward 1 for the right number in the last closed box, else
 * 0. Whether to write `+1` is one token, so right and wrong solutions diverge at a step of the process tree. Numbers
 * are never negative and have exactly `digits` digits.
 */
import { Stream } from '../random/stream.js';
import { lastBox } from './boxed.js';
import { type Problem, type SyncTask, TaskError } from './task.js';
import { checkNumber, checkWhole, pieceVocabulary, promptOf } from './vocabulary.js';
import { writeSolution } from './writer.js';

export interface ArithmeticOptions {
  /** Digits of each summand. */
  readonly digits?: number;
  /** Number of held-out problems. */
  readonly heldOut?: number;
  /** Warm-up: how often a carry is forgotten in the next column. */
  readonly carryErrorRate?: number;
  /** Warm-up: how often a column's sum gets a wrong last digit. */
  readonly slipRate?: number;
  readonly seed: number;
}

/**
 * With the defaults about 36% of generated solutions are right, and for 30% of problems the likeliest solution is
 * right.
 */
export const ARITHMETIC_DEFAULTS = { digits: 3, heldOut: 200, carryErrorRate: 0.7, slipRate: 0.08 } as const;

const BOX = '\\boxed{';
const PIECES = ['<bos>', '<eos>', ...'0123456789', '+', '=', ';', BOX, '}'];
/** Share of all pairs of summands that training never uses. */
const HELD_OUT_SHARE = 0.1;

/** @throws TaskError for an option out of range, or if there are too few problems to hold out */
export function arithmetic(options: ArithmeticOptions): SyncTask {
  const {
    digits,
    heldOut: heldOutCount,
    carryErrorRate,
    slipRate,
    seed,
  } = { ...ARITHMETIC_DEFAULTS, ...options };
  checkWhole('digits', digits, 1, 8);
  checkWhole('held_out', heldOutCount, 1, 100_000);
  checkNumber('carry_error_rate', carryErrorRate, 0, 1);
  checkNumber('slip_rate', slipRate, 0, 1);

  const vocabulary = pieceVocabulary({ pieces: PIECES, bos: '<bos>', eos: '<eos>' });
  const eos = vocabulary.eos as number;
  const [closing] = vocabulary.encode('}');
  const lowest = 10 ** (digits - 1);
  const highest = 10 ** digits - 1;

  /** Whether a pair is held out: the same for a + b and b + a. */
  function isHeldOut(a: number, b: number): boolean {
    return new Stream(seed, 'arithmetic', 'split', Math.min(a, b), Math.max(a, b)).uniform() < HELD_OUT_SHARE;
  }

  /** A pair on one side of the split, or null if 10,000 draws were on the other side. */
  function drawPair(stream: Stream, wantHeldOut: boolean): [number, number] | null {
    for (let attempt = 0; attempt < 10_000; attempt++) {
      const a = lowest + stream.int(highest - lowest + 1);
      const b = lowest + stream.int(highest - lowest + 1);
      if (isHeldOut(a, b) === wantHeldOut) return [a, b];
    }
    return null;
  }

  function problemOf([a, b]: readonly [number, number]): Problem {
    const promptText = `${a}+${b}=`;
    return {
      id: `${a}+${b}`,
      promptText,
      promptTokens: promptOf(vocabulary, promptText),
      answer: String(a + b),
    };
  }

  function trainingPair(purpose: string, index: number): [number, number] {
    const pair = drawPair(new Stream(seed, 'arithmetic', purpose, index), false);
    if (!pair)
      throw new TaskError(
        `task.digits: expected more digits (the seed ${seed} leaves no problem to train on), got ${digits}`,
      );
    return pair;
  }

  function drawHeldOut(): Problem[] {
    const stream = new Stream(seed, 'arithmetic', 'held-out');
    const problems = new Map<string, Problem>();
    for (let draws = 0; problems.size < heldOutCount; draws++) {
      const pair = draws < 20 * heldOutCount + 1_000 ? drawPair(stream, true) : null;
      if (!pair) {
        throw new TaskError(
          `task.held_out: expected at most about ${problems.size} with digits ${digits}, got ${heldOutCount}`,
        );
      }
      const problem = problemOf(pair);
      problems.set(problem.id, problem);
    }
    return [...problems.values()];
  }

  function judge(problem: Problem, completion: ArrayLike<number>): { reward: number; note: string } {
    const answer = lastBox(vocabulary.decode(completion), BOX, '}');
    if (answer === null) return { reward: 0, note: 'no closed box' };
    if (!/^\d+$/.test(answer)) return { reward: 0, note: `not a number: ${answer}` };
    if (answer.replace(/^0+(?=\d)/, '') !== problem.answer)
      return { reward: 0, note: `${answer} is not ${problem.answer}` };
    return { reward: 1, note: 'right' };
  }

  return {
    name: 'arithmetic',
    vocabulary,
    maxPromptTokens: 2 * digits + 3,
    // Nine tokens per column (a+b+1=1s;) except the first, which has no carry; then the box.
    maxCompletionTokens: 9 * digits - 2 + (digits + 3),
    stopTokens: [closing, eos],
    trainProblem: (index) => problemOf(trainingPair('train', index)),
    heldOut: drawHeldOut(),
    reward: judge,
    success: (problem, completion) => judge(problem, completion).reward === 1,
    warmupExample(index) {
      const [a, b] = trainingPair('warm-up', index);
      const stream = new Stream(seed, 'arithmetic', 'writer', index);
      const { text, answer } = writeSolution(a, b, { carryErrorRate, slipRate }, () => stream.uniform());
      const completion = vocabulary.encode(`${text}${BOX}${answer}}`);
      return {
        promptTokens: problemOf([a, b]).promptTokens,
        completionTokens: completion,
        correct: answer === String(a + b),
      };
    },
  };
}
