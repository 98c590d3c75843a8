/**
 * A task of the user's own, from a module: problems, a prompt, a reward; an environment where the model takes several
 * turns. Texts in and out; tokens are our affair.
 */
import { type Problem, type RewardResult, type Task, TaskError, type Vocabulary } from './task.js';
import { type PieceOptions, pieceVocabulary } from './vocabulary.js';

/** A completion to be judged. */
export interface JudgedCompletion {
  /** All that follows the prompt, answers of the environment included. */
  readonly text: string;
  /** Its token ids. */
  readonly tokens: ArrayLike<number>;
}

/** The reward, or several by name, weighed by `weights`. */
export type Rewards = number | Readonly<Record<string, number>>;

/** Answers the model's turns. */
export interface TaskEnvironment<P> {
  /** Turns of the model, at most. */
  readonly maxTurns: number;
  /** Tokens of one turn, at most; default: what is left of maxCompletionTokens. */
  readonly maxTurnTokens?: number;
  /**
   * What the model is told after a turn; null: the end. The same turn after the same history should get the same answer.
   * @param turn text of the turn
   * @param before all that followed the prompt before this turn
   */
  respond(turn: string, problem: P, before: string): string | null | Promise<string | null>;
}

export interface TaskDefinition<P> {
  readonly name: string;
  /** Training problems, taken in turn, or the index-th of endlessly many. */
  readonly problems: readonly P[] | ((index: number) => P);
  /** Problems for evaluation. */
  readonly heldOut: readonly P[];
  /** What the model is given. */
  prompt(problem: P): string;
  /** The right answer, for readers of rollouts. */
  answer?(problem: P): string;
  reward(completion: JudgedCompletion, problem: P): Rewards | Promise<Rewards>;
  /** Weight of each named reward, default 1. */
  readonly weights?: Readonly<Record<string, number>>;
  /** Whether a completion solves its problem; default: its reward is above 0. */
  success?(completion: JudgedCompletion, problem: P): boolean | Promise<boolean>;
  readonly maxCompletionTokens: number;
  readonly environment?: TaskEnvironment<P>;
  /** The tokens of a small random model; default: the model's tokenizer. */
  readonly vocabulary?: PieceOptions;
  /** Texts that end a completion, or a turn: each must be one token. Default: the vocabulary's end. */
  readonly stop?: readonly string[];
  /** The index-th text to learn the form from, for the supervised warm-up of a small model. */
  solution?(index: number): { readonly problem: P; readonly text: string };
}

/** Gives a definition its type; a module's default export. */
export function defineTask<P>(definition: TaskDefinition<P>): TaskDefinition<P> {
  return definition;
}

/**
 * @param where the module, for messages
 * @param given the model's tokenizer as a vocabulary; null: there is none
 * @throws TaskError in one line for a definition that is none
 */
