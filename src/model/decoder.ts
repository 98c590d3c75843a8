/**
 * The decoder, defined once for every architecture; architectures differ in options (`Architecture`) and names
 * (`modules.ts`). Training, scoring and decoding differ only in attention (`Attend`) and in the rows that go through
 * the head. Tokens are flat, [N]; only attention knows about batches.
 */
import * as g from '../graph/index.js';
import { adapterStacks } from './adapter-stack.js';
import type { Attend } from './attention.js';
import type { DistributionBatch, WeightBatch } from './batches.js';
import { type Architecture, architectureOf, type ModelConfig } from './config.js';
import { headModule, type LayerModules, type LinearModule, layerModules, modelModules } from './modules.js';
import { parameterSpecs } from './parameters.js';
import { rotaryTurn } from './rotary.js';

/** All weights as inputs of a graph, by name; weights of adapters are stacked. */
export type ParameterTensors = ReadonlyMap<string, g.Tensor>;

export function parameterInputs(scope: g.InputScope<WeightBatch>, config: ModelConfig): ParameterTensors {
  const weights = new Map(
    parameterSpecs(config).map(({ name, shape }) => [
      name,
      scope.input(name, 'float32', shape, ({ weights }) => weights(name)),
    ]),
  );
  for (const { a, b } of adapterStacks(config).values()) {
    for (const { name, shape, values } of [a, b])
      weights.set(name, scope.input(name, 'float32', shape, values));
  }
  return weights;
}

/** Options that only updates have. */
export interface Training {
  readonly dropout?: ((x: g.Tensor, module: string) => g.Tensor) | null;
  readonly checkpointing?: boolean;
}

/** A norm of the architecture, by the name of its weights. */
function normOf(weights: ParameterTensors, { norm, normEpsilon }: Architecture) {
  return (x: g.Tensor, name: string): g.Tensor => {
    const scale = weights.get(`${name}.weight`) as g.Tensor;
    return norm === 'rms'
      ? g.rmsNorm(x, scale, normEpsilon)
      : g.layerNorm(x, scale, weights.get(`${name}.bias`) as g.Tensor, normEpsilon);
  };
}

/**
 * The residual stream after the last layer, before the final norm.
 * @param tokens int32 [N]
 * @param positions int32 [N]
 * @param training dropout of adapter inputs; whether layers are recomputed for the gradient
 * @returns [N, D]
 */
