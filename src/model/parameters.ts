/**
 * The weights of a decoder: one flat Float32Array, and a named view of it for each tensor. One array makes the
 * optimizer a single loop and a snapshot a single copy; the views are what the runtime reads in place.
 * Names and layouts are those of the family's checkpoints, so that a file's bytes are used as they are. Initialisation
 * is GPT-2's at its own width:
 * normal, embeddings with deviation 0.02, matrices with 0.02·√(768/width), projections into the residual stream
 * scaled by 1/√(2·layers), biases 0, gains 1. (0.02 at small widths starts a network that hardly reads its context.)
 */
import { Stream } from '../random/stream.js';
import { architectureOf, checkModelConfig, type ModelConfig } from './config.js';
import { type LinearModule, layerModules, modelModules } from './modules.js';

export interface ParameterSpec {
  readonly name: string;
  readonly shape: readonly number[];
  /** Index of the first element in the flat array. */
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
  const { vocabularySize, contextLength, width } = config;
  const { norm: kind, headWidth } = architectureOf(config);
  const specs: ParameterSpec[] = [];
  let offset = 0;
  const declare = (name: string, shape: readonly number[], init: ParameterSpec['init']): void => {
    const size = shape.reduce((n, dim) => n * dim, 1);
    specs.push({ name, shape, offset, size, init });
    offset += size;
  };
  const norm = (name: string, size = width): void => {
    declare(`${name}.weight`, [size], 'ones');
    if (kind === 'layer') declare(`${name}.bias`, [size], 'zeros');
  };
  const linear = (module: LinearModule): void => {
    const { name, in: from, out: to, transposed, bias, residual } = module;
    declare(`${name}.weight`, transposed ? [to, from] : [from, to], residual ? 'residual' : 'matrix');
    if (bias) declare(`${name}.bias`, [to], 'zeros');
  };
  const { embedding, positions, finalNorm, head } = modelModules(config);
  declare(`${embedding}.weight`, [vocabularySize, width], 'embedding');
  if (positions) declare(`${positions}.weight`, [contextLength, width], 'embedding');
  for (let layer = 0; layer < config.layers; layer++) {
    const parts = layerModules(config, layer);
    norm(parts.attentionNorm);
    parts.qkv.forEach(linear);
    if (parts.qkNorm) {
      norm(parts.qkNorm.q, headWidth);
      norm(parts.qkNorm.k, headWidth);
    }
    linear(parts.output);
    norm(parts.mlpNorm);
    parts.up.forEach(linear);
    linear(parts.down);
  }
  norm(finalNorm);
  if (head) declare(`${head}.weight`, [vocabularySize, width], 'embedding');
  return specs;
}

/** Flat weights with named views: a model's, or an adapter's. */
export class ParameterSet {
  /** All weights, shape [count]. */
  readonly flat: Float32Array;
  /** The same memory by name. */
  readonly views: ReadonlyMap<string, Float32Array>;

  constructor(
    readonly specs: readonly ParameterSpec[],
    flat?: Float32Array,
  ) {
    this.flat = flat ?? new Float32Array(specs.reduce((n, { size }) => n + size, 0));
    this.views = new Map(
      specs.map(({ name, offset, size }) => [name, this.flat.subarray(offset, offset + size)]),
    );
  }
}

/** The weights of a model. */
export class Parameters extends ParameterSet {
  constructor(
    readonly config: ModelConfig,
    flat?: Float32Array,
  ) {
    super(parameterSpecs(config), flat);
  }

  /** Random weights, the same for the same seed. */
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

  /** A copy that does not share memory. */
  clone(): Parameters {
    return new Parameters(this.config, this.flat.slice());
  }
}
