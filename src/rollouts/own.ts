/**
 * The rollout log of lambda-grpo: `rollouts/step_SSSSSS.jsonl` of a run, one group per line. Groups are validated on
 * writing and on reading; errors name file, line and key. Unknown keys are allowed, so that other programs may add
 * theirs. Files: own-files.ts.
 */
import type { Completion, Group } from './group.js';
import {
  asBoolean,
  asLogprobs,
  asMask,
  asNumber,
  asNumbersByName,
  asObject,
  asOneOf,
  asPieces,
  asStep,
  asText,
  asTokens,
  fail,
  messageOf,
  optional,
  RolloutError,
} from './values.js';

const TOKENS = ['exact', 'retokenized', 'text-units'] as const;
const GROUPS = ['explicit', 'consecutive', 'prompt-text'] as const;
const STOPS = ['stop', 'length', 'turns'] as const;

/**
 * One group as one line of JSON, without the newline.
 * @throws RolloutError for data that JSON cannot represent: numbers that are not finite, lists of unequal length
 */
export function serializeGroup(group: Group): string {
  checkFinite(group);
  const line = JSON.stringify({
    id: group.id,
    step: group.step,
    tokens: group.tokens,
    groups: group.groups,
    prompt: { tokens: [...group.prompt.tokens], text: group.prompt.text },
    pieces: group.tokenTexts,
    completions: group.completions.map((completion) => ({
      tokens: [...completion.tokens],
      text: completion.text,
      logprobs: completion.logprobs && Array.from(completion.logprobs, shortest),
      mask: completion.mask && [...completion.mask],
      reward: completion.reward,
      rewards: completion.rewards,
      note: completion.note,
      advantage: completion.advantage,
      success: completion.success,
      stop: completion.stop,
    })),
  });
  parseGroup(line, `group ${JSON.stringify(group.id)}`);
  return line;
}

/** JSON would write NaN and infinities as null, so they are refused before. */
function checkFinite(group: Group): void {
  const where = `group ${JSON.stringify(group.id)}`;
  group.completions.forEach(({ reward, advantage, rewards, logprobs }, i) => {
    const check = (key: string, value: number | undefined) => {
      if (value === undefined || Number.isFinite(value)) return;
      fail(where, `completions[${i}].${key}`, value, 'a finite number');
    };
    check('reward', reward);
    check('advantage', advantage);
    for (const [name, value] of Object.entries(rewards ?? {})) check(`rewards.${name}`, value);
    const t = logprobs?.findIndex((value) => !Number.isFinite(value)) ?? -1;
    if (t >= 0) check(`logprobs[${t}]`, logprobs?.[t]);
  });
}

/** A short decimal that reads back as the same float32: 8 digits if they are enough, 9 always are. */
function shortest(value: number): number {
  const short = Number(value.toPrecision(8));
  return Math.fround(short) === value ? short : Number(value.toPrecision(9));
}

/**
 * Parses the group of a line.
 * @param where `file:line`, for errors
 * @throws RolloutError
 */
export function parseGroup(line: string, where: string): Group {
  return groupOf(parseJson(line, where), where);
}

/**
 * Converts a line's JSON value to a group.
 * @param value of JSON; typed arrays of numbers are used without a copy
 * @param where `file:line`, for errors
 * @throws RolloutError
 */
export function groupOf(value: unknown, where: string): Group {
  const root = asObject(value, where, 'the line');
  const prompt = asObject(root.prompt, where, 'prompt');
  if (!Array.isArray(root.completions) || root.completions.length === 0) {
    fail(where, 'completions', root.completions, 'a list of at least one completion');
  }
  return {
    id: asText(root.id, where, 'id'),
    step: asStep(root.step, where, 'step'),
    prompt: {
      tokens: asTokens(prompt.tokens, where, 'prompt.tokens'),
      ...optional('text', asText, prompt.text, where, 'prompt.'),
    },
    completions: (root.completions as unknown[]).map((completion, i) =>
      parseCompletion(completion, where, `completions[${i}]`),
    ),
    tokens: asOneOf(TOKENS)(root.tokens, where, 'tokens'),
    groups: asOneOf(GROUPS)(root.groups, where, 'groups'),
    ...(root.pieces === undefined ? {} : { tokenTexts: asPieces(root.pieces, where, 'pieces') }),
  };
}

function parseCompletion(value: unknown, where: string, key: string): Completion {
  const item = asObject(value, where, key);
  const tokens = asTokens(item.tokens, where, `${key}.tokens`);
  const sameLength = (list: ArrayLike<number>, name: string) => {
    if (list.length === tokens.length) return;
    throw new RolloutError(
      `${where}: ${key}.${name}: expected ${tokens.length} values, one for each token, got ${list.length}`,
    );
  };
  const completion: Completion = {
    tokens,
    reward: asNumber(item.reward, where, `${key}.reward`),
    ...optional('text', asText, item.text, where, `${key}.`),
    ...optional('logprobs', asLogprobs, item.logprobs, where, `${key}.`),
    ...optional('mask', asMask, item.mask, where, `${key}.`),
    ...optional('rewards', asNumbersByName, item.rewards, where, `${key}.`),
    ...optional('note', asText, item.note, where, `${key}.`),
    ...optional('advantage', asNumber, item.advantage, where, `${key}.`),
    ...optional('success', asBoolean, item.success, where, `${key}.`),
    ...optional('stop', asOneOf(STOPS), item.stop, where, `${key}.`),
  };
  if (completion.logprobs) sameLength(completion.logprobs, 'logprobs');
  if (completion.mask) sameLength(completion.mask, 'mask');
  return completion;
}

function parseJson(line: string, where: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    const named = /"([^"\\]*)"\s*:\s*\[?\s*(NaN|-?Infinity)\b/.exec(line);
    if (named) fail(where, named[1], Number(named[2]), 'a finite number');
    throw new RolloutError(
      `${where}: is not JSON: ${messageOf(error)}; expected one whole JSON object per line`,
    );
  }
}