export function hiddenStates(
  weights: ParameterTensors,
  config: ModelConfig,
  tokens: g.Tensor,
  positions: g.Tensor,
  attend: Attend,
  { dropout = null, checkpointing = false }: Training = {},
): g.Tensor {
  const w = (name: string): g.Tensor => weights.get(name) as g.Tensor;
  const architecture = architectureOf(config);
  const norm = normOf(weights, architecture);
  const stacks = adapterStacks(config);
  /** Every linear map of a layer is computed here: maps with the same input are concatenated. */
  const map = (input: g.Tensor, modules: readonly LinearModule[]): g.Tensor => {
    const out = g.concat(
      modules.map(({ name, bias, transposed }) =>
        g.linear(input, w(`${name}.weight`), bias ? w(`${name}.bias`) : undefined, transposed),
      ),
      1,
    );
    const stack = stacks.get(modules[0].name);
    if (!stack || !config.adapter) return out;
    const { r, alpha } = config.adapter;
    const a = w(stack.a.name);
    const low = dropout
      ? g.concat(
          g
            .split(a, new Array<number>(stack.adapted.length).fill(r), 0)
            .map((part, j) => g.linear(dropout(input, stack.adapted[j].name), part, undefined, true)),
          1,
        )
      : g.linear(input, a, undefined, true);
    return g.add(out, g.mul(g.linear(low, w(stack.b.name), undefined, true), alpha / r));
  };
  const { keyValueHeads, headWidth } = architecture;
  const [turned, still] = [config.heads + keyValueHeads, keyValueHeads];
  const turn =
    architecture.rotary && rotaryTurn(positions, architecture.rotary, headWidth, { turned, still });
  /** Norm and rotation of the query and key heads, if the architecture has them. */
  const prepared = (qkv: g.Tensor, norms: LayerModules['qkNorm'], layer: number): g.Tensor => {
    let heads = qkv;
    if (norms) {
      const apart = g.reshape(qkv, [qkv.shape[0], turned + still, headWidth]);
      const [q, k, v] = g.split(apart, [config.heads, keyValueHeads, keyValueHeads], 1);
      heads = g.concat([norm(q, norms.q), norm(k, norms.k), v], 1);
    }
    return turn && !architecture.rotary?.unturned?.includes(layer) ? turn(heads) : heads;
  };

  const { embedding, positions: learned } = modelModules(config);
  let x = g.gather(w(`${embedding}.weight`), tokens);
  if (learned) x = g.add(x, g.gather(w(`${learned}.weight`), positions));
  for (let layer = 0; layer < config.layers; layer++) {
    const before = x;
    const parts = layerModules(config, layer);
    const seen = norm(x, parts.attentionNorm);
    const mixed = attend(layer, prepared(map(seen, parts.qkv), parts.qkNorm, layer));
    x = g.add(x, map(mixed, [parts.output]));
    const read = norm(x, parts.mlpNorm);
    const [first, second] = parts.up.map((module) => map(read, [module]));
    x = g.add(
      x,
      map(architecture.activation === 'swiglu' ? g.swiglu(first, second) : g.gelu(first), [parts.down]),
    );
    // The last layer is not recomputed, because its values are needed at once.
    if (checkpointing && layer < config.layers - 1) g.recompute(before, x);
  }
  return x;
}

/**
 * Next-token logits: final norm and head.
 * @param hidden [M, D]
 * @returns [M, V]
 */
export function nextTokenLogits(weights: ParameterTensors, config: ModelConfig, hidden: g.Tensor): g.Tensor {
  const { input, weight } = headProduct(weights, config, hidden);
  return g.linear(input, weight, undefined, true);
}

function headProduct(
  weights: ParameterTensors,
  config: ModelConfig,
  hidden: g.Tensor,
): { readonly input: g.Tensor; readonly weight: g.Tensor } {
  const { finalNorm } = modelModules(config);
  const input = normOf(weights, architectureOf(config))(hidden, finalNorm);
  return { input, weight: weights.get(`${headModule(config).name}.weight`) as g.Tensor };
}

/** Parameters of the step from logits to probabilities. */
export interface Distribution {
  /** Scalar. */
  readonly inverseTemperature: g.Tensor;
  /** [V] */
  readonly logitBias: g.Tensor;
}

export function distribution(scope: g.InputScope<DistributionBatch>, config: ModelConfig): Distribution {
  return {
    inverseTemperature: scope.input('inverse_temperature', 'float32', [], (batch) =>
      Float32Array.of(batch.inverseTemperature),
    ),
    logitBias: scope.input('logit_bias', 'float32', [config.vocabularySize], (batch) => batch.logitBias),
  };
}

/**
 * Next-token log-probabilities of the policy that is sampled and trained: ln softmax(logits / temperature + bias),
 * where the bias masks tokens that the task does not allow.
 * @param hidden [M, D]
 * @returns [M, V]
 */
export function logProbabilities(...args: Parameters<typeof policyLogits>): g.Tensor {
  return g.logSoftmax(policyLogits(...args));
}

/**
 * logits / temperature + bias, whose softmax is the policy. Computed as one product with a scaled input and the bias.
 * @param hidden [M, D]
 * @returns [M, V]
 */
export function policyLogits(
  weights: ParameterTensors,
  config: ModelConfig,
  hidden: g.Tensor,
  { inverseTemperature, logitBias }: Distribution,
): g.Tensor {
  const { input, weight } = headProduct(weights, config, hidden);
  return g.linear(g.mul(input, inverseTemperature), weight, logitBias, true);
}
