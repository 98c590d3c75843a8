/** reasoning-gym evaluations: one JSON document, each result a question with all its completions. No tokens. */
import type { Sample } from '../sample.js';
import { asList, asNumber, asObject, asText } from '../values.js';
import { type Format, ONE_FILE } from './format.js';

export const reasoningGym: Format = {
  name: 'reasoning-gym',
  uses: [],
  within: ONE_FILE,
  paths: [['categories', '*', 'datasets', '*', 'results', '*']],
  open: ({ step }) => ({
    by: 'row',
    read: (value, { line, where, indices }) => {
      const result = asObject(value, where, 'the result');
      const question = asText(result.question, where, 'question');
      return asList(result.completions, where, 'completions').map((item, i): Sample => {
        const completion = asObject(item, where, `completions[${i}]`);
        return {
          group: indices.join('.'),
          step,
          line,
          prompt: { parts: [question] },
          parts: [
            {
              text: asText(completion.full_model_response, where, `completions[${i}].full_model_response`),
              sampled: true,
            },
          ],
          reward: asNumber(completion.score, where, `completions[${i}].score`),
        };
      });
    },
  }),
};
