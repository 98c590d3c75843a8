/**
 * Any other log of rows (JSONL, JSON or Parquet), read by the key paths of its values (key-path.ts). A row holds one
 * completion, or several of one prompt if the path of the completion or reward leads to a list. A conversation is split
 * before the model's first message. Groups are identified, in this order, by a group key; by `groupSize` consecutive
 * rows; as the completions of one row; by equal prompts (refused if one prompt occurs more often than the others).
 */
import { completionParts, promptParts } from '../messages.js';
import { withoutPadding } from '../padding.js';
import type { Sample } from '../sample.js';
import {
  asId,
  asLossMask,
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
import type { Format, KeyNames } from './format.js';
import { isSpread, type PathValue, valueAt } from './key-path.js';

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
  uses: ['keys', 'groupSize'],
  open: ({ step: stepOfFile, options, warn }) => {
    const namedKeys = options.keys ?? {};
    const keys = { ...DEFAULT_KEYS, ...definedOf(namedKeys) };
    const sized = options.groupSize !== undefined && namedKeys.group === undefined;
    const conversation = namedKeys.prompt !== undefined && namedKeys.prompt === namedKeys.completion;
    let unmasked = 0;
    return {
      by: sized ? 'place' : 'id-or-prompt',
      strict: true,
      size: () => options.groupSize,
      read: (value, { line, where }) => {
        const row = asObject(value, where, 'the row');
        const columns = columnsOf(row, keys, namedKeys, where);
        if (keys.mask === undefined && unmasked === 0) {
          const name = maskBeside(row, keys.tokens);
          if (name !== null && unmasked++ === 0)
            warn(
              line,
              `the column ${name} may mark the sampled tokens; if it does, read the log with --mask-key ${name}`,
            );
        }
        const step = asStep(single(row, keys.step, where) ?? null, where, keys.step) ?? stepOfFile;
        const id = sized ? undefined : groupOf(row, keys.group, namedKeys.group !== undefined, where);
        const several = columns.several && !sized;
        const group = id ?? (several ? `line ${line}` : undefined);
        return columns.rows.map((item) => {
          const { prompt, ...sampled } = sampleOf(item, keys, where, {
            conversation,
            promptNamed: namedKeys.prompt !== undefined,
            grouped: group !== undefined || sized,
          });
          return { ...(group === undefined ? {} : { group }), step, line, prompt, ...sampled };
        });
      },
    };
  },
};

type Keys = Readonly<Record<keyof typeof DEFAULT_KEYS, string>> & Pick<KeyNames, 'mask'>;

/** The values of one completion; undefined: the row has none. */
interface Cells {
  readonly prompt: Json | undefined;
  readonly completion: Json | undefined;
  readonly tokens: Json | undefined;
  readonly mask: Json | undefined;
  readonly reward: Json | undefined;
  /** Which of the row's completions it is, as `[1]`; empty if the row has only one. */
  readonly mark: string;
}

