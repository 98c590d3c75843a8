// Sums and products of one digit, or sums of two digits, answered in the model's own words. The answer is the last number of the first sentence
// or line; `end_at_answer` ends the completion there, so that only text is sampled that the reward judges.
import { defineTask } from 'lambda-grpo';

interface Problem {
  readonly a: number;
  readonly b: number;
  readonly sign: '+' | '×';
}

interface Options {
  readonly seed: number;
  /** 1: sums and products; 2: sums. */
  readonly digits?: 1 | 2;
  readonly end_at_answer?: boolean;
  readonly max_tokens?: number;
  /** A separate vocabulary, for a small random model. */
  readonly small?: boolean;
}

/** About one in this many pairs is held out: 40 problems of one digit, 61 of two. */
const APART = { 1: 4, 2: 128 } as const;
/** The same for a, b and b, a. */
const mixed = (a: number, b: number): number =>
  (Math.imul(a + b, 0x9e3779b1) ^ Math.imul(a * b + 1, 0x85ebca6b)) >>> 16;
const ENDS = ['.', '!', '?', '\n', '\n\n', ' \n', ' \n\n'];

const resultOf = ({ a, b, sign }: Problem): number => (sign === '+' ? a + b : a * b);

function problemsOf(digits: 1 | 2): { train: Problem[]; heldOut: Problem[] } {
  const [least, most] = digits === 1 ? [0, 9] : [10, 99];
  const train: Problem[] = [];
  const heldOut: Problem[] = [];
  for (const sign of digits === 1 ? (['+', '×'] as const) : (['+'] as const)) {
    for (let a = least; a <= most; a++) {
      for (let b = least; b <= most; b++) {
        (mixed(a, b) % APART[digits] === 0 ? heldOut : train).push({ a, b, sign });
      }
    }
  }
  return { train, heldOut };
}

export default ({ seed, digits = 1, end_at_answer = false, max_tokens = 24, small = false }: Options) => {
  const { train, heldOut } = problemsOf(digits);
  // 41 shares no divisor with the number of problems, so each problem comes once before any comes again.
  const nth = (index: number): Problem => train[(41 * index + 1009 * seed) % train.length];
  const question = ({ a, b, sign }: Problem): string =>
    digits === 1 ? `What is ${a} ${sign} ${b}?` : `What is ${a} ${sign} ${b}? Answer with the number only.`;
  return defineTask<Problem>({
    name: digits === 1 ? 'one-digit sums and products' : 'two-digit sums',
    problems: nth,
    heldOut,
    prompt: (problem) =>
      small ? `${problem.a}${problem.sign}${problem.b}=` : [{ role: 'user', content: question(problem) }],
    answer: (problem) => String(resultOf(problem)),
    reward: ({ text }, problem) => {
      const [first] = text.trimStart().split(/[.!?\n]/);
      return Number(first.match(/\d+/g)?.at(-1) === String(resultOf(problem)));
    },
    maxCompletionTokens: max_tokens,
    ...(small ? { vocabulary: { pieces: ['^', '$', ...'0123456789+×=', ...ENDS], bos: '^', eos: '$' } } : {}),
    ...(end_at_answer ? { stop: ENDS } : {}),
  });
};
