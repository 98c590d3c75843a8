/**
 * The batch of an optimizer step: the coefficients of each group's tree (PAPER.md §2, §5), and, where another engine sampled,
 * the weights that make up for it.
 */
import type { Engine, PolicyOptions, TrainExample } from '../engine/index.js';
import { lossCoefficients, sequenceWeights } from '../objective/index.js';
import { packedIndices, packTree } from '../tree/index.js';
import type { Config } from './config.js';
import type { ScoredGroup } from './scored-groups.js';

export interface StepBatch {
  readonly examples: readonly TrainExample[];
  /** The same groups under other coefficients: every gradient is scaled to the norm of theirs. */
  readonly normOf?: readonly TrainExample[];
}

/**
 * The batch of a step as the objective wants it.
 * @param maxTokens longest completion the sampler may make
 */
export async function stepBatch(
  engine: Engine,
  scored: readonly ScoredGroup[],
  objective: Config['objective'],
  maxTokens: number,
  policy: PolicyOptions,
): Promise<StepBatch> {
  const examples = await reweighted(
    engine,
    scored,
    trainExamples(scored, objective, maxTokens),
    objective,
    policy,
  );
  if (objective.rescale_to === null) return { examples };
  const byStep = trainExamples(scored, { ...objective, lambda_exponent: 1 }, maxTokens);
  return { examples, normOf: await reweighted(engine, scored, byStep, objective, policy) };
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

/** With importance weights, where they are capped. */
async function reweighted(
  engine: Engine,
  scored: readonly ScoredGroup[],
  examples: readonly TrainExample[],
  { importance_cap: cap }: Config['objective'],
  policy: PolicyOptions,
): Promise<readonly TrainExample[]> {
  if (cap === null) return examples;
  const { logprobs } = await engine.score(examples, 'current', policy);
  return examples.map((example, i) => ({
    ...example,
    weights: importanceWeights(scored[i], logprobs[i], cap),
  }));
}
