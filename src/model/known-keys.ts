/**
 * Keys of config.json that do not change what a model computes here: training, sampling, storage and labels. A key
 * that is neither read (architectures.ts) nor listed here is refused, because it may change the computation (a logit
 * scale, a soft cap, a multiplier, quantised weights). Some keys are harmless with one value only.
 */
import type { Family } from './config.js';

/** Keys of all families: bookkeeping, generation defaults, and dropout, which is off here as in evaluation. */
const COMMON = `
  architectures model_type transformers_version torch_dtype dtype use_cache initializer_range
  bos_token_id eos_token_id pad_token_id sep_token_id unk_token_id decoder_start_token_id
  attention_dropout hidden_dropout classifier_dropout embd_pdrop attn_pdrop resid_pdrop
  return_dict output_hidden_states output_attentions output_scores return_dict_in_generate torchscript
  use_bfloat16 tf_legacy_loss attn_implementation gradient_checkpointing
  finetuning_task id2label label2id num_labels problem_type task_specific_params tokenizer_class prefix
  max_length max_new_tokens min_length do_sample early_stopping num_beams num_beam_groups diversity_penalty
  temperature top_k top_p typical_p min_p repetition_penalty length_penalty no_repeat_ngram_size
  encoder_no_repeat_ngram_size bad_words_ids num_return_sequences forced_bos_token_id forced_eos_token_id
  remove_invalid_values exponential_decay_length_penalty suppress_tokens begin_suppress_tokens
  pretraining_tp model_max_length max_sequence_length tokenizer_model_max_length
  name_or_path model_name use_flash_attention use_flash_attention_2 use_flash_attn
`;

/** Keys of one family; `sliding_window` matters only with `use_sliding_window`, which is read. */
const OF_FAMILY: Readonly<Record<Family, string>> = {
  gpt2: `
    n_ctx reorder_and_upcast_attn summary_type summary_use_proj summary_activation summary_proj_to_labels
    summary_first_dropout summary_last_dropout
  `,
  llama: 'transformers.js_config',
  qwen2: 'sliding_window max_window_layers attention_bias transformers.js_config',
  qwen3: 'sliding_window max_window_layers transformers.js_config',
  smollm3: 'sliding_window max_window_layers transformers.js_config',
};

/** Keys that are harmless only with these values. */
const AT_VALUES: Readonly<Record<string, readonly unknown[]>> = {
  chunk_size_feed_forward: [0],
  is_encoder_decoder: [false],
  is_decoder: [false, true],
  add_cross_attention: [false],
  tie_encoder_decoder: [false],
  is_llama_config: [true],
  rope_interleaved: [false],
  use_mrope: [false],
  mlp_bias: [false],
  attention_bias: [false],
  use_qk_norm: [false],
  qk_norm: [false],
  logit_scale: [1],
  embedding_multiplier: [1],
  residual_multiplier: [1],
  logits_scaling: [1],
  num_experts: [0],
  num_local_experts: [0],
};

const words = (text: string): string[] => text.split(/\s+/).filter((word) => word !== '');
const HARMLESS = new Map(
  Object.entries(OF_FAMILY).map(([family, keys]) => [family, new Set([...words(COMMON), ...words(keys)])]),
);

/** Whether a key that is not read can be ignored. */
export function isHarmless(family: Family, key: string, value: unknown): boolean {
  // null means "not used" in these files; keys with a leading underscore are the libraries' own bookkeeping.
  if (value === null || key.startsWith('_') || key.startsWith('unsloth_')) return true;
  const values = AT_VALUES[key];
  if (values?.includes(value)) return true;
  if (values && !HARMLESS.get(family)?.has(key)) return false;
  if (key === 'pruned_heads') return JSON.stringify(value) === '{}';
  // Custom code of a model that replaces its computation is not run here.
  if (key === 'auto_map') return typeof value === 'object' && !Object.keys(value).some(isModelClass);
  return HARMLESS.get(family)?.has(key) ?? false;
}

const isModelClass = (name: string): boolean => /^AutoModel/.test(name);
