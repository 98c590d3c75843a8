/**
 * The three computations of a decoder, each one graph: update (forward, loss and all gradients in one run),
 * score (forward only) and decode (new tokens against a cache).
 */
import * as g from '../graph/index.js';
import { cachedAttention, treeAttention } from './attention.js';
import type { ModelConfig } from './config.js';
import { hiddenStates, logProbabilities, type ParameterTensors, parameterInputs } from './decoder.js';
import { dropoutOf } from './dropout.js';
import { adapterSpecs } from './lora.js';
import { type LossForm, treeLoss } from './loss.js';
import { parameterSpecs } from './parameters.js';

/** What a program computes, by the name it comes out under. */
export type GraphOutputs = Record<string, g.Tensor>;

/** Prefix of a gradient's output name; the rest is the weight's name. */
export const GRADIENT = 'grad:';

/** Name of the sums over context tokens, for the inputs that `PairedSums` declares. */
export const CONTEXT_SUMS = 'context_sums';

export interface TreeVariant {
  /** Rows of the batch have ancestors before them. */
  readonly context: boolean;
}

export interface UpdateVariant extends TreeVariant {
  /** With context: rounds in which the gradients of tokens that several rows gather are added (`PairedSums`). */
  readonly contextRounds?: number;
  /** ρ against given old log-probabilities, clipped; otherwise on-policy. */
  readonly clipped: boolean;
  /** With the KL term. */
  readonly kl: boolean;
  /** Default ppo. */
  readonly form?: LossForm;
  /** With the entropy bonus. */
  readonly entropy?: boolean;
}

interface TreeForward {
  readonly weights: ParameterTensors;
  /** [M, V] of the rows that predict something. */
  readonly distribution: g.Tensor;
  /** [E] of the edges' tokens. */
  readonly logprobs: g.Tensor;
}

/**
 * Inputs: weights (and `dropout_seed`, `dropout_index` int32 [B*L] where an adapter has dropout); `tokens`, `positions` int32 [B*L]; those of tree attention; `head_rows` int32 [M] (tokens that
 * predict); `edges` int64 [E, 2] (row of head_rows, predicted token); `inverse_temperature`; `logit_bias` [V].
 */
function treeForward(
  graph: g.Graph,
  config: ModelConfig,
  { context, contextRounds }: Pick<UpdateVariant, 'context' | 'contextRounds'>,
  training = false,
): TreeForward {
  const weights = parameterInputs(graph, config);
  const tokens = graph.input('tokens', 'int32', ['B*L']);
  const positions = graph.input('positions', 'int32', ['B*L']);
  const sums =
    context && contextRounds !== undefined ? new g.PairedSums(graph, CONTEXT_SUMS, contextRounds) : undefined;
  const attend = treeAttention(graph, config, context, sums);
  const p = config.adapter?.dropout ?? 0;
  const dropout =
    training && p > 0 ? dropoutOf(graph, graph.input('dropout_index', 'int32', ['B*L']), p) : null;
  const hidden = hiddenStates(weights, config, tokens, positions, attend, dropout);
  const rows = g.gatherDistinct(hidden, graph.input('head_rows', 'int32', ['M']));
  const distribution = logProbabilities(
    weights,
    config,
    rows,
    graph.input('inverse_temperature', 'float32', []),
    graph.input('logit_bias', 'float32', [config.vocabularySize]),
  );
  const logprobs = g.gatherND(distribution, graph.input('edges', 'int64', ['E', 2]));
  return { weights, distribution, logprobs };
}

/** −Σ p ln p of each row, [M]. */
function entropy(distribution: g.Tensor): g.Tensor {
  return g.neg(g.reduceSum(g.mul(g.exp(distribution), distribution), [1]));
}

