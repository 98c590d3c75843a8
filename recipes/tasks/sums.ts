// Sums of two-digit numbers for a chat model. Train it: lambda-grpo train recipes/smollm2-sums.yaml --eval
import { defineTask } from 'lambda-grpo';

type Sum = readonly [a: number, b: number];
/** All 8,100 pairs in an order that looks random: 3,533 and 8,100 share no divisor. */
const pair = (index: number): Sum => {
  const place = (index * 3533) % 8100;
  return [10 + (place % 90), 10 + Math.floor(place / 90)];
};
const HELD_OUT = 60;

export default defineTask<Sum>({
  name: 'sums',
  problems: (index) => pair(HELD_OUT + (index % (8100 - HELD_OUT))),
  heldOut: Array.from({ length: HELD_OUT }, (_, index) => pair(index)),
  prompt: ([a, b]) => [{ role: 'user', content: `What is ${a} + ${b}? Answer with the number only.` }],
  answer: ([a, b]) => String(a + b),
  reward: ({ text }, [a, b]) => Number(text.match(/\d+/g)?.at(-1) === String(a + b)),
  maxCompletionTokens: 48,
});
