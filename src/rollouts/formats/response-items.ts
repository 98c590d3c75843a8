/**
 * Items of the Responses API, which occur in a request's `input` and in a response's `output`: messages (with or
 * without `type`), reasoning, calls of functions and of built-in tools, and their results. The same rules for both
 * lists determine an item's text and author. Ids and states of items are left out, because they differ from call to
 * call. An item of an unknown type that is not a call or its output is refused.
 */
import { contentText, messageOf } from '../messages.js';
import type { Part } from '../sample.js';
import { asList, asObject, fail, isList, isObject, type Json, type JsonObject } from '../values.js';

/** Keys without text content. */
const NOT_SAID = new Set(['id', 'type', 'status', 'call_id', 'created_by', 'agent', 'approval_request_id']);
/** The result of a built-in tool, within the item of its call. */
const GIVEN_BACK = ['outputs', 'results', 'result', 'output', 'error', 'tools'];

/** One piece of an item: its author, and whether the model wrote it. */
export interface ItemPiece {
  readonly role: string;
  readonly text: string;
  readonly sampled: boolean;
}

/** The content of an item: one piece, or a call and its result if one item has both. */
export function itemPieces(item: JsonObject, where: string, key: string): readonly ItemPiece[] {
  const { type } = item;
  if (type === undefined || type === null || type === 'message') {
    const { role, text } = messageOf(item, where, key);
    return [{ role, text, sampled: role === 'assistant' }];
  }
  if (typeof type !== 'string') fail(where, `${key}.type`, type, 'the type of an item, a string');
  if (type === 'reasoning')
    return [{ role: 'assistant', text: `<think>${thought(item, where, key)}</think>`, sampled: true }];
  if (type === 'refusal') return [{ role: 'assistant', text: String(item.refusal ?? ''), sampled: true }];
  if (/_(output|response)$/.test(type))
    return [{ role: 'tool', text: outputText(item, where, key), sampled: false }];
  if (
    type === 'mcp_list_tools' ||
    type === 'item_reference' ||
    type === 'compaction' ||
    type === 'additional_tools'
  )
    return [{ role: 'tool', text: `[${type}]`, sampled: false }];
  if (/_(call|request)$/.test(type)) {
    const back = GIVEN_BACK.filter((name) => item[name] !== undefined && item[name] !== null);
    return [
      { role: 'assistant', text: callText(item, type), sampled: true },
      ...back.map((name) => ({
        role: 'tool',
        text: shortened(type, item[name], where, `${key}.${name}`),
        sampled: false,
      })),
    ];
  }
  if (typeof item.role === 'string') {
    const { role, text } = messageOf(item, where, key);
    return [{ role, text, sampled: role === 'assistant' }];
  }
  return fail(where, `${key}.type`, type, 'message, reasoning, or the type of a call or of its output');
}

/** Whether the model wrote any part of an item. */
export const isSampled = (item: JsonObject, where: string, key: string): boolean =>
  itemPieces(item, where, key).some(({ sampled }) => sampled);

/** Reasoning that was logged only in encrypted form. */
export function isHidden(item: JsonObject, where: string, key: string): boolean {
  return (
    item.type === 'reasoning' &&
    typeof item.encrypted_content === 'string' &&
    item.encrypted_content !== '' &&
    thought(item, where, key) === ''
  );
}

/** A request's input as the pieces of a prompt: a text, or items. */
export function inputParts(value: Json | undefined, where: string, key: string): readonly string[] {
  if (value === undefined || value === null) return [];
  if (typeof value === 'string') return [value];
  return asList(value, where, key).flatMap((item, i) => {
    const at = `${key}[${i}]`;
    return itemPieces(asObject(item, where, at), where, at).map(({ role, text }) => `${role}\n${text}\n`);
  });
}

/** Items of an answer as its parts; text between the model's parts begins with a line naming its role. */
export function outputParts(items: readonly JsonObject[], where: string, key: string): readonly Part[] {
  return items.flatMap((item) =>
    itemPieces(item, where, key).map(
      ({ role, text, sampled }): Part => ({ text: sampled ? text : `\n${role}\n${text}\n`, sampled }),
    ),
  );
}

/** The model's own words if the log has them (`content`), else their summary. */
function thought(item: JsonObject, where: string, key: string): string {
  const content = contentText(item.content, where, `${key}.content`);
  return content !== '' ? content : contentText(item.summary, where, `${key}.summary`);
}

/** `name(arguments)`; a built-in tool is named after its type, with the other keys of its item as arguments. */
function callText(item: JsonObject, type: string): string {
  const args = item.arguments ?? item.input;
  if (typeof item.name === 'string' && args !== undefined) return `${item.name}(${plain(args)})`;
  const name = typeof item.name === 'string' ? item.name : type.replace(/_(call|request)$/, '');
  const rest = Object.entries(item).filter(
    ([key, value]) =>
      value !== null && key !== 'name' && !NOT_SAID.has(key) && !GIVEN_BACK.includes(key) && !isIds(key),
  );
  if (rest.length === 1) return `${name}(${plain(rest[0][1])})`;
  return `${name}(${rest.length === 0 ? '' : JSON.stringify(Object.fromEntries(rest))})`;
}

/** Token ids and log-probabilities that NeMo-Gym puts into items. */
const isIds = (key: string) => /(_token_ids|_log_probs|^routed_experts)$/.test(key);

const plain = (value: Json): string => (typeof value === 'string' ? value : JSON.stringify(value));

/** The result of a tool: a text, parts like those of a message's content, or anything else as JSON. */
function outputText(item: JsonObject, where: string, key: string): string {
  if (item.output !== undefined && item.output !== null)
    return shortened('', item.output, where, `${key}.output`);
  const rest = Object.entries(item).filter(([name, value]) => value !== null && !NOT_SAID.has(name));
  return rest.length === 0 ? '' : JSON.stringify(Object.fromEntries(rest));
}

function shortened(type: string, value: Json, where: string, key: string): string {
  if (type === 'image_generation_call') return '[image]';
  if (typeof value === 'string') return value;
  const parts = isList(value) && Array.from(value as Json[]).every((part) => isObject(part) && isPart(part));
  if (parts) return contentText(value, where, key);
  if (isObject(value) && /(image|screenshot)$/.test(String(value.type))) return `[${String(value.type)}]`;
  return JSON.stringify(value);
}

const isPart = ({ type }: JsonObject) => /^(input_|output_)?(text|image|file|audio)$/.test(String(type));
