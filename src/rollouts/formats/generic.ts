/**
 * Any other log of rows, in JSONL, JSON or Parquet, by the names of its keys (`a.b` for b within a). A row is one
 * completion, or all of a prompt where completion and reward are lists. Without a group key: the group size says how
 * many rows in a row are one, else equal prompts, refused where some prompt stands more often than others.
 */
import { completionParts, promptParts } from '../messages.js';
import type { Sample } from '../sample.js';
import {
  asId,
  asObject,
  asScore,
  asStep,
  asTokens,
  fail,
  isList,
  isObject,
  type Json,
  type JsonObject,
} from '../values.js';
import type { Format } from './format.js';

export const DEFAULT_KEYS = {
  prompt: 'prompt',
  completion: 'completion',
  reward: 'reward',
  group: 'group',
  tokens: 'tokens',
  step: 'step',
} as const;

export const generic: Format = {
  name: 'generic',
  open: ({ step, options }) => {
    const keys = { ...DEFAULT_KEYS, ...definedOf(options.keys ?? {}) };
    const sized = options.groupSize !== undefined && options.keys?.group === undefined;
    return {
      by: sized ? 'place' : 'id-or-prompt',
      strict: true,
      size: () => options.groupSize,
      read: (value, { line, where }) => {
        const row = asObject(value, where, 'the row');
        const reward = at(row, keys.reward);
        const completion = at(row, keys.completion);
        const tokens = at(row, keys.tokens);
        if (options.keys?.tokens !== undefined && tokens === undefined)
          fail(where, keys.tokens, tokens, 'a list of token ids');
        if (options.keys?.group !== undefined && at(row, keys.group) === undefined)
          fail(where, keys.group, undefined, 'a text or a whole number');
        const prompt = at(row, keys.prompt);
        const base = {
          ...(sized || !present(at(row, keys.group))
            ? {}
            : { group: asId(at(row, keys.group), where, keys.group) }),
          step: asStep(at(row, keys.step), where, keys.step) ?? step,
          line,
          prompt: isTokens(prompt)
            ? { tokens: asTokens(prompt, where, keys.prompt) }
            : {
                ...(tokens === undefined ? {} : { tokens: new Int32Array() }),
                parts:
                  prompt === undefined
                    ? fail(where, keys.prompt, prompt, 'a text, messages or token ids')
                    : promptParts(prompt, where, keys.prompt),
              },
        };
        const one = (text: Json, ids: Json, score: Json, mark: string): Sample => ({
          ...base,
          ...(present(ids)
            ? { tokens: asTokens(ids, where, keys.tokens + mark) }
            : isTokens(text)
              ? { tokens: asTokens(text, where, keys.completion + mark) }
              : {}),
          ...(present(text) && !isTokens(text)
            ? { parts: completionParts(text, where, keys.completion + mark) }
            : {}),
          ...(present(text) || present(ids)
            ? {}
            : fail(where, keys.completion + mark, text, 'a text, messages or token ids')),
          reward: asScore(score, where, keys.reward + mark),
        });
        if (!isList(reward)) return [one(completion, tokens, reward, '')];
        const lists = [completion, tokens].filter(present);
        const unequal = lists.find((list) => !isList(list) || list.length !== reward.length);
        if (unequal !== undefined || lists.length === 0)
          fail(where, keys.reward, reward, 'a number, or a list as long as that of the completions');
        const group = base.group ?? `line ${line}`;
        return Array.from(reward as number[], (score, i) => ({
          ...one(item(completion, i), item(tokens, i), score, `[${i}]`),
          group,
        }));
      },
    };
  },
};

const present = (value: unknown) => value !== undefined && value !== null;
const item = (list: Json, i: number): Json =>
  isList(list) ? (list[i] as Json) : (undefined as unknown as Json);
/** A list of numbers, not of messages; an empty list says nothing and is taken for messages. */
const isTokens = (value: Json) =>
  value instanceof Int32Array ||
  value instanceof Float64Array ||
  (Array.isArray(value) && typeof value[0] === 'number');

/** The value at a key, or at `a.b` within a. */
function at(row: JsonObject, key: string): Json {
  if (row[key] !== undefined || !key.includes('.')) return row[key];
  let value: Json = row;
  for (const part of key.split('.')) value = isObject(value) ? value[part] : (undefined as unknown as Json);
  return value;
}

function definedOf<T extends object>(object: T): Partial<T> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as Partial<T>;
}
