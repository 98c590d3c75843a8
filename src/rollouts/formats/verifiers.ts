/**
 * verifiers before v1: `evals/<env>--<model>/<id>/results.jsonl`, one rollout per line, without tokens. Groups by
 * `example_id` or the older `id`. In some real files `id` is a running number unrelated to the problem, so all rows of
 * a group must have one prompt and one answer, else the file is refused.
 */
import { completionParts, promptParts } from '../messages.js';
import { asId, asNumber, asObject, isObject, type JsonObject } from '../values.js';
import { type Format, ONE_FILE } from './format.js';

const NO_PART = new Set(['reward', 'generation_ms', 'scoring_ms', 'total_ms', 'id', 'example_id']);

export const verifiers: Format = {
  name: 'verifiers',
  uses: [],
  within: ONE_FILE,
  open: ({ step }) => ({
    by: 'id',
    read: (value, { line, where }) => {
      const row = asObject(value, where, 'the line');
      const key = row.example_id === undefined && row.id !== undefined ? 'id' : 'example_id';
      return [
        {
          group: asId(row[key], where, key),
          step,
          line,
          prompt: { parts: promptParts(row.prompt, where, 'prompt') },
          task: JSON.stringify(row.answer ?? null),
          parts: completionParts(row.completion, where, 'completion'),
          reward: asNumber(row.reward, where, 'reward'),
          rewards: partsOf(row),
          ...(row.stop_condition === 'max_tokens_reached' || row.is_truncated === true
            ? { stop: 'length' as const }
            : {}),
        },
      ];
    },
  }),
};

/** Results of the environment's functions: under `metrics`, in older versions each under its own key. */
function partsOf(row: JsonObject): Record<string, number> {
  const from = isObject(row.metrics) ? row.metrics : row;
  return Object.fromEntries(
    Object.entries(from).filter(
      (entry): entry is [string, number] =>
        Number.isFinite(entry[1]) && !(from === row && NO_PART.has(entry[0])),
    ),
  );
}
