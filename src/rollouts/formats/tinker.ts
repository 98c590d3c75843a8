/**
 * tinker-cookbook: `capture/<kind>.jsonl` holds the tokens of every call, `iteration_NNNNNN/<base>_rollout_summaries.jsonl`
 * the rewards; both are joined on split, iteration, group and trajectory. The calls of one trajectory are turns of one
 * sequence. Captures in SQLite are not read: the exporter writes JSONL too.
 */
import { readFileSync } from 'node:fs';
import type { Sample } from '../sample.js';
import {
  asCount,
  asLogprobs,
  asNumber,
  asObject,
  asTokens,
  fail,
  type Json,
  type JsonObject,
  messageOf,
  RolloutError,
} from '../values.js';
import type { Format, OpenFile } from './format.js';
import { joinTurns } from './turns.js';

/** The files of a source that hold summaries, by iteration; filled before the first capture is read. */
export const SUMMARIES = 'tinker summaries';
const LOADED = 'tinker rewards';

/** Iterations whose rewards are in memory at once. */
const KEPT = 6;

/** A call that waits for its reward and for the other calls of its trajectory. */
interface Call extends Sample {
  readonly trajectory: number;
}

export const tinker: Format = {
  name: 'tinker',
  open: (file) => {
    let passed = 0;
    return {
      by: 'id',
      promptsDiffer: true,
      finish: (samples, where) => joined(samples as readonly Call[], where),
      read: (value, { line, where }) => {
        const row = asObject(value, where, 'the line');
        if (row.total_reward !== undefined && row.prompt_tokens === undefined) return [];
        if (row.group_idx === null || row.group_idx === undefined) {
          if (passed++ === 0)
            file.note(line, 'a call outside of any group is passed over, and others like it');
          return [];
        }
        const split = typeof row.split === 'string' ? row.split : 'train';
        const iteration = asCount(row.iteration, where, 'iteration');
        const group = asCount(row.group_idx, where, 'group_idx');
        const trajectory = asCount(row.traj_idx, where, 'traj_idx');
        const reward = rewardsOf(file, iteration).get(`${split}/${group}/${trajectory}`);
        if (reward === undefined)
          fail(
            where,
            'total_reward',
            undefined,
            `a line for group ${group}, trajectory ${trajectory} in the rollout summaries of iteration ${iteration}`,
          );
        const call: Call = {
          group: split === 'train' ? String(group) : `${split}/${group}`,
          step: iteration,
          line,
          trajectory,
          prompt: { tokens: asTokens(listOf(row.prompt_tokens), where, 'prompt_tokens') },
          tokens: asTokens(listOf(row.sampled_tokens), where, 'sampled_tokens'),
          ...(row.logprobs === null || row.logprobs === undefined
            ? {}
            : { logprobs: asLogprobs(listOf(row.logprobs), where, 'logprobs') }),
          reward,
        };
        return [call];
      },
    };
  },
};

/** Lists come as lists, or as JSON text where they went through SQLite. */
function listOf(value: Json): unknown {
  return typeof value === 'string' ? JSON.parse(value) : value;
}

/** The calls of each trajectory as one sample; all trajectories of a group begin with one prompt. */
function joined(calls: readonly Call[], where: string): readonly Sample[] {
  const byTrajectory = new Map<number, Call[]>();
  for (const call of calls) {
    const turns = byTrajectory.get(call.trajectory);
    if (turns) turns.push(call);
    else byTrajectory.set(call.trajectory, [call]);
  }
  const samples = [...byTrajectory]
    .sort(([a], [b]) => a - b)
    .map(([, turns]): Sample => {
      const ordered = [...turns].sort((a, b) => a.prompt.tokens!.length - b.prompt.tokens!.length);
      const { group, step, line, reward } = ordered[0];
      const sequence = joinTurns(
        ordered.map(({ prompt, tokens, logprobs }) => ({
          prompt: prompt.tokens!,
          sampled: tokens!,
          logprobs,
        })),
        where,
      );
      return { group, step, line, reward, ...sequence };
    });
  const first = samples[0].prompt.tokens!;
  const other = samples.find(
    ({ prompt: { tokens } }) => tokens!.length !== first.length || tokens!.some((id, i) => id !== first[i]),
  );
  if (other)
    throw new RolloutError(
      `${where}: group ${other.group}: found trajectories that begin with different prompts; allowed is one for a group`,
    );
  return samples;
}

/** Total reward by split/group/trajectory of one iteration. */
function rewardsOf(file: OpenFile, iteration: number): Map<string, number> {
  const loaded = (file.session.get(LOADED) ?? new Map()) as Map<number, Map<string, number>>;
  file.session.set(LOADED, loaded);
  const known = loaded.get(iteration);
  if (known) return known;
  const rewards = new Map<string, number>();
  const files = (file.session.get(SUMMARIES) ?? []) as readonly string[];
  for (const path of files) {
    const named = /iteration_(\d+)/.exec(path);
    if (named && Number(named[1]) !== iteration) continue;
    readFileSync(path, 'utf8')
      .split('\n')
      .forEach((text, i) => {
        if (text.trim() === '') return;
        const where = `${path}:${i + 1}`;
        const row = asObject(parsed(text, where), where, 'the line');
        if (row.iteration !== iteration) return;
        const key = `${row.split}/${asCount(row.group_idx, where, 'group_idx')}/${asCount(row.traj_idx, where, 'traj_idx')}`;
        rewards.set(key, asNumber(row.total_reward, where, 'total_reward'));
      });
  }
  if (loaded.size >= KEPT) loaded.delete(loaded.keys().next().value!);
  loaded.set(iteration, rewards);
  return rewards;
}

function parsed(text: string, where: string): JsonObject {
  try {
    return JSON.parse(text) as JsonObject;
  } catch (error) {
    throw new RolloutError(`${where}: is not JSON: ${messageOf(error)}`);
  }
}

/** Whether a row is of the rewards' file. */
export function isSummary(row: JsonObject): boolean {
  return row.schema_version !== undefined && row.group_idx !== undefined && row.total_reward !== undefined;
}

/** Whether a row is of a capture. */
export const isCapture = (row: JsonObject): boolean =>
  row.sampled_tokens !== undefined && row.prompt_tokens !== undefined && row.group_idx !== undefined;
