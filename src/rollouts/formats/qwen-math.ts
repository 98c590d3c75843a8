/**
 * Qwen2.5-Math evaluations: one question per line with lists of responses, of verdicts (`score`) and, if a reward model
 * was used, of its scores (`pred_score`, one number in a list each). The reward is the verdict unless reward weights
 * are given.
 */
import type { Sample } from '../sample.js';
import { asList, asNumber, asObject, asScore, asText, fail, isList, RolloutError } from '../values.js';
import { type Format, ONE_FILE } from './format.js';

export const qwenMath: Format = {
  name: 'qwen-math',
  uses: ['rewardWeights'],
  within: ONE_FILE,
  open: ({ path, step, options }) => {
    const weights = options.rewardWeights ?? { score: 1 };
    const unknown = Object.keys(weights).find((name) => name !== 'score' && name !== 'pred_score');
    if (unknown !== undefined)
      throw new RolloutError(`${path}: reward weights: expected score, pred_score, got ${unknown}`);
    return {
      by: 'row',
      read: (value, { line, where }) => {
        const row = asObject(value, where, 'the line');
        const prompt = asText(row.query ?? row.question, where, 'question');
        const responses = asList(row.response, where, 'response');
        const verdicts = asList(row.score, where, 'score');
        const scores = isList(row.pred_score) ? asList(row.pred_score, where, 'pred_score') : null;
        for (const [key, list] of [
          ['score', verdicts],
          ['pred_score', scores ?? responses],
        ] as const) {
          if (list.length !== responses.length)
            fail(where, key, list.length, `${responses.length} values, one for each response`);
        }
        return responses.map((response, i): Sample => {
          const rewards: Record<string, number> = { score: asScore(verdicts[i], where, `score[${i}]`) };
          if (scores) {
            const score = isList(scores[i]) ? (scores[i] as readonly number[])[0] : scores[i];
            rewards.pred_score = asNumber(score, where, `pred_score[${i}]`);
          }
          let reward = 0;
          for (const [name, weight] of Object.entries(weights))
            if (weight !== 0) reward += weight * asNumber(rewards[name], where, `${name}[${i}]`);
          return {
            ...(row.idx === undefined ? {} : { group: String(row.idx) }),
            step,
            line,
            prompt: { parts: [prompt] },
            parts: [{ text: asText(response, where, `response[${i}]`), sampled: true }],
            reward,
            rewards,
          };
        });
      },
    };
  },
};
