/**
 * veRL: `<rollout_data_dir>/<step>.jsonl`. The newer trainer writes `uid` = sample_rollout_output; the group is all but
 * the last two parts. The older one writes no id, and its rows may be reordered between workers: groups are then equal
 * prompts, and refused if that cannot be right.
 */
import { lastName } from '../names.js';
import type { Sample } from '../sample.js';
import { asNumber, asObject, asScore, asStep, asText, fail, type JsonObject } from '../values.js';
import type { Format } from './format.js';

const NO_PART = new Set(['score', 'step', 'input', 'output', 'gts', 'uid']);

export const verl: Format = {
  name: 'verl',
  uses: ['groupSize'],
  open: ({ path, step, options }) => {
    const named = /^(\d+)\.jsonl/.exec(lastName(path));
    return {
      by: 'id-or-prompt',
      strict: true,
      size: () => options.groupSize,
      read: (value, { line, where }) => {
        const row = asObject(value, where, 'the line');
        const sample: Sample = {
          ...(row.uid === undefined || row.uid === null ? {} : { group: groupOfUid(row, where) }),
          step: asStep(row.step, where, 'step') ?? (named ? Number(named[1]) : step),
          line,
          prompt: { parts: [asText(row.input, where, 'input')] },
          parts: [{ text: asText(row.output, where, 'output'), sampled: true }],
          reward: asNumber(row.score, where, 'score'),
          rewards: partsOf(row),
        };
        return [sample];
      },
    };
  },
};

function groupOfUid({ uid }: JsonObject, where: string): string {
  const group = /^(.+)_[^_]+_[^_]+$/s.exec(asText(uid, where, 'uid'));
  return group ? group[1] : fail(where, 'uid', uid, 'sample_rollout_output');
}

function partsOf(row: JsonObject): Record<string, number> {
  const parts = Object.entries(row).filter(
    ([name, value]) => !NO_PART.has(name) && (typeof value === 'boolean' || Number.isFinite(value)),
  );
  return Object.fromEntries(parts.map(([name, value]) => [name, asScore(value, '', name)]));
}
