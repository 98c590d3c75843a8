/**
 * What a trainer needs of a task: problems to complete, a reward for each completion, and what "solved" means.
 * A task is pure: the same seed and index give the same problem on every machine, so a resumed run meets the same
 * ones. It knows tokens, but neither models nor rollouts.
 */
import { UserError } from '../errors.js';

/** A task that cannot be made or a completion it cannot judge. */
export class TaskError extends UserError {
  override name = 'TaskError';
}

/** The tokens of a task; ids are 0 … size − 1. */
export interface Vocabulary {
  readonly size: number;
  /** Token that opens a prompt; null where prompts have none, or where `encodePrompt` alone knows. */
  readonly bos: number | null;
  /** Token that ends a completion; null where completions have a fixed length. */
  readonly eos: number | null;
  /** Token ids of a text, without bos and eos. @throws TaskError for a text it cannot spell */
  encode(text: string): Int32Array;
  /** Token ids of a whole prompt: with what opens it, where anything does. */
  encodePrompt(text: string): Int32Array;
  /** Text of token ids; bos and eos spell nothing. */
  decode(tokens: ArrayLike<number>): string;
  /**
   * Text of one token, bos and eos by their names. Bytes that are no character alone are lone surrogates
   * (rollouts/pieces.ts), so that the texts of several tokens can be joined. @throws TaskError for an id outside the vocabulary
   */
  tokenText(id: number): string;
}

export interface Problem {
  /** Unique within the task; names the group of its completions. */
  readonly id: string;
  readonly promptText: string;
  /** [P], at least one token, bos first where there is one. */
  readonly promptTokens: Int32Array;
  /** The right answer, as text. */
  readonly answer: string;
}

export interface RewardResult {
  /** Finite, of at most 1e100 in size; what the advantage is taken from. */
  readonly reward: number;
  /** Its parts by name, where it has any. */
  readonly rewards?: Readonly<Record<string, number>>;
  /** Why it is what it is, for a reader of rollouts. */
  readonly note?: string;
}

/** Squares of rewards are added up: beyond this size their sums are no numbers. */
const LARGEST_REWARD = 1e100;

/** @throws TaskError for what is no reward */
export function checkReward(reward: number): number {
  if (Number.isFinite(reward) && Math.abs(reward) <= LARGEST_REWARD) return reward;
  throw new TaskError(`expected a finite number of at most ${LARGEST_REWARD} in size, got ${reward}`);
}

/** A prompt with a written solution, for supervised warm-up. */
export interface WarmupExample {
  /** [P] */
  readonly promptTokens: Int32Array;
  /** [n], the stop token included. */
  readonly completionTokens: Int32Array;
  /** Whether the solution ends in the right answer. */
  readonly correct: boolean;
}

/** What answers the turns of a model. */
export interface Environment {
  /** Turns of the model, at most. */
  readonly maxTurns: number;
  /** Tokens of one turn, at most. */
  readonly maxTurnTokens: number;
  /**
   * Token ids that follow a turn; null: the completion ends with the turn.
   * @param turn the turn's tokens
   * @param before all tokens between the prompt and the turn
   * @param at where in the run it is asked, for errors: `step 3, completion 2 of 8`
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
  /** Longest prompt, in tokens, bos included. */
  readonly maxPromptTokens: number;
  /** Longest completion, in tokens, stop token included. */
  readonly maxCompletionTokens: number;
  /** A completion ends with the first of these. */
  readonly stopTokens: readonly number[];
  /** Every other token is masked in sampling and training; absent: all are allowed. */
  readonly allowedTokens?: readonly number[];
  /**
   * The index-th training problem, index = 0, 1, …: a function of the task's seed and the index alone. One whose prompt is
   * longer than `maxPromptTokens` is passed over.
   */
  trainProblem(index: number): Problem | Promise<Problem>;
  /** Problems that training never meets (all there is, for a task of a single problem). */
  readonly heldOut: readonly Problem[];
  /**
   * Judges a completion; many of a step's may be asked for at the same time.
   * @param at where in the run it is asked, for errors: `step 3, completion 2 of 8`
   */
  reward(problem: Problem, completion: ArrayLike<number>, at?: string): RewardResult | Promise<RewardResult>;
  /** Whether a completion solves the problem: the figure that is reported (target frequency, accuracy). */
  success(problem: Problem, completion: ArrayLike<number>, at?: string): boolean | Promise<boolean>;
  /** What is done about a reward that throws: stop (the default), reward 0, or leave its group out. */
  readonly onError?: 'stop' | 'zero' | 'skip_group';
  /**
   * Ends completions before their stop token: makes a watcher for one completion, which is told each token as it is
   * sampled and says whether the completion ends with it.
   */
  watch?(): (token: number) => boolean;
  /** Answers the model's turns, where it takes several; a turn ends with a stop token. */
  readonly environment?: Environment;
  /** The index-th generated solution, for tasks that need a warm-up. */
  warmupExample?(index: number): WarmupExample | Promise<WarmupExample>;
}

/** A task whose problems and verdicts are there at once. */
export interface SyncTask extends Task {
  trainProblem(index: number): Problem;
  warmupExample?(index: number): WarmupExample;
  reward(problem: Problem, completion: ArrayLike<number>): RewardResult;
  success(problem: Problem, completion: ArrayLike<number>): boolean;
}
