/**
 * Reads `config.json` of the Hugging Face layout into a ModelConfig and writes it. Unknown options that could change
 * the computation are refused.
 */
import {
  type Architecture,
  architectureOf,
  checkModelConfig,
  FAMILIES,
  type Family,
  type Llama3Scaling,
  type ModelConfig,
  ModelError,
  type Rotary,
} from './config.js';
import { isHarmless } from './known-keys.js';

type Json = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Reads the keys of one file and remembers which were read; every error names the file and the key. */
class Keys {
  private readonly readKeys = new Set<string>();

  constructor(
    private readonly json: Json,
    private readonly where: string,
  ) {}

  fail(key: string, allowed: string): never {
    const value = this.json[key];
    throw new ModelError(
      `${this.where}: ${key}: expected ${allowed}, got ${value === undefined ? 'nothing' : brief(value)}`,
    );
  }

  get(key: string): unknown {
    this.readKeys.add(key);
    return this.json[key];
  }

  get isEmpty(): boolean {
    return Object.keys(this.json).length === 0;
  }

  /** Refuses keys that were not read, unless they are `harmless`. */
  finish(harmless: (key: string, value: unknown) => boolean): void {
    for (const [key, value] of Object.entries(this.json)) {
      if (this.readKeys.has(key) || harmless(key, value)) continue;
      throw new ModelError(
        `${this.where}: ${key}: expected a key that this architecture supports, got ${brief(value)}; ` +
          'an unknown key may change what the model computes (remove the key if it does not)',
      );
    }
  }

  whole(key: string, otherwise?: number): number {
    const value = this.get(key) ?? otherwise;
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 1) {
      this.fail(key, 'a whole number of at least 1');
    }
    return value;
  }

  positive(key: string, otherwise?: number): number {
    const value = this.get(key) ?? otherwise;
    if (typeof value !== 'number' || !(value > 0) || !Number.isFinite(value)) {
      this.fail(key, 'a positive number');
    }
    return value;
  }

  flag(key: string, otherwise: boolean): boolean {
    const value = this.get(key) ?? otherwise;
    if (typeof value !== 'boolean') this.fail(key, 'true or false');
    return value;
  }

  /** Refuses all values except the supported one. */
  only(key: string, allowed: readonly unknown[], otherwise: unknown): void {
    if (!allowed.includes(this.get(key) ?? otherwise)) {
      this.fail(key, allowed.map((value) => JSON.stringify(value)).join(' or '));
    }
  }

  object(key: string): Keys | null {
    const value = this.get(key);
    if (value === undefined || value === null) return null;
    if (!isObject(value)) this.fail(key, 'an object');
    return new Keys(value, `${this.where}: ${key}`);
  }
}

/** A value as shown in messages. */
function brief(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
}

/**
 * Reads a model's shape from its config.json.
 * @param json the parsed file
 * @param where the file's name, for messages
 * @throws ModelError naming file and key, what is expected and what came
 */
export function readModelConfig(json: unknown, where: string): ModelConfig {
  if (!isObject(json)) throw new ModelError(`${where}: expected the keys of a model, got ${brief(json)}`);
  const keys = new Keys(json, where);
  const family = json.model_type as Family;
  if (!FAMILIES.includes(family)) keys.fail('model_type', FAMILIES.join(', '));
  const config = family === 'gpt2' ? readGpt2(keys) : readRotary(keys, family);
  keys.finish((key, value) => isHarmless(family, key, value));
  try {
    checkModelConfig(config);
  } catch (error) {
    throw new ModelError(`${where}: ${(error as Error).message}`);
  }
  return config;
}

