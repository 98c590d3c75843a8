/**
 * The objective on tree tokens (PAPER.md §2, "Beyond the paper"). Each token e of the packed tree is an edge:
 * its parent predicts it. With ρ = π/π_old and k3 = π_ref/π − ln(π_ref/π) − 1,
 *   J = Σ_e A⁺ₑ·min(ρₑ, 1+ε_high) + A⁻ₑ·min(max(ρₑ, 1−ε_low), δ) − Kₑ·k3ₑ + Cₑ·Hₑ,
 * which equals the sum over the k sequences because the coefficients hold each member's share (δ: the bound of two-sided
 * clipping, infinite without; H: entropy of the distribution that the token was drawn from). The model's loss is −J.
 * On-policy (μ = 1) ρ is 1 in value and carries ∇ln π; nothing is clipped.
 *
 * If the samples come from another distribution, A⁺ and A⁻ of each edge are multiplied by min(π_old/π_sampler, cap),
 * which is not differentiated.
 *
 * CISPO (arXiv:2506.13585) takes the clipped ratio as a weight: (A⁺ + A⁻)·stop(min(ρ, 1+ε_high))·ln π.
 * GSPO (arXiv:2507.18071) has one ratio for a sequence, the geometric mean of its tokens'; its edges meet in sums over
 * sequences, and its coefficients are those of sequences.
 */
import * as g from '../graph/index.js';
import type { LossBatch, SequenceBatch } from './batches.js';
import { type ChunkValues, joined, type LossOf } from './head.js';

/** The ratio that is clipped, and how: of tokens as in PPO, as a weight (CISPO), or of sequences (GSPO). */
export const LOSS_FORMS = ['ppo', 'cispo', 'gspo'] as const;
export type LossForm = (typeof LOSS_FORMS)[number];

/** Terms of a loss. */
export interface LossTerms {
  readonly form: LossForm;
  /** Clipped ρ against given old log-probabilities; otherwise on-policy. */
  readonly clipped: boolean;
  /** With the KL term. */
  readonly kl: boolean;
  /** With the entropy bonus. */
  readonly entropy: boolean;
  /** With importance weights of samples from another distribution. */
  readonly corrected: boolean;
}

/** The loss of chunks of edges; its inputs are declared when they are first read. */
export function lossOf<Batch extends LossBatch>(
  scope: g.InputScope<Batch>,
  { form, clipped, kl, entropy, corrected }: LossTerms,
): LossOf {
  const declared = new Map<string, g.Tensor>();
  const once = (name: string, declare: () => g.Tensor): g.Tensor => {
    const tensor = declared.get(name) ?? declare();
    declared.set(name, tensor);
    return tensor;
  };
  const scalar = (name: string, value: (batch: LossBatch) => number): g.Tensor =>
    once(name, () => scope.input(name, 'float32', [], (batch) => Float32Array.of(value(batch))));
  return (chunks) => {
    /** Values of the chunks' edges, [E]. */
    const edges = (name: string, values: (batch: LossBatch) => Float32Array): g.Tensor =>
      g.concat(
        chunks.map(({ chunk }) =>
          once(`${name}.${chunk}`, () =>
            scope.input(`${name}.${chunk}`, 'float32', [`E.${chunk}`], (batch) =>
              batch.chunks[chunk].take(values(batch)),
            ),
          ),
        ),
        0,
        'E',
      );
    const coefficient = (name: string, values: (batch: LossBatch) => Float32Array): g.Tensor =>
      form === 'gspo' ? once(name, () => scope.input(name, 'float32', ['Q'], values)) : edges(name, values);
    return treeLoss({
      form,
      logprobs: joined(chunks).logprobs,
      plus: coefficient('plus', (batch) => batch.plus),
      minus: coefficient('minus', (batch) => batch.minus),
      old: clipped
        ? {
            logprobs: edges('old_logprobs', (batch) => batch.oldLogprobs),
            clipHigh: scalar('clip_high', (batch) => batch.clipHigh),
            ...(form === 'cispo'
              ? {}
              : {
                  clipLow: scalar('clip_low', (batch) => batch.clipLow),
                  bound: scalar('clip_bound', (batch) => batch.clipBound),
                }),
          }
        : null,
      sampler: corrected
        ? {
            logprobs: edges('sampler_logprobs', (batch) => batch.samplerLogprobs),
            cap: scalar('importance_cap', (batch) => batch.importanceCap),
          }
        : null,
      reference: kl
        ? {
            logprobs: edges('reference_logprobs', (batch) => batch.referenceLogprobs),
            weight: edges('kl_weight', (batch) => batch.klWeight),
          }
        : null,
      entropy: entropy
        ? {
            values: edgeEntropies(scope, chunks),
            weight: edges('entropy_weight', (batch) => batch.entropyWeight),
          }
        : null,
      sequences: form === 'gspo' ? sequenceInputs(scope) : null,
    });
  };
}

