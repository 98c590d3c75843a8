/**
 * TRL (and Unsloth): `completions/completions_SSSSS.parquet`, without tokens, id or total reward. The total is the
 * weighted sum of the reward columns (numbers between `completion` and `advantage`); a reward function that returned
 * nothing (NaN) is ignored, as in TRL. Groups are `num_generations` consecutive rows. The logged advantages must sum to
 * 0 in each group and, for the given weights, be proportional to the centred total, so wrong groups and wrong weights
 * are detected. The file of a step repeats the rows of the previous one if nothing was generated in between; repeats
 * are skipped.
 */

import { mean, sum } from '../../statistics/index.js';
import { Digest } from '../digest.js';
import { completionParts, promptParts } from '../messages.js';
import { identityOf, type Sample } from '../sample.js';
import { asNumber, asObject, asStep, fail, RolloutError } from '../values.js';
import type { Format, OpenFile } from './format.js';

const COLUMNS = ['step', 'prompt', 'completion', 'advantage'];
const SEEN = 'trl groups of the file before';

export const trl: Format = {
  name: 'trl',
  uses: ['rewardWeights', 'groupSize'],
  within: /([\\/]completions)?[\\/][^\\/]+$/,
  open: (file) => {
    const { columns, numbers, options, session } = file;
    const from = columns.indexOf('completion') + 1;
    const to = columns.includes('advantage') ? columns.indexOf('advantage') : columns.length;
    const names = columns.slice(from, to).filter((name) => numbers.includes(name) && !COLUMNS.includes(name));
    if (names.length === 0)
      throw new RolloutError(
        `${file.path}: expected number columns between completion and advantage, got no reward column`,
      );
    const weights = options.rewardWeights;
    for (const name of Object.keys(weights ?? {})) {
      if (!names.includes(name))
        throw new RolloutError(`${file.path}: reward weights: expected ${names.join(', ')}, got ${name}`);
    }
    const before = (session.get(SEEN) ?? new Set()) as Set<string>;
    const now = new Set<string>();
    session.set(SEEN, now);
    let repeated = 0;
    return {
      by: 'place',
      size: () => options.groupSize,
      read: (value, { line, where }) => {
        const row = asObject(value, where, 'the row');
        const rewards: Record<string, number> = {};
        for (const name of names) {
          const reward = row[name];
          if (reward === null || Number.isNaN(reward)) continue;
          rewards[name] = asNumber(reward, where, name);
        }
        if (Object.keys(rewards).length === 0)
          fail(where, names.join(', '), Number.NaN, 'a finite number in one of them');
        let reward = 0;
        for (const [name, part] of Object.entries(rewards)) reward += (weights?.[name] ?? 1) * part;
        const sample: Sample = {
          step: asStep(row.step, where, 'step'),
          line,
          prompt: { parts: promptParts(row.prompt, where, 'prompt') },
          parts: completionParts(row.completion, where, 'completion'),
          reward,
          rewards,
          ...(row.advantage === undefined ? {} : { advantage: asNumber(row.advantage, where, 'advantage') }),
        };
        return [sample];
      },
      finish: (samples, where) => {
        checkAdvantages(samples, where, names, weights !== undefined);
        const digest = digestOf(samples);
        now.add(digest);
        if (!before.has(digest)) return samples;
        if (repeated++ === 0) noteRepeated(file, samples[0].line);
        return [];
      },
    };
  },
};

function noteRepeated(file: OpenFile, line: number): void {
  file.note(line, 'a group repeated from the previous file is skipped; similar groups are skipped too');
}

/**
 * Advantages of a group sum to 0 and are c·(r − mean) with one c > 0, however they are scaled.
 * @throws RolloutError naming the contradiction
 */
function checkAdvantages(
  samples: readonly Sample[],
  where: string,
  names: readonly string[],
  weighted: boolean,
): void {
  const a = samples.map(({ advantage }) => advantage);
  if (samples.length < 2 || a.some((value) => value === undefined)) return;
  const advantages = a as number[];
  const scale = Math.max(...advantages.map(Math.abs));
  const total = sum(advantages);
  if (Math.abs(total) > 1e-3 * Math.max(scale, 1e-3) * samples.length)
    throw new RolloutError(
      `${where}: advantage: expected a sum of about 0 over a group, got ${total.toPrecision(4)} over ${samples.length} rows: these rows are not one group (--group-size sets the number of rows in a group)`,
    );
  if (weighted) return; // the caller set the weights, and advantages may be scaled in other ways
  const middle = mean(samples.map(({ reward }) => reward));
  const away = samples.map(({ reward }) => reward - middle);
  const square = sum(away.map((value) => value * value));
  const factor = square > 0 ? sum(away.map((value, i) => value * advantages[i])) / square : 0;
  const fits = away.every(
    (value, i) => Math.abs(factor * value - advantages[i]) <= 2e-3 * Math.max(scale, 1e-3),
  );
  if (!fits || factor < 0)
    throw new RolloutError(
      `${where}: advantage: expected values that follow from the sum of ${names.join(' + ')}, got others; give the weight of each reward as in training (--reward-weight name=w; 0 for a column that is not a reward)${names.length > 1 ? '' : ', or --group-size'}`,
    );
}

function digestOf(samples: readonly Sample[]): string {
  const digest = new Digest();
  for (const sample of samples) {
    digest.add(identityOf(sample));
    for (const { text } of sample.parts ?? []) digest.add(text);
    digest.add(`${sample.reward} ${sample.advantage}`);
  }
  return digest.toString();
}
