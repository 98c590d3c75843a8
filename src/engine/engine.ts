/**
 * The interface between a trainer and a language model, wherever the model runs: sample completions, score them, take
 * an optimizer step on coefficients, save and load. Coefficients say what is optimised (objective room); an engine only
 * says how.
 */
import { UserError } from '../errors.js';
import type { LossForm, Store } from '../model/index.js';
import type { LossCoefficients } from '../objective/index.js';
import type { ProcessTree } from '../tree/index.js';

/** A prompt to be completed several times. */
export interface SampleRequest {
  /** Token ids, at least one. */
  readonly prompt: Int32Array;
  /** Number of completions. */
  readonly count: number;
  /** Key of the random stream of this request: equal keys (and seed) draw equal numbers, in any batch. */
  readonly key: readonly (string | number)[];
}

/** Options of every call that may take long. */
export interface Abortable {
  /**
   * Once aborted, the call ends early by throwing the signal's reason; the engine is then in the state before the call.
   */
  readonly signal?: AbortSignal;
}

/** How sampling computes products with frozen weights. */
export type SamplingPrecision = 'float32' | 'int8';

export interface SamplingOptions extends Abortable {
  /** Longest completion, in tokens. */
  readonly maxTokens: number;
  /** 0 is greedy. */
  readonly temperature: number;
  /** Sample from the k likeliest tokens; 0 means all. */
  readonly topK: number;
  /** Sample from the likeliest tokens whose probabilities reach p; 1 means all. */
  readonly topP: number;
  /** A completion ends with the first of these tokens (which is part of the completion, and trained). */
  readonly stopTokens: readonly number[];
  /** All other tokens have probability 0; undefined allows all. */
  readonly allowedTokens?: readonly number[];
  readonly seed: number;
  /**
   * Default float32. int8 is faster, and the distribution that is sampled is only close to the policy
   * (`Capabilities.int8Sampling`).
   */
  readonly precision?: SamplingPrecision;
  /**
   * Makes a watcher for one completion. It is called with each token in order and says whether the completion ends with
   * it (as if by a stop token). Remote engines may not support this.
   */
  readonly watch?: () => (token: number) => boolean;
}

export interface SampledCompletion {
  /** Token ids, including the stop token, [n]. */
  readonly tokens: Int32Array;
  /** ln π of each token at the sampling temperature, before top-k and top-p, [n]. */
  readonly logprobs: Float32Array;
  /**
   * Entropy (nats) of the distribution that each token was drawn from, before top-k and top-p, [n]; absent if the
   * engine does not report it.
   */
  readonly entropies?: Float32Array;
  readonly stop: 'stop' | 'length';
}

/** Cost of sampling, to be compared with one row for each sample. */
export interface SampleStatistics {
  /** Tokens that went through the decoder (one for each distinct live prefix, prompts included); absent: unknown. */
  readonly decodedTokens?: number;
  /** Tokens in all completions. */
  readonly sampledTokens: number;
}

/** A group's tree with coefficients: the unit of training. */
export interface TreeExample {
  /** Token ids before the completions, at least one, [P]. */
  readonly prompt: Int32Array;
  /** Tree of the completions. */
  readonly tree: ProcessTree;
}

export interface TrainExample extends TreeExample {
  /** A⁺, A⁻ and KL weight of each node of the tree. */
  readonly coefficients: LossCoefficients;
  /**
   * 1 if a tree token is trained, 0 if the model did not sample it, [tree.distinctTokenCount]; absent: all are trained.
   */
  readonly mask?: Float32Array;
  /** Additional factor of A⁺ and A⁻ of each tree token, [tree.distinctTokenCount]; absent: 1. */
  readonly weights?: Float32Array;
  /**
   * Weighted advantage wᵢ·|gᵢ|·aᵢ of each completion, [k]; needed for the form gspo, whose coefficients belong to
   * sequences.
   */
  readonly sequenceAdvantages?: Float64Array;
  /** ln π_old of each distinct tree token in depth-first order, [tree.distinctTokenCount]; absent: on-policy. */
  readonly oldLogprobs?: Float32Array;
  /**
   * ln π_sampler likewise, if the samples come from another distribution than the policy. A⁺ and A⁻ of each tree token
   * are then multiplied by min(π_old/π_sampler, importanceCap), which is not differentiated (truncated importance
   * sampling). Only for engines with `importanceWeights`; not for the form gspo.
   */
  readonly samplerLogprobs?: Float32Array;
  /** ln π_ref likewise; needed when klBeta > 0. */
  readonly referenceLogprobs?: Float32Array;
}

/** The distribution that is trained and scored: the same one that was sampled from. */
export interface PolicyOptions extends Abortable {
  readonly temperature: number;
  readonly allowedTokens?: readonly number[];
}

export interface UpdateOptions extends PolicyOptions {
  readonly learningRate: number;
  /** Largest global norm of the gradient; null: no clipping. */
  readonly maxGradNorm: number | null;
  readonly clipLow: number;
  readonly clipHigh: number;
  /** Two-sided clipping: ratios of negative advantages are at most this; absent: unbounded. */
  readonly clipBound?: number;
  /** Largest importance weight of examples with `samplerLogprobs`; needed for these. */
  readonly importanceCap?: number;
  /** The ratio that is clipped, and how; default ppo. */
  readonly form?: LossForm;
  /** β of the KL term. */
  readonly klBeta: number;
  /** Coefficient of the entropy bonus, default 0. */
  readonly entropyBonus?: number;
  /** The gradient is scaled to the global norm of this batch's gradient before it is clipped; absent: not scaled. */
  readonly normOf?: readonly TrainExample[];
}

