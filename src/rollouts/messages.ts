/**
 * Chat messages as text. Without the model's chat template the exact text is unknown. This rendering is plain, equal for
 * equal messages, and separates the model's text from its input: each message follows a line with its role (except an
 * answer that begins a completion); a tool call is name(arguments), without its id, which differs between calls.
 */
import type { Part } from './sample.js';
import { asText, fail, isList, isObject, type Json, type JsonObject, RolloutError } from './values.js';

/** Maximum number of messages in a conversation; the longest known agent logs have a few thousand. */
const MOST_MESSAGES = 1 << 16;

function checkMessageCount(messages: { readonly length: number }, where: string, key: string): void {
  if (messages.length > MOST_MESSAGES)
    throw new RolloutError(
      `${where}: ${key}: expected at most ${MOST_MESSAGES} messages, got ${messages.length}`,
    );
}

/** A prompt: a text, or messages, each converted to one text. */
export function promptParts(value: unknown, where: string, key: string): readonly string[] {
  if (typeof value === 'string') return [value];
  if (!isList(value)) fail(where, key, value, 'a string or a list of messages');
  checkMessageCount(value, where, key);
  return Array.from(value as Json[], (message, i) => {
    const { role, text } = messageOf(message, where, `${key}[${i}]`);
    return `${role}\n${text}\n`;
  });
}

/**
 * A completion: a text, or messages, of which the assistant's were sampled and the others were given.
 * @param sampled says which messages the model wrote; absent: the assistant's
 */
export function completionParts(
  value: unknown,
  where: string,
  key: string,
  sampled: (message: JsonObject) => boolean = (message) => message.role === 'assistant',
): readonly Part[] {
  if (typeof value === 'string') return [{ text: value, sampled: true }];
  if (!isList(value)) fail(where, key, value, 'a string or a list of messages');
  checkMessageCount(value, where, key);
  const parts: Part[] = [];
  Array.from(value as Json[]).forEach((message, i) => {
    const { role, text } = messageOf(message, where, `${key}[${i}]`);
    const isSampled = sampled(message as JsonObject);
    if (i > 0 || !isSampled) parts.push({ text: `\n${role}\n`, sampled: false });
    if (text !== '') parts.push({ text, sampled: isSampled });
  });
  return parts;
}

/** A message's author and all of its text: reasoning, content, calls. */
export function messageOf(value: unknown, where: string, key: string): { role: string; text: string } {
  if (!isObject(value)) fail(where, key, value, 'a message, an object with role and content');
  const message = value as JsonObject;
  const role = asText(message.role, where, `${key}.role`);
  const thought = message.reasoning_content ?? message.reasoning;
  const texts = [
    typeof thought === 'string' && thought !== '' ? `<think>${thought}</think>` : '',
    contentText(message.content, where, `${key}.content`),
    ...calls(message.tool_calls, where, `${key}.tool_calls`),
  ];
  return { role, text: texts.filter((text) => text !== '').join('\n') };
}

/** A message's content: a text, nothing, or a list of parts of which those with text are used. */
export function contentText(value: unknown, where: string, key: string): string {
  if (value === undefined || value === null) return '';
  if (typeof value === 'string') return value;
  if (!isList(value)) fail(where, key, value, 'a string, null or a list of parts');
  return Array.from(value as Json[], (part) => {
    if (typeof part === 'string') return part;
    if (isObject(part) && typeof part.text === 'string') return part.text;
    if (isObject(part) && typeof part.refusal === 'string') return part.refusal;
    return isObject(part) && typeof part.type === 'string' ? `[${part.type}]` : '';
  }).join('');
}

function calls(value: unknown, where: string, key: string): string[] {
  if (value === undefined || value === null) return [];
  if (!isList(value)) fail(where, key, value, 'a list of tool calls');
  return Array.from(value as Json[], (item) => {
    const call = typeof item === 'string' ? parsed(item) : item;
    if (!isObject(call)) return typeof item === 'string' ? item : JSON.stringify(item);
    const inner = isObject(call.function) ? call.function : call;
    const args = inner.arguments;
    return `${String(inner.name ?? '')}(${typeof args === 'string' ? args : JSON.stringify(args ?? {})})`;
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
