/**
 * The modules of a decoder and their names in the checkpoints of each family. Code that lists weights, adapters or
 * files uses this; the decoder itself only asks for modules.
 */
import { type Architecture, architectureOf, type ModelConfig } from './config.js';

/** A linear map of a layer, as PEFT names it: `model.layers.0.self_attn.q_proj`. */
export interface LinearModule {
  readonly name: string;
  readonly in: number;
  readonly out: number;
  /** Whether its weight is stored as [out, in]; GPT-2's are [in, out]. */
  readonly transposed: boolean;
  readonly bias: boolean;
  /** Whether its output is added to the residual stream. */
  readonly residual: boolean;
}

/** Parts of one layer. */
export interface LayerModules {
  readonly attentionNorm: string;
  /** One map for queries, keys and values together, or three. */
  readonly qkv: readonly LinearModule[];
  /** Norms of query and key heads, if there are any. */
  readonly qkNorm: { readonly q: string; readonly k: string } | null;
  readonly output: LinearModule;
  readonly mlpNorm: string;
  /** [up], or [gate, up]. */
  readonly up: readonly LinearModule[];
  readonly down: LinearModule;
}

export interface ModelModules {
  readonly embedding: string;
  /** Learned positions; null: rotary ones. */
  readonly positions: string | null;
  readonly finalNorm: string;
  /** null: tied to the embedding. */
  readonly head: string | null;
}

/** Names of the modules around the layers. */
export function modelModules(config: ModelConfig): ModelModules {
  const { family, tiedHead } = architectureOf(config);
  return family === 'gpt2'
    ? { embedding: 'wte', positions: 'wpe', finalNorm: 'ln_f', head: tiedHead ? null : 'lm_head' }
    : {
        embedding: 'model.embed_tokens',
        positions: null,
        finalNorm: 'model.norm',
        head: tiedHead ? null : 'lm_head',
      };
}

/** Parts of the layer-th layer. */
export function layerModules(config: ModelConfig, layer: number): LayerModules {
  const architecture = architectureOf(config);
  return architecture.family === 'gpt2'
    ? gpt2Layer(config, architecture, layer)
    : rotaryLayer(config, architecture, layer);
}

function gpt2Layer({ width }: ModelConfig, architecture: Architecture, layer: number): LayerModules {
  const map = (name: string, from: number, to: number, residual = false): LinearModule => ({
    name: `h.${layer}.${name}`,
    in: from,
    out: to,
    transposed: false,
    bias: true,
    residual,
  });
  return {
    attentionNorm: `h.${layer}.ln_1`,
    qkv: [map('attn.c_attn', width, 3 * width)],
    qkNorm: null,
    output: map('attn.c_proj', width, width, true),
    mlpNorm: `h.${layer}.ln_2`,
    up: [map('mlp.c_fc', width, architecture.intermediate)],
    down: map('mlp.c_proj', architecture.intermediate, width, true),
  };
}

function rotaryLayer({ width, heads }: ModelConfig, architecture: Architecture, layer: number): LayerModules {
  const { bias, headWidth, intermediate } = architecture;
  const at = `model.layers.${layer}`;
  const map = (name: string, from: number, to: number, hasBias: boolean, residual = false): LinearModule => ({
    name: `${at}.${name}`,
    in: from,
    out: to,
    transposed: true,
    bias: hasBias,
    residual,
  });
  const [queries, keys] = [heads * headWidth, architecture.keyValueHeads * headWidth];
  return {
    attentionNorm: `${at}.input_layernorm`,
    qkv: [
      map('self_attn.q_proj', width, queries, bias.qkv),
      map('self_attn.k_proj', width, keys, bias.qkv),
      map('self_attn.v_proj', width, keys, bias.qkv),
    ],
    qkNorm: architecture.qkNorm ? { q: `${at}.self_attn.q_norm`, k: `${at}.self_attn.k_norm` } : null,
    output: map('self_attn.o_proj', queries, width, bias.output, true),
    mlpNorm: `${at}.post_attention_layernorm`,
    up: [
      map('mlp.gate_proj', width, intermediate, bias.mlp),
      map('mlp.up_proj', width, intermediate, bias.mlp),
    ],
    down: map('mlp.down_proj', intermediate, width, bias.mlp, true),
  };
}

/** The map from the last layer to the logits. */
export function headModule(config: ModelConfig): LinearModule {
  const { head, embedding } = modelModules(config);
  return {
    name: head ?? embedding,
    in: config.width,
    out: config.vocabularySize,
    transposed: true,
    bias: false,
    residual: false,
  };
}

/** Every linear map of the layers, in the order of the computation: the maps that can have an adapter. */
export function linearModules(config: ModelConfig): LinearModule[] {
  return Array.from({ length: config.layers }, (_, layer) => {
    const { qkv, output, up, down } = layerModules(config, layer);
    return [...qkv, output, ...up, down];
  }).flat();
}