function readGpt2(keys: Keys): ModelConfig {
  keys.only('activation_function', ['gelu_new', 'gelu_pytorch_tanh'], 'gelu_new');
  keys.only('scale_attn_weights', [true], true);
  keys.only('scale_attn_by_inverse_layer_idx', [false], false);
  keys.only('add_cross_attention', [false], false);
  const tiedHead = keys.flag('tie_word_embeddings', true);
  const [width, heads] = [keys.whole('n_embd', 768), keys.whole('n_head', 12)];
  const plain: ModelConfig = {
    vocabularySize: keys.whole('vocab_size'),
    contextLength: keys.whole('n_positions', 1024),
    width,
    layers: keys.whole('n_layer', 12),
    heads,
  };
  checkModelConfig(plain);
  const standard = architectureOf(plain);
  const intermediate = keys.get('n_inner') === null ? 4 * width : keys.whole('n_inner', 4 * width);
  const normEpsilon = keys.positive('layer_norm_epsilon', standard.normEpsilon);
  if (intermediate === standard.intermediate && normEpsilon === standard.normEpsilon && tiedHead)
    return plain;
  return { ...plain, architecture: { ...standard, intermediate, normEpsilon, tiedHead } };
}

function readRotary(keys: Keys, family: Exclude<Family, 'gpt2'>): ModelConfig {
  keys.only('hidden_act', ['silu', 'swish'], 'silu');
  keys.only('use_sliding_window', [false], false);
  const layerTypes = keys.get('layer_types');
  if (Array.isArray(layerTypes) && layerTypes.some((type) => type !== 'full_attention')) {
    keys.fail('layer_types', 'full_attention in every layer');
  }
  keys.only('partial_rotary_factor', [1], 1);
  const width = keys.whole('hidden_size');
  const heads = keys.whole('num_attention_heads');
  // Qwen 2 has biases of queries, keys and values, whatever this key says.
  const attentionBias = family !== 'qwen2' && keys.flag('attention_bias', false);
  const layers = keys.whole('num_hidden_layers');
  const smollm3 = family === 'smollm3';
  // If a SmolLM 3 file does not set it, it is 4; null means as many as there are heads.
  const keyValueHeads = smollm3 && keys.get('num_key_value_heads') === undefined ? 4 : heads;
  const architecture: Architecture = {
    family,
    norm: 'rms',
    normEpsilon: keys.positive('rms_norm_eps', 1e-6),
    rotary: smollm3
      ? { ...readRope(keys, 2_000_000), unturned: readUnturned(keys, layers) }
      : readRope(keys, 10_000),
    keyValueHeads: keys.whole('num_key_value_heads', keyValueHeads),
    headWidth: keys.whole('head_dim', family === 'qwen3' ? 128 : width / heads),
    intermediate: keys.whole('intermediate_size'),
    activation: 'swiglu',
    bias: {
      qkv: family === 'qwen2' || attentionBias,
      output: attentionBias,
      mlp: (family === 'llama' || smollm3) && keys.flag('mlp_bias', false),
    },
    qkNorm: family === 'qwen3',
    tiedHead: keys.flag('tie_word_embeddings', smollm3),
  };
  return {
    vocabularySize: keys.whole('vocab_size'),
    contextLength: keys.whole('max_position_embeddings'),
    width,
    layers,
    heads,
    architecture,
  };
}

/**
 * Layers without positions: `no_rope_layers` has 0 for each of them (at least one entry per layer); without this key,
 * every `no_rope_layer_interval`-th layer is one.
 */
function readUnturned(keys: Keys, layers: number): number[] {
  const interval = keys.whole('no_rope_layer_interval', 4);
  const turned = keys.get('no_rope_layers') ?? null;
  const all = Array.from({ length: layers }, (_, layer) => layer);
  if (turned === null) return all.filter((layer) => (layer + 1) % interval === 0);
  const isList = Array.isArray(turned) && turned.every((entry) => entry === 0 || entry === 1);
  if (!isList || turned.length < layers)
    keys.fail('no_rope_layers', `a list of 0 and 1 for each of ${layers} layers`);
  return all.filter((layer) => turned[layer] === 0);
}

/**
 * Rotary positions: `rope_parameters`, or the older `rope_scaling` with `rope_theta`. If both objects are present,
 * `rope_scaling` replaces the other as a whole, `rope_theta` included, as in transformers 5.
 */
