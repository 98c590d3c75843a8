/**
 * One step of the algorithm, from sampled groups to updated weights: rewards → advantages → process tree →
 * coefficients → update, μ times. Pure but for the engine it drives.
 */
import type { Engine, TrainExample, UpdateResult } from '../engine/index.js';
import { groupAdvantages, lossCoefficients, sequenceWeights } from '../objective/index.js';
import type { Group } from '../rollouts/index.js';
import { ProcessTree } from '../tree/index.js';
import type { Config } from './config.js';

/** A group with everything that is derived from it. */
export interface ScoredGroup {
  readonly group: Group;
  readonly tree: ProcessTree;
  /** [k] */
  readonly advantages: Float64Array;
}

/** Advantages and process tree of a group whose completions carry rewards. */
export function scoreGroup(group: Group, objective: Config['objective']): ScoredGroup {
  const rewards = group.completions.map(({ reward }) => reward);
  return {
    group,
    tree: ProcessTree.build(group.completions.map(({ tokens }) => tokens)),
    advantages: groupAdvantages(rewards, { scale: objective.advantage_scale }),
  };
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
    tokens: scored.reduce((n, { tree }) => n + tree.tokenCount, 0),
    sequences: scored.reduce((n, { tree }) => n + tree.groupSize, 0),
    maxTokens,
  };
  return scored.map(({ group, tree, advantages }) => ({
    prompt: group.prompt.tokens,
    tree,
    coefficients: lossCoefficients(
      tree,
      advantages,
      sequenceWeights(tree.lengths, objective.normalisation, batch),
      {
        lambdaExponent: objective.lambda_exponent,
      },
    ),
  }));
}

export interface StepOptions {
  readonly objective: Config['objective'];
  readonly learningRate: number;
  readonly maxGradNorm: number | null;
  readonly temperature: number;
  readonly allowedTokens?: readonly number[];
  /** The same groups under other coefficients: every gradient is scaled to the norm of theirs. */
  readonly normOf?: readonly TrainExample[];
}

/** What the μ updates of a step did. */
export interface StepResult {
  /** Of the first update: on-policy loss, gradient norm, entropies. */
  readonly first: UpdateResult;
  /** Largest gradient norm of the μ updates. */
  readonly gradNorm: number;
  /** Mean k3 estimate of KL(π ‖ π_ref) over tree tokens before the step, nats a token; null without KL. */
  readonly kl: number | null;
  /** Share of token terms in the later updates that the clip range cut off (0 for μ = 1). */
  readonly clipFraction: number;
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
  { objective, normOf, ...rest }: StepOptions,
): Promise<StepResult> {
  const options = {
    ...rest,
    klBeta: objective.kl_beta,
    clipLow: objective.clip_low,
    clipHigh: objective.clip_high,
  };
  const reference = objective.kl_beta > 0 ? await engine.score(examples, 'reference', options) : null;
  const withReference = (all: readonly TrainExample[]): TrainExample[] =>
    all.map((example, i) => ({ ...example, referenceLogprobs: reference?.logprobs[i] }));
  const batch = withReference(examples);
  const norms = normOf && withReference(normOf);
  const first = await engine.update(batch, { ...options, normOf: norms });
  let { gradNorm } = first;
  let clipped = 0;
  let terms = 0;
  for (let update = 1; update < objective.updates_per_batch; update++) {
    const withOld = (all: readonly TrainExample[]): TrainExample[] =>
      all.map((example, i) => ({ ...example, oldLogprobs: first.logprobs[i] }));
    const result = await engine.update(withOld(batch), { ...options, normOf: norms && withOld(norms) });
    gradNorm = Math.max(gradNorm, result.gradNorm);
    batch.forEach(({ tree, coefficients }, i) => {
      const counts = countClipped(tree, coefficients, first.logprobs[i], result.logprobs[i], objective);
      clipped += counts.clipped;
      terms += counts.terms;
    });
  }
  return {
    first,
    gradNorm,
    kl: reference ? meanKl(first.logprobs, reference.logprobs) : null,
    clipFraction: terms > 0 ? clipped / terms : 0,
    rescale: first.rescale ?? null,
  };
}

function countClipped(
  tree: ProcessTree,
  { plus, minus }: TrainExample['coefficients'],
  old: Float32Array,
  now: Float32Array,
  { clip_low, clip_high }: Config['objective'],
): { clipped: number; terms: number } {
  let clipped = 0;
  let terms = 0;
  let token = 0;
  for (let node = 0; node < tree.nodeCount; node++) {
    for (let t = tree.start[node]; t < tree.end[node]; t++, token++) {
      const ratio = Math.exp(now[token] - old[token]);
      if (plus[node] > 0) {
        terms++;
        if (ratio > 1 + clip_high) clipped++;
      }
      if (minus[node] < 0) {
        terms++;
        if (ratio < 1 - clip_low) clipped++;
      }
    }
  }
  return { clipped, terms };
}

function meanKl(policy: readonly Float32Array[], reference: readonly Float32Array[]): number {
  let sum = 0;
  let count = 0;
  policy.forEach((logprobs, i) => {
    for (let t = 0; t < logprobs.length; t++) {
      const d = reference[i][t] - logprobs[t];
      sum += Math.exp(d) - d - 1;
    }
    count += logprobs.length;
  });
  return count > 0 ? sum / count : 0;
}
