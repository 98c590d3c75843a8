/**
 * The shape of a decoder. One decoder serves every architecture; their differences are options here, so that other
 * code never checks the model family. The default is GPT-2.
 */

import { UserError } from '../errors.js';

/** Families whose checkpoints are read and written; each has its own tensor names and layouts. */
export const FAMILIES = ['gpt2', 'llama', 'qwen2', 'qwen3', 'smollm3'] as const;
export type Family = (typeof FAMILIES)[number];

/** Stretches low frequencies of rotary positions for contexts longer than in pretraining (Llama 3.1). */
export interface Llama3Scaling {
  readonly factor: number;
  /** Wavelengths above originalContext / this are stretched by `factor`. */
  readonly lowFrequencyFactor: number;
  /** Wavelengths below originalContext / this stay unchanged. */
  readonly highFrequencyFactor: number;
  readonly originalContext: number;
}

/** Rotary positions: pairs of channels are rotated by position · θ^(−2i/d). */
export interface Rotary {
  readonly theta: number;
  readonly scaling: Llama3Scaling | null;
  /** Layers, from 0, whose queries and keys are not rotated (NoPE); absent: none. */
  readonly unturned?: readonly number[];
}

/** Differences between architectures. */
export interface Architecture {
  readonly family: Family;
  /** LayerNorm with bias, or RMSNorm without. */
  readonly norm: 'layer' | 'rms';
  readonly normEpsilon: number;
  /** null: learned positions, added to the embedding. */
  readonly rotary: Rotary | null;
  /** Number of key-value heads; each serves heads / this many query heads (grouped-query attention). */
  readonly keyValueHeads: number;
  /** Channels of a head. */
  readonly headWidth: number;
  /** Width of the feed-forward part. */
  readonly intermediate: number;
  /** GELU (tanh form), or SiLU of a gate times the other half (SwiGLU). */
  readonly activation: 'gelu' | 'swiglu';
  /** Linear maps that have a bias. */
  readonly bias: { readonly qkv: boolean; readonly output: boolean; readonly mlp: boolean };
  /** Whether each query and key head has an RMSNorm. */
  readonly qkNorm: boolean;
  /** Whether the head is the embedding. */
  readonly tiedHead: boolean;
}

/** A trained low-rank correction to the linear maps of a model whose own weights are frozen (lora.ts). */
export interface LoraConfig {
  /** Rank. */
  readonly r: number;
  /** The correction is multiplied by alpha / r. */
  readonly alpha: number;
  /** Dropout probability of the correction's input during updates, [0, 1). */
  readonly dropout: number;
  /** Names, or suffixes of names, of linear maps, in PEFT's naming. */
  readonly targets: 'all-linear' | readonly string[];
}

export interface ModelConfig {
  /** Number of token ids, V. */
  readonly vocabularySize: number;
  /** Longest sequence (prompt and completion) that positions cover. */
  readonly contextLength: number;
  /** Width of the residual stream, D. */
  readonly width: number;
  readonly layers: number;
  /** Number of attention heads (of queries). */
  readonly heads: number;
  /** Absent: that of GPT-2. */
  readonly architecture?: Architecture;
  /** The adapter, which alone is trained; absent: all weights are trained. */
  readonly adapter?: LoraConfig;
}

export const LAYER_NORM_EPSILON = 1e-5;

/** The options of a model; the default is GPT-2's. */
export function architectureOf(config: ModelConfig): Architecture {
  return (
    config.architecture ?? {
      family: 'gpt2',
      norm: 'layer',
      normEpsilon: LAYER_NORM_EPSILON,
      rotary: null,
      keyValueHeads: config.heads,
      headWidth: config.width / config.heads,
      intermediate: 4 * config.width,
      activation: 'gelu',
      bias: { qkv: true, output: true, mlp: true },
      qkNorm: false,
      tiedHead: true,
    }
  );
}

/** An invalid model or checkpoint. */
export class ModelError extends UserError {
  override name = 'ModelError';
}

/** @throws ModelError naming the key, what is expected and what came */
export function checkModelConfig(config: ModelConfig): void {
  const whole = (key: string, value: number): void => {
    if (!Number.isInteger(value) || value < 1) {
      throw new ModelError(`model: ${key} expected a whole number of at least 1, got ${value}`);
    }
  };
  for (const key of ['vocabularySize', 'contextLength', 'width', 'layers', 'heads'] as const) {
    whole(key, config[key]);
  }
  const { architecture } = config;
  if (!architecture) {
    if (config.width % config.heads !== 0) {
      throw new ModelError(`model: width ${config.width} must be a multiple of heads ${config.heads}`);
    }
    return;
  }
  for (const key of ['keyValueHeads', 'headWidth', 'intermediate'] as const) whole(key, architecture[key]);
  if (config.heads % architecture.keyValueHeads !== 0) {
    throw new ModelError(
      `model: heads ${config.heads} must be a multiple of the key and value heads, ${architecture.keyValueHeads}`,
    );
  }
  if (architecture.rotary && architecture.headWidth % 2 !== 0) {
    throw new ModelError(
      `model: expected an even width of a head (rotary positions), got ${architecture.headWidth}`,
    );
  }
}
