/**
 * The batch of an optimizer step: the coefficients of each group's tree (PAPER.md §2, §5) and, if samples do not come
 * from the policy itself, the importance weights that correct for it.
 */
import type { Engine, PolicyOptions, TrainExample } from '../engine/index.js';
import { askRule, CreditError, type CreditRule, lambdaCredit, sequenceWeights } from '../objective/index.js';
import { TaskError } from '../task/index.js';
import { packedIndices, packTree } from '../tree/index.js';
import type { Config } from './config.js';
import { unlessEnded } from './guards.js';
import type { ScoredGroup } from './scored-groups.js';

export interface StepBatch {
  readonly examples: readonly TrainExample[];
  /** Index of each example's group; absent: all groups, in order. */
  readonly groups?: readonly number[];
  /** The same groups with other coefficients: every gradient is scaled to their gradient's norm. */
  readonly normOf?: readonly TrainExample[];
}

/**
 * The batch of a step for the configured objective. A group without gradient is left out if the sampler reported the
 * entropies of its tokens, because then nothing of it must be computed.
 * @param maxTokens longest completion the sampler may make
 * @param credit a rule that replaces the method's
 */
export async function stepBatch(
  engine: Engine,
  scored: readonly ScoredGroup[],
  objective: Config['objective'],
  maxTokens: number,
  policy: PolicyOptions,
  credit?: CreditRule,
): Promise<StepBatch> {
  const byMethod = trainExamples(scored, objective, maxTokens);
  const credited = credit
    ? await withCredit(scored, byMethod, objective, maxTokens, credit, policy.signal)
    : byMethod;
  const byStep =
    objective.rescale_to === null
      ? null
      : trainExamples(scored, { ...objective, lambda_exponent: 1 }, maxTokens);
  const groups = [...scored.keys()].filter(
    (g) =>
      hasGradient(credited[g], objective) ||
      (byStep && hasGradient(byStep[g], objective)) ||
      scored[g].group.completions.some(({ entropies }) => entropies === undefined),
  );
  const kept = (examples: readonly TrainExample[]): Promise<readonly TrainExample[]> =>
    reweighted(
      engine,
      groups.map((g) => scored[g]),
      groups.map((g) => examples[g]),
      objective,
      policy,
    );
  const batch = { examples: await kept(credited), groups };
  return byStep ? { ...batch, normOf: await kept(byStep) } : batch;
}

/** Whether an example contributes to the gradient: equal rewards give coefficients of 0. */
export function hasGradient(
  { coefficients, sequenceAdvantages }: TrainExample,
  { kl_beta: beta, entropy_bonus: bonus }: Pick<Config['objective'], 'kl_beta' | 'entropy_bonus'>,
): boolean {
  if (beta > 0 || bonus !== 0) return true;
  const { plus, minus, first } = coefficients;
  const parts = [plus, minus, first?.plus, first?.minus, sequenceAdvantages];
  return parts.some((values) => values?.some((value) => value !== 0));
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
  const weights = stepWeights(scored, objective, maxTokens);
  const rule = lambdaCredit(objective.lambda_exponent);
  return scored.map((entry, g) => {
    const { group, tree, advantages, trainedTokens, mask } = entry;
    return {
      prompt: group.prompt.tokens,
      tree,
      coefficients: rule(tree, rewardsOf(entry), { advantages, weights: weights[g] }),
      ...(mask ? { mask } : {}),
      ...(objective.loss === 'gspo'
        ? { sequenceAdvantages: advantages.map((a, i) => a * weights[g][i] * trainedTokens[i]) }
        : {}),
    };
  });
}

/** wᵢ of each completion of each group, [groups][k]. */
function stepWeights(
  scored: readonly ScoredGroup[],
  objective: Config['objective'],
  maxTokens: number,
): Float64Array[] {
  const batch = {
    tokens: scored.reduce((n, { trainedTokens }) => n + trainedTokens.reduce((a, b) => a + b, 0), 0),
    sequences: scored.reduce((n, { tree }) => n + tree.groupSize, 0),
    groups: scored.length,
    maxTokens,
  };
  return scored.map(({ trainedTokens }) => sequenceWeights(trainedTokens, objective.normalisation, batch));
}

const rewardsOf = ({ group }: ScoredGroup): Float64Array =>
  Float64Array.from(group.completions, ({ reward }) => reward);

/**
 * The batch with the coefficients of a custom rule; K is the method's if the rule does not return it.
 * @throws TaskError naming problem, step and node for an invalid coefficient; the signal's reason once it is aborted
 */
async function withCredit(
  scored: readonly ScoredGroup[],
  examples: readonly TrainExample[],
  objective: Config['objective'],
  maxTokens: number,
  rule: CreditRule,
  signal?: AbortSignal,
): Promise<TrainExample[]> {
  const weights = stepWeights(scored, objective, maxTokens);
  const credited = async (entry: ScoredGroup, g: number): Promise<TrainExample> => {
    const { group, tree, advantages } = entry;
    const at = `problem ${group.id}, step ${group.step}`;
    const context = { advantages, weights: weights[g], at };
    const { kl } = examples[g].coefficients;
    try {
      return { ...examples[g], coefficients: await askRule(rule, tree, rewardsOf(entry), context, kl) };
    } catch (error) {
      if (!(error instanceof CreditError)) throw error;
      throw new TaskError(`coefficients of ${at}: ${error.message}`);
    }
  };
  return unlessEnded(Promise.all(scored.map(credited)), signal);
}

/**
 * Factors of tree tokens that another engine sampled: min(π_old/π_sampler, cap), not differentiated (truncated
 * importance sampling). Members of a step may have been sampled with slightly different probabilities (in other
 * batches), which are averaged.
 */
export function importanceWeights(scored: ScoredGroup, oldLogprobs: Float32Array, cap: number): Float32Array {
  const sampled = sampledLogprobs(scored);
  return Float32Array.from(oldLogprobs, (old, token) => {
    const logprob = sampled[token];
    return logprob === undefined ? 1 : Math.min(Math.exp(old - logprob), cap);
  });
}

/**
 * The sampler's ln π of each tree token, mean over its members, [distinctTokenCount]; undefined: the token was not
 * sampled.
 */
export function sampledLogprobs({ group, tree }: ScoredGroup): (number | undefined)[] {
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
  return Array.from(sum, (total, token) => (count[token] > 0 ? total / count[token] : undefined));
}

/** Adds importance weights if a cap is configured, or what the engine computes them from. */
async function reweighted(
  engine: Engine,
  scored: readonly ScoredGroup[],
  examples: readonly TrainExample[],
  { importance_cap: cap }: Config['objective'],
  policy: PolicyOptions,
): Promise<readonly TrainExample[]> {
  if (cap === null || examples.length === 0) return examples;
  if (engine.capabilities.importanceWeights) {
    return examples.map((example, i) => ({
      ...example,
      // A token that was not sampled is not trained.
      samplerLogprobs: Float32Array.from(sampledLogprobs(scored[i]), (logprob) => logprob ?? 0),
    }));
  }
  const { logprobs } = await engine.score(examples, 'current', policy);
  return examples.map((example, i) => ({
    ...example,
    weights: importanceWeights(scored[i], logprobs[i], cap),
  }));
}
