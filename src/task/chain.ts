/**
 * A chain of operations modulo a small number, evaluated from left to right: longer chains of thought than sums, and
 * every step needs the previous one. Prompt `3*5-6+2=`; completion modulo 7, one step per operation:
 * `3*5=1;1-6=2;2+2=4;\boxed{4}`. It stops when the box closes. Reward 1 for the right number in the last closed box,
 * else 0. Warm-up solutions have a systematic error to unlearn: if the second number is greater, they usually subtract
 * the first from it; and they have random slips. Later steps are consistent with what was written.
 */
import { Stream } from '../random/stream.js';
import { lastBox } from './boxed.js';
import { type Problem, type SyncTask, TaskError } from './task.js';
import { checkNumber, checkWhole, pieceVocabulary, promptOf } from './vocabulary.js';

export interface ChainOptions {
  /** Steps of a chain. */
  readonly operations?: number;
  /** Numbers are 0 … modulus − 1, one digit each. */
  readonly modulus?: number;
  /** Number of held-out problems. */
  readonly heldOut?: number;
  /** Warm-up: how often a − b with a < b is written as b − a. */
  readonly flipErrorRate?: number;
  /** Warm-up: how often a step has a random wrong result. */
  readonly slipRate?: number;
  readonly seed: number;
}

/** With the defaults about a third of generated solutions are right. */
export const CHAIN_DEFAULTS = {
  operations: 8,
  modulus: 7,
  heldOut: 200,
  flipErrorRate: 0.65,
  slipRate: 0.03,
} as const;

const BOX = '\\boxed{';
const OPERATORS = ['+', '-', '*'] as const;
const PIECES = ['<bos>', '<eos>', ...'0123456789', ...OPERATORS, '=', ';', BOX, '}'];
/** Share of all problems that training never uses. */
const HELD_OUT_SHARE = 0.1;

interface Chain {
  readonly first: number;
  readonly steps: readonly { readonly operator: (typeof OPERATORS)[number]; readonly operand: number }[];
}

/** @throws TaskError for an option out of range, or if there are too few problems to hold out */
export function chain(options: ChainOptions): SyncTask {
  const {
    operations,
    modulus,
    heldOut: heldOutCount,
    flipErrorRate,
    slipRate,
    seed,
  } = { ...CHAIN_DEFAULTS, ...options };
  checkWhole('operations', operations, 1, 64);
  checkWhole('modulus', modulus, 2, 10);
  checkWhole('held_out', heldOutCount, 1, 100_000);
  checkNumber('flip_error_rate', flipErrorRate, 0, 1);
  checkNumber('slip_rate', slipRate, 0, 1);

  const vocabulary = pieceVocabulary({ pieces: PIECES, bos: '<bos>', eos: '<eos>' });
  const eos = vocabulary.eos as number;
  const [closing] = vocabulary.encode('}');

  function compute(a: number, { operator, operand }: Chain['steps'][number]): number {
    const value = operator === '+' ? a + operand : operator === '-' ? a - operand : a * operand;
    return ((value % modulus) + modulus) % modulus;
  }

  const textOf = ({ first, steps }: Chain): string =>
    `${first}${steps.map(({ operator, operand }) => operator + operand).join('')}=`;

  /** The first chain of the stream on the requested side of the split. */
  function draw(stream: Stream, wantHeldOut: boolean): Chain {
    for (let attempt = 0; attempt < 10_000; attempt++) {
      const chain: Chain = {
        first: stream.int(modulus),
        // No operand is 0: it would erase or ignore all earlier steps.
        steps: Array.from({ length: operations }, () => ({
          operator: OPERATORS[stream.int(OPERATORS.length)],
          operand: 1 + stream.int(modulus - 1),
        })),
      };
      const held = new Stream(seed, 'chain', 'split', textOf(chain)).uniform() < HELD_OUT_SHARE;
      if (held === wantHeldOut) return chain;
    }
    throw new TaskError(
      `task.operations: expected more operations (the seed ${seed} leaves too few problems), got ${operations}`,
    );
  }

  function problemOf(chain: Chain): Problem {
    const promptText = textOf(chain);
    return {
      id: promptText.slice(0, -1),
      promptText,
      promptTokens: promptOf(vocabulary, promptText),
      answer: String(chain.steps.reduce(compute, chain.first)),
    };
  }

  function drawHeldOut(): Problem[] {
    const stream = new Stream(seed, 'chain', 'held-out');
    const problems = new Map<string, Problem>();
    for (let draws = 0; problems.size < heldOutCount; draws++) {
      if (draws > 20 * heldOutCount + 1_000) {
        throw new TaskError(
          `task.held_out: expected at most about ${problems.size} with operations ${operations} and modulus ${modulus}, got ${heldOutCount}`,
        );
      }
      const problem = problemOf(draw(stream, true));
      problems.set(problem.id, problem);
    }
    return [...problems.values()];
  }

  function judge(problem: Problem, completion: ArrayLike<number>): { reward: number; note: string } {
    const answer = lastBox(vocabulary.decode(completion), BOX, '}');
    if (answer === null) return { reward: 0, note: 'no closed box' };
    if (answer !== problem.answer) return { reward: 0, note: `${answer} is not ${problem.answer}` };
    return { reward: 1, note: 'right' };
  }

  /** A solution with the generator's errors. */
  function write({ first, steps }: Chain, stream: Stream): { text: string; answer: number } {
    let at = first;
    let text = '';
    for (const step of steps) {
      const { operator, operand } = step;
      let next = compute(at, step);
      if (operator === '-' && at < operand && stream.uniform() < flipErrorRate) next = operand - at;
      if (stream.uniform() < slipRate) next = (next + 1 + stream.int(modulus - 1)) % modulus;
      text += `${at}${operator}${operand}=${next};`;
      at = next;
    }
    return { text: `${text}${BOX}${at}}`, answer: at };
  }

  return {
    name: 'chain',
    vocabulary,
    maxPromptTokens: 2 * operations + 3,
    maxCompletionTokens: 6 * operations + 3,
    stopTokens: [closing, eos],
    trainProblem: (index) => problemOf(draw(new Stream(seed, 'chain', 'train', index), false)),
    heldOut: drawHeldOut(),
    reward: judge,
    success: (problem, completion) => judge(problem, completion).reward === 1,
    warmupExample(index) {
      const chain = draw(new Stream(seed, 'chain', 'warm-up', index), false);
      const { text, answer } = write(chain, new Stream(seed, 'chain', 'writer', index));
      const problem = problemOf(chain);
      return {
        promptTokens: problem.promptTokens,
        completionTokens: vocabulary.encode(text),
        correct: String(answer) === problem.answer,
      };
    },
  };
}
