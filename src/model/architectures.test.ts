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
    const { heads, architecture: of } = readModelConfig(llama, 'config.json');
    expect(heads).toBe(8);
    expect(of).toMatchObject({
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
    [{ model_type: 'mamba' }, 'model_type: found "mamba"; allowed is gpt2, llama, qwen2, qwen3'],
    [{ model_type: undefined }, 'model_type: found nothing'],
    [{ hidden_act: 'gelu' }, 'hidden_act: found "gelu"; allowed is "silu"'],
    [{ hidden_size: 'wide' }, 'hidden_size: found "wide"; allowed is a whole number'],
    [{ num_key_value_heads: 3 }, 'heads 8 must be a multiple of the key and value heads, 3'],
    [
      { rope_scaling: { rope_type: 'yarn', factor: 4 } },
      'rope_scaling: rope_type: found "yarn"; allowed is "default" or "llama3"',
    ],
    [{ rope_scaling: { type: 'linear', factor: 4 } }, 'rope_scaling: type: found "linear"'],
    [
      { rope_scaling: { ...LLAMA3, factor: undefined } },
      'factor: found nothing; allowed is a positive number',
    ],
    [{ use_sliding_window: true }, 'use_sliding_window: found true; allowed is false'],
    [{ layer_types: ['full_attention', 'sliding_attention'] }, 'layer_types'],
    [{ partial_rotary_factor: 0.5 }, 'partial_rotary_factor: found 0.5'],
    [{ model_type: 'gpt2', activation_function: 'relu' }, 'activation_function: found "relu"'],
    [{ head_dim: 7 }, 'even width of a head, found 7'],
  ])('what it says and we do not have is refused: %j', (change, line) => {
    expect(() => readModelConfig({ ...llama, ...change }, 'x/config.json')).toThrow(
      expect.objectContaining({ message: expect.stringContaining(line) }),
    );
    expect(() => readModelConfig({ ...llama, ...change }, 'x/config.json')).toThrow(
      /^x\/config\.json: [^\n]*$/,
    );
  });

  it('must be an object', () => {
    expect(() => readModelConfig([], 'c.json')).toThrow('c.json: found no object');
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
