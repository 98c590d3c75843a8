/**
 * A task from a custom definition. Each of its functions is called through `call`, and its result is checked there: an
 * error names the file, the problem, and the place in the run.
 */
import type { TaskConfig } from './config.js';
import { type ChatMessage, checkDefinition, type Rewards, type TaskDefinition } from './define.js';
import {
  checkReward,
  type Problem,
  type RewardResult,
  type Task,
  TaskError,
  type Vocabulary,
} from './task.js';
import { type CallUser, showValue } from './user-code.js';
import { pieceVocabulary } from './vocabulary.js';

/** What happens if a reward fails: the run stops, the completion gets 0, or its group is left out. */
export type OnError = Extract<TaskConfig, { name: 'module' }>['on_error'];

export interface DefinedTaskOptions {
  /** Calls functions of the module. */
  readonly call: CallUser;
  /** The model's tokenizer as a vocabulary; null: none. */
  readonly vocabulary: Vocabulary | null;
  /** The model's chat template, which opens the answer; null: none. */
  readonly render?: ((messages: readonly ChatMessage[]) => string) | null;
  /** Maximum length of a sequence in the model, tokens; null: a random model is made as long as the task needs. */
  readonly context?: number | null;
  /** Longest completion, tokens, in place of the definition's; null: the definition's. */
  readonly maxCompletionTokens?: number | null;
  readonly onError?: OnError;
  /** Called once with each unusual condition, as one line. */
  readonly warn?: (line: string) => void;
}

/** Number of problems that are examined to find the length of prompts, if there are infinitely many. */
const LOOKED_AT = 64;

/** @throws TaskError in one line for an invalid definition, and for prompts that do not fit the model */
export async function definedTask(exported: unknown, options: DefinedTaskOptions): Promise<Task> {
  const { call } = options;
  const definition = await call('default export', () => checkDefinition(exported));
  const vocabulary = definition.vocabulary ? pieceVocabulary(definition.vocabulary) : options.vocabulary;
  if (!vocabulary) {
    throw await refusal(
      call,
      'vocabulary',
      'expected one for a model without a tokenizer (model.path is null), got none',
    );
  }
  const render = definition.vocabulary ? null : (options.render ?? null);
  let texts = false;
  const sources = new WeakMap<Problem, unknown>();
  const source = (problem: Problem): unknown => sources.get(problem);

  async function problemOf(source: unknown, id: string): Promise<Problem> {
    const { text, tokens, plain } = await call(`prompt of problem ${id}`, async () => {
      const prompt = await definition.prompt(source);
      const messages = typeof prompt !== 'string';
      if (messages) checkMessages(prompt);
      if (messages && !render) {
        throw new TaskError('expected a string, got messages: the model has no chat template to render them');
      }
      const rendered = messages ? (render as (m: readonly ChatMessage[]) => string)(prompt) : prompt;
      const encoded = messages ? vocabulary!.encode(rendered) : vocabulary!.encodePrompt(rendered);
      if (encoded.length === 0) throw new TaskError('expected a string with at least one token, got none');
      return { text: rendered, tokens: encoded, plain: !messages };
    });
    texts ||= plain;
    const answer = await call(`answer of problem ${id}`, async () => {
      const value = definition.answer ? await definition.answer(source) : '';
      if (typeof value !== 'string') throw new TaskError(`expected a string, got ${showValue(value)}`);
      return value;
    });
    const problem = { id, promptText: text, promptTokens: tokens, answer };
    sources.set(problem, source);
    return problem;
  }

  const { problems } = definition;
  const train: Problem[] = [];
  const nth = async (index: number): Promise<Problem> => {
    if (typeof problems !== 'function') return train[index % train.length];
    const source = await call(`problem ${index}`, async () => {
      const value = await problems.call(definition, index);
      if (value === undefined) throw new TaskError('expected a problem, got undefined');
      return value;
    });
    return problemOf(source, `train-${index}`);
  };
  if (typeof problems !== 'function') {
    for (const [i, source] of problems.entries()) train.push(await problemOf(source, `train-${i}`));
  }
  const heldOut: Problem[] = [];
  for (const [i, source] of definition.heldOut.entries())
    heldOut.push(await problemOf(source, `held-out-${i}`));
  const listed = [...train, ...heldOut];
  const examples = typeof problems === 'function' ? await times(LOOKED_AT, nth) : [];
  const maxCompletionTokens = options.maxCompletionTokens ?? definition.maxCompletionTokens;
  const room = options.context == null ? Number.POSITIVE_INFINITY : options.context - maxCompletionTokens;
  if (room < 1) {
    const expected = `expected less than the model's context of ${options.context}, got ${maxCompletionTokens}`;
    const key = options.maxCompletionTokens == null ? 'maxCompletionTokens' : 'task.max_completion_tokens';
    throw await refusal(call, key, expected);
  }
  const tooLong = listed.filter(({ promptTokens }) => promptTokens.length > room);
  if (tooLong.length > 0) {
    const [{ id, promptTokens }] = tooLong;
    throw await refusal(
      call,
      `prompt of problem ${id}`,
      `expected at most ${room} tokens (the model's context of ${options.context} less maxCompletionTokens, ${maxCompletionTokens}), got ${promptTokens.length}; ${tooLong.length} of ${listed.length} prompts are too long`,
    );
  }
  if (texts && render) {
    options.warn?.(
      `${definition.name}: prompts are strings, so the model's chat template is not applied; to apply it, return messages: [{ role: 'user', content: … }]`,
    );
  }
  const longest = [...listed, ...examples].reduce(
    (n, { promptTokens: { length } }) => Math.max(n, length),
    0,
  );

  const judged = (tokens: ArrayLike<number>) => ({ text: vocabulary.decode(tokens), tokens });
  const where = (problem: Problem, completion: ArrayLike<number>, at = 'completion'): string =>
    `of problem ${problem.id}, ${at} ${showValue(vocabulary.decode(completion))}`;

  async function rewardOf(
    problem: Problem,
    completion: ArrayLike<number>,
    at?: string,
  ): Promise<RewardResult> {
    return call(`reward ${where(problem, completion, at)}`, async () =>
      weighed(await definition.reward(judged(completion), source(problem)), definition.weights),
    );
  }
  // If success follows from the reward, the user's code is called only once for a completion.
  const rewards = new WeakMap<ArrayLike<number>, { problem: Problem; result: Promise<RewardResult> }>();
  function reward(problem: Problem, completion: ArrayLike<number>, at?: string): Promise<RewardResult> {
    const result = rewardOf(problem, completion, at);
    if (!definition.success) rewards.set(completion, { problem, result });
    return result;
  }

  const { environment, solution } = definition;
  return {
    name: definition.name,
    vocabulary,
    // With infinitely many problems, those with longer prompts are skipped.
    maxPromptTokens: typeof problems === 'function' && Number.isFinite(room) ? room : longest,
    maxCompletionTokens,
    stopTokens: await call('stop', () => stopTokens(definition, vocabulary)),
    trainProblem: nth,
    heldOut,
    onError: options.onError ?? 'stop',
    reward,
    async success(problem, completion, at) {
      const judge = definition.success;
      if (judge) {
        return call(`success ${where(problem, completion, at)}`, async () => {
          const value = await judge.call(definition, judged(completion), source(problem));
          if (typeof value !== 'boolean')
            throw new TaskError(`expected true or false, got ${showValue(value)}`);
          return value;
        });
      }
      const known = rewards.get(completion);
      const result = known?.problem === problem ? known.result : reward(problem, completion, at);
      return (await result).reward > 0;
    },
    ...(environment
      ? {
          environment: {
            maxTurns: environment.maxTurns,
            maxTurnTokens: environment.maxTurnTokens ?? maxCompletionTokens,
            respond: (problem, turn, before, at) =>
              call(`respond to a turn ${where(problem, turn, at)}`, async () => {
                const text = await environment.respond(
                  vocabulary.decode(turn),
                  source(problem),
                  vocabulary.decode(before),
                );
                if (text !== null && typeof text !== 'string') {
                  throw new TaskError(`expected a string or null, got ${showValue(text)}`);
                }
                return text === null ? null : vocabulary.encode(text);
              }),
          },
        }
      : {}),
    ...(solution
      ? {
          async warmupExample(index) {
            const { problem, tokens } = await call(`solution ${index}`, async () => {
              const value: unknown = await solution.call(definition, index);
              const { problem: source, text } = (value ?? {}) as { problem?: unknown; text?: unknown };
              if (typeof text !== 'string' || source === undefined) {
                throw new TaskError(`expected { problem, text }, got ${showValue(value)}`);
              }
              const encoded = vocabulary.encode(text);
              if (encoded.length === 0 || encoded.length > maxCompletionTokens) {
                throw new TaskError(
                  `expected a string of 1 to ${maxCompletionTokens} tokens (maxCompletionTokens), got ${encoded.length}`,
                );
              }
              return { problem: source, tokens: encoded };
            });
            const { promptTokens } = await problemOf(problem, `solution-${index}`);
            return { promptTokens, completionTokens: tokens, correct: true };
          },
        }
      : {}),
  };
}

