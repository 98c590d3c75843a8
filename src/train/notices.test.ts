/** A run in which nothing is learnt is reported once, with the reason that its completions show. */
import { expect, test } from 'vitest';
import type { Completion, Group } from '../rollouts/index.js';
import { createTask, type Task } from '../task/index.js';
import { resolveConfig } from './config-sources.js';
import { Notices } from './notices.js';

const binaryTree = createTask(resolveConfig({ task: { name: 'binary-tree' } }).task, 0);
const group = (completions: Partial<Completion>[]): Group =>
  ({
    id: 'p',
    step: 1,
    prompt: { text: 'p' },
    completions: completions.map((part) => ({ reward: 0, stop: 'stop', text: 'a', ...part })),
    tokens: 'exact',
    groups: 'explicit',
  }) as unknown as Group;

/** The notices for steps with these groups; 10 steps by default. */
function noticesOf(
  task: object,
  steps: Partial<Completion>[][][],
  { planned = 10, ...taskFields }: { planned?: number } & Partial<Task> = {},
) {
  const config = resolveConfig({ task: { name: 'binary-tree', ...task }, sampling: { temperature: 0.5 } });
  const lines: string[] = [];
  const notices = new Notices(config, { ...binaryTree, stopTokens: [1], ...taskFields }, 'runs/x', (line) =>
    lines.push(line),
  );
  steps.forEach((groups, i) => {
    const sampled = groups.map((completions) => ({
      group: group(completions),
      problem: binaryTree.heldOut[0],
    }));
    notices.step(i + 1, { sampled, failures: [], passedOver: 0 } as never, planned);
  });
  return lines;
}

const math = { name: 'math', train: ['x.jsonl'] };
const zero = [{ text: 'a' }, { text: 'b' }];

test('after three steps, or the last where there are fewer; never once two rewards of a group differ', () => {
  expect(noticesOf({}, [[zero], [zero]])).toEqual([]);
  const lines = noticesOf({}, [[zero], [zero], [zero], [zero]]);
  expect(lines).toEqual([
    'no learning signal: in the first 3 steps all rewards of each group are equal (every reward is 0); look at completions with: lambda-grpo eval runs/x --samples 4 --problems 4 --show',
  ]);
  expect(noticesOf({}, [[zero]], { planned: 1 })).toHaveLength(1);
  expect(noticesOf({}, [[zero], [zero, [{ reward: 1 }, { reward: 0 }]], [zero], [zero]])).toEqual([]);
  // 0.1 + 0.2 and 0.3 are the same reward.
  expect(noticesOf({}, Array(3).fill([[{ reward: 0.1 + 0.2 }, { reward: 0.3, text: 'b' }]]))).toHaveLength(1);
});

test.each([
  [
    'no closed box',
    math,
    zero,
    {},
    'every reward is 0: no completion has a closed \\boxed{}; stop_at_box is on',
  ],
  [
    'an end out of reach',
    math,
    [
      { stop: 'length', text: 'a' },
      { stop: 'length', text: 'b' },
    ],
    { maxCompletionTokens: 7 },
    'every reward is 0: no completion ends before max_completion_tokens, 7',
  ],
  [
    'wrong boxes',
    math,
    [
      { text: '\\boxed{1}', note: 'not equal' },
      { text: '\\boxed{2}', note: 'not equal' },
    ],
    {},
    'every reward is 0, mostly because: not equal',
  ],
  [
    'one text',
    {},
    [{ reward: 0.5 }, { reward: 0.5 }],
    {},
    'the completions of each group are the same text; the temperature is 0.5',
  ],
  ['a constant', {}, [{ reward: 0.5 }, { reward: 0.5, text: 'b' }], {}, '(every reward is 0.5)'],
] as const)('the reason: %s', (_, task, completions, taskFields, reason) => {
  expect(noticesOf(task, Array(3).fill([[...completions]]), taskFields)[0]).toContain(reason);
});

test('the reason where groups differ: problems are too easy or too hard', () => {
  const easy = [{ reward: 1 }, { reward: 1, text: 'b' }];
  expect(noticesOf({}, [[zero, easy], [zero], [easy]])[0]).toContain(
    'each problem is solved by all of its completions or by none',
  );
});
