/**
 * prime-rl (`monitors/file/traces/stream/NNNNN.jsonl` with annotations beside it; before September 2026
 * `rollouts/step_N/train/effective/traces.jsonl`) and verifiers v1 (`<out>/<run>/traces.jsonl`). A line is an episode
 * with its traces; a trace is a graph of messages with the exact tokens that each adds. A path from a root to a leaf is
 * one sequence; its prompt ends before the first sampled token. Reward: Σ score · weight.
 */
import type { StreamName, TraceUpdate, TraceUpdates } from '../annotations.js';
import type { FormatName } from '../group.js';
import { completionParts, promptParts } from '../messages.js';
import type { Sample } from '../sample.js';
import {
  asCount,
  asId,
  asList,
  asLogprobs,
  asMask,
  asNumber,
  asObject,
  asTokens,
  fail,
  isList,
  isObject,
  type Json,
  type JsonObject,
} from '../values.js';
import { type Format, ONE_FILE, type OpenFile, type Place } from './format.js';

const episodeFormat = (name: FormatName, within: RegExp): Format => ({
  name,
  uses: [],
  within,
  open: (file) => ({ by: 'id', read: (row, at) => readEpisode(row, at, file) }),
});

/** The run's annotations. */
export const UPDATES = 'prime-rl updates';
/** Steps of the groups of a stream, whose episodes are in order of completion. */
const GROUP_STEPS = 'prime-rl steps';

export const primeRl = episodeFormat(
  'prime-rl',
  /([\\/]rollouts)?([\\/]step_\d+([\\/](train|eval)[\\/](all|effective))?)?[\\/][^\\/]+$|([\\/]monitors[\\/]file)?[\\/]traces[\\/](stream|annotations)([\\/.][^\\/]*)*([\\/][^\\/]+)?$/,
);
export const verifiersV1 = episodeFormat('verifiers-v1', ONE_FILE);

function readEpisode(value: Json, { line, where }: Place, { step: pathStep, session }: OpenFile): Sample[] {
  const episode = asObject(value, where, 'the line');
  const traces = asList(episode.traces, where, 'traces');
  const ran = isObject(episode.run) ? episode.run : null;
  const run = ran && isObject(ran.work) ? ran.work : null;
  // Only a stream also holds evaluations.
  if ((run ?? ran)?.type === 'eval' && session.has(UPDATES)) return [];
  const dispatched = pathStep ?? (run ? asCount(run.step, where, 'run.work.step') : null);
  const updates = session.get(UPDATES) as TraceUpdates | undefined;
  const versions = versionsOf(run);
  return traces.flatMap((item, i) => {
    const key = `traces[${i}]`;
    const trace = asObject(item, where, key);
    const agent = isObject(trace.agent) ? trace.agent : {};
    if (agent.trainable === false) return [];
    const name = typeof agent.name === 'string' ? agent.name : String(i);
    const id = groupId(episode, trace, where);
    const { reward, rewards } = rewardOf(trace.rewards, where, `${key}.rewards`);
    const nodes = asList(trace.nodes, where, `${key}.nodes`).map((node, n) =>
      asObject(node, where, `${key}.nodes[${n}]`),
    );
    const learnt = typeof trace.id === 'string' ? (updates?.updatesOf(trace.id) ?? []) : [];
    const step = updates ? stepOfGroup(session, id, learnt, dispatched) : dispatched;
    return pathsOf(nodes, where, key).map(
      (path, branch): Sample => ({
        group: traces.length > 1 ? `${id}/${name}` : id,
        step,
        line,
        ...sequenceOf(path, where, key, streamsOf(learnt, branch)),
        reward,
        rewards,
        ...(versions.length > 0 ? { versions } : {}),
        ...(trace.stop_condition === 'max_tokens' || trace.stop_condition === 'length'
          ? { stop: 'length' }
          : {}),
      }),
    );
  });
}

/**
 * The step in which the group was trained, else the step that requested it: the same for all its episodes, in any
 * order.
 */
