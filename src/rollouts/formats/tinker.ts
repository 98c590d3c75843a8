/**
 * tinker-cookbook: `capture/sample.jsonl` holds the tokens of every call (as the exporter writes them, or one row per
 * sample as in its store), `iteration_NNNNNN/<base>_rollout_summaries.jsonl` the rewards; both are joined on split,
 * iteration, group and trajectory. The calls of one trajectory are turns of one sequence. SQLite is not read, because
 * the exporter also writes JSONL.
 */
import { linesOf, readBlocks, type Source, textOf } from '../../input/index.js';
import type { Sample } from '../sample.js';
import {
  asCount,
  asList,
  asLogprobs,
  asNumber,
  asObject,
  asTokens,
  fail,
  isObject,
  type Json,
  type JsonObject,
  messageOf,
  RolloutError,
} from '../values.js';
import type { Format, OpenFile } from './format.js';
import { joinTurns } from './turns.js';

/** The sources with summaries, by iteration; collected before the first capture is read. */
export const SUMMARIES = 'tinker summaries';
const LOADED = 'tinker rewards';

/** Number of iterations whose rewards are in memory at the same time. */
const KEPT = 6;

/** A call that waits for its reward and for the other calls of its trajectory. */
interface Call extends Sample {
  readonly trajectory: number;
}

export const tinker: Format = {
  name: 'tinker',
  uses: [],
  within: /([\\/](capture|iteration_\d+))?[\\/][^\\/]+$/,
  open: (file) => {
    let passed = 0;
    return {
      by: 'id',
      promptsDiffer: true,
      needs: (row) => {
        const iteration = iterationOf(row);
        return iteration === null || loadedOf(file).has(iteration) ? null : loadRewards(file, iteration);
      },
      finish: (samples, where) => joined(samples as readonly Call[], where),
      read: (value, { line, where }) => {
        const row = asObject(value, where, 'the line');
        const scope = isObject(row.scope) ? row.scope : row;
        if (
          isSummary(row) ||
          row.status === 'error' ||
          row.status === 'cancelled' ||
          !present(scope.group_idx)
        ) {
          if (passed++ === 0)
            file.note(line, 'a call that failed or has no group is skipped; similar calls are skipped too');
          return [];
        }
        const split = typeof scope.split === 'string' ? scope.split : 'train';
        const iteration = asCount(scope.iteration, where, 'iteration');
        const group = asCount(scope.group_idx, where, 'group_idx');
        const prompt = {
          tokens: asTokens(listOf(row.prompt_tokens, where, 'prompt_tokens'), where, 'prompt_tokens'),
        };
        return samplesOf(row, where).map((sampled, i): Call => {
          // A call without a trajectory samples the whole group at once.
          const trajectory = present(scope.traj_idx) ? asCount(scope.traj_idx, where, 'traj_idx') : i;
          const reward = loadedOf(file).get(iteration)?.get(`${split}/${group}/${trajectory}`);
          if (reward === undefined)
            fail(
              where,
              'total_reward',
              undefined,
              `a line for group ${group}, trajectory ${trajectory} in the rollout summaries of iteration ${iteration}`,
            );
          const { tokens, logprobs, stop_reason: stop } = sampled;
          return {
            group: split === 'train' ? String(group) : `${split}/${group}`,
            step: iteration,
            line,
            trajectory,
            prompt,
            tokens: asTokens(listOf(tokens, where, 'tokens'), where, 'tokens'),
            ...(present(logprobs)
              ? { logprobs: asLogprobs(listOf(logprobs, where, 'logprobs'), where, 'logprobs') }
              : {}),
            ...(stop === 'stop' || stop === 'length' ? { stop } : {}),
            reward: reward!,
          };
        });
      },
    };
  },
};

const present = (value: unknown) => value !== undefined && value !== null;

/** The samples of one call: a list in the exporter's records, a single one in the store's rows. */
function samplesOf(row: JsonObject, where: string): readonly JsonObject[] {
  if (row.samples === undefined) return [{ tokens: row.sampled_tokens, logprobs: row.logprobs }];
  return asList(row.samples, where, 'samples').map((item, i) => asObject(item, where, `samples[${i}]`));
}

/** Lists may be JSON text if they were stored in SQLite. */
function listOf(value: Json, where: string, key: string): unknown {
  if (typeof value !== 'string') return value;
  try {
    return JSON.parse(value);
  } catch {
    return fail(where, key, value, 'a list');
  }
}

/** The calls of each trajectory as one sample; all trajectories of a group begin with the same prompt. */
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
      const { stop } = ordered[ordered.length - 1];
      const sequence = joinTurns(
        ordered.map(({ prompt, tokens, logprobs }) => ({
          prompt: prompt.tokens!,
          sampled: tokens!,
          logprobs,
        })),
        where,
      );
      return { group, step, line, reward, ...(stop ? { stop } : {}), ...sequence };
    });
  const first = samples[0].prompt.tokens!;
  const other = samples.find(
    ({ prompt: { tokens } }) => tokens!.length !== first.length || tokens!.some((id, i) => id !== first[i]),
  );
  if (other)
    throw new RolloutError(
      `${where}: group ${other.group}: expected one prompt for a group, got trajectories with different prompts`,
    );
  return samples;
}

/** Total reward by split/group/trajectory, for the iterations in memory. */
function loadedOf(file: OpenFile): Map<number, ReadonlyMap<string, number>> {
  const known = file.session.get(LOADED) as Map<number, ReadonlyMap<string, number>> | undefined;
  const loaded = known ?? new Map();
  if (!known) file.session.set(LOADED, loaded);
  return loaded;
}

/** The iteration of a call; null: none. */
function iterationOf(row: Json): number | null {
  if (!isObject(row)) return null;
  const { iteration } = isObject(row.scope) ? row.scope : row;
  return typeof iteration === 'number' ? iteration : null;
}

async function loadRewards(file: OpenFile, iteration: number): Promise<void> {
  const loaded = loadedOf(file);
  const rewards = new Map<string, number>();
  for (const source of (file.session.get(SUMMARIES) ?? []) as readonly Source[]) {
    const named = /iteration_(\d+)/.exec(source.name);
    if (named && Number(named[1]) !== iteration) continue;
    for await (const block of readBlocks(source)) {
      for (const { number, bytes, start, end } of linesOf(block)) {
        const where = `${source.name}:${number}`;
        const row = asObject(parsed(textOf(bytes, start, end), where), where, 'the line');
        if (row.iteration !== iteration) continue;
        const key = `${row.split}/${asCount(row.group_idx, where, 'group_idx')}/${asCount(row.traj_idx, where, 'traj_idx')}`;
        rewards.set(key, asNumber(row.total_reward, where, 'total_reward'));
      }
    }
  }
  if (loaded.size >= KEPT) loaded.delete(loaded.keys().next().value!);
  loaded.set(iteration, rewards);
}

function parsed(text: string, where: string): JsonObject {
  try {
    return JSON.parse(text) as JsonObject;
  } catch (error) {
    throw new RolloutError(`${where}: is not JSON: ${messageOf(error)}`);
  }
}

/** Whether a row is from the rewards' file. */
export function isSummary(row: JsonObject): boolean {
  return row.schema_version !== undefined && row.group_idx !== undefined && row.total_reward !== undefined;
}

/** Whether a row is from a capture: a call, or one sample of a call. */
export function isCapture(row: JsonObject): boolean {
  if (row.kind === 'sample') return isObject(row.scope);
  return row.sampled_tokens !== undefined && row.prompt_tokens !== undefined && row.group_idx !== undefined;
}