/** A row's completions, one or several. @throws RolloutError if their numbers differ, or a named key has no value */
function columnsOf(
  row: JsonObject,
  keys: Keys,
  namedKeys: KeyNames,
  where: string,
): { readonly rows: readonly Cells[]; readonly several: boolean } {
  const cells = {
    completion: valueAt(row, keys.completion),
    tokens: valueAt(row, keys.tokens),
    mask: keys.mask === undefined ? NOTHING : valueAt(row, keys.mask),
    reward: valueAt(row, keys.reward),
    prompt: valueAt(row, keys.prompt),
  };
  for (const [name, expected] of [
    ['completion', 'text, messages or token ids'],
    ['tokens', 'a list of token ids'],
    ['mask', 'a list of 0 and 1'],
    ['prompt', 'text, messages or token ids'],
  ] as const)
    if (namedKeys[name] !== undefined && isAbsent(cells[name]))
      fail(where, namedKeys[name], undefined, expected);

  const { reward } = cells;
  const several =
    (!reward.many && isList(reward.value)) ||
    [reward, cells.completion, cells.tokens].some((cell, i) => cell.many && !(i > 0 && isAbsent(cell)));
  if (!several) {
    const value = (cell: PathValue) => (cell.many ? undefined : cell.value);
    const { completion, tokens, mask, prompt } = cells;
    const rows = [
      {
        completion: value(completion),
        tokens: value(tokens),
        mask: value(mask),
        reward: value(reward),
        prompt: value(prompt),
        mark: '',
      },
    ];
    return { rows, several };
  }

  const rewards = listOf(reward) ?? [reward.many ? undefined : reward.value];
  const lists = {
    completion: isAbsent(cells.completion) ? null : leveled(cells.completion, rewards),
    tokens: isAbsent(cells.tokens) ? null : leveled(cells.tokens, rewards),
    mask: isAbsent(cells.mask) ? null : leveled(cells.mask, rewards),
  };
  const flat = rewards.flatMap((item) => (isList(item) ? Array.from(item as Json[]) : [item]));
  const completions = lists.completion ?? lists.tokens;
  if (completions === null)
    fail(where, keys.completion, undefined, 'a list of completions, one for each reward');
  for (const [key, list] of [
    [keys.reward, flat],
    [keys.completion, lists.completion],
    [keys.tokens, lists.tokens],
    [keys.mask ?? '', lists.mask],
  ] as const) {
    if (list === null || list.length === completions.length) continue;
    const wanted = `${count(completions.length)}, one for each completion`;
    fail(
      where,
      key,
      list.length,
      key === keys.reward ? `a list with one value for each completion: ${wanted}` : wanted,
    );
  }
  const prompts = cells.prompt.many ? cells.prompt.values : null;
  if (prompts !== null && prompts.length !== completions.length)
    fail(where, keys.prompt, prompts.length, `${count(completions.length)}, one for each completion`);
  const rows = flat.map((score, i) => ({
    prompt: prompts === null ? (cells.prompt.many ? undefined : cells.prompt.value) : prompts[i],
    completion: lists.completion?.[i],
    tokens: lists.tokens?.[i],
    mask: lists.mask?.[i],
    reward: score,
    mark: `[${i}]`,
  }));
  return { rows, several };
}

const NOTHING: PathValue = { many: false, value: undefined };
const count = (n: number) => (n === 1 ? '1 value' : `${n} values`);
const isPresent = (value: unknown) => value !== undefined && value !== null;
const isAbsent = (cell: PathValue) => (cell.many ? cell.values.length === 0 : !isPresent(cell.value));

function listOf(cell: PathValue): readonly (Json | undefined)[] | null {
  if (cell.many) return cell.values;
  return isList(cell.value) ? Array.from(cell.value as Json[]) : null;
}

/** One value for each completion; if rewards are lists of lists, these values are too. */
function leveled(cell: PathValue, rewards: readonly (Json | undefined)[]): readonly (Json | undefined)[] {
  const list = listOf(cell) ?? [cell.many ? undefined : cell.value];
  if (!rewards.some(isList)) return list;
  return list.flatMap((item) => (isList(item) ? Array.from(item as Json[]) : [item]));
}

interface Circumstances {
  /** The prompt is part of the completion's messages. */
  readonly conversation: boolean;
  readonly promptNamed: boolean;
  /** Groups are identified without the prompt. */
  readonly grouped: boolean;
}