export interface TreeScores {
  /** ln π of each distinct tree token in depth-first order, for each example: [examples][distinctTokenCount]. */
  readonly logprobs: readonly Float32Array[];
  /**
   * Entropy (nats) of the distribution of each tree token: [examples][distinctTokenCount]; absent if the engine does
   * not report it.
   */
  readonly entropies?: readonly Float32Array[];
}

export interface UpdateResult extends TreeScores {
  /** −J before the step. */
  readonly loss: number;
  /** Global norm of the gradient before it was scaled or clipped; absent if the engine does not report it. */
  readonly gradNorm?: number;
  /** Factor that scaled the gradient to the norm of `normOf`; absent without `normOf`. */
  readonly rescale?: number;
  /** Whether some weight moved by more than 1e-10; absent if the engine does not report it. */
  readonly changed?: boolean;
  /** Tokens computed: distinct tree tokens and prompts. */
  readonly treeTokens: number;
  /** Tokens that went through the model, padding included. */
  readonly computedTokens: number;
  /**
   * Only for engines that send sequences: tokens sent, prompts included, and tokens that equal completions would have
   * added.
   */
  readonly sent?: { readonly tokens: number; readonly saved: number };
}

/** A log-probability, loss or gradient that is not finite; the weights are unchanged. */
export class NotFiniteError extends UserError {
  override name = 'NotFiniteError';
}

/** A request, example or checkpoint that the engine does not support. */
export class EngineError extends UserError {
  override name = 'EngineError';
}

/**
 * The engine's state is lost, or it is unknown whether the weights took a step. Nothing can continue until a saved
 * state is loaded.
 */
export class StateLostError extends EngineError {
  override name = 'StateLostError';
}

/** The abilities of an engine. A configuration that needs more is refused before anything starts. */
export interface Capabilities {
  /** The ratios that an update can clip. */
  readonly forms: readonly LossForm[];
  /** Different bounds for ratios below and above 1. */
  readonly asymmetricClipping: boolean;
  /** Two-sided clipping (`clipBound`). */
  readonly clipBound: boolean;
  /** The KL term to a frozen reference. */
  readonly kl: boolean;
  /** Moving the reference towards the policy. */
  readonly referenceSync: boolean;
  readonly entropyBonus: boolean;
  /** Scaling a gradient to the norm of another batch's (`normOf`). */
  readonly rescale: boolean;
  /** Tokens that are not trained between others that are (`mask`). */
  readonly masks: boolean;
  /** Ending a completion by a function (`watch`). */
  readonly watchers: boolean;
  /** A subset of the vocabulary (`allowedTokens`). */
  readonly allowedTokens: boolean;
  readonly topK: boolean;
  readonly topP: boolean;
  readonly momentum: boolean;
  readonly optimizers: readonly ('adamw' | 'sgd')[];
  /** Scaling a gradient down to a maximum norm (`maxGradNorm`). */
  readonly gradientClipping: boolean;
  /** Training at any temperature that is sampled at; false: only at 1. */
  readonly temperature: boolean;
  /** Maximum of prompt and completion together, in tokens. */
  readonly contextLength: number;
  /** `save` stores the optimizer's state, so that a continued run equals an uninterrupted one. */
  readonly optimizerState: boolean;
  /** Samples may have other probabilities than those that are trained. */
  readonly otherSampler: boolean;
  /** An update weights the terms of `samplerLogprobs` itself; otherwise weights need a score before it. */
  readonly importanceWeights: boolean;
  /** Sampling in int8. */
  readonly int8Sampling: boolean;
  /** `sample` may be called before an update and return after it, with samples from the weights before the update. */
  readonly sampleAhead: boolean;
}

/** Every method can be cancelled; the engine is then in the state before the call. */
export interface Engine {
  /** Its name in the configuration. */
  readonly name: string;
  readonly capabilities: Capabilities;
  /** Completions of each request, in the order of the requests. */
  sample(
    requests: readonly SampleRequest[],
    options: SamplingOptions,
  ): Promise<{
    readonly completions: readonly (readonly SampledCompletion[])[];
    readonly statistics: SampleStatistics;
  }>;
  /** One optimizer step on the whole batch. @throws NotFiniteError before anything changes */
  update(batch: readonly TrainExample[], options: UpdateOptions): Promise<UpdateResult>;
  /** Log-probabilities of every tree token under the current weights, or under the frozen reference. */
  score(
    batch: readonly TreeExample[],
    policy: 'current' | 'reference',
    options: PolicyOptions,
  ): Promise<TreeScores>;
  /** Freezes the current weights as the reference policy of the KL term. */
  freezeReference(options?: Abortable): Promise<void>;
  /** Moves the reference policy towards the current weights: reference ← share·current + (1 − share)·reference. */
  syncReference(share: number, options?: Abortable): Promise<void>;
  /** Resets the optimizer's state, because what follows is another objective. */
  resetOptimizer(options?: Abortable): Promise<void>;
  /** Writes weights, optimizer state and reference into a store. */
  save(store: Store, options?: Abortable): Promise<void>;
  /** Restores what `save` wrote. @throws EngineError if something is missing, truncated or of another model */
  load(store: Store, options?: Abortable): Promise<void>;
  dispose(): Promise<void>;
}
