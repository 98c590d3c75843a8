/**
 * Sampled groups with derived data (PAPER.md §1, §2): advantages, the process tree, the trained tokens, and the
 * distance between sampler and trainer.
 */
import { groupAdvantages, rewardStatistics } from '../objective/index.js';
import type { Group } from '../rollouts/index.js';
import { ProcessTree, packedIndices, packTree } from '../tree/index.js';
import type { Config } from './config.js';

/** A group with all derived data. */
export interface ScoredGroup {
  readonly group: Group;
  readonly tree: ProcessTree;
  /** [k] */
  readonly advantages: Float64Array;
  /** Number of trained tokens of each completion, [k]: 0 for one that was cut off and is left out. */
  readonly trainedTokens: Int32Array;
  /** 1 if a tree token is trained, [tree.distinctTokenCount]; null: all are. */
  readonly mask: Float32Array | null;
}

/** Advantages and process tree of a group whose completions carry rewards. */
export function scoreGroup(group: Group, objective: Config['objective'], batchStd?: number): ScoredGroup {
  const rewards = group.completions.map(({ reward }) => reward);
  const tree = ProcessTree.build(group.completions.map(({ tokens }) => tokens));
  const trainedTokens = Int32Array.from(group.completions, ({ tokens, mask, stop }) => {
    if (objective.truncated === 'mask' && stop === 'length') return 0;
    return mask ? mask.reduce((n, trained) => n + trained, 0) : tokens.length;
  });
  return {
    group,
    tree,
    advantages: groupAdvantages(rewards, { scale: objective.advantage_scale, batchStd }),
    trainedTokens,
    mask: treeMask(group, tree),
  };
}

/** Scores all groups of a step together, because a scale may be computed over the step. */
export function scoreGroups(groups: readonly Group[], objective: Config['objective']): ScoredGroup[] {
  const rewards = groups.flatMap(({ completions }) => completions.map(({ reward }) => reward));
  const batchStd = objective.advantage_scale === 'batch' ? rewardStatistics(rewards).std : undefined;
  return groups.map((group) => scoreGroup(group, objective, batchStd));
}

/**
 * Which tree tokens are trained. If some members sampled a token and it was given to others (an environment may do
 * that), it is trained, because it was a choice of those who sampled it.
 */
function treeMask(group: Group, tree: ProcessTree): Float32Array | null {
  if (group.completions.every(({ mask }) => mask === undefined)) return null;
  const trained = new Float32Array(tree.distinctTokenCount);
  const packed = packTree(tree, new Int32Array());
  group.completions.forEach(({ mask }, i) => {
    packedIndices(tree, packed, i).forEach((token, t) => {
      if (!mask || mask[t] === 1) trained[token] = 1;
    });
  });
  return trained;
}

/** The group for the log: each completion with its advantage. */
export function withAdvantages({ group, advantages }: ScoredGroup): Group {
  return { ...group, completions: group.completions.map((c, i) => ({ ...c, advantage: advantages[i] })) };
}

/**
 * Entropies of a group's tree tokens as the sampler reported them: each from the first completion that has the token.
 */
export function sampledEntropies({ group, tree }: ScoredGroup): Float32Array {
  const values = new Float32Array(tree.distinctTokenCount).fill(Number.NaN);
  const packed = packTree(tree, new Int32Array());
  group.completions.forEach(({ entropies, mask }, i) => {
    if (!entropies) return;
    packedIndices(tree, packed, i).forEach((token, t) => {
      if (Number.isNaN(values[token]) && (!mask || mask[t] === 1)) values[token] = entropies[t];
    });
  });
  return values;
}

/** Distance |Δ ln π| between the sampler's and the trainer's log-probabilities of trained tokens before the update. */
export interface SamplingDifference {
  readonly mean: number;
  readonly max: number;
}

/**
 * The same weights evaluated twice, by decoding and on the packed tree: a difference is rounding, an error, or another
 * engine.
 * @param logprobs ln π of each tree token from the update, [groups][distinctTokenCount]
 * @returns null if the groups hold no log-probabilities of the sampler
 */
export function samplingDifference(
  scored: readonly ScoredGroup[],
  logprobs: readonly Float32Array[],
): SamplingDifference | null {
  let [sum, max, count] = [0, 0, 0];
  scored.forEach(({ group, tree }, g) => {
    const packed = packTree(tree, new Int32Array());
    group.completions.forEach(({ logprobs: sampled, mask }, i) => {
      if (!sampled) return;
      packedIndices(tree, packed, i).forEach((token, t) => {
        if (mask && mask[t] === 0) return;
        const difference = Math.abs(logprobs[g][token] - sampled[t]);
        sum += difference;
        max = Math.max(max, difference);
        count++;
      });
    });
  });
  return count > 0 ? { mean: sum / count, max } : null;
}