/** Entropy of the distribution that each edge's token was drawn from, [E]. */
function edgeEntropies(scope: g.InputScope<LossBatch>, chunks: readonly ChunkValues[]): g.Tensor {
  return g.concat(
    chunks.map(({ chunk, entropies }) =>
      g.gather(
        entropies,
        scope.input(`edge_row.${chunk}`, 'int32', [`E.${chunk}`], (batch) => batch.chunks[chunk].rows),
      ),
    ),
    0,
    'E',
  );
}

function sequenceInputs(scope: g.InputScope<LossBatch>): LossInputs['sequences'] {
  const sequences = (batch: LossBatch): SequenceBatch => {
    if (!batch.sequences) throw new TypeError('gspo: the batch has no sequences');
    return batch.sequences;
  };
  return {
    edge: scope.input('pair_edge', 'int64', ['P'], (batch) => sequences(batch).edge),
    sequence: scope.input('pair_sequence', 'int64', ['P'], (batch) => sequences(batch).sequence),
    share: scope.input('pair_share', 'float32', ['P'], (batch) => sequences(batch).share),
  };
}

export interface LossInputs {
  readonly form: LossForm;
  /** ln π of each edge's token, [E], with gradient. */
  readonly logprobs: g.Tensor;
  /** Sum of the positive weighted advantages of each edge, [E]; gspo: of each sequence, [Q]. */
  readonly plus: g.Tensor;
  /** Sum of the negative ones, [E]; gspo: [Q]. */
  readonly minus: g.Tensor;
  /** ln π_old, [E]; null on-policy. */
  readonly old: {
    readonly logprobs: g.Tensor;
    readonly clipHigh: g.Tensor;
    /** cispo has neither of the next two. */
    readonly clipLow?: g.Tensor;
    /** δ, a large number without two-sided clipping. */
    readonly bound?: g.Tensor;
  } | null;
  /** ln π_sampler, [E], and the largest importance weight; null: the sampler is the policy. */
  readonly sampler: { readonly logprobs: g.Tensor; readonly cap: g.Tensor } | null;
  /** ln π_ref and the weight of the KL term (β included), [E]; null without KL. */
  readonly reference: { readonly logprobs: g.Tensor; readonly weight: g.Tensor } | null;
  /** Entropy (nats) of the distribution of each edge and the weight of the bonus, [E]; null without. */
  readonly entropy: { readonly values: g.Tensor; readonly weight: g.Tensor } | null;
  /** gspo: each edge of each sequence, and its weight in the sequence's mean, [P]; else null. */
  readonly sequences: {
    /** int64 [P] */
    readonly edge: g.Tensor;
    /** int64 [P] */
    readonly sequence: g.Tensor;
    readonly share: g.Tensor;
  } | null;
}

/** −J as a scalar. */
export function treeLoss(inputs: LossInputs): g.Tensor {
  const { form, logprobs, plus, minus, old, reference, entropy, sampler } = inputs;
  const before = old ? old.logprobs : g.stopGradient(logprobs);
  let terms: g.Tensor;
  if (form === 'cispo') {
    const ratio = g.exp(g.sub(logprobs, before));
    const weight = old ? g.stopGradient(g.minimum(ratio, g.add(old.clipHigh, 1))) : g.stopGradient(ratio);
    terms = g.mul(g.mul(g.add(plus, minus), weight), logprobs);
  } else {
    const difference = g.sub(logprobs, before);
    terms = clipped(g.exp(form === 'gspo' ? sequenceMeans(inputs, difference) : difference), inputs);
  }
  if (sampler) {
    const ratio = g.exp(g.sub(g.stopGradient(before), sampler.logprobs));
    terms = g.mul(terms, g.stopGradient(g.minimum(ratio, sampler.cap)));
  }
  let total = g.sumAll(terms);
  if (reference) {
    const difference = g.sub(reference.logprobs, logprobs);
    const k3 = g.sub(g.sub(g.exp(difference), difference), 1);
    total = g.sub(total, g.sumAll(g.mul(reference.weight, k3)));
  }
  if (entropy) total = g.add(total, g.sumAll(g.mul(entropy.weight, entropy.values)));
  return g.neg(total);
}

function clipped(ratio: g.Tensor, { plus, minus, old }: LossInputs): g.Tensor {
  if (!old) return g.mul(g.add(plus, minus), ratio);
  if (!old.clipLow || !old.bound) throw new TypeError('clipping needs both bounds');
  return g.add(
    g.mul(plus, g.minimum(ratio, g.add(old.clipHigh, 1))),
    g.mul(minus, g.minimum(g.maximum(ratio, g.sub(1, old.clipLow)), old.bound)),
  );
}

/** Mean of the edges' values over each sequence, [E] → [Q]. */
function sequenceMeans({ sequences, plus }: LossInputs, values: g.Tensor): g.Tensor {
  if (!sequences) throw new TypeError('gspo: no sequences');
  const { edge, sequence, share } = sequences;
  return g.addRows(plus.shape, sequence, g.mul(g.gather(values, edge), share));
}
