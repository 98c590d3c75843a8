/**
 * The weights of a decoder: one flat Float32Array, and a named view of it for each tensor. One array makes the
 * optimizer a single loop and a snapshot a single copy; the views are what the runtime reads in place.
 * Names and layouts are GPT-2's (weights of linear maps are [in, out]). Initialisation is GPT-2's at its own width:
 * normal, embeddings with deviation 0.02, matrices with 0.02·√(768/width), projections into the residual stream
 * scaled by 1/√(2·layers), biases 0, gains 1. (0.02 at small widths starts a network that hardly reads its context.)
 */
import { Stream } from '../random/stream.js';
import { checkModelConfig, type ModelConfig } from './config.js';

export interface ParameterSpec {
  readonly name: string;
  readonly shape: readonly number[];
  /** Place of the first element in the flat array. */
  readonly offset: number;
  /** Number of elements. */
  readonly size: number;
  readonly init: 'embedding' | 'matrix' | 'residual' | 'zeros' | 'ones';
}

const EMBEDDING_DEVIATION = 0.02;
const GPT2_WIDTH = 768;

/** All weights in the order of the flat array. */
export function parameterSpecs(config: ModelConfig): ParameterSpec[] {
  checkModelConfig(config);
  const { vocabularySize, contextLength, width: d } = config;
  const specs: ParameterSpec[] = [];
  let offset = 0;
  const declare = (name: string, shape: readonly number[], init: ParameterSpec['init']): void => {
    const size = shape.reduce((n, dim) => n * dim, 1);
    specs.push({ name, shape, offset, size, init });
    offset += size;
  };
  declare('wte.weight', [vocabularySize, d], 'embedding');
  declare('wpe.weight', [contextLength, d], 'embedding');
  for (let layer = 0; layer < config.layers; layer++) {
    const h = `h.${layer}`;
    declare(`${h}.ln_1.weight`, [d], 'ones');
    declare(`${h}.ln_1.bias`, [d], 'zeros');
    declare(`${h}.attn.c_attn.weight`, [d, 3 * d], 'matrix');
    declare(`${h}.attn.c_attn.bias`, [3 * d], 'zeros');
    declare(`${h}.attn.c_proj.weight`, [d, d], 'residual');
    declare(`${h}.attn.c_proj.bias`, [d], 'zeros');
    declare(`${h}.ln_2.weight`, [d], 'ones');
    declare(`${h}.ln_2.bias`, [d], 'zeros');
    declare(`${h}.mlp.c_fc.weight`, [d, 4 * d], 'matrix');
    declare(`${h}.mlp.c_fc.bias`, [4 * d], 'zeros');
    declare(`${h}.mlp.c_proj.weight`, [4 * d, d], 'residual');
    declare(`${h}.mlp.c_proj.bias`, [d], 'zeros');
  }
  declare('ln_f.weight', [d], 'ones');
  declare('ln_f.bias', [d], 'zeros');
  return specs;
}

/** Flat weights with named views. */
export class Parameters {
  readonly specs: readonly ParameterSpec[];
  /** All weights, shape [count]. */
  readonly flat: Float32Array;
  /** The same memory by name. */
  readonly views: ReadonlyMap<string, Float32Array>;

  constructor(
    readonly config: ModelConfig,
    flat?: Float32Array,
  ) {
    this.specs = parameterSpecs(config);
    const count = this.specs.reduce((n, spec) => n + spec.size, 0);
    this.flat = flat ?? new Float32Array(count);
    this.views = new Map(
      this.specs.map(({ name, offset, size }) => [name, this.flat.subarray(offset, offset + size)]),
    );
  }

  /** Fresh weights, the same for the same seed. */
  static initialize(config: ModelConfig, seed: number): Parameters {
    const parameters = new Parameters(config);
    for (const { name, init } of parameters.specs) {
      const view = parameters.views.get(name) as Float32Array;
      if (init === 'ones') view.fill(1);
      if (init === 'zeros' || init === 'ones') continue;
      const deviation =
        EMBEDDING_DEVIATION *
        (init === 'embedding' ? 1 : Math.sqrt(GPT2_WIDTH / config.width)) *
        (init === 'residual' ? 1 / Math.sqrt(2 * config.layers) : 1);
      const stream = new Stream(seed, 'init', name);
      for (let i = 0; i < view.length; i++) view[i] = deviation * stream.normal();
    }
    return parameters;
  }

  /** A copy that later changes do not reach. */
  clone(): Parameters {
    return new Parameters(this.config, this.flat.slice());
  }
}
