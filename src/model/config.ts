/** The shape of a decoder, in the words of GPT-2's own configuration file. */

import { UserError } from '../errors.js';

export interface ModelConfig {
  /** Number of token ids, V. */
  readonly vocabularySize: number;
  /** Longest sequence (prompt and completion) the learned positions cover. */
  readonly contextLength: number;
  /** Width of the residual stream, D. */
  readonly width: number;
  readonly layers: number;
  /** Attention heads; each is D / heads wide. */
  readonly heads: number;
}

export const LAYER_NORM_EPSILON = 1e-5;

/** A model, or a checkpoint of one, that cannot be. */
export class ModelError extends UserError {
  override name = 'ModelError';
}

/** @throws ModelError naming the key, what was found and what is allowed */
export function checkModelConfig(config: ModelConfig): void {
  for (const key of ['vocabularySize', 'contextLength', 'width', 'layers', 'heads'] as const) {
    if (!Number.isInteger(config[key]) || config[key] < 1) {
      throw new ModelError(`model: ${key} must be a whole number of at least 1, found ${config[key]}`);
    }
  }
  if (config.width % config.heads !== 0) {
    throw new ModelError(`model: width ${config.width} must be a multiple of heads ${config.heads}`);
  }
}

/** The model as `config.json` of the Hugging Face layout. */
export function toHuggingFaceConfig(config: ModelConfig): Record<string, unknown> {
  return {
    architectures: ['GPT2LMHeadModel'],
    model_type: 'gpt2',
    vocab_size: config.vocabularySize,
    n_positions: config.contextLength,
    n_ctx: config.contextLength,
    n_embd: config.width,
    n_layer: config.layers,
    n_head: config.heads,
    activation_function: 'gelu_new',
    layer_norm_epsilon: LAYER_NORM_EPSILON,
    attn_pdrop: 0,
    embd_pdrop: 0,
    resid_pdrop: 0,
    tie_word_embeddings: true,
    torch_dtype: 'float32',
  };
}
