/**
 * Sampled groups with derived data (PAPER.md §1, §2): advantages, the process tree, the trained tokens, and the
 * distance between sampler and trainer.
 */
import { groupAdvantages, rewardStatistics } from '../objective/index.js';
import type { Group } from '../rollouts/index.js';
import { ProcessTree, packedIndices, packTree } from '../tree/index.js';
import type { Config } from './config.js';

/** A group with everything that is derived from it. */
export interface ScoredGroup {
  readonly group: Group;
  readonly tree: ProcessTree;
  /** [k] */
  readonly advantages: Float64Array;
  /** Trained tokens of each completion, [k]: 0 for one that was cut off and is left out. */
  readonly trainedTokens: Int32Array;
  /** 1 where a tree token is trained, [tree.distinctTokenCount]; null: all are. */
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

/** All groups of a step: a scale that is the step's own needs them together. */
export function scoreGroups(groups: readonly Group[], objective: Config['objective']): ScoredGroup[] {
  const rewards = groups.flatMap(({ completions }) => completions.map(({ reward }) => reward));
  const batchStd = objective.advantage_scale === 'batch' ? rewardStatistics(rewards).std : undefined;
  return groups.map((group) => scoreGroup(group, objective, batchStd));
}

/**
 * Which tree tokens are trained. A token that some members sampled and others were given (an environment may do that)
 * is trained: those who sampled it chose it.
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

/** The group as it is written: each completion with its advantage. */
export function withAdvantages({ group, advantages }: ScoredGroup): Group {
  return { ...group, completions: group.completions.map((c, i) => ({ ...c, advantage: advantages[i] })) };
}

/** Entropies of a group's tree tokens as the sampler told them: each from the first completion that has the token. */
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

/** How far the sampler's ln π of trained tokens is from the trainer's before the update: |Δ ln π|. */
export interface SamplingDifference {
  readonly mean: number;
  readonly max: number;
}

/**
 * The same weights twice, by decoding and by the packed tree: what is left is rounding, or a fault, or another engine.
 * @param logprobs ln π of each tree token by the update, [groups][distinctTokenCount]
 * @returns null where the groups say nothing of their sampling
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
