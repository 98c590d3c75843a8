/**
 * NeMo-Gym: one rollout a line, the request in `responses_create_params`, the answer in `response.output`, some of whose
 * items have exact tokens. Groups by `_ng_task_index`, in older files `task_idx`; without either by equal requests. An
 * environment may draw the first state anew for each rollout: the prompt is then what the requests share.
 */
import { contentText, promptParts } from '../messages.js';
import type { Part, Sample } from '../sample.js';
import {
  asId,
  asList,
  asLogprobs,
  asNumber,
  asObject,
  asTokens,
  fail,
  isList,
  isObject,
  type Json,
  type JsonObject,
} from '../values.js';
import type { Format } from './format.js';
import { joinTurns } from './turns.js';

export const nemoGym: Format = {
  name: 'nemo-gym',
  open: ({ step }) => ({
    by: 'id-or-prompt',
    promptsDiffer: true,
    read: (value, { line, where }) => {
      const row = asObject(value, where, 'the line');
      const request = asObject(row.responses_create_params, where, 'responses_create_params');
      const response = asObject(row.response, where, 'response');
      const key = ['_ng_task_index', 'task_idx'].find(
        (name) => row[name] !== undefined && row[name] !== null,
      );
      const items = itemsOf(response.output, where);
      const begin = items.findIndex(isSampled);
      const given = items.slice(0, begin < 0 ? items.length : begin);
      const made = items.slice(given.length);
      const turns = made.filter(({ generation_token_ids: ids }) => isList(ids) && ids.length > 0);
      const texts = {
        prompt: [
          ...(typeof request.instructions === 'string' ? [`system\n${request.instructions}\n`] : []),
          ...promptParts(request.input, where, 'responses_create_params.input'),
          ...given.map((item) => itemText(item, where)),
        ],
        parts: made.map((item): Part => ({ text: itemText(item, where), sampled: isSampled(item) })),
      };
      const exact =
        turns.length > 0 &&
        joinTurns(
          turns.map((item) => ({
            prompt: asTokens(item.prompt_token_ids, where, 'response.output.prompt_token_ids'),
            sampled: asTokens(item.generation_token_ids, where, 'response.output.generation_token_ids'),
            ...(isList(item.generation_log_probs)
              ? {
                  logprobs: asLogprobs(
                    item.generation_log_probs,
                    where,
                    'response.output.generation_log_probs',
                  ),
                }
              : {}),
          })),
          where,
        );
      const sample: Sample = {
        ...(key === undefined ? {} : { group: asId(row[key], where, key) }),
        step,
        line,
        task: JSON.stringify(request),
        ...(exact || {}),
        prompt: { ...(exact ? exact.prompt : {}), parts: texts.prompt },
        parts: texts.parts,
        reward: asNumber(row.reward, where, 'reward'),
      };
      return [sample];
    },
  }),
};

/** The items of the answer. A log of transitions repeats all before each: the last one has them all. */
function itemsOf(value: Json, where: string): readonly JsonObject[] {
  const list = asList(value, where, 'response.output');
  const transitions = list.filter(isList);
  const last = transitions.at(-1);
  if (last === undefined) return list.map((item, i) => asObject(item, where, `response.output[${i}]`));
  if (transitions.length < list.length)
    fail(where, 'response.output', list, 'a list of items or a list of transitions');
  const items = Array.from(last as Json[], (item, i) => asObject(item, where, `response.output[-1][${i}]`));
  const texts = items.map((item) => JSON.stringify(item));
  for (const transition of transitions) {
    const before = Array.from(transition as Json[], (item) => JSON.stringify(item));
    if (before.some((text, i) => text !== texts[i]))
      fail(where, 'response.output', list, 'transitions of which each begins with the one before it');
  }
  return items;
}

function isSampled({ type, role }: JsonObject): boolean {
  return type === 'reasoning' || type === 'function_call' || (type === 'message' && role === 'assistant');
}

function itemText(item: JsonObject, where: string): string {
  switch (item.type) {
    case 'reasoning': {
      const parts = isList(item.summary) && item.summary.length > 0 ? item.summary : item.content;
      return `<think>${contentText(parts, where, 'response.output.summary')}</think>`;
    }
    case 'function_call':
      return `${String(item.name)}(${String(item.arguments)})`;
    case 'function_call_output':
      return `\ntool\n${typeof item.output === 'string' ? item.output : JSON.stringify(item.output)}\n`;
    default: {
      const text = contentText(item.content, where, 'response.output.content');
      return item.role === 'assistant' || !isObject(item) ? text : `\n${String(item.role)}\n${text}\n`;
    }
  }
}
