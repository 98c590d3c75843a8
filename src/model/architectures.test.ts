import { describe, expect, it } from 'vitest';
import { readModelConfig, toHuggingFaceConfig } from './architectures.js';
import { rotaryFrequencies } from './rotary.js';

const llama = {
  model_type: 'llama',
  vocab_size: 100,
  hidden_size: 64,
  intermediate_size: 96,
  num_hidden_layers: 2,
  num_attention_heads: 8,
  num_key_value_heads: 2,
  max_position_embeddings: 512,
  rms_norm_eps: 1e-5,
};
const LLAMA3 = {
  rope_type: 'llama3',
  factor: 8,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 8192,
};

describe('config.json', () => {
  it('is read with the defaults of its family', () => {
    const { heads, architecture } = readModelConfig(llama, 'config.json');
    expect(heads).toBe(8);
    expect(architecture).toMatchObject({
      keyValueHeads: 2,
      headWidth: 8,
      tiedHead: false,
      bias: { qkv: false, output: false, mlp: false },
      rotary: { theta: 10_000, scaling: null },
    });
    expect(readModelConfig({ ...llama, model_type: 'qwen2' }, '').architecture?.bias).toEqual({
      qkv: true,
      output: false,
      mlp: false,
    });
    expect(readModelConfig({ ...llama, model_type: 'qwen3' }, '').architecture).toMatchObject({
      headWidth: 128,
      qkNorm: true,
    });
  });

  it('says the same of rotary positions in its older and its newer form', () => {
    const older = readModelConfig({ ...llama, rope_theta: 5e5, rope_scaling: LLAMA3 }, '');
    const newer = readModelConfig({ ...llama, rope_parameters: { ...LLAMA3, rope_theta: 5e5 } }, '');
    expect(older).toEqual(newer);
    expect(readModelConfig(JSON.parse(JSON.stringify(toHuggingFaceConfig(older))), '')).toEqual(older);
  });

  it.each([
    [{ model_type: 'mamba' }, 'model_type: expected gpt2, llama, qwen2, qwen3, smollm3, got "mamba"'],
    [{ model_type: undefined }, 'model_type: expected gpt2, llama, qwen2, qwen3, smollm3, got nothing'],
    [{ hidden_act: 'gelu' }, 'hidden_act: expected "silu" or "swish", got "gelu"'],
    [{ hidden_size: 'wide' }, 'hidden_size: expected a whole number of at least 1, got "wide"'],
    [{ num_key_value_heads: 3 }, 'heads 8 must be a multiple of the key and value heads, 3'],
    [
      { rope_scaling: { rope_type: 'yarn', factor: 4 } },
      'rope_scaling: rope_type: expected "default" or "llama3", got "yarn"',
    ],
    [
      { rope_scaling: { type: 'linear', factor: 4 } },
      'rope_scaling: type: expected "default" or "llama3", got "linear"',
    ],
    [{ rope_scaling: { ...LLAMA3, factor: undefined } }, 'factor: expected a positive number, got nothing'],
    [{ use_sliding_window: true }, 'use_sliding_window: expected false, got true'],
    [{ layer_types: ['full_attention', 'sliding_attention'] }, 'layer_types'],
    [{ partial_rotary_factor: 0.5 }, 'partial_rotary_factor: expected 1, got 0.5'],
    [
      { model_type: 'gpt2', activation_function: 'relu' },
      'activation_function: expected "gelu_new" or "gelu_pytorch_tanh", got "relu"',
    ],
    // If both are present, transformers 5 reads only the older one.
    [
      {
        rope_parameters: { rope_theta: 5e5, rope_type: 'default' },
        rope_scaling: { rope_type: 'linear', factor: 4 },
      },
      'rope_scaling: rope_type: expected "default" or "llama3", got "linear"',
    ],
    [{ rope_parameters: { rope_theta: 5e5, mscale: 2 } }, 'rope_parameters: mscale: expected a key that'],
    [
      { layer_types: ['full_attention'], rope_parameters: { full_attention: {} } },
      'full_attention: expected a',
    ],
    [{ rope_parameters: { rope_theta: '5e5' } }, 'rope_theta: expected a positive number, got "5e5"'],
    [{ logit_scale: 0.25 }, 'logit_scale: expected a key that this architecture supports, got 0.25'],
    [{ final_logit_softcapping: 30 }, 'final_logit_softcapping: expected'],
    [{ attn_logit_softcapping: 50 }, 'attn_logit_softcapping: expected'],
    [{ embedding_multiplier: 12 }, 'embedding_multiplier: expected'],
    [{ residual_multiplier: 0.22 }, 'residual_multiplier: expected'],
    [{ attention_multiplier: 0.0078125 }, 'attention_multiplier: expected'],
    [{ num_experts: 8 }, 'num_experts: expected'],
    [{ qk_norm: true }, 'qk_norm: expected'],
    [{ sliding_window: 4096 }, 'sliding_window: expected'],
    [{ no_rope_layers: [1, 1, 1, 0] }, 'no_rope_layers: expected'],
    [{ rope_interleaved: true }, 'rope_interleaved: expected'],
    [{ model_type: 'smollm3', no_rope_layers: [1] }, 'a list of 0 and 1 for each of 2 layers, got [1]'],
    [{ model_type: 'smollm3', no_rope_layers: [1, 2] }, 'a list of 0 and 1 for each of 2 layers, got [1,2]'],
    [{ model_type: 'smollm3', no_rope_layers: 'none' }, 'a list of 0 and 1 for each of 2 layers'],
    [{ model_type: 'smollm3', no_rope_layer_interval: 0 }, 'no_rope_layer_interval: expected a whole'],
    [{ model_type: 'smollm3', use_sliding_window: true }, 'use_sliding_window: expected false'],
    [{ quantization_config: { bits: 4, quant_method: 'gptq' } }, 'quantization_config: expected'],
    [{ auto_map: { AutoModelForCausalLM: 'modeling_x.X' } }, 'auto_map: expected'],
    [{ pruned_heads: { 0: [1] } }, 'pruned_heads: expected'],
    [{ model_type: 'qwen2', mlp_bias: true }, 'mlp_bias: expected'],
    [{ model_type: 'qwen2', use_mrope: true }, 'use_mrope: expected'],
    [{ is_encoder_decoder: true }, 'is_encoder_decoder: expected'],
    [{ head_dim: 7 }, 'expected an even width of a head (rotary positions), got 7'],
  ])('what it says and we do not have is refused: %j', (change, line) => {
    expect(() => readModelConfig({ ...llama, ...change }, 'x/config.json')).toThrow(
      expect.objectContaining({ message: expect.stringContaining(line) }),
    );
    expect(() => readModelConfig({ ...llama, ...change }, 'x/config.json')).toThrow(
      /^x\/config\.json: [^\n]*$/,
    );
  });

  it('must be an object', () => {
    expect(() => readModelConfig([], 'c.json')).toThrow('c.json: expected the keys of a model, got []');
  });
});

describe('rotary frequencies', () => {
  it('with the scaling of Llama 3: fast planes as before, slow ones stretched, those between in proportion', () => {
    const scaling = { factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 8192 };
    const plain = rotaryFrequencies({ theta: 5e5, scaling: null }, 128);
    const scaled = rotaryFrequencies({ theta: 5e5, scaling }, 128);
    let between = 0;
    for (let i = 0; i < 64; i++) {
      const wavelength = (2 * Math.PI) / plain[i];
      const ratio = plain[i] / scaled[i];
      if (wavelength < 8192 / 4) expect(ratio).toBe(1);
      else if (wavelength > 8192) expect(ratio).toBeCloseTo(8, 5);
      else {
        between++;
        expect(ratio).toBeGreaterThan(1);
        expect(ratio).toBeLessThan(8);
      }
    }
    expect(between).toBeGreaterThan(2);
  });
});