function stepOfGroup(
  session: OpenFile['session'],
  id: string,
  learnt: readonly TraceUpdate[],
  dispatched: number | null,
): number | null {
  const steps = (session.get(GROUP_STEPS) ?? new Map()) as Map<string, number | null>;
  session.set(GROUP_STEPS, steps);
  const known = steps.get(id);
  if (known !== undefined) return known;
  const step = learnt.findLast((update) => update.step !== null)?.step ?? dispatched;
  steps.set(id, step);
  return step;
}

/** First and last version of the policy that sampled an episode. */
function versionsOf(run: JsonObject | null): number[] {
  const policy = run && isObject(run.policy) ? run.policy : {};
  const [start, end] = [policy.start, policy.end];
  if (typeof start !== 'number') return [];
  return typeof end === 'number' && end !== start ? [start, end] : [start];
}

/** Annotations of the tokens of a branch's path, the newest first. */
function streamsOf(learnt: readonly TraceUpdate[], branch: number): Streams {
  return learnt.flatMap(({ branches }) => branches.filter(({ index }) => index === branch)).reverse();
}

type Streams = readonly { readonly [name in StreamName]?: Float32Array }[];

function groupId(episode: JsonObject, trace: JsonObject, where: string): string {
  if (isObject(episode.group)) return asId(episode.group.id, where, 'group.id');
  const task = isObject(trace.task) ? trace.task : isObject(episode.task) ? episode.task : {};
  return asId(task.key ?? task.hash ?? (isObject(task.data) ? task.data.idx : undefined), where, 'group.id');
}

/** Σ score · weight; a part that is null was not computed. */
function rewardOf(value: Json, where: string, key: string): Pick<Sample, 'reward' | 'rewards'> {
  const rewards: Record<string, number> = {};
  let reward = 0;
  for (const [name, part] of Object.entries(asObject(value, where, key))) {
    if (part === null) continue;
    const { score, weight } = asObject(part, where, `${key}.${name}`);
    rewards[name] = asNumber(score, where, `${key}.${name}.score`);
    reward += rewards[name] * (weight === undefined ? 1 : asNumber(weight, where, `${key}.${name}.weight`));
  }
  if (Object.keys(rewards).length === 0) fail(where, key, undefined, 'at least one reward with a score');
  return { reward: asNumber(reward, where, key), rewards };
}

/** All paths from a root to a leaf. */
function pathsOf(nodes: readonly JsonObject[], where: string, key: string): JsonObject[][] {
  const parents = nodes.map((node, i) => {
    if (node.parent === undefined || node.parent === null) return -1;
    const parent = asCount(node.parent, where, `${key}.nodes[${i}].parent`);
    return parent < i
      ? parent
      : fail(where, `${key}.nodes[${i}].parent`, parent, `the index of an earlier node`);
  });
  const inner = new Set(parents);
  return nodes.flatMap((_, leaf) => {
    if (inner.has(leaf)) return [];
    const path: JsonObject[] = [];
    for (let at = leaf; at >= 0; at = parents[at]) path.unshift(nodes[at]);
    return [path];
  });
}

/** Tokens, if all nodes have them, and the text of one path. */
function sequenceOf(
  path: readonly JsonObject[],
  where: string,
  key: string,
  streams: Streams,
): Pick<
  Sample,
  'prompt' | 'tokens' | 'mask' | 'logprobs' | 'trainerLogprobs' | 'entropies' | 'advantage' | 'parts'
