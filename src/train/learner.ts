/** The μ updates of a step on one batch, the first of them on-policy. Pure except for the engine. */
import type { Engine, TrainExample, UpdateResult } from '../engine/index.js';
import type { StepBatch } from './batch.js';
import { countClipped } from './clipping.js';
import type { Config } from './config.js';
import { lossForm } from './loss-form.js';

export interface StepOptions {
  readonly objective: Config['objective'];
  readonly learningRate: number;
  readonly maxGradNorm: number | null;
  readonly temperature: number;
  readonly allowedTokens?: readonly number[];
  /** Once aborted, the step ends by throwing the signal's reason; after the first update it is completed as a whole. */
  readonly signal?: AbortSignal;
}

/** Results of the μ updates of a step. */
export interface StepResult {
  /** From the first update: on-policy loss, gradient norm, entropies. */
  readonly first: UpdateResult;
  /** Largest gradient norm of the μ updates; undefined if the engine does not report it. */
  readonly gradNorm: number | undefined;
  /** Mean k3 estimate of KL(π ‖ π_ref) over tree tokens before the step, nats per token; null without KL. */
  readonly kl: number | null;
  /** Share of the later updates' terms that were clipped (clipping.ts; 0 for μ = 1). */
  readonly clipFraction: number;
  /** Whether an update changed a weight; undefined if the engine does not report it. */
  readonly changed?: boolean;
  /** Factor that scaled the first update's gradient to the norm of `normOf`; null without. */
  readonly rescale: number | null;
}

/**
 * μ updates on one batch. The first is on-policy (ρ = 1), and its log-probabilities are π_old for the others, unless
 * the examples hold those of the sampler.
 * @throws NotFiniteError if a loss or gradient is not finite; the weights are then those after the last good update
 */
export async function learn(
  engine: Engine,
  { examples, normOf }: StepBatch,
  { objective, signal, ...rest }: StepOptions,
): Promise<StepResult> {
  const options = {
    ...rest,
    klBeta: objective.kl_beta,
    clipLow: objective.clip_low,
    clipHigh: objective.clip_high,
    clipBound: objective.clip_bound ?? undefined,
    form: lossForm(objective.loss),
    entropyBonus: objective.entropy_bonus,
    importanceCap: objective.importance_cap ?? undefined,
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
  const count = (result: UpdateResult, old: (i: number) => Float32Array | undefined): void => {
    batch.forEach((example, i) => {
      const logprobs = old(i);
      if (!logprobs) return;
      const counts = countClipped(example, logprobs, result.logprobs[i], options);
      clipped += counts.clipped;
      terms += counts.terms;
    });
  };
  // Samples from other weights are clipped from the first update on.
  count(first, (i) => batch[i].oldLogprobs);
  for (let update = 1; update < objective.updates_per_batch; update++) {
    const withOldLogprobs = (all: readonly TrainExample[]): TrainExample[] =>
      all.map((example, i) => ({ ...example, oldLogprobs: example.oldLogprobs ?? first.logprobs[i] }));
    const later = withOldLogprobs(batch);
    const result = await engine.update(later, { ...options, normOf: norms && withOldLogprobs(norms) });
    if (gradNorm !== undefined && result.gradNorm !== undefined)
      gradNorm = Math.max(gradNorm, result.gradNorm);
    if (result.changed) changed = true;
    count(result, (i) => later[i].oldLogprobs);
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
