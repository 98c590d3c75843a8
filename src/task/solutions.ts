/**
 * Custom solutions for the warm-up (SFT), from files in the layouts of TRL's datasets: `messages` that end with the
 * assistant's, or `prompt` and `completion`, each a text or messages. Messages are rendered with the model's chat
 * template; a text is used as it is. The policy learns the completion and its end token, not the prompt.
 */
import { Stream } from '../random/stream.js';
import type { ChatMessage } from './define.js';
import { TaskError, type Vocabulary, type WarmupExample } from './task.js';
import { showValue } from './user-code.js';

export interface Solution {
  /** File and line, for errors. */
  readonly where: string;
  readonly prompt: string | readonly ChatMessage[];
  readonly completion: string;
}

const PROMPT = ['prompt', 'problem', 'question', 'instruction'];
const COMPLETION = ['completion', 'response', 'solution', 'answer', 'output'];

/**
 * The solution in a row of a file.
 * @param where file and line
 * @throws TaskError for a row without prompt or completion
 */
export function solutionOf(row: Readonly<Record<string, unknown>>, where: string): Solution {
  if (row.messages !== undefined) {
    const messages = messagesOf(row.messages, `${where}: messages`);
    const last = messages[messages.length - 1];
    if (messages.length < 2 || last.role !== 'assistant') {
      throw new TaskError(
        `${where}: messages: expected a prompt and then the assistant's answer, got ${messages.map(({ role }) => role).join(', ')}`,
      );
    }
    return { where, prompt: messages.slice(0, -1), completion: last.content };
  }
  const [prompt, completion] = [PROMPT, COMPLETION].map((names) => names.find((name) => row[name] != null));
  if (prompt === undefined || completion === undefined) {
    throw new TaskError(
      `${where}: expected messages, or prompt and completion, got ${Object.keys(row).join(', ') || 'an empty row'}`,
    );
  }
  return {
    where,
    prompt: textOrMessages(row[prompt], `${where}: ${prompt}`),
    completion: completionText(row[completion], `${where}: ${completion}`),
  };
}

function textOrMessages(value: unknown, where: string): string | ChatMessage[] {
  if (typeof value === 'string') return value;
  return messagesOf(value, where);
}

/** A text, or one message of the assistant. */
function completionText(value: unknown, where: string): string {
  if (typeof value === 'string') return value;
  const messages = messagesOf(value, where);
  if (messages.length !== 1 || messages[0].role !== 'assistant') {
    throw new TaskError(
      `${where}: expected a string, or one message of the assistant, got ${messages.length} messages`,
    );
  }
  return messages[0].content;
}

function messagesOf(value: unknown, where: string): ChatMessage[] {
  if (!Array.isArray(value) || value.length === 0) {
    throw new TaskError(`${where}: expected a string or a list of messages, got ${showValue(value)}`);
  }
  return value.map((message, i) => {
    const { role, content } = (message ?? {}) as Record<string, unknown>;
    if (typeof role !== 'string' || typeof content !== 'string') {
      throw new TaskError(
        `${where}: message ${i}: expected { role, content } with two strings, got ${showValue(message)}`,
      );
    }
    return { role, content };
  });
}

export interface SolutionOptions {
  readonly vocabulary: Vocabulary;
  /** Token that ends a completion; null: none. */
  readonly end: number | null;
  /** The model's chat template, which opens the answer; null: none. */
  readonly render: ((messages: readonly ChatMessage[]) => string) | null;
  /** Maximum length of a sequence in the model, tokens. */
  readonly context: number;
  readonly seed: number;
}

/**
 * The index-th example. Each pass uses every solution once, in a new order.
 * @throws TaskError naming a solution that does not fit the model, or is empty
 */
export function solutionExamples(
  solutions: readonly Solution[],
  { vocabulary, end, render, context, seed }: SolutionOptions,
): (index: number) => WarmupExample {
  const examples = solutions.map(({ where, prompt, completion }): WarmupExample => {
    if (typeof prompt !== 'string' && !render) {
      throw new TaskError(
        `${where}: expected a string as prompt, got messages: the model has no chat template to render them`,
      );
    }
    const promptTokens =
      typeof prompt === 'string' ? vocabulary.encodePrompt(prompt) : vocabulary.encode(render!(prompt));
    const completionTokens = Int32Array.of(...vocabulary.encode(completion), ...(end === null ? [] : [end]));
    for (const [what, { length }] of [
      ['prompt', promptTokens],
      ['completion', completionTokens],
    ] as const) {
      if (length === 0) throw new TaskError(`${where}: expected a ${what} with at least one token, got none`);
    }
    const length = promptTokens.length + completionTokens.length;
    if (length > context) {
      throw new TaskError(`${where}: expected at most ${context} tokens, the model's context, got ${length}`);
    }
    return { promptTokens, completionTokens, correct: true };
  });
  let order: { readonly round: number; readonly indices: Int32Array } | null = null;
  return (index) => {
    const round = Math.floor(index / examples.length);
    if (order?.round !== round) {
      order = { round, indices: new Stream(seed, 'warmup', 'order', round).permutation(examples.length) };
    }
    return examples[order.indices[index % examples.length]];
  };
}