> {
  const sampled = (node: JsonObject) => node.sampled === true;
  const begin = path.findIndex(sampled);
  const promptNodes = begin < 0 ? path : path.slice(0, begin);
  const completionNodes = begin < 0 ? [] : path.slice(begin);
  const bySampled = new Map(completionNodes.map((node) => [node.message, sampled(node)]));
  const texts = {
    promptParts: promptParts(
      promptNodes.map(({ message }) => message),
      where,
      `${key}.nodes.message`,
    ),
    parts: completionParts(
      completionNodes.map(({ message }) => message),
      where,
      `${key}.nodes.message`,
      (message) => bySampled.get(message) === true,
    ),
  };
  const exact = path.some(({ token_ids }) => isList(token_ids) && token_ids.length > 0);
  if (!exact) return { prompt: { parts: texts.promptParts }, parts: texts.parts };

  const ids: number[] = [];
  const mask: number[] = [];
  const logprobs: number[] = [];
  const trainer: number[] = [];
  const entropies: number[] = [];
  const advantages = new Set<number>();
  let complete = true;
  path.forEach((node, n) => {
    const at = `${key}.nodes[${n}]`;
    const tokens = asTokens(node.token_ids ?? [], where, `${at}.token_ids`);
    const sampledMask = asMask(node.mask ?? [], where, `${at}.mask`);
    if (sampledMask.length !== tokens.length)
      fail(where, `${at}.mask`, sampledMask.length, `${tokens.length} values, one for each token`);
    const logs = asLogprobs(node.logprobs ?? [], where, `${at}.logprobs`);
    const trained = sampledMask.reduce((sum, bit) => sum + bit, 0);
    if (logs.length !== trained) {
      if (logs.length > 0)
        fail(where, `${at}.logprobs`, logs.length, `${trained} values, one for each sampled token`);
      complete = false;
    }
    const begins = ids.length;
    const stamped = (name: StreamName): Float32Array | null =>
      tokensOf(
        node,
        name,
        sampledMask,
        streams.map((stream) => stream[name]?.subarray(begins, begins + tokens.length)),
        where,
        at,
      );
    const [credit, trainers, entropy] = (['advantages', 'trainer_logprobs', 'entropies'] as const).map(
      stamped,
    );
    credit?.forEach((value, t) => {
      if (sampledMask[t] === 1) advantages.add(value);
    });
    let next = 0;
    tokens.forEach((id, t) => {
      ids.push(id);
      mask.push(sampledMask[t]);
      logprobs.push(sampledMask[t] === 1 ? (logs[next++] ?? 0) : 0);
      trainer.push(trainers?.[t] ?? Number.NaN);
      entropies.push(entropy?.[t] ?? Number.NaN);
    });
  });
  const first = mask.indexOf(1) < 0 ? mask.length : mask.indexOf(1);
  return {
    prompt: { tokens: Int32Array.from(ids.slice(0, first)), parts: texts.promptParts },
    tokens: Int32Array.from(ids.slice(first)),
    mask: Uint8Array.from(mask.slice(first)),
    ...(complete ? { logprobs: Float32Array.from(logprobs.slice(first)) } : {}),
    ...(trainer.every(Number.isNaN) ? {} : { trainerLogprobs: Float32Array.from(trainer.slice(first)) }),
    ...(entropies.every(Number.isNaN) ? {} : { entropies: Float32Array.from(entropies.slice(first)) }),
    ...(advantages.size === 1 ? { advantage: [...advantages][0] } : {}),
    parts: texts.parts,
  };
}

/**
 * A node's values for each of its tokens: from the newest annotation that covers every sampled token, else the node's
 * own (one for each sampled token); null: neither exists.
 */
function tokensOf(
  node: JsonObject,
  name: StreamName,
  mask: Uint8Array,
  annotated: readonly (Float32Array | undefined)[],
  where: string,
  at: string,
): Float32Array | null {
  if (!mask.includes(1)) return null;
  for (const values of annotated) {
    if (values?.length !== mask.length) continue;
    if (mask.every((bit, t) => bit === 0 || !Number.isNaN(values[t]))) return values;
  }
  const compact = asLogprobs(node[name] ?? [], where, `${at}.${name}`);
  if (compact.length === 0) return null;
  let next = 0;
  return Float32Array.from(mask, (bit) => (bit === 1 ? (compact[next++] ?? Number.NaN) : Number.NaN));
}
