/**
 * The `task` section of a configuration: keys, defaults, ranges and meanings of every task. The type is inferred from
 * the schema. config-values.ts defines types of values for all sections.
 */
import { z } from 'zod';
import { changeable, type DeepReadonly, share, whole } from './config-values.js';

const binaryTree = z.strictObject({
  name: z.literal('binary-tree').describe("The paper's walk through a binary tree (§4.3)"),
  depth: z.int().min(1).max(30).default(4).describe('Turns in a path'),
  n: whole(1)
    .default(1)
    .describe(
      'A path that shares its first n turns with the target but misses the target gets negative_reward; n is at most depth',
    ),
  negative_reward: z
    .number()
    .default(-1)
    .describe('Reward of paths that share the first n turns with the target but miss it (r_neg)'),
  target_reward: z.number().default(1).describe('Reward of the target path'),
  other_reward: z.number().default(0.7).describe('Reward of every other path'),
  vocabulary: whole(2)
    .nullable()
    .default(null)
    .describe(
      'With model.path: the vocabulary size of that model; tokens with an even id mean L, with an odd id R. null: a vocabulary of three tokens, of which L and R are allowed',
    ),
});

const arithmetic = z.strictObject({
  name: z.literal('arithmetic').describe('Addition, written column by column, with the answer in a box'),
  digits: z.int().min(1).max(8).default(3).describe('Digits of each summand'),
  held_out: whole(1).default(200).describe('Number of held-out problems, used for evaluation only'),
  carry_error_rate: share().default(0.7).describe('Warm-up solutions: share of carries that are forgotten'),
  slip_rate: share().default(0.08).describe('Warm-up solutions: share of columns with a wrong digit'),
});

const chain = z.strictObject({
  name: z.literal('chain').describe('A chain of operations modulo a small number, step by step'),
  operations: z.int().min(1).max(64).default(8).describe('Steps of a chain'),
  modulus: z.int().min(2).max(10).default(7).describe('Numbers are 0 to modulus − 1'),
  held_out: whole(1).default(200).describe('Number of held-out problems, used for evaluation only'),
  flip_error_rate: share()
    .default(0.65)
    .describe('Warm-up solutions: share of differences a − b with a < b that are written as b − a'),
  slip_rate: share().default(0.03).describe('Warm-up solutions: share of steps with a wrong result'),
});

const math = z.strictObject({
  name: z.literal('math').describe('Problems from files with answers in \\boxed{}, compared as mathematics'),
  train: z.array(z.string().min(1)).min(1).describe('Files of training problems: .jsonl, .json or .parquet'),
  held_out_files: z
    .array(z.string().min(1))
    .default([])
    .describe('Files of problems for evaluation; empty: the last held_out training problems are held out'),
  held_out: whole(1).default(125).describe('Number of held-out problems if held_out_files is empty'),
  columns: z
    .strictObject({
      problem: z
        .string()
        .nullable()
        .default(null)
        .describe('Name of the problem column; null: detected from common names'),
      answer: z
        .string()
        .nullable()
        .default(null)
        .describe('Name of the answer column; null: detected from common names'),
    })
    .prefault({})
    .describe('Names of the columns'),
  system_prompt: z.string().nullable().default(null).describe('System prompt; null: none'),
  prompt: z
    .enum(['chat', 'plain'])
    .default('chat')
    .describe("chat: with the model's chat template; plain: the system prompt, then the text of the problem"),
  max_prompt_tokens: whole(1).default(1024).describe('Training problems with longer prompts are skipped'),
  max_completion_tokens: whole(1).default(1024).describe('Length limit of a completion in tokens'),
  stop_at_box: z
    .boolean()
    .default(true)
    .describe(
      'End a completion after its first non-empty \\boxed{…} outside <think>…</think>, and accept only boxed answers. Training only; eval has --stop-at-box',
    ),
  accuracy_weight: z.number().default(1).describe('Reward for a correct answer'),
  format_weight: z.number().default(0).describe('Reward for an answer in a closed box'),
});

const userModule = z.strictObject({
  name: z.literal('module').describe('A custom task: the default export of a module (docs/tasks.md)'),
  path: z
    .string()
    .min(1)
    .describe(
      'File of the module, .ts or .js, relative to the current folder or else to the folder of the configuration',
    ),
  options: z
    .record(z.string(), z.unknown())
    .default({})
    .describe('Options for the module, if its default export is a function'),
  max_completion_tokens: whole(1)
    .nullable()
    .default(null)
    .describe("Length limit of a completion in tokens; null: the module's maxCompletionTokens"),
  // A run that stopped with such an error continues as if it had these values from its start, because no call had
  // failed before.
  on_error: changeable(z.enum(['stop', 'zero', 'skip_group']))
    .default('stop')
    .describe(
      'What happens if a reward function throws or takes too long: stop the run, give reward 0, or skip the group',
    ),
  call_seconds: changeable(z.number().positive().max(1_000_000))
    .default(60)
    .describe('Time limit for loading the module and for each call into it, s'),
});

const custom = z.strictObject({
  name: z.literal('custom').describe('A task passed to `train` in code'),
  label: z.string().default('').describe('Name of the task'),
});

export const taskSchema = z.discriminatedUnion('name', [
  binaryTree,
  arithmetic,
  chain,
  math,
  userModule,
  custom,
]);

/** The `task` section of a configuration. */
export type TaskConfig = DeepReadonly<z.output<typeof taskSchema>>;

/** The `task` section of the math task. */
export type MathTaskConfig = Extract<TaskConfig, { name: 'math' }>;
