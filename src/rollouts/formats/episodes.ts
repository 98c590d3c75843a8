/**
 * prime-rl (`rollouts/step_N/train/effective/traces.jsonl`) and verifiers v1 (`<out>/<run>/traces.jsonl`): a line is an
 * episode with its traces, a trace a graph of messages with the exact tokens that each adds. A path from a root to a
 * leaf is one sequence: its prompt goes to the first token that the model sampled. Reward: Σ score · weight.
 */
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

export const primeRl = episodeFormat(
  'prime-rl',
  /([\\/]rollouts)?([\\/]step_\d+([\\/](train|eval)[\\/](all|effective))?)?[\\/][^\\/]+$/,
);
export const verifiersV1 = episodeFormat('verifiers-v1', ONE_FILE);

function readEpisode(value: Json, { line, where }: Place, { step: pathStep }: OpenFile): Sample[] {
  const episode = asObject(value, where, 'the line');
  const traces = asList(episode.traces, where, 'traces');
  const run = isObject(episode.run) && isObject(episode.run.work) ? episode.run.work : null;
  const step = pathStep ?? (run ? asCount(run.step, where, 'run.work.step') : null);
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
    return pathsOf(nodes, where, key).map(
      (path): Sample => ({
        group: traces.length > 1 ? `${id}/${name}` : id,
        step,
        line,
        ...sequenceOf(path, where, key),
        reward,
        rewards,
        ...(trace.stop_condition === 'max_tokens' || trace.stop_condition === 'length'
          ? { stop: 'length' }
          : {}),
      }),
    );
  });
}

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
    return parent < i ? parent : fail(where, `${key}.nodes[${i}].parent`, parent, `a node before it`);
  });
  const inner = new Set(parents);
  return nodes.flatMap((_, leaf) => {
    if (inner.has(leaf)) return [];
    const path: JsonObject[] = [];
    for (let at = leaf; at >= 0; at = parents[at]) path.unshift(nodes[at]);
    return [path];
  });
}

/** Tokens where all nodes have them, and the text, of one path. */
function sequenceOf(
  path: readonly JsonObject[],
  where: string,
  key: string,
): Pick<Sample, 'prompt' | 'tokens' | 'mask' | 'logprobs' | 'advantage' | 'parts'> {
  const sampled = (node: JsonObject) => node.sampled === true;
  const begin = path.findIndex(sampled);
  const given = begin < 0 ? path : path.slice(0, begin);
  const made = begin < 0 ? [] : path.slice(begin);
  const bySampled = new Map(made.map((node) => [node.message, sampled(node)]));
  const texts = {
    promptParts: promptParts(
      given.map(({ message }) => message),
      where,
      `${key}.nodes.message`,
    ),
    parts: completionParts(
      made.map(({ message }) => message),
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
  const advantages = new Set<number>();
  let complete = true;
  path.forEach((node, n) => {
    const at = `${key}.nodes[${n}]`;
    const tokens = asTokens(node.token_ids ?? [], where, `${at}.token_ids`);
    const own = asMask(node.mask ?? [], where, `${at}.mask`);
    if (own.length !== tokens.length)
      fail(where, `${at}.mask`, own.length, `${tokens.length} values, one for each token`);
    const logs = asLogprobs(node.logprobs ?? [], where, `${at}.logprobs`);
    const trained = own.reduce((sum, bit) => sum + bit, 0);
    if (logs.length !== trained) {
      if (logs.length > 0)
        fail(where, `${at}.logprobs`, logs.length, `${trained} values, one for each sampled token`);
      complete = false;
    }
    for (const value of asLogprobs(node.advantages ?? [], where, `${at}.advantages`)) advantages.add(value);
    let next = 0;
    tokens.forEach((id, t) => {
      ids.push(id);
      mask.push(own[t]);
      logprobs.push(own[t] === 1 ? (logs[next++] ?? 0) : 0);
    });
  });
  const first = mask.indexOf(1) < 0 ? mask.length : mask.indexOf(1);
  return {
    prompt: { tokens: Int32Array.from(ids.slice(0, first)), parts: texts.promptParts },
    tokens: Int32Array.from(ids.slice(first)),
    mask: Uint8Array.from(mask.slice(first)),
    ...(complete ? { logprobs: Float32Array.from(logprobs.slice(first)) } : {}),
    ...(advantages.size === 1 ? { advantage: [...advantages][0] } : {}),
    parts: texts.parts,
  };
}
