/**
 * The value of a prefix under a policy: the expected reward of a completion that begins with it. Estimated from many
 * new completions or, on the binary tree, computed from the policy's probabilities of all paths.
 */
import type { Engine, PolicyOptions, SamplingOptions } from '../../engine/index.js';
import { mean, sum } from '../../statistics/index.js';
import type { Problem, Task } from '../../task/index.js';
import type { Config } from '../../train/index.js';
import { ProcessTree, packedIndices, packTree } from '../../tree/index.js';
import type { Value } from './step-figures.js';

export interface Prefix {
  readonly problem: Problem;
  /** Tokens of a completion, from its first. */
  readonly tokens: Int32Array;
}

/** Values of prefixes, in their order. @param done called with the number of finished prefixes */
export type Truth = (prefixes: readonly Prefix[], done?: (count: number) => void) => Promise<Value[]>;

/** Prefixes that are completed in one call. */
const AT_ONCE = 64;

export function samplingOptions(task: Task, { sampling }: Config, seed: number): SamplingOptions {
  return {
    temperature: sampling.temperature,
    topK: 0,
    topP: 1,
    seed,
    stopTokens: task.stopTokens,
    allowedTokens: task.allowedTokens,
    maxTokens: task.maxCompletionTokens,
  };
}

export const rewardOf = async (task: Task, problem: Problem, completion: Int32Array): Promise<number> =>
  (await task.reward(problem, completion)).reward;

/** @param rollouts new completions of each prefix, at least 2 */
export function sampledTruth(engine: Engine, task: Task, options: SamplingOptions, rollouts: number): Truth {
  const estimate = async (prefixes: readonly Prefix[], maxTokens: number): Promise<Value[]> => {
    const { completions } = await engine.sample(
      prefixes.map(({ problem, tokens }) => ({
        prompt: Int32Array.of(...problem.promptTokens, ...tokens),
        count: rollouts,
        key: ['values', 'truth', problem.id, ...tokens],
      })),
      { ...options, maxTokens },
    );
    return Promise.all(
      prefixes.map(async ({ problem, tokens }, i) => {
        const rewards = await Promise.all(
          completions[i].map((rest) => rewardOf(task, problem, Int32Array.of(...tokens, ...rest.tokens))),
        );
        const center = mean(rewards);
        const variance =
          rewards.reduce((total, reward) => total + (reward - center) ** 2, 0) / (rollouts - 1);
        return { mean: center, variance, uncertainty: variance / rollouts };
      }),
    );
  };
  return async (prefixes, done) => {
    const values = new Array<Value>(prefixes.length);
    // Prefixes with the same number of remaining tokens are completed together; 0 remaining: they are complete.
    const byRoom = new Map<number, number[]>();
    prefixes.forEach(({ tokens }, i) => {
      const ended = task.stopTokens.includes(tokens[tokens.length - 1]);
      const room = ended ? 0 : task.maxCompletionTokens - tokens.length;
      byRoom.set(room, [...(byRoom.get(room) ?? []), i]);
    });
    let count = 0;
    for (const [room, places] of byRoom) {
      for (let from = 0; from < places.length; from += AT_ONCE) {
        const some = places.slice(from, from + AT_ONCE);
        const batch = some.map((i) => prefixes[i]);
        const estimates =
          room > 0
            ? await estimate(batch, room)
            : await Promise.all(
                batch.map(async ({ problem, tokens }) => ({
                  mean: await rewardOf(task, problem, tokens),
                  variance: 0,
                  uncertainty: 0,
                })),
              );
        some.forEach((place, i) => {
          values[place] = estimates[i];
        });
        count += some.length;
        done?.(count);
      }
    }
    return values;
  };
}

/** For a task with one problem and few paths of equal length. */
export async function exactTruth(engine: Engine, task: Task, { sampling }: Config): Promise<Truth> {
  const turns = task.allowedTokens ?? [];
  let paths: number[][] = [[]];
  for (let depth = 0; depth < task.maxCompletionTokens; depth++) {
    paths = paths.flatMap((path) => turns.map((turn) => [...path, turn]));
  }
  const problem = await task.trainProblem(0);
  const tree = ProcessTree.build(paths.map((path) => Int32Array.from(path)));
  const options: PolicyOptions = { temperature: sampling.temperature, allowedTokens: task.allowedTokens };
  const { logprobs } = await engine.score([{ prompt: problem.promptTokens, tree }], 'current', options);
  const packed = packTree(tree, new Int32Array());
  const leaves = await Promise.all(
    tree.tokens.map(async (path, i) => ({
      path,
      probability: Math.exp(sum(Array.from(packedIndices(tree, packed, i), (at) => logprobs[0][at]))),
      reward: await rewardOf(task, problem, path),
    })),
  );
  const known = new Map<string, Value>();
  const exactValue = (prefix: Int32Array): Value => {
    const subtree = leaves.filter(({ path }) => prefix.every((token, t) => path[t] === token));
    const total = sum(subtree.map(({ probability }) => probability));
    const average = (value: (reward: number) => number): number =>
      sum(subtree.map(({ probability, reward }) => probability * value(reward))) / total;
    const center = average((reward) => reward);
    return { mean: center, variance: average((reward) => (reward - center) ** 2), uncertainty: 0 };
  };
  return async (prefixes) =>
    prefixes.map(({ tokens }) => {
      const key = tokens.join();
      const value = known.get(key) ?? exactValue(tokens);
      known.set(key, value);
      return value;
    });
}