/** An error about the module, in the form of a failed call. */
function refusal(call: CallUser, what: string, message: string): Promise<unknown> {
  return call(what, () => {
    throw new TaskError(message);
  }).catch((error: unknown) => error);
}

function times<T>(count: number, make: (index: number) => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: count }, (_, i) => make(i)));
}

function checkMessages(prompt: unknown): asserts prompt is readonly ChatMessage[] {
  const fits =
    Array.isArray(prompt) &&
    prompt.length > 0 &&
    prompt.every(
      (message: Partial<ChatMessage> | null) =>
        typeof message?.role === 'string' && message.role !== '' && typeof message.content === 'string',
    );
  if (!fits)
    throw new TaskError(`expected a string, or messages [{ role, content }], got ${showValue(prompt)}`);
}

/** @throws TaskError for a result that is neither a finite number nor finite numbers by name */
function weighed(value: Rewards | unknown, weights: Readonly<Record<string, number>> = {}): RewardResult {
  if (typeof value === 'number') return { reward: checkReward(value) };
  const prototype = typeof value === 'object' && value !== null ? Object.getPrototypeOf(value) : undefined;
  const parts = prototype === null || prototype === Object.prototype ? Object.entries(value as object) : [];
  if (parts.length === 0) {
    throw new TaskError(`expected a finite number, or finite numbers by name, got ${showValue(value)}`);
  }
  let total = 0;
  for (const [name, part] of parts) {
    if (name === '__proto__') throw new TaskError("expected names of rewards, got '__proto__'");
    if (typeof part !== 'number' || !Number.isFinite(part)) {
      throw new TaskError(`${name}: expected a finite number, got ${showValue(part)}`);
    }
    total += (Object.hasOwn(weights, name) ? weights[name] : 1) * part;
  }
  return { reward: checkReward(total), rewards: Object.fromEntries(parts) };
}

function stopTokens(definition: TaskDefinition<unknown>, vocabulary: Vocabulary): number[] {
  const stops = (definition.stop ?? []).map((text) => {
    const tokens = vocabulary.encode(text);
    if (tokens.length !== 1) {
      throw new TaskError(`expected strings of one token, got ${JSON.stringify(text)} of ${tokens.length}`);
    }
    return tokens[0];
  });
  return vocabulary.eos === null ? stops : [...stops, vocabulary.eos];
}
