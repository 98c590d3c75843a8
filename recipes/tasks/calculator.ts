// Several turns: the model may write [a*b], the environment answers =c;, and the answer goes into {…}. The warm-up
// solutions ask the calculator half of the time and guess otherwise; only the rewards show which is better.
// Train it: lambda-grpo train recipes/calculator.yaml
import { defineTask } from 'lambda-grpo';

interface Product {
  readonly a: number;
  readonly b: number;
}
const SIZE = 9 * 9;
const product = (index: number): Product => ({ a: 1 + (index % 9), b: 1 + (Math.floor(index / 9) % 9) });
/** A number that looks random but is always the same for the same input. */
const scattered = (index: number, limit: number): number =>
  (Math.imul(index + 1, 2_654_435_761) >>> 7) % limit;

export default defineTask<Product>({
  name: 'calculator',
  vocabulary: { pieces: ['<bos>', ...'0123456789*?[]=;{}'], bos: '<bos>' },
  problems: (index) => product(scattered(index, SIZE)),
  heldOut: Array.from({ length: SIZE }, (_, index) => product(index)),
  prompt: ({ a, b }) => `${a}*${b}?`,
  answer: ({ a, b }) => String(a * b),
  stop: [']', '}'],
  maxCompletionTokens: 16,
  environment: {
    maxTurns: 3,
    respond(turn) {
      const call = /\[(\d)\*(\d)\]$/.exec(turn);
      if (call) return `=${Number(call[1]) * Number(call[2])};`;
      return turn.endsWith(']') ? '=?;' : null;
    },
  },
  reward: ({ text }, { a, b }) => Number(text.endsWith(`{${a * b}}`)),
  solution(index) {
    const problem = product(scattered(index, SIZE));
    const { a, b } = problem;
    const asks = scattered(index, 1000) % 2 === 0;
    const guess = 1 + scattered(index * 7, SIZE);
    return { problem, text: asks ? `[${a}*${b}]=${a * b};{${a * b}}` : `{${guess}}` };
  },
});
