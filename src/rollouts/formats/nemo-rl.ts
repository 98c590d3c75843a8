/**
 * NeMo-RL: `train_data_stepK.jsonl`, one sequence per line with its exact tokens, each value in a list of one. It has
 * no group id: groups are `num_generations_per_prompt` consecutive rows with one prompt. The prompt ends where the loss
 * mask begins. NeMo-RL's advantage excludes the completion itself from the mean, so it differs from ours.
 */
import type { Sample } from '../sample.js';
import {
  asCount,
  asList,
  asLogprobs,
  asMask,
  asNumber,
  asObject,
  asTokens,
  fail,
  isList,
  type Json,
} from '../values.js';
import type { Format } from './format.js';

export const nemoRl: Format = {
  name: 'nemo-rl',
  uses: ['groupSize'],
  open: ({ step, options }) => ({
    by: 'place',
    size: () => options.groupSize,
    read: (value, { line, where }) => {
      const row = asObject(value, where, 'the line');
      const onlyValue = (key: string): Json => {
        const list = asList(row[key], where, key);
        return list.length === 1 ? list[0] : fail(where, key, list, 'a list of one value');
      };
      const padded = asTokens(onlyValue('token_ids'), where, 'token_ids[0]');
      const length = asCount(onlyValue('input_lengths'), where, 'input_lengths[0]');
      if (length > padded.length)
        fail(where, 'input_lengths[0]', length, `at most ${padded.length} (the number of tokens)`);
      const mask = asMask(onlyValue('token_loss_mask'), where, 'token_loss_mask[0]').subarray(0, length);
      if (mask.length < length)
        fail(where, 'token_loss_mask[0]', mask.length, `${length} values, one for each token`);
      const first = mask.indexOf(1);
      if (first < 0) fail(where, 'token_loss_mask[0]', 'no 1', 'a 1 where the completion begins');
      const logprobs =
        row.generation_logprobs === undefined
          ? undefined
          : asLogprobs(onlyValue('generation_logprobs'), where, 'generation_logprobs[0]').slice(
              first,
              length,
            );
      const advantage = isList(row.advantages) ? onlyValue('advantages') : undefined;
      const sample: Sample = {
        step,
        line,
        prompt: { tokens: padded.slice(0, first) },
        tokens: padded.slice(first, length),
        mask: mask.slice(first),
        ...(logprobs && logprobs.length === length - first ? { logprobs } : {}),
        ...(isList(advantage) && typeof advantage[first] === 'number'
          ? { advantage: advantage[first] as number }
          : {}),
        reward: asNumber(onlyValue('rewards'), where, 'rewards[0]'),
      };
      return [sample];
    },
  }),
};
