/**
 * A custom task from a module: problems, a prompt, a reward, and an environment if the model takes several turns. Input
 * and output are texts; tokens are handled internally. An invalid definition is refused with the key.
 */
import { TaskError } from './task.js';
import { showValue } from './user-code.js';
import type { PieceOptions } from './vocabulary.js';

/** A completion to be rewarded. */
export interface JudgedCompletion {
  /** Everything after the prompt, including answers of the environment. */
  readonly text: string;
  /** Its token ids. */
  readonly tokens: ArrayLike<number>;
}

/** The reward, or several by name, weighted by `weights`. */
export type Rewards = number | Readonly<Record<string, number>>;

/** A message of a chat. */
export interface ChatMessage {
  /** For example system, user, assistant: any role that the model's template knows. */
  readonly role: string;
  readonly content: string;
}

/** An environment that answers the model's turns. */
export interface TaskEnvironment<P> {
  /** Maximum number of turns of the model. */
  readonly maxTurns: number;
  /** Maximum number of tokens in a turn; default: the rest of maxCompletionTokens. */
  readonly maxTurnTokens?: number;
  /**
   * The answer to a turn; null: the completion ends. The same turn after the same history should get the same answer.
   * @param turn text of the turn
   * @param before everything between the prompt and this turn
   */
  respond(turn: string, problem: P, before: string): string | null | Promise<string | null>;
}

export interface TaskDefinition<P> {
  readonly name: string;
  /** Training problems, used in order, or a function that returns the index-th of infinitely many. */
  readonly problems: readonly P[] | ((index: number) => P | Promise<P>);
  /** Problems for evaluation. */
  readonly heldOut: readonly P[];
  /** The prompt: a text, or messages that are rendered with the model's own chat template. */
  prompt(problem: P): string | readonly ChatMessage[] | Promise<string | readonly ChatMessage[]>;
  /** The right answer, shown to readers of rollouts. */
  answer?(problem: P): string | Promise<string>;
  reward(completion: JudgedCompletion, problem: P): Rewards | Promise<Rewards>;
  /** Weight of each named reward, default 1. */
  readonly weights?: Readonly<Record<string, number>>;
  /** Whether a completion solves its problem; default: its reward is above 0. */
  success?(completion: JudgedCompletion, problem: P): boolean | Promise<boolean>;
  readonly maxCompletionTokens: number;
  readonly environment?: TaskEnvironment<P>;
  /** The tokens of a small random model; default: the model's tokenizer. */
  readonly vocabulary?: PieceOptions;
  /** Texts that end a completion or a turn; each must be one token. Default: the vocabulary's end token. */
  readonly stop?: readonly string[];
  /** The index-th example solution, for the supervised warm-up of a small model. */
  solution?(
    index: number,
  ): { readonly problem: P; readonly text: string } | Promise<{ readonly problem: P; readonly text: string }>;
}

/** Gives a definition its type; used as a module's default export. */
export function defineTask<P>(definition: TaskDefinition<P>): TaskDefinition<P> {
  return definition;
}

/** @throws TaskError naming the key, what is expected and what came */
export function checkDefinition(value: unknown): TaskDefinition<unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    const came = value === undefined ? 'none' : showValue(value);
    throw new TaskError(`expected defineTask({ … }), or a function that returns it, got ${came}`);
  }
  const definition = value as Record<string, unknown>;
  const need = (
    key: string,
    expected: string,
    fits: (part: unknown) => boolean,
    part = definition[key],
  ): void => {
    if (!fits(part)) {
      throw new TaskError(
        `${key}: expected ${expected}, got ${part === undefined ? 'nothing' : showValue(part)}`,
      );
    }
  };
  const orAbsent = (fits: (part: unknown) => boolean) => (part: unknown) => part === undefined || fits(part);
  need('name', 'a string', (part) => typeof part === 'string' && part !== '');
  need('problems', 'a list of problems, or a function of their number', (part) =>
    typeof part === 'function' ? true : isFilledList(part),
  );
  need('heldOut', 'a list of problems', isFilledList);
  need('prompt', 'a function', isFunction);
  need('reward', 'a function', isFunction);
  need('maxCompletionTokens', 'a whole number of at least 1', isCount);
  for (const key of ['answer', 'success', 'solution']) need(key, 'a function', orAbsent(isFunction));
  need('stop', 'a list of strings', orAbsent(isTexts));
  need('weights', 'finite numbers by name', orAbsent(isNumbers));
  need('vocabulary', '{ pieces, bos }', orAbsent(isObject));
  if (definition.vocabulary !== undefined)
    checkPieces(definition.vocabulary as Record<string, unknown>, need);
  need('environment', '{ maxTurns, respond }', orAbsent(isObject));
  if (definition.environment !== undefined) {
    const { maxTurns, maxTurnTokens, respond } = definition.environment as Record<string, unknown>;
    need('environment.maxTurns', 'a whole number of at least 1', isCount, maxTurns);
    need('environment.maxTurnTokens', 'a whole number of at least 1', orAbsent(isCount), maxTurnTokens);
    need('environment.respond', 'a function', isFunction, respond);
  }
  return value as TaskDefinition<unknown>;
}

function checkPieces(
  { pieces, bos, eos }: Record<string, unknown>,
  need: (key: string, expected: string, fits: (part: unknown) => boolean, part: unknown) => void,
): void {
  const isPiece = (part: unknown): boolean => typeof part === 'string' && (pieces as string[]).includes(part);
  need(
    'vocabulary.pieces',
    'a list of non-empty strings',
    (part) => isTexts(part) && isFilledList(part),
    pieces,
  );
  const twice = (pieces as string[]).find((piece, i) => (pieces as string[]).indexOf(piece) !== i);
  need('vocabulary.pieces', 'each piece once', (part) => part === undefined, twice);
  need('vocabulary.bos', 'one of the pieces', isPiece, bos);
  need('vocabulary.eos', 'one of the pieces', (part) => part === undefined || isPiece(part), eos);
}

const isFunction = (part: unknown): boolean => typeof part === 'function';
const isObject = (part: unknown): boolean =>
  typeof part === 'object' && part !== null && !Array.isArray(part);
const isFilledList = (part: unknown): boolean => Array.isArray(part) && part.length > 0;
const isCount = (part: unknown): boolean => Number.isSafeInteger(part) && (part as number) > 0;
const isTexts = (part: unknown): boolean =>
  Array.isArray(part) && part.every((item) => typeof item === 'string' && item !== '');
const isNumbers = (part: unknown): boolean =>
  isObject(part) && Object.values(part as object).every((item) => Number.isFinite(item));