function sampleOf(
  cells: Cells,
  keys: Keys,
  where: string,
  { conversation, promptNamed, grouped }: Circumstances,
): Pick<Sample, 'prompt' | 'tokens' | 'mask' | 'parts' | 'reward'> {
  const { prompt, mark } = cells;
  const key = {
    completion: keys.completion + mark,
    tokens: keys.tokens + mark,
    mask: (keys.mask ?? '') + mark,
  };
  const ids = isPresent(cells.tokens)
    ? asTokens(cells.tokens, where, key.tokens)
    : isTokens(cells.completion)
      ? asTokens(cells.completion, where, key.completion)
      : undefined;
  const text = isTokens(cells.completion) ? undefined : messages(cells.completion);
  if (ids === undefined && !isPresent(text)) fail(where, key.completion, text, 'text, messages or token ids');
  const reward = asScore(cells.reward, where, keys.reward + mark);

  const noPrompt = conversation || (!isPresent(prompt) && !promptNamed);
  const begin = noPrompt && isList(text) ? Array.from(text as Json[]).findIndex(isAnswer) : -1;
  const split = begin > 0 && isList(text) ? begin : 0;
  const promptValue =
    split > 0 ? Array.from(text as Json[]).slice(0, split) : noPrompt ? undefined : messages(prompt);
  const spoken = split > 0 ? Array.from(text as Json[]).slice(split) : text;
  if (conversation && begin < 0)
    fail(where, key.completion, cells.completion, 'messages, at least one of them from the assistant');
  const parts = isPresent(spoken) ? { parts: completionParts(spoken, where, key.completion) } : {};
  const promptIds = isTokens(promptValue) ? asTokens(promptValue, where, keys.prompt) : undefined;
  const texts =
    isPresent(promptValue) && !promptIds ? promptParts(promptValue, where, keys.prompt) : undefined;

  const masked = ids && maskOf(cells.mask, ids, promptIds?.length ?? 0, noPrompt, where, key.mask);
  const whole = masked ?? (ids && { tokens: ids });
  // Without a separate prompt, the prompt is everything before the first sampled token.
  const first = masked && noPrompt && promptValue === undefined ? masked.mask.indexOf(1) : 0;
  if (first < 0 && masked && masked.tokens.length > 0)
    fail(where, key.mask, 'no 1', 'a 1 where the completion begins, or a separate prompt');
  if (promptValue === undefined && !grouped && Math.max(first, 0) === 0)
    fail(where, keys.prompt, prompt, 'text, messages or token ids (or a group key, if there is no prompt)');
  const from = Math.max(first, 0);
  return {
    prompt: promptIds
      ? { tokens: promptIds }
      : {
          ...(ids ? { tokens: from > 0 ? whole!.tokens.slice(0, from) : new Int32Array() } : {}),
          parts: texts ?? [],
        },
    ...(whole ? { tokens: whole.tokens.slice(from) } : {}),
    ...(masked?.mask.subarray(from).includes(0) ? { mask: masked.mask.slice(from) } : {}),
    ...parts,
    reward,
  };
}

/** Removes padding by a mask. The mask may also cover the prompt's tokens. */
function maskOf(
  value: Json | undefined,
  tokens: Int32Array,
  promptLength: number,
  prompted: boolean,
  where: string,
  key: string,
): ReturnType<typeof withoutPadding> | undefined {
  if (!isPresent(value)) return undefined;
  const whole = isList(value) && value.length === promptLength + tokens.length && promptLength > 0;
  const list = whole ? Array.from(value as ArrayLike<Json>).slice(promptLength) : value;
  return withoutPadding(tokens, asLossMask(tokens)(list, where, key), prompted);
}

/** A single message is treated as a list with one message. */
const messages = (value: Json | undefined): Json | undefined =>
  isObject(value) && value.role !== undefined ? [value] : value;

const isAnswer = (message: Json) => isObject(message) && message.role === 'assistant';

/** A list of numbers, not of messages; an empty list is treated as messages. */
const isTokens = (value: Json | undefined): boolean =>
  value instanceof Int32Array ||
  value instanceof Float64Array ||
  (Array.isArray(value) && typeof value[0] === 'number');

function single(row: JsonObject, key: string, where: string): Json | undefined {
  const cell = valueAt(row, key);
  if (!cell.many) return cell.value;
  return fail(where, key, cell.values.length, 'one value per row (a path without *)');
}

function groupOf(row: JsonObject, key: string, named: boolean, where: string): string | undefined {
  const value = single(row, key, where);
  if (isPresent(value)) return asId(value, where, key);
  return named ? fail(where, key, undefined, 'a string or a whole number') : undefined;
}

/** A list beside the token ids that is called a mask or labels, has the same length, and excludes some of them. */
function maskBeside(row: JsonObject, tokensKey: string): string | null {
  if (isSpread(tokensKey)) return null;
  const dot = tokensKey.lastIndexOf('.');
  const path = tokensKey.slice(0, dot + 1);
  const parent = dot < 0 ? undefined : valueAt(row, path.slice(0, -1));
  const beside = parent === undefined ? row : parent.many ? undefined : parent.value;
  const tokens = valueAt(row, tokensKey);
  if (!isObject(beside) || tokens.many || !isList(tokens.value)) return null;
  const { length } = tokens.value;
  const name = Object.keys(beside).find((key) => {
    const value = beside[key];
    if (!/mask|labels/i.test(key) || !isList(value) || value.length !== length) return false;
    const items = Array.from(value as ArrayLike<Json>);
    return (isList(items[0]) ? Array.from(items[0] as ArrayLike<Json>) : items).some(
      (bit) => bit === 0 || bit === false || bit === -100,
    );
  });
  return name === undefined ? null : path + name;
}

function definedOf<T extends object>(object: T): Partial<T> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as Partial<T>;
}
