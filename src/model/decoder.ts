/**
 * The decoder: GPT-2's architecture (learned positions, pre-LayerNorm, GELU, head tied to the embedding),
 * defined once. Training, scoring and decoding differ only in how tokens see each other (`Attend`) and in which
 * rows go through the head. Tokens are flat, [N]: batching is a matter of attention.
 */
import * as g from '../graph/index.js';
import type { Attend } from './attention.js';
import { LAYER_NORM_EPSILON, type ModelConfig } from './config.js';
import { parameterSpecs } from './parameters.js';

/** All weights as inputs of a graph, by name. */
export type ParameterTensors = ReadonlyMap<string, g.Tensor>;

export function parameterInputs(graph: g.Graph, config: ModelConfig): ParameterTensors {
  return new Map(
    parameterSpecs(config).map(({ name, shape }) => [name, graph.input(name, 'float32', shape)]),
  );
}

/**
 * The residual stream after the last layer, before the final norm.
 * @param tokens int32 [N]
 * @param positions int32 [N]
 * @returns [N, D]
 */
export function hiddenStates(
  weights: ParameterTensors,
  config: ModelConfig,
  tokens: g.Tensor,
  positions: g.Tensor,
  attend: Attend,
): g.Tensor {
  const w = (name: string): g.Tensor => weights.get(name) as g.Tensor;
  const d = config.width;
  let x = g.add(g.gather(w('wte.weight'), tokens), g.gather(w('wpe.weight'), positions));
  for (let layer = 0; layer < config.layers; layer++) {
    const h = `h.${layer}`;
    const norm = (name: string): g.Tensor =>
      g.layerNorm(x, w(`${h}.${name}.weight`), w(`${h}.${name}.bias`), LAYER_NORM_EPSILON);
    const map = (input: g.Tensor, name: string): g.Tensor =>
      g.linear(input, w(`${h}.${name}.weight`), w(`${h}.${name}.bias`));
    const [q, k, v] = g.split(map(norm('ln_1'), 'attn.c_attn'), [d, d, d], 1);
    x = g.add(x, map(attend(layer, q, k, v), 'attn.c_proj'));
    x = g.add(x, map(g.gelu(map(norm('ln_2'), 'mlp.c_fc')), 'mlp.c_proj'));
  }
  return x;
}

/**
 * Next-token log-probabilities under the policy that is sampled and trained: ln softmax(logits / temperature +
 * bias), where the bias removes tokens that the task does not allow.
 * @param hidden [M, D]
 * @param inverseTemperature scalar
 * @param logitBias [V], 0 or a large negative number
 * @returns [M, V]
 */
export function logProbabilities(
  weights: ParameterTensors,
  hidden: g.Tensor,
  inverseTemperature: g.Tensor,
  logitBias: g.Tensor,
): g.Tensor {
  const w = (name: string): g.Tensor => weights.get(name) as g.Tensor;
  const normed = g.layerNorm(hidden, w('ln_f.weight'), w('ln_f.bias'), LAYER_NORM_EPSILON);
  const logits = g.linear(normed, w('wte.weight'), undefined, true);
  return g.logSoftmax(g.add(g.mul(logits, inverseTemperature), logitBias));
}
