/**
 * Generates worked solutions in the style of GSM8K with a given final answer: bodies with and without calculations in
 * angle brackets, short and long, and last lines in the forms that models write. Truncated texts end at an arbitrary
 * place.
 */
import type { Stream } from '../src/random/stream.js';

export interface Solution {
  readonly text: string;
  /** How its last line is written. */
  readonly ending: string;
}

const grouped = (value: string): string => {
  const [whole, fraction] = value.split('.');
  return whole.replace(/\B(?=(\d{3})+$)/g, ',') + (fraction === undefined ? '' : `.${fraction}`);
};

/** Last lines, by the form of the answer in them. */
export const ENDINGS: Readonly<Record<string, (value: string) => string>> = {
  'A: 20': (v) => `A: ${v}`,
  'A:20': (v) => `A:${v}`,
  'A: 20.': (v) => `A: ${v}.`,
  'A: 1,234': (v) => `A: ${grouped(v)}`,
  'A: $20': (v) => `A: $${v}`,
  'A: $1,234': (v) => `A: $${grouped(v)}`,
  'A: 20.00': (v) => (v.includes('.') ? `A: ${v}` : `A: ${v}.00`),
  'A: 20 dollars': (v) => `A: ${v} dollars`,
  'A: 20 apples': (v) => `A: ${v} apples`,
  'A: 20 hours': (v) => `A: ${v} hours`,
  'A: a sentence': (v) => `A: She has ${v} apples left.`,
  'A: an open sentence': (v) => `A: He spends $${v} on fruit`,
  'A: 20, then more': (v) => `A: ${v}\n\nShe had 7777 at first.`,
  'Answer: 20': (v) => `Answer: ${v}`,
  'Answer: a sentence': (v) => `Answer: They make $${grouped(v)} every day.`,
  'Answer = 20': (v) => `Answer = ${v}`,
  'Ans: 20': (v) => `Ans: ${v}`,
  'Ans. 20': (v) => `Ans. ${v}`,
  '#### 20': (v) => `#### ${v}`,
  '#### $1,234': (v) => `#### $${grouped(v)}`,
  '#### 20 miles': (v) => `#### ${v} miles`,
  'The answer is 20': (v) => `The answer is ${v}`,
  'The answer is 20.': (v) => `The answer is ${v}.`,
  'The answer is $1,234.': (v) => `The answer is $${grouped(v)}.`,
  'The answer is 20 apples.': (v) => `The answer is ${v} apples.`,
  'The answer is 20, since': (v) => `The answer is ${v}, since 7777 - 7 = 7770.`,
  'So the answer is 20.': (v) => `So the answer is ${v}.`,
  'Final answer: 20': (v) => `Final answer: ${v}`,
  '**Final Answer:** 20': (v) => `**Final Answer:** ${v}`,
  'a box': (v) => `The final answer is \\boxed{${v}}.`,
  'a sentence': (v) => `Therefore, she has ${v} apples left.`,
  'a sentence with money': (v) => `Thus, they pay $${grouped(v)}.`,
  'a sentence that goes on': (v) => `In total he earned $${v} that week.`,
  'a sum': (v) => `So in total it is 1 + ${v} - 1 = ${v}.`,
  'a sum with a unit': (v) => `So that is 2 x ${v} / 2 = ${v} apples.`,
  'the total is 20.': (v) => `Therefore the total is ${v}.`,
  bold: (v) => `So she needs **${v}** apples.`,
  'a number alone': (v) => v,
  '= 20': (v) => `= ${v}`,
  'Therefore, 20.': (v) => `Therefore, ${v}.`,
};

const BODIES: readonly ((body: string) => string)[] = [
  (body) => body,
  (body) => body.replace(/<<[^>]*>>/g, ''),
  (body) => `${body}\n${body}\n${body}`,
  (body) =>
    `${body
      .replace(/<<[^>]*>>/g, '')
      .replace(/([^.])\n/g, '$1. ')
      .replace(/\n/g, ' ')}.`,
];

/** A body with another last line; `value` may be right or wrong. */
export function solution(body: string, value: string, stream: Stream): Solution {
  const endings = Object.keys(ENDINGS);
  const ending = endings[stream.int(endings.length)];
  return { text: `${BODIES[stream.int(BODIES.length)](body)}\n${ENDINGS[ending](value)}`, ending };
}

/** A value that is another one: from the body, or near the right one. */
export function anotherValue(body: string, right: string, stream: Stream): string {
  const value = Number(right);
  const numbers = [...body.matchAll(/\d+(?:\.\d+)?/g)].map(([number]) => number);
  const choices = [`${value + 1}`, `${value * 10}`, `${2 * value + 1}`, ...numbers];
  let chosen = choices[stream.int(choices.length)];
  // Neither it, nor a hundred times or a hundredth of it (cents, percent).
  while ([1, 100, 0.01].some((times) => Number(chosen) === times * value) || Number(chosen) === 0) {
    chosen = `${Number(chosen) + 3}`;
  }
  return chosen;
}

/** Steps of a calculation of our own, whose last one gives the answer. */
export function ownProblem(stream: Stream): { body: string; answer: string } {
  const [a, b, c] = [2 + stream.int(60), 2 + stream.int(30), 1 + stream.int(200)];
  const things = ['apples', 'baskets', 'stamps', 'litres of milk', 'pages'][stream.int(5)];
  const money = stream.int(3) === 0;
  const sign = money ? '$' : '';
  const [product, sum] = [a * b, a * b + c];
  const body = [
    `There are ${a} rows of ${b} ${things}, which makes ${a}*${b} = ${sign}<<${a}*${b}=${product}>>${product}${money ? '' : ` ${things}`}`,
    `Then ${c} more are added, so there are ${product}+${c} = ${sign}<<${product}+${c}=${sum}>>${sum}${money ? '.' : ` ${things}`}`,
  ];
  return { body: body.join('\n'), answer: `${sum}` };
}
