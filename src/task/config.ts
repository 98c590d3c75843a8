/**
 * The `task` section of a configuration: keys, defaults, ranges and meanings of every task. The type is inferred from it. What
 * kinds of values there are stands in config-values.ts, for the other sections too.
 */
import { z } from 'zod';
import { changeable, type DeepReadonly, share, whole } from './config-values.js';

const binaryTree = z.strictObject({
  name: z.literal('binary-tree').describe("The paper's walk through a binary tree (§4.3)"),
  depth: z.int().min(1).max(30).default(4).describe('Turns in a path'),
  n: whole(1)
    .default(1)
    .describe('First turns shared with the target that make a path a bad one, at most depth'),
  negative_reward: z
    .number()
    .default(-1)
    .describe('Reward of paths that share them but are not the target (r_neg)'),
  target_reward: z.number().default(1).describe('Reward of the target path'),
  other_reward: z.number().default(0.7).describe('Reward of every other path'),
  vocabulary: whole(2)
    .nullable()
    .default(null)
    .describe(
      "Number of tokens of a model that is not the task's own: each is a turn, L where its id is even, R where it is odd; null: three tokens, of which L and R are allowed",
    ),
});

const arithmetic = z.strictObject({
  name: z.literal('arithmetic').describe('Addition, written column by column, the answer in a box'),
  digits: z.int().min(1).max(8).default(3).describe('Digits of each summand'),
  held_out: whole(1).default(200).describe('Problems kept from training, for evaluation'),
  carry_error_rate: share().default(0.7).describe('Warm-up solutions: how often a carry is forgotten'),
  slip_rate: share().default(0.08).describe('Warm-up solutions: how often a column gets a wrong digit'),
});

const chain = z.strictObject({
  name: z.literal('chain').describe('A chain of operations modulo a small number, step by step'),
  operations: z.int().min(1).max(64).default(8).describe('Steps of a chain'),
  modulus: z.int().min(2).max(10).default(7).describe('Numbers are 0 to modulus − 1'),
  held_out: whole(1).default(200).describe('Problems kept from training, for evaluation'),
  flip_error_rate: share()
    .default(0.65)
    .describe('Warm-up solutions: how often a − b with a < b is written as b − a'),
  slip_rate: share().default(0.03).describe('Warm-up solutions: how often a step has a wrong result'),
});

const math = z.strictObject({
  name: z.literal('math').describe('Problems from files, answers in a box, judged by their mathematics'),
  train: z.array(z.string().min(1)).min(1).describe('Files of training problems: .jsonl, .json or .parquet'),
  held_out_files: z
    .array(z.string().min(1))
    .default([])
    .describe(
      'Files of problems for evaluation; none: the last held_out of the training problems are kept apart',
    ),
  held_out: whole(1).default(125).describe('Problems kept from training, where no files are named for them'),
  columns: z
    .strictObject({
      problem: z
        .string()
        .nullable()
        .default(null)
        .describe('Column of problems; null: detected by the names that known datasets use'),
      answer: z.string().nullable().default(null).describe('Column of answers; null: likewise'),
    })
    .prefault({})
    .describe('Where problems and answers stand'),
  system_prompt: z.string().nullable().default(null).describe('What the model is told first; null: nothing'),
  prompt: z
    .enum(['chat', 'plain'])
    .default('chat')
    .describe("chat: by the model's chat template; plain: the problem's text alone, after the system prompt"),
  max_prompt_tokens: whole(1).default(1024).describe('Training problems with longer prompts are left out'),
  max_completion_tokens: whole(1).default(1024).describe('Longest completion'),
  stop_at_box: z
    .boolean()
    .default(true)
    .describe(
      'Whether a completion ends when a \\boxed{…} with content closes outside of <think>…</think>, and only boxes are answers. Training only: eval has --stop-at-box',
    ),
  accuracy_weight: z.number().default(1).describe('Weight of the reward for a right answer'),
  format_weight: z.number().default(0).describe('Weight of the reward for an answer in a closed box'),
});

const userModule = z.strictObject({
  name: z.literal('module').describe('A task of your own: the default export of a module (docs/tasks.md)'),
  path: z
    .string()
    .min(1)
    .describe(
      'The module, .ts or .js, from the folder that the command runs in, or else from the configuration’s own',
    ),
  options: z
    .record(z.string(), z.unknown())
    .default({})
    .describe('Handed to the module where its default export is a function'),
  // A run that such an error stopped goes on as one that had these values from its start: no call failed before.
  on_error: changeable(z.enum(['stop', 'zero', 'skip_group']))
    .default('stop')
    .describe(
      'A reward that throws or takes too long: the run stops, the completion gets reward 0, or its group is left out',
    ),
  call_seconds: changeable(z.number().positive().max(1_000_000))
    .default(60)
    .describe('Longest time for one call into the module, its loading included, s'),
});

const custom = z.strictObject({
  name: z.literal('custom').describe('A task given in code, to `train`'),
  label: z.string().default('').describe('What to call it'),
});

export const taskSchema = z.discriminatedUnion('name', [
  binaryTree,
  arithmetic,
  chain,
  math,
  userModule,
  custom,
]);

/** The `task` section of a configuration, by its own names. */
export type TaskConfig = DeepReadonly<z.output<typeof taskSchema>>;

/** The `task` section of mathematics. */
export type MathTaskConfig = Extract<TaskConfig, { name: 'math' }>;