export function definedTask(definition: unknown, where: string, given: Vocabulary | null): Task {
  const of = checked(definition, where);
  const vocabulary = of.vocabulary ? pieceVocabulary(of.vocabulary) : given;
  if (!vocabulary) {
    throw new TaskError(
      `${where}: vocabulary: found nothing; needed for a model without a tokenizer (model.path is null)`,
    );
  }
  const ids = new Map<string, unknown>();
  const problemOf = (problem: unknown, id: string): Problem => {
    ids.set(id, problem);
    const text = of.prompt(problem);
    if (typeof text !== 'string')
      throw new TaskError(`${where}: prompt: found ${typeof text}; needed is a text`);
    const promptTokens = vocabulary.encodePrompt(text);
    if (promptTokens.length === 0) throw new TaskError(`${where}: prompt of problem ${id}: it has no token`);
    return { id, promptText: text, promptTokens, answer: of.answer?.(problem) ?? '' };
  };
  const { problems } = of;
  const trainProblem = (index: number): Problem =>
    typeof problems === 'function'
      ? problemOf(problems(index), `train-${index}`)
      : problemOf(problems[index % problems.length], `train-${index % problems.length}`);
  const heldOut = of.heldOut.map((problem, i) => problemOf(problem, `held-out-${i}`));
  const own = ({ id }: Problem): unknown => ids.get(id);
  const judged = (tokens: ArrayLike<number>): JudgedCompletion => ({
    text: vocabulary.decode(tokens),
    tokens,
  });
  const stopTokens = (of.stop ?? []).map((text) => {
    const tokens = vocabulary.encode(text);
    if (tokens.length !== 1) {
      throw new TaskError(
        `${where}: stop: ${JSON.stringify(text)} is ${tokens.length} tokens; needed is one`,
      );
    }
    return tokens[0];
  });
  if (vocabulary.eos !== null) stopTokens.push(vocabulary.eos);

  async function reward(problem: Problem, completion: ArrayLike<number>): Promise<RewardResult> {
    const found = await of.reward(judged(completion), own(problem));
    if (typeof found === 'number') return { reward: found };
    if (typeof found !== 'object' || found === null) {
      throw new TaskError(
        `${where}: reward of problem ${problem.id}: found ${JSON.stringify(found)}; needed is a number, or numbers by name`,
      );
    }
    const rewards = found as Record<string, number>;
    let total = 0;
    for (const [name, value] of Object.entries(rewards)) {
      if (typeof value !== 'number' || !Number.isFinite(value)) {
        throw new TaskError(
          `${where}: reward ${name} of problem ${problem.id}: found ${typeof value === 'number' ? value : JSON.stringify(value)}; needed is a finite number`,
        );
      }
      total += (of.weights?.[name] ?? 1) * value;
    }
    return { reward: total, rewards };
  }

  const { environment, solution } = of;
  const examples = Array.from({ length: 64 }, (_, i) => trainProblem(i));
  return {
    name: of.name,
    vocabulary,
    maxPromptTokens: [...heldOut, ...examples].reduce(
      (n, { promptTokens }) => Math.max(n, promptTokens.length),
      0,
    ),
    maxCompletionTokens: of.maxCompletionTokens,
    stopTokens,
    trainProblem,
    heldOut,
    reward,
    async success(problem, completion) {
      if (of.success) return of.success(judged(completion), own(problem));
      return (await reward(problem, completion)).reward > 0;
    },
    ...(environment
      ? {
          environment: {
            maxTurns: environment.maxTurns,
            maxTurnTokens: environment.maxTurnTokens ?? of.maxCompletionTokens,
            async respond(problem, turn, before) {
              const text = await environment.respond(
                vocabulary.decode(turn),
                own(problem),
                vocabulary.decode(before),
              );
              return text === null ? null : vocabulary.encode(text);
            },
          },
        }
      : {}),
    ...(solution
      ? {
          warmupExample(index) {
            const { problem, text } = solution.call(of, index);
            return {
              promptTokens: problemOf(problem, `solution-${index}`).promptTokens,
              completionTokens: vocabulary.encode(text),
              correct: true,
            };
          },
        }
      : {}),
  };
}

function checked(definition: unknown, where: string): TaskDefinition<unknown> {
  if (typeof definition !== 'object' || definition === null) {
    throw new TaskError(`${where}: has no default export; needed is export default defineTask({ … })`);
  }
  const of = definition as Record<string, unknown>;
  const need = (key: string, fits: boolean, what: string): void => {
    if (!fits) {
      const found = of[key];
      throw new TaskError(
        `${where}: ${key}: found ${found === undefined ? 'nothing' : typeof found}; needed is ${what}`,
      );
    }
  };
  need('name', typeof of.name === 'string' && of.name !== '', 'a text');
  need(
    'problems',
    typeof of.problems === 'function' || (Array.isArray(of.problems) && of.problems.length > 0),
    'a list of problems, or a function of their number',
  );
  need('heldOut', Array.isArray(of.heldOut) && of.heldOut.length > 0, 'a list of problems');
  need('prompt', typeof of.prompt === 'function', 'a function');
  need('reward', typeof of.reward === 'function', 'a function');
  need(
    'maxCompletionTokens',
    Number.isInteger(of.maxCompletionTokens) && (of.maxCompletionTokens as number) > 0,
    'a whole number of at least 1',
  );
  return definition as TaskDefinition<unknown>;
}
