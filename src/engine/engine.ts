/**
 * What a trainer needs of a language model, wherever it runs: sample completions, score them, take an optimizer
 * step on coefficients, save and load. The trainer never learns whether the engine is local. Coefficients say
 * what is optimised (objective room); an engine only says how.
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
  /** Names the random stream of this request: equal keys (and seed) draw equal numbers, in any batch. */
  readonly key: readonly (string | number)[];
}

/** What every call that takes long may be given. */
export interface Abortable {
  /** Once aborted, the call ends early by throwing the signal's reason; the engine is then as before the call. */
  readonly signal?: AbortSignal;
}

export interface SamplingOptions extends Abortable {
  /** Longest completion, in tokens. */
  readonly maxTokens: number;
  /** 0 is greedy. */
  readonly temperature: number;
  /** Only the k likeliest tokens; 0 is all. */
  readonly topK: number;
  /** Only the likeliest tokens whose probabilities reach p; 1 is all. */
  readonly topP: number;
  /** A completion ends with the first of these (it is part of the completion, and trained). */
  readonly stopTokens: readonly number[];
  /** Every other token has probability 0; undefined allows all. */
  readonly allowedTokens?: readonly number[];
  readonly seed: number;
  /**
   * Further ends: makes a watcher for one completion, told each of its tokens in order, which says whether the
   * completion ends with this one (as if by a stop token). Engines elsewhere may not take it.
   */
  readonly watch?: () => (token: number) => boolean;
}

export interface SampledCompletion {
  /** Token ids, the stop token included, [n]. */
  readonly tokens: Int32Array;
  /** ln π of each token at the sampling temperature, before top-k and top-p cut the distribution, [n]. */
  readonly logprobs: Float32Array;
  /** Entropy (nats) of the distribution that each was drawn from, before it was cut, [n]; absent where the engine cannot tell. */
  readonly entropies?: Float32Array;
  readonly stop: 'stop' | 'length';
}

/** What sampling cost, to be compared with one row for each sample. */
export interface SampleStatistics {
  /** Tokens that went through the decoder (one for each distinct live prefix, prompts included); absent: not known. */
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
  /** 1 where a tree token is trained, 0 where it came from elsewhere, [tree.distinctTokenCount]; absent: all are. */
  readonly mask?: Float32Array;
  /** Further factor of A⁺ and A⁻ of each tree token, [tree.distinctTokenCount]; absent: 1. */
  readonly weights?: Float32Array;
  /** Weighted advantage wᵢ·|gᵢ|·aᵢ of each completion, [k]; needed for the form gspo, which has no coefficients of tokens. */
  readonly sequenceAdvantages?: Float64Array;
  /** ln π_old of each distinct tree token in depth-first order, [tree.distinctTokenCount]; absent: on-policy. */
  readonly oldLogprobs?: Float32Array;
  /** ln π_ref likewise; needed when klBeta > 0. */
  readonly referenceLogprobs?: Float32Array;
}

/** The distribution that is trained and scored: the same that was sampled from. */
export interface PolicyOptions extends Abortable {
  readonly temperature: number;
  readonly allowedTokens?: readonly number[];
}

export interface UpdateOptions extends PolicyOptions {
  readonly learningRate: number;
  /** Largest global norm of the gradient; null: never clipped. */
  readonly maxGradNorm: number | null;
  readonly clipLow: number;
  readonly clipHigh: number;
  /** Two-sided clipping: ratios of negative advantages are at most this; absent: unbounded. */
  readonly clipBound?: number;
  /** Which ratio is clipped, and how; default ppo. */
  readonly form?: LossForm;
  /** β of the KL term. */
  readonly klBeta: number;
  /** Coefficient of the entropy bonus, default 0. */
  readonly entropyBonus?: number;
  /** The gradient is scaled to the global norm of this batch's gradient, before it is clipped; absent: as it is. */
  readonly normOf?: readonly TrainExample[];
}

export interface TreeScores {
  /** ln π of each distinct tree token, depth-first, for each example: [examples][distinctTokenCount]. */
  readonly logprobs: readonly Float32Array[];
  /**
   * Entropy (nats) of the distribution each tree token was drawn from: [examples][distinctTokenCount]; absent where the
   * engine cannot tell.
   */
  readonly entropies?: readonly Float32Array[];
}

export interface UpdateResult extends TreeScores {
  /** −J before the step. */
  readonly loss: number;
  /** Global norm of the gradient before it was scaled or clipped; absent where the engine cannot tell. */
  readonly gradNorm?: number;
  /** Factor that gave the gradient the norm of `normOf`'s; absent without. */
  readonly rescale?: number;
  /** Some weight moved by more than 1e-10; absent where the engine cannot tell. */
  readonly changed?: boolean;
  /** Tokens computed: distinct tree tokens and prompts. */
  readonly treeTokens: number;
  /** Tokens that went through the model, padding included. */
  readonly computedTokens: number;
  /** Of an engine that is sent sequences: what was sent, prompts included, and what equal completions would have added. */
  readonly sent?: { readonly tokens: number; readonly saved: number };
}

/** A log-probability, loss or gradient that is not a number; the weights are as before. */
export class NotFiniteError extends UserError {
  override name = 'NotFiniteError';
}

/** A request, example or checkpoint that the engine cannot take. */
export class EngineError extends UserError {
  override name = 'EngineError';
}

/**
 * The engine's state is gone, or nobody knows what it is: weights may have taken a step or not. Nothing goes on until a
 * saved state is loaded.
 */
export class StateLostError extends EngineError {
  override name = 'StateLostError';
}

/** What an engine can do. A configuration that wants more is refused before anything starts. */
export interface Capabilities {
  /** Which ratio an update can clip, and how. */
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
  /** A gradient scaled to the norm of another batch's (`normOf`). */
  readonly rescale: boolean;
  /** Tokens that are not trained, between others that are (`mask`). */
  readonly masks: boolean;
  /** Ends that are found by a function (`watch`). */
  readonly watchers: boolean;
  /** A subset of the vocabulary (`allowedTokens`). */
  readonly allowedTokens: boolean;
  readonly topK: boolean;
  readonly topP: boolean;
  readonly momentum: boolean;
  readonly optimizers: readonly ('adamw' | 'sgd')[];
  /** A gradient is scaled down to a largest norm (`maxGradNorm`). */
  readonly gradientClipping: boolean;
  /** Training at the temperature that was sampled at, whichever it is; false: at 1 alone. */
  readonly temperature: boolean;
  /** Prompt and completion together, tokens. */
  readonly contextLength: number;
  /** `save` keeps the optimizer's state, so that a continued run equals an uninterrupted one. */
  readonly optimizerState: boolean;
  /** Samples may come from other probabilities than those that are trained. */
  readonly otherSampler: boolean;
  /** `sample` may be called before an update and answered after it, with the weights from before. */
  readonly sampleAhead: boolean;
}

/** Every method may be cancelled; the engine is then as before the call. */
export interface Engine {
  /** As the configuration names it. */
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
  /** Forgets the optimizer's state: what follows is another objective. */
  resetOptimizer(options?: Abortable): Promise<void>;
  /** Writes weights, optimizer state and reference into a store. */
  save(store: Store, options?: Abortable): Promise<void>;
  /** Restores what `save` wrote. @throws EngineError if something is missing, cut short or of another model */
  load(store: Store, options?: Abortable): Promise<void>;
  dispose(): Promise<void>;
}
