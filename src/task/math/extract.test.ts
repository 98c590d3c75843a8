/** Finding the answer in a completion: each rule, their order, and texts that are not an answer. */
import { describe, expect, test } from 'vitest';
import { checkAnswer, extractAnswer } from './index.js';

const LONG = Array.from(
  { length: 6 },
  (_, i) => `The farm has 3 rows of ${i} trees, which makes 3 * ${i} trees`,
).join('\n');

describe('extraction', () => {
  test.each([
    ['box', 'So \\boxed{3}, no: \\boxed{ \\frac{1}{2} }.', '\\frac{1}{2}'],
    ['box', 'That is \\fbox{5}.', '5'],
    ['box', '\\boxed{\\{1, \\text{if } x_{1}\\}}', '\\{1, \\text{if } x_{1}\\}'],
    ['box', 'nested \\boxed{\\boxed{7}}', '\\boxed{7}'],
    ['box', 'cut off later: \\boxed{5} and then \\boxed{6', '5'],
    ['box', '$\\boxed{1}$, $\\boxed{2}$ and $\\boxed{3}$', '1, 2, 3'],
    ['box', '\\boxed{4} \\boxed{4}', '4'],
    ['box', 'first \\boxed{1}. But this was a mistake, so we find \\boxed{2}.', '2'],
    ['box', '<answer>\\boxed{2}</answer>', '2'],
    ['box', '<think>I guess \\boxed{5}</think> It is \\boxed{6}.', '6'],
    ['tag', 'a box in passing, \\boxed{1}. <answer> 3+4 </answer>', '3+4'],
    ['hashes', '3 + 4 = 7\n#### 7', '7'],
    ['hashes', '#### 5\nno\n#### 1,234', '1,234'],
    ['whole', '  x = \\frac{1}{2} ', 'x = \\frac{1}{2}'],
    ['whole', 'Evelyn', 'Evelyn'],
    ['marker', 'The answer is 42 apples.', '42'],
    ['marker', '**Answer:** $x=3$.', 'x=3'],
    ['marker', 'Final Answer: The largest $n$ is 34.', '34'],
    ['marker', '**Final Answer**\n\n12', '12'],
    ['marker', 'The final answer is $\\frac{1}{2}$. I hope it is correct.', '\\frac{1}{2}'],
    ['marker', '<think>\\boxed{5}</think>The answer is 6.', '6'],
    ['marker', 'The answer is (B) because it fits.', '(B)'],
    ['marker', 'The answer is Evelyn.', 'Evelyn'],
    ['marker', 'The correct option is (B).', '(B)'],
    ['end', 'It cannot be negative, so the length is 5.', '5'],
    ['end', 'Therefore $x \\geq 5$ holds.', 'x \\geq 5'],
    ['end', 'I get this:\n\n\\[\n7\n\\]', '7'],
    ['end', 'The roots are $1$ and $2$.', '1, 2'],
    ['end', 'The point is (1, 2).', '(1, 2)'],
    ['end', 'It grows by 12.5%.', '12.5%'],
    ['box', 'I will write it in \\boxed{}. 2+2=4 so \\boxed{4}.', '4'],
    ['box', 'So \\boxed{4}. I was to write it in \\boxed{...}.', '4'],
    ['marker', 'I will write it in \\boxed{}. The answer is 4.', '4'],
    [
      'box',
      '<think>Six crates of 20 make \\boxed{120}.</think>\n\nA crate holds 20 jars. Now we coun',
      '120',
    ],
    ['box', '<think>So \\boxed{120}.</think> A crate holds 20 jars and we coun', '120'],
    ['box', '<think>So \\boxed{120}.</think> It is \\boxed{12', '120'],
    ['box', '<think>The answer is 5. Let me see, \\boxed{6} and then', '6'],
    ['marker', `${LONG}\nA: 20`, '20'],
    ['marker', `${LONG}\nA: $1,234.50`, '$1,234.50'],
    ['marker', `${LONG}\nAns. 20 apples`, '20'],
    ['marker', `${LONG}\n**A:** She keeps 20 baskets`, '20'],
    ['marker', `The final answer is 3 x 5 = 15 so far.\n${LONG}\nA: 20`, '20'],
    ['marker', 'A: 20\n\nShe had 60 at first.', '20'],
    ['marker', 'The answer is 20, since 60 - 40 = 20.', '20'],
    ['marker', `${LONG}\nAnswer - 20`, '20'],
    ['marker', `${LONG}\nSo 20 dollars is the answer`, '20'],
    ['end', `${LONG}\nTotal: $20`, '$20'],
    ['end', `${LONG}\n### 20`, '20'],
    ['box', '<think>\\boxed{5}</think>\\boxed{}', '5'],
    ['hashes', `${LONG} #### 20`, '20'],
    ['end', `${LONG}\n20`, '20'],
    ['end', `${LONG}\n= $20`, '$20'],
    ['end', 'Each costs between $15 and $20.\nTherefore, she has 1350 apples left.', '1350'],
  ])('%s: %s', (rule, completion, answer) => {
    expect(extractAnswer(completion)).toEqual({ rule, answer });
  });

  test.each([
    '',
    '   \n ',
    'the answer is \\boxed{6',
    'I do not know what to do with this one, and it is long enough to be no name.',
    'The answer is not 5.',
    'The answer is either 5 or 6.',
    'It is not 5.',
    'So the total does not equal $5$.',
    'I had \\boxed{5}, but that \\boxed{5} is wrong.',
    `${LONG}\nThen she sells 5 of the`,
    'There are 24 - 14 = 10 bottles of milk left.\nThen he gives 3 bottl',
    'She pays $40 + $50 = $90\nTh',
    'It makes 90.\nThe answer is 20 +',
    '<think>The answer is 5, so',
    '<think>I had \\boxed{5}.</think> The answer is not 5.',
    'I will write it in \\boxed{}.',
    `${'We add the numbers one after another and see. '.repeat(10)} Then 7 plus`,
  ])('no answer: %s', (completion) => {
    expect(extractAnswer(completion)).toBeNull();
    expect(checkAnswer(completion, '5')).toEqual({ equal: false, reason: 'no answer found' });
  });

  test('only a closed box counts where the prompt asked for one', () => {
    expect(extractAnswer('The answer is 5.', true)).toBeNull();
    expect(checkAnswer('<answer>5</answer>', '5', { boxedOnly: true }).equal).toBe(false);
    expect(checkAnswer('It is \\boxed{5}.', '5', { boxedOnly: true })).toMatchObject({
      equal: true,
      rule: 'box',
    });
  });

  test('the gold answer may stand in its worked solution', () => {
    expect(checkAnswer('\\boxed{16}', '2 \\cdot 8 = 16\n#### 16').equal).toBe(true);
    expect(checkAnswer('\\boxed{[-2,7]}', 'Between the roots, so \\[\\boxed{[-2, 7]}\\]').equal).toBe(true);
  });
});
