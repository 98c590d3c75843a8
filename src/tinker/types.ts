/** Data types of the Tinker API for a training loop: policy-gradient data in, log-probabilities out. */

/** One sequence with the values of its policy-gradient loss; position t predicts `targets[t]`. */
export interface Datum {
  /** Prompt and completion without the last token, [n]. */
  readonly tokens: Int32Array;
  /** Prompt and completion without the first token, [n]. */
  readonly targets: Int32Array;
  /** ln π of the sampler (or π_old) of each target, [n]; 0 in the prompt. */
  readonly logprobs: Float32Array;
  /** Advantage of each target, [n]; 0 in the prompt. */
  readonly advantages: Float32Array;
  /** 1 if a target is trained, [n]. Without it, servers that average also count the prompt. */
  readonly weights: Float32Array;
}

/** Losses of SkyRL's JAX backend; others pass its validation but fail later. */
export type LossName = 'cross_entropy' | 'importance_sampling' | 'ppo' | 'cispo';

/** Bounds of the ratio: 1 − ε_low and 1 + ε_high. */
export interface LossBounds {
  readonly clip_low_threshold?: number;
  readonly clip_high_threshold?: number;
}

export interface TrainingRequest {
  readonly modelId: string;
  /** Number of the request among the model's training requests, from 1. */
  readonly seqId: number;
  readonly data: readonly Datum[];
  readonly loss: LossName;
  readonly bounds?: LossBounds;
  readonly forwardOnly?: boolean;
}

export interface TrainingAnswer {
  /** ln π of each datum's targets, [data][n]. */
  readonly logprobs: readonly Float32Array[];
  /** Loss of each target, [data][n]. */
  readonly losses: readonly Float32Array[];
  readonly metrics: Readonly<Record<string, number>>;
}

export interface AdamParameters {
  readonly learning_rate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly weight_decay?: number;
  /** Largest global norm of the gradient; some servers ignore it. */
  readonly grad_clip_norm?: number;
}

export interface SamplingRequest {
  readonly prompt: Int32Array;
  readonly count: number;
  readonly maxTokens: number;
  readonly temperature: number;
  /** Whole, from 0 to 2³¹ − 1. */
  readonly seed: number;
  /** Token ids that end a completion. */
  readonly stop?: readonly number[];
  /** −1: all. */
  readonly topK?: number;
  readonly topP?: number;
}

export interface SampledSequence {
  readonly tokens: Int32Array;
  readonly logprobs: Float32Array;
  readonly stop: 'stop' | 'length';
}

/** Wire format of forward_backward requests and of answers of sampling and training. */
export type Wire = 'json' | 'protobuf';
