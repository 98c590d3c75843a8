/**
 * The interface between a trainer and a task: problems to complete, a reward for each completion, and what "solved"
 * means. A task is pure: the same seed and index give the same problem on every machine, so a resumed run gets the same
 * problems. It knows tokens, but neither models nor rollouts.
 */
import { UserError } from '../errors.js';

/** A task that cannot be created, or a completion that it cannot judge. */
export class TaskError extends UserError {
  override name = 'TaskError';
}

/** The tokens of a task; ids are 0 … size − 1. */
export interface Vocabulary {
  readonly size: number;
  /** Token that opens a prompt; null if prompts have none, or if only `encodePrompt` knows it. */
  readonly bos: number | null;
  /** Token that ends a completion; null if completions have a fixed length. */
  readonly eos: number | null;
  /** Token ids of a text, without bos and eos. @throws TaskError for a text that the vocabulary cannot represent */
  encode(text: string): Int32Array;
  /** Token ids of a whole prompt, including an opening token if there is one. */
  encodePrompt(text: string): Int32Array;
  /** Text of token ids, without bos and eos. */
  decode(tokens: ArrayLike<number>): string;
  /**
   * Text of one token; bos and eos by their names. Incomplete bytes become lone surrogates (rollouts/pieces.ts), so
   * that the texts of several tokens can be joined. @throws TaskError for an id outside the vocabulary
   */
  tokenText(id: number): string;
}

export interface Problem {
  /** Unique within the task; names the group of its completions. */
  readonly id: string;
  readonly promptText: string;
  /** [P], at least one token, with bos first if there is one. */
  readonly promptTokens: Int32Array;
  /** The right answer, as text. */
  readonly answer: string;
}

export interface RewardResult {
  /** Finite, at most 1e100 in size; advantages are computed from it. */
  readonly reward: number;
  /** Its parts by name, if it has any. */
  readonly rewards?: Readonly<Record<string, number>>;
  /** The reason for it, for readers of rollouts. */
  readonly note?: string;
}

/** Squares of rewards are summed, and sums of larger ones would overflow. */
const LARGEST_REWARD = 1e100;

/** @throws TaskError for an invalid reward */
export function checkReward(reward: number): number {
  if (Number.isFinite(reward) && Math.abs(reward) <= LARGEST_REWARD) return reward;
  throw new TaskError(`expected a finite number of at most ${LARGEST_REWARD} in size, got ${reward}`);
}

/** A prompt with a written solution, for supervised warm-up. */
export interface WarmupExample {
  /** [P] */
  readonly promptTokens: Int32Array;
  /** [n], including the stop token. */
  readonly completionTokens: Int32Array;
  /** Whether the solution ends in the right answer. */
  readonly correct: boolean;
}

/** An environment that answers the model's turns. */
export interface Environment {
  /** Maximum number of turns of the model. */
  readonly maxTurns: number;
  /** Maximum number of tokens in a turn. */
  readonly maxTurnTokens: number;
  /**
   * Token ids that follow a turn; null: the completion ends with the turn.
   * @param turn the turn's tokens
   * @param before all tokens between the prompt and the turn
   * @param at place in the run, for errors: `step 3, completion 2 of 8`
   */
  respond(
    problem: Problem,
    turn: ArrayLike<number>,
    before: ArrayLike<number>,
    at?: string,
  ): Promise<Int32Array | null>;
}

export interface Task {
  readonly name: string;
  readonly vocabulary: Vocabulary;
  /** Longest prompt, in tokens, including bos. */
  readonly maxPromptTokens: number;
  /** Longest completion, in tokens, including the stop token. */
  readonly maxCompletionTokens: number;
  /** A completion ends with the first of these tokens. */
  readonly stopTokens: readonly number[];
  /** All other tokens are masked in sampling and training; absent: all are allowed. */
  readonly allowedTokens?: readonly number[];
  /**
   * The index-th training problem, index = 0, 1, …: a function of the task's seed and the index alone. A problem whose
   * prompt is longer than `maxPromptTokens` is skipped.
   */
  trainProblem(index: number): Problem | Promise<Problem>;
  /** Held-out problems (all problems, for a task with a single problem). */
  readonly heldOut: readonly Problem[];
  /**
   * Judges a completion; several calls may run at the same time.
   * @param at place in the run, for errors: `step 3, completion 2 of 8`
   */
  reward(problem: Problem, completion: ArrayLike<number>, at?: string): RewardResult | Promise<RewardResult>;
  /** Whether a completion solves the problem; reported as target frequency or accuracy. */
  success(problem: Problem, completion: ArrayLike<number>, at?: string): boolean | Promise<boolean>;
  /** What happens if a reward throws: stop (the default), reward 0, or leave its group out. */
  readonly onError?: 'stop' | 'zero' | 'skip_group';
  /**
   * Ends completions before their stop token: makes a watcher for one completion, which is called with each sampled
   * token and says whether the completion ends with it.
   */
  watch?(): (token: number) => boolean;
  /** Answers the model's turns, if there are several; a turn ends with a stop token. */
  readonly environment?: Environment;
  /** The index-th generated solution, for tasks that need a warm-up. */
  warmupExample?(index: number): WarmupExample | Promise<WarmupExample>;
}

/** A task whose problems and verdicts are synchronous. */
export interface SyncTask extends Task {
  trainProblem(index: number): Problem;
  warmupExample?(index: number): WarmupExample;
  reward(problem: Problem, completion: ArrayLike<number>): RewardResult;
  success(problem: Problem, completion: ArrayLike<number>): boolean;
}
