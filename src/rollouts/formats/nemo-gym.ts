/**
 * NeMo-Gym: one rollout per line, the request in `responses_create_params`, the answer in `response.output`, where some
 * items have exact tokens. Groups by `_ng_task_index`, in older files `task_idx`; without either by equal requests. An
 * environment may draw a different first state for each rollout; then the prompt is the common beginning of the
 * requests.
 */
import { contentText } from '../messages.js';
import type { Sample } from '../sample.js';
import {
  asId,
  asList,
  asLogprobs,
  asNumber,
  asObject,
  asTokens,
  fail,
  isList,
  type Json,
  type JsonObject,
} from '../values.js';
import { type Format, ONE_FILE } from './format.js';
import { inputParts, isHidden, isSampled, outputParts } from './response-items.js';
import { joinTurns } from './turns.js';

export const nemoGym: Format = {
  name: 'nemo-gym',
  uses: [],
  within: ONE_FILE,
  open: ({ step, note }) => {
    let hidden = 0;
    return {
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
        const written = items.map((item, i) => isSampled(item, where, `${OUTPUT}[${i}]`));
        const begin = written.indexOf(true) < 0 ? items.length : written.indexOf(true);
        const promptItems = items.slice(0, begin);
        const completionItems = items.slice(begin);
        if (completionItems.some((item) => isHidden(item, where, OUTPUT)) && hidden++ === 0)
          note(
            line,
            'reasoning is logged only in encrypted form; it is read as empty, here and in similar rows',
          );
        const turns = coveredTurns(completionItems, written.slice(begin));
        const { instructions } = request;
        const texts = {
          prompt: [
            ...(isPresent(instructions)
              ? [`system\n${contentText(instructions, where, 'responses_create_params.instructions')}\n`]
              : []),
            ...inputParts(request.input, where, 'responses_create_params.input'),
            ...inputParts(promptItems, where, OUTPUT),
          ],
          parts: outputParts(completionItems, where, OUTPUT),
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
    };
  },
};

const OUTPUT = 'response.output';

/** The items of the answer. In a log of transitions each repeats all earlier items, so the last one has them all. */
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
      fail(where, 'response.output', list, 'transitions that each begin with the previous one');
  }
  return items;
}

/**
 * The items that hold token ids of the model: one for each call. The items of a call are consecutive and end before the
 * next item that was given to the model. Empty if a call lacks ids, because its tokens would be missing or treated as
 * given.
 */
function coveredTurns(items: readonly JsonObject[], written: readonly boolean[]): readonly JsonObject[] {
  let open = false;
  for (let i = 0; i < items.length; i++) {
    if (hasIds(items[i])) open = false;
    else if (written[i] && (i === 0 || !written[i - 1])) open = true;
    if (open && (i + 1 === items.length || !written[i + 1])) return [];
  }
  return items.filter(hasIds);
}

const hasIds = ({ generation_token_ids: ids }: JsonObject) => isList(ids) && ids.length > 0;
const isPresent = (value: unknown) => value !== undefined && value !== null;
