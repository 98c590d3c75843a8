/**
 * Mathematics with verifiable rewards: problems with a gold answer, completions judged by their final answer. Rewards:
 * `accuracy` 1 if the answer equals the gold answer, `format` 1 if there is an answer in a closed box; their weighted
 * sum is the reward. An answer that cannot be read scores 0, with the reason.
 */
import { Stream } from '../random/stream.js';
import { boxWatcher } from './math/box-watcher.js';
import type { AnswerVerdict } from './math/index.js';
import { type Problem, type RewardResult, type SyncTask, TaskError, type Vocabulary } from './task.js';

/** A problem with its answer. */
export interface DatasetRow {
  /** Unique within the file: its own id, or its position. */
  readonly id: string;
  readonly problem: string;
  readonly answer: string;
  /** Worked solution, if there is one. */
  readonly solution?: string;
}

export interface MathTaskOptions {
  readonly train: readonly DatasetRow[];
  /** Problems for evaluation. */
  readonly heldOut: readonly DatasetRow[];
  readonly vocabulary: Vocabulary;
  /** Tokens that end a completion. */
  readonly stopTokens: readonly number[];
  /** The model's prompt for a problem. */
  readonly prompt: (problem: string) => { readonly text: string; readonly tokens: Int32Array };
  /** Training problems with longer prompts are skipped; a held-out one is an error. */
  readonly maxPromptTokens: number;
  readonly maxCompletionTokens: number;
  /** Ends a completion when a box with content closes outside of the thinking part. */
  readonly stopAtBox: boolean;
  readonly weights: { readonly accuracy: number; readonly format: number };
  /** Of `mathChecker()`. */
  readonly check: (completion: string, gold: string) => AnswerVerdict;
  /** Determines the order of the training problems. */
  readonly seed: number;
}

/** @throws TaskError if no training problem is short enough, or a held-out one is too long */
export function mathTask(options: MathTaskOptions): SyncTask & { readonly leftOut: number } {
  const { vocabulary, maxPromptTokens, weights, seed } = options;
  const problemOf = (row: DatasetRow): Problem => {
    const { text, tokens } = options.prompt(row.problem);
    return { id: row.id, promptText: text, promptTokens: tokens, answer: row.answer };
  };
  const all = options.train.map(problemOf);
  const problems = all.filter(({ promptTokens }) => promptTokens.length <= maxPromptTokens);
  if (problems.length === 0) {
    throw new TaskError(
      `task.max_prompt_tokens: expected more (none of the ${all.length} training problems is that short), got ${maxPromptTokens}`,
    );
  }
  // The templates of some models open the thinking part in the prompt.
  const thinking = /<think>\s*$/.test(problems[0].promptText);

  const heldOut = options.heldOut.map(problemOf);
  for (const { id, promptTokens } of heldOut) {
    if (promptTokens.length > maxPromptTokens) {
      throw new TaskError(
        `task.max_prompt_tokens: expected at least ${promptTokens.length}, the prompt of the held-out problem ${id}, got ${maxPromptTokens}`,
      );
    }
  }

  /** A cache of recent verdicts: reward and success ask for the same one. */
  const verdicts = new Map<string, AnswerVerdict>();
  function verdict(problem: Problem, completion: ArrayLike<number>): AnswerVerdict {
    const text = vocabulary.decode(completion);
    const key = `${problem.answer}\0${text}`;
    let verdict = verdicts.get(key);
    if (!verdict) {
      verdict = options.check(thinking ? `<think>${text}` : text, problem.answer);
      if (verdicts.size > 4096) verdicts.clear();
      verdicts.set(key, verdict);
    }
    return verdict;
  }

  /** Order of the problems in the n-th pass. */
  let order: { epoch: number; indices: Int32Array } | null = null;
  function orderOf(epoch: number): Int32Array {
    if (order?.epoch === epoch) return order.indices;
    const indices = new Stream(seed, 'math', 'order', epoch).permutation(problems.length);
    order = { epoch, indices };
    return indices;
  }

  return {
    name: 'math',
    vocabulary,
    maxPromptTokens: [...problems, ...heldOut].reduce(
      (n, { promptTokens }) => Math.max(n, promptTokens.length),
      0,
    ),
    maxCompletionTokens: options.maxCompletionTokens,
    stopTokens: options.stopTokens,
    leftOut: all.length - problems.length,
    trainProblem: (index) => problems[orderOf(Math.floor(index / problems.length))[index % problems.length]],
    heldOut,
    reward(problem, completion): RewardResult {
      const { equal, reason, rule } = verdict(problem, completion);
      const rewards = { accuracy: Number(equal), format: Number(rule === 'box') };
      return {
        reward: weights.accuracy * rewards.accuracy + weights.format * rewards.format,
        rewards,
        note: reason,
      };
    },
    success: (problem, completion) => verdict(problem, completion).equal,
    ...(options.stopAtBox
      ? { watch: () => boxWatcher((token) => vocabulary.tokenText(token), thinking) }
      : {}),
  };
}
