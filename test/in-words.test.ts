/** The task of the experiments on a real model: its problems, which answers are right, and where a completion ends. */
import { describe, expect, it } from 'vitest';
import inWords from '../recipes/tasks/in-words.js';

type Task = ReturnType<typeof inWords>;
const nth = (task: Task, index: number) =>
  (task.problems as (index: number) => { a: number; b: number; sign: string })(index);

describe.each([
  [1, 160, 40],
  [2, 8039, 61],
] as const)('problems of %i digits', (digits, count, heldOut) => {
  const task = inWords({ seed: 3, digits });
  const named = ({ a, b, sign }: { a: number; b: number; sign: string }) => `${a} ${sign} ${b}`;

  it('come once each before any comes again, in another order for another seed', () => {
    const once = Array.from({ length: count }, (_, i) => named(nth(task, i)));
    expect(new Set(once).size).toBe(count);
    expect(named(nth(task, count))).toBe(once[0]);
    expect(named(nth(inWords({ seed: 4, digits }), 0))).not.toBe(once[0]);
  });

  it('are never held-out problems or their mirror images', () => {
    expect(task.heldOut).toHaveLength(heldOut);
    const apart = new Set(
      task.heldOut.flatMap(({ a, b, sign }) => [`${a} ${sign} ${b}`, `${b} ${sign} ${a}`]),
    );
    const train = Array.from({ length: count }, (_, i) => named(nth(task, i)));
    expect(train.filter((problem) => apart.has(problem))).toEqual([]);
  });
});

describe('a completion', () => {
  const task = inWords({ seed: 0 });
  const reward = (text: string) => task.reward({ text, tokens: [] }, { a: 7, b: 3, sign: '×' });

  it.each([
    ['7 × 3 = 21.', 1],
    ['21', 1],
    ['\n\nIt is 21, of course!\nOr 22.', 1],
    ['The product of 7 and 3 is 21. That is 3 more than 18.', 1],
    ['The answer is 18. No, it is 21.', 0],
    ['To find it, multiply:\n\n7 × 3 = 21', 0],
    ['21 = 7 × 3', 0],
    ['Twenty-one.', 0],
    ['', 0],
  ])('%j is worth %i: the last number of its first sentence or line counts', (text, expected) => {
    expect(reward(text)).toBe(expected);
  });

  it('ends with its first sentence only where that is asked for', () => {
    expect(task.stop).toBeUndefined();
    expect(inWords({ seed: 0, end_at_answer: true }).stop).toEqual(expect.arrayContaining(['.', '\n']));
  });
});