/**
 * Outputs: `loss` (scalar), `logprobs` [E] and `entropy` [M] of the policy before the update, and a gradient for
 * every trained weight. Further inputs: `plus`, `minus` [E] (gspo: [Q]); clipped: `old_logprobs` [E], `clip_low`, `clip_high`,
 * `clip_bound`; kl: `reference_logprobs`, `kl_weight` [E]; entropy: `edge_row` int32 [E], `entropy_weight` [E];
 * gspo: `pair_edge` int64 [P], `pair_sequence` int64 [P], `pair_share` [P].
 */
export function updateGraph(config: ModelConfig, variant: UpdateVariant): GraphOutputs {
  const graph = new g.Graph();
  const { weights, distribution, logprobs } = treeForward(graph, config, variant, true);
  const { form = 'ppo' } = variant;
  const edge = (name: string): g.Tensor => graph.input(name, 'float32', ['E']);
  const coefficient = (name: string): g.Tensor => graph.input(name, 'float32', [form === 'gspo' ? 'Q' : 'E']);
  const entropies = entropy(distribution);
  const loss = treeLoss({
    form,
    logprobs,
    plus: coefficient('plus'),
    minus: coefficient('minus'),
    old: variant.clipped
      ? {
          logprobs: edge('old_logprobs'),
          clipLow: graph.input('clip_low', 'float32', []),
          clipHigh: graph.input('clip_high', 'float32', []),
          bound: graph.input('clip_bound', 'float32', []),
        }
      : null,
    reference: variant.kl ? { logprobs: edge('reference_logprobs'), weight: edge('kl_weight') } : null,
    entropy: variant.entropy
      ? {
          values: g.gather(entropies, graph.input('edge_row', 'int32', ['E'])),
          weight: edge('entropy_weight'),
        }
      : null,
    sequences:
      form === 'gspo'
        ? {
            edge: graph.input('pair_edge', 'int64', ['P']),
            sequence: graph.input('pair_sequence', 'int64', ['P']),
            share: graph.input('pair_share', 'float32', ['P']),
          }
        : null,
  });
  // Under an adapter nothing else is trained, and no other gradient is computed.
  const trained = config.adapter ? adapterSpecs(config) : parameterSpecs(config);
  const names = trained.map(({ name }) => name);
  const gradients = g.gradients(
    loss,
    names.map((name) => weights.get(name) as g.Tensor),
  );
  return {
    loss,
    logprobs,
    entropy: entropies,
    ...Object.fromEntries(names.map((name, i) => [GRADIENT + name, gradients[i]])),
  };
}

/** Outputs: `logprobs` [E] and `entropy` [M]. */
export function scoreGraph(config: ModelConfig, variant: TreeVariant): GraphOutputs {
  const { logprobs, distribution } = treeForward(new g.Graph(), config, variant);
  return { logprobs, entropy: entropy(distribution) };
}

/**
 * Inputs: weights; `tokens`, `positions` int32 [R, S]; those of cached attention; `last` int32 [R] (flat index of
 * each row's last real token); `inverse_temperature`; `logit_bias` [V].
 * Outputs: `logprobs` [R, V] of the next token; `cache` [2·layers·R, keyValueHeads, S, d], the new keys and values,
 * as one output because every output costs.
 */
export function decodeGraph(config: ModelConfig): GraphOutputs {
  const graph = new g.Graph();
  const weights = parameterInputs(graph, config);
  const tokens = graph.input('tokens', 'int32', ['R', 'S']);
  const positions = graph.input('positions', 'int32', ['R', 'S']);
  const { attend, fresh } = cachedAttention(graph, config);
  const flat = (x: g.Tensor): g.Tensor => g.reshape(x, ['R*S']);
  const hidden = hiddenStates(weights, config, flat(tokens), flat(positions), attend);
  const logprobs = logProbabilities(
    weights,
    config,
    g.gather(hidden, graph.input('last', 'int32', ['R'])),
    graph.input('inverse_temperature', 'float32', []),
    graph.input('logit_bias', 'float32', [config.vocabularySize]),
  );
  return { logprobs, cache: g.concat(fresh, 0, 'layers*R') };
}
