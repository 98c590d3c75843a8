/**
 * SkyRL evaluations: `dumped_evals/global_step_N_evals/<source>.jsonl`, special tokens kept as text, no id: groups are
 * equal prompts. `score` is a number or one for each token or turn, which are summed. (The dump of training batches is
 * a Python pickle and is not read.)
 */
import { completionParts, promptParts } from '../messages.js';
import type { Sample } from '../sample.js';
import { asNumber, asObject, isList } from '../values.js';
import type { Format } from './format.js';

export const skyrl: Format = {
  name: 'skyrl',
  uses: ['groupSize'],
  within: /([\\/]dumped_evals)?[\\/][^\\/]+[\\/][^\\/]+$/,
  open: ({ step, options }) => ({
    by: 'id-or-prompt',
    strict: true,
    size: () => options.groupSize,
    read: (value, { line, where }) => {
      const row = asObject(value, where, 'the line');
      const score = isList(row.score)
        ? Array.from(row.score as number[], (part, i) => asNumber(part, where, `score[${i}]`)).reduce(
            (a, b) => a + b,
            0,
          )
        : row.score;
      const sample: Sample = {
        step,
        line,
        prompt: { parts: promptParts(row.input_prompt, where, 'input_prompt') },
        task: JSON.stringify(row.env_extras ?? null),
        parts: completionParts(row.output_response, where, 'output_response'),
        reward: asNumber(score, where, 'score'),
        ...(row.stop_reason === 'length' || row.stop_reason === 'stop' ? { stop: row.stop_reason } : {}),
      };
      return [sample];
    },
  }),
};
