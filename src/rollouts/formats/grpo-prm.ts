/**
 * The paper's own code: one `stats.json` per run, `epochs[].steps[].instances[]` in the order of generation. A group is
 * `args.group_size` consecutive instances with the same `idx`. `query_response` holds prompt and answer as one text; it
 * is split at the first mark of an assistant's turn, as in that code.
 */
import type { Sample } from '../sample.js';
import { asCount, asId, asNumber, asObject, asText, fail } from '../values.js';
import { type Format, ONE_FILE } from './format.js';

const ARGS = 0;
const MARKS = ['<|start_header_id|>assistant<|end_header_id|>', '<｜Assistant｜>', '<|im_start|>assistant'];

export const grpoPrm: Format = {
  name: 'grpo-prm',
  uses: ['groupSize'],
  within: ONE_FILE,
  paths: [['args'], ['epochs', '*', 'steps', '*', 'instances', '*']],
  open: ({ options }) => {
    let size = options.groupSize;
    let step = 0;
    let last = '';
    return {
      by: 'place',
      size: () => size,
      read: (value, { line, where, path, indices }) => {
        const row = asObject(value, where, 'the object');
        if (path === ARGS) {
          size ??= asCount(row.group_size, where, 'args.group_size');
          return [];
        }
        const place = `${indices[0]}/${indices[1]}`;
        if (place !== last) step++;
        last = place;
        const text = asText(row.query_response, where, 'query_response');
        const split =
          splitOf(text) ?? fail(where, 'query_response', text, `a string with ${MARKS.join(' or ')}`);
        const sample: Sample = {
          step,
          line,
          task: asId(row.idx, where, 'idx'),
          prompt: { parts: [text.slice(0, split)] },
          parts: [{ text: text.slice(split), sampled: true }],
          reward: asNumber(row.reward, where, 'reward'),
        };
        return [sample];
      },
    };
  },
};

/** Index where the answer begins; null without a mark. */
function splitOf(text: string): number | null {
  const ends = MARKS.map((mark) => [text.indexOf(mark), mark.length]).filter(([at]) => at >= 0);
  if (ends.length === 0) return null;
  const [at, length] = ends.sort(([a], [b]) => a - b)[0];
  return at + length;
}