function readRope(keys: Keys, defaultTheta: number): Rotary {
  const [old, now] = [keys.object('rope_scaling'), keys.object('rope_parameters')];
  const rope = old && !old.isEmpty ? old : now;
  const outer = keys.positive('rope_theta', defaultTheta);
  if (!rope) return { theta: outer, scaling: null };
  const theta = rope.get('rope_theta') === undefined ? outer : rope.positive('rope_theta');
  // `type` is the older name; it is ignored if both are present.
  const older = rope.get('type');
  const typeKey = rope.get('rope_type') === undefined && older !== undefined ? 'type' : 'rope_type';
  rope.only(typeKey, ['default', 'llama3'], 'default');
  rope.only('partial_rotary_factor', [1], 1);
  let scaling: Llama3Scaling | null = null;
  if (rope.get(typeKey) === 'llama3') {
    scaling = {
      factor: rope.positive('factor'),
      lowFrequencyFactor: rope.positive('low_freq_factor'),
      highFrequencyFactor: rope.positive('high_freq_factor'),
      originalContext: rope.whole('original_max_position_embeddings', keys.whole('max_position_embeddings')),
    };
    if (scaling.highFrequencyFactor <= scaling.lowFrequencyFactor) {
      rope.fail('high_freq_factor', `more than low_freq_factor, ${scaling.lowFrequencyFactor}`);
    }
  }
  rope.finish((_, value) => value === null);
  return { theta, scaling };
}

const CLASSES: Record<Family, string> = {
  gpt2: 'GPT2LMHeadModel',
  llama: 'LlamaForCausalLM',
  qwen2: 'Qwen2ForCausalLM',
  qwen3: 'Qwen3ForCausalLM',
  smollm3: 'SmolLM3ForCausalLM',
};

/** The model as `config.json` of the Hugging Face layout. */
export function toHuggingFaceConfig(config: ModelConfig): Record<string, unknown> {
  const architecture = architectureOf(config);
  const common = {
    architectures: [CLASSES[architecture.family]],
    model_type: architecture.family,
    vocab_size: config.vocabularySize,
    tie_word_embeddings: architecture.tiedHead,
    torch_dtype: 'float32',
  };
  if (architecture.family === 'gpt2') {
    return {
      ...common,
      n_positions: config.contextLength,
      n_ctx: config.contextLength,
      n_embd: config.width,
      n_layer: config.layers,
      n_head: config.heads,
      ...(architecture.intermediate === 4 * config.width ? {} : { n_inner: architecture.intermediate }),
      activation_function: 'gelu_new',
      layer_norm_epsilon: architecture.normEpsilon,
      attn_pdrop: 0,
      embd_pdrop: 0,
      resid_pdrop: 0,
    };
  }
  const { theta, scaling, unturned } = architecture.rotary as Rotary;
  return {
    ...common,
    max_position_embeddings: config.contextLength,
    hidden_size: config.width,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: architecture.keyValueHeads,
    head_dim: architecture.headWidth,
    intermediate_size: architecture.intermediate,
    hidden_act: 'silu',
    rms_norm_eps: architecture.normEpsilon,
    rope_theta: theta,
    rope_scaling: scaling && {
      rope_type: 'llama3',
      factor: scaling.factor,
      low_freq_factor: scaling.lowFrequencyFactor,
      high_freq_factor: scaling.highFrequencyFactor,
      original_max_position_embeddings: scaling.originalContext,
    },
    ...(architecture.family === 'qwen2'
      ? { use_sliding_window: false }
      : { attention_bias: architecture.bias.output }),
    ...(architecture.family === 'llama' || architecture.family === 'smollm3'
      ? { mlp_bias: architecture.bias.mlp }
      : {}),
    ...(unturned
      ? { no_rope_layers: Array.from({ length: config.layers }, (_, i) => Number(!unturned.includes(i))) }
      : {}),
  };
}
