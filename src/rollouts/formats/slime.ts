/**
 * slime: `--save-debug-rollout-data <path>/{rollout_id}.pt` (with --dump-details: `<dir>/rollout_data/N.pt `), the
 * samples of a rollout saved by torch.save: exact tokens of prompt and response, the response's mask and
 * log-probabilities, and the versions of the weights that sampled it. Groups are `group_index`.
 */
import { promptParts } from '../messages.js';
import { lastName } from '../names.js';
import type { Sample } from '../sample.js';
import {
  asCount,
  asId,
  asLogprobs,
  asMask,
  asNumber,
  asObject,
  asText,
  asTokens,
  fail,
  isList,
  isObject,
  type Json,
  type JsonObject,
} from '../values.js';
import type { Format, FormatOptions } from './format.js';

export const slime: Format = {
  name: 'slime',
  uses: ['groupSize', 'rewardWeights'],
  within: /([\\/]rollout_data)?[\\/][^\\/]+$/,
  open: ({ path, options }) => {
    const named = /^(?:eval_)?(\d{1,9})\.pt$/.exec(lastName(path));
    return {
      by: 'id-or-prompt',
      strict: true,
      size: () => options.groupSize,
      read: (value, { line, where }) => {
        const row = asObject(value, where, 'the sample');
        const tokens = asTokens(row.tokens, where, 'tokens');
        const length = asCount(row.response_length, where, 'response_length');
        if (length > tokens.length)
          fail(where, 'response_length', length, `at most ${tokens.length} (the number of tokens)`);
        const first = tokens.length - length;
        const mask = maskOf(row, length, where);
        const sample: Sample = {
          ...(present(row.group_index) ? { group: asId(row.group_index, where, 'group_index') } : {}),
          step: named ? Number(named[1]) : null,
          line,
          prompt: {
            tokens: tokens.slice(0, first),
            ...(present(row.prompt) ? { parts: promptParts(row.prompt, where, 'prompt') } : {}),
          },
          tokens: tokens.slice(first),
          parts: [{ text: asText(row.response ?? '', where, 'response'), sampled: true }],
          ...(mask ? { mask } : {}),
          ...(present(row.rollout_log_probs) ? { logprobs: logprobsOf(row, length, where) } : {}),
          ...rewardOf(row.reward, options, where),
          ...(row.status === 'truncated' ? { stop: 'length' } : {}),
          versions: versionsOf(row.weight_versions),
        };
        return [sample];
      },
    };
  },
};

const present = (value: unknown): boolean => value !== undefined && value !== null;

/** A removed sample is not trained on, but its reward counts in the group. */
function maskOf(row: JsonObject, length: number, where: string): Uint8Array | null {
  if (row.remove_sample === true) return new Uint8Array(length);
  if (!present(row.loss_mask)) return null;
  const mask = asMask(row.loss_mask, where, 'loss_mask');
  if (mask.length !== length)
    fail(where, 'loss_mask', mask.length, `${length} values, one for each token of the response`);
  return mask;
}

function logprobsOf(row: JsonObject, length: number, where: string): Float32Array {
  const logprobs = asLogprobs(row.rollout_log_probs, where, 'rollout_log_probs');
  if (logprobs.length !== length)
    fail(where, 'rollout_log_probs', logprobs.length, `${length} values, one for each token of the response`);
  return logprobs;
}

/** A number, or several by name: their weighted sum, if weights are given or there is only one. */
function rewardOf(
  value: Json,
  { rewardWeights }: FormatOptions,
  where: string,
): Pick<Sample, 'reward' | 'rewards'> {
  if (!isObject(value)) return { reward: asNumber(value, where, 'reward') };
  const rewards: Record<string, number> = {};
  for (const [name, part] of Object.entries(value)) {
    if (typeof part === 'number' || typeof part === 'boolean') rewards[name] = Number(part);
  }
  const names = Object.keys(rewards);
  const weights = rewardWeights ?? (names.length === 1 ? { [names[0]]: 1 } : null);
  if (!weights)
    fail(
      where,
      'reward',
      names.join(', ') || 'no number',
      'one number (with several, choose one with --reward-weight)',
    );
  const parts = Object.entries(weights as Record<string, number>);
  const reward = parts.reduce(
    (sum, [name, weight]) => sum + weight * asNumber(rewards[name], where, `reward.${name}`),
    0,
  );
  return { reward, rewards };
}

/** Versions are texts that hold counters. */
function versionsOf(value: Json): number[] {
  if (!isList(value)) return [];
  return Array.from(value as Json[], Number).filter(Number.isFinite);
}
