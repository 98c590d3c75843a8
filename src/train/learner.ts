/**
 * One step of the algorithm, from sampled groups to updated weights: rewards → advantages → process tree →
 * coefficients → update, μ times. Pure but for the engine it drives.
 */
import type { Engine, TrainExample, UpdateResult } from '../engine/index.js';
import { groupAdvantages, lossCoefficients, rewardStatistics, sequenceWeights } from '../objective/index.js';
import type { Group } from '../rollouts/index.js';
import { ProcessTree, packedIndices, packTree } from '../tree/index.js';
import { countClipped } from './clipping.js';
import type { Config } from './config.js';
import { lossForm } from './loss-form.js';

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

/**
 * The batch of one optimizer step. The normaliser is that of the whole step (PAPER.md §7), whatever the
 * micro-batching of the engine.
 * @param maxTokens longest completion the sampler may make: the constant of 'constant' normalisation
 */
export function trainExamples(
  scored: readonly ScoredGroup[],
  objective: Config['objective'],
  maxTokens: number,
): TrainExample[] {
  const batch = {
    tokens: scored.reduce((n, { trainedTokens }) => n + trainedTokens.reduce((a, b) => a + b, 0), 0),
    sequences: scored.reduce((n, { tree }) => n + tree.groupSize, 0),
    groups: scored.length,
    maxTokens,
  };
  return scored.map(({ group, tree, advantages, trainedTokens, mask }) => {
    const weights = sequenceWeights(trainedTokens, objective.normalisation, batch);
    const lambdaExponent = objective.lambda_exponent;
    return {
      prompt: group.prompt.tokens,
      tree,
      coefficients: lossCoefficients(tree, advantages, weights, { lambdaExponent }),
      ...(mask ? { mask } : {}),
      ...(objective.loss === 'gspo'
        ? { sequenceAdvantages: advantages.map((a, i) => a * weights[i] * trainedTokens[i]) }
        : {}),
    };
  });
}

/**
 * Factors of tree tokens for what another engine sampled: min(π_old/π_sampler, cap), not differentiated (truncated
 * importance sampling). Members of a step may have been sampled with slightly different probabilities (in other batches):
 * theirs are averaged.
 */
export function importanceWeights(
  { group, tree }: ScoredGroup,
  oldLogprobs: Float32Array,
  cap: number,
): Float32Array {
  const sum = new Float64Array(tree.distinctTokenCount);
  const count = new Float64Array(tree.distinctTokenCount);
  const packed = packTree(tree, new Int32Array());
  group.completions.forEach(({ logprobs, mask }, i) => {
    if (!logprobs) return;
    packedIndices(tree, packed, i).forEach((token, t) => {
      if (mask && mask[t] === 0) return;
      sum[token] += logprobs[t];
      count[token]++;
    });
  });
  return Float32Array.from(oldLogprobs, (old, token) =>
    count[token] > 0 ? Math.min(Math.exp(old - sum[token] / count[token]), cap) : 1,
  );
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

export interface StepOptions {
  readonly objective: Config['objective'];
  readonly learningRate: number;
  readonly maxGradNorm: number | null;
  readonly temperature: number;
  readonly allowedTokens?: readonly number[];
  /** The same groups under other coefficients: every gradient is scaled to the norm of theirs. */
  readonly normOf?: readonly TrainExample[];
  /** Once aborted, the step ends by throwing its reason; after the first update it is taken as a whole. */
  readonly signal?: AbortSignal;
}

/** What the μ updates of a step did. */
export interface StepResult {
  /** Of the first update: on-policy loss, gradient norm, entropies. */
  readonly first: UpdateResult;
  /** Largest gradient norm of the μ updates. */
  readonly gradNorm: number;
  /** Mean k3 estimate of KL(π ‖ π_ref) over tree tokens before the step, nats a token; null without KL. */
  readonly kl: number | null;
  /** Share of the terms of the later updates that the clip range cut off (clipping.ts; 0 for μ = 1). */
  readonly clipFraction: number;
  /** Whether an update changed a weight; undefined where the engine cannot tell. */
  readonly changed?: boolean;
  /** Factor that gave the first update's gradient the norm of `normOf`'s; null without. */
  readonly rescale: number | null;
}

/**
 * μ updates on one batch. The first is on-policy (ρ = 1); its log-probabilities are π_old for the others.
 * @throws NotFiniteError if a loss or gradient is no number; the weights are then as the last good update left them
 */
export async function learn(
  engine: Engine,
  examples: readonly TrainExample[],
  { objective, normOf, signal, ...rest }: StepOptions,
): Promise<StepResult> {
  const options = {
    ...rest,
    klBeta: objective.kl_beta,
    clipLow: objective.clip_low,
    clipHigh: objective.clip_high,
    clipBound: objective.clip_bound ?? undefined,
    form: lossForm(objective.loss),
    entropyBonus: objective.entropy_bonus,
  };
  const reference =
    objective.kl_beta > 0 ? await engine.score(examples, 'reference', { ...options, signal }) : null;
  const withReference = (all: readonly TrainExample[]): TrainExample[] =>
    all.map((example, i) => ({ ...example, referenceLogprobs: reference?.logprobs[i] }));
  const batch = withReference(examples);
  const norms = normOf && withReference(normOf);
  const first = await engine.update(batch, { ...options, normOf: norms, signal });
  let { gradNorm } = first;
  let { changed } = first;
  let clipped = 0;
  let terms = 0;
  for (let update = 1; update < objective.updates_per_batch; update++) {
    const withOld = (all: readonly TrainExample[]): TrainExample[] =>
      all.map((example, i) => ({ ...example, oldLogprobs: first.logprobs[i] }));
    const result = await engine.update(withOld(batch), { ...options, normOf: norms && withOld(norms) });
    gradNorm = Math.max(gradNorm, result.gradNorm);
    if (result.changed) changed = true;
    batch.forEach((example, i) => {
      const counts = countClipped(example, first.logprobs[i], result.logprobs[i], options);
      clipped += counts.clipped;
      terms += counts.terms;
    });
  }
  return {
    first,
    gradNorm,
    kl: reference ? meanKl(first.logprobs, reference.logprobs, examples) : null,
    clipFraction: terms > 0 ? clipped / terms : 0,
    changed,
    rescale: first.rescale ?? null,
  };
}

function meanKl(
  policy: readonly Float32Array[],
  reference: readonly Float32Array[],
  examples: readonly TrainExample[],
): number {
  let sum = 0;
  let count = 0;
  policy.forEach((logprobs, i) => {
    const { mask } = examples[i];
    for (let t = 0; t < logprobs.length; t++) {
      if (mask && mask[t] === 0) continue;
      const d = reference[i][t] - logprobs[t];
      sum += Math.exp(d) - d - 1;
      count++;
    }
  });
  return count > 0 ? sum / count : 0;
}
