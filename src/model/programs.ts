/**
 * The three computations of a decoder, each one graph: update (forward, loss and all gradients in one run),
 * score (forward only) and decode (new tokens against a cache).
 */
import * as g from '../graph/index.js';
import { cachedAttention, treeAttention } from './attention.js';
import type { ModelConfig } from './config.js';
import { hiddenStates, logProbabilities, type ParameterTensors, parameterInputs } from './decoder.js';
import { dropoutOf } from './dropout.js';
import { Head, headGradients, joined, type LossOf, ofChunk } from './head.js';
import { adapterSpecs } from './lora.js';
import { type LossForm, treeLoss } from './loss.js';
import { parameterSpecs } from './parameters.js';

/** What a program computes, by the name it comes out under. */
export type GraphOutputs = Record<string, g.Tensor>;

/** Prefix of a gradient's output name; the rest is the weight's name. */
export const GRADIENT = 'grad:';

const CONTEXT_SUMS = 'context_sums';

/**
 * How an update adds up the gradients of tokens that several rows gather: values of its inputs `context_sums_…`, by name.
 * @param context tokens gathered, all rows, [B*C]
 * @param contextEnd their subtree_end; 0: padding, [B*C]
 * @param rounds `contextRounds` of the program; no token may be gathered by more than 2^rounds rows
 */
export function contextSums(
  context: Int32Array,
  contextEnd: Int32Array,
  rounds: number,
): ReadonlyMap<string, Int32Array> {
  const targets = context.map((token, i) => (contextEnd[i] > 0 ? token : -1));
  return g.pairedSumsInputs(CONTEXT_SUMS, g.planPairedSums(targets, rounds));
}

export interface TreeVariant {
  /** Rows of the batch have ancestors before them. */
  readonly context: boolean;
  /** Chunks of rows in which the head is computed (head.ts), default 1. */
  readonly chunks?: number;
}

export interface UpdateVariant extends TreeVariant {
  /** With context: rounds in which the gradients of tokens that several rows gather are added (`PairedSums`). */
  readonly contextRounds?: number;
  /** Layers forget what they computed and compute it again for the gradient. */
  readonly checkpointing?: boolean;
  /** ρ against given old log-probabilities, clipped; otherwise on-policy. */
  readonly clipped: boolean;
  /** With the KL term. */
  readonly kl: boolean;
  /** Default ppo. */
  readonly form?: LossForm;
  /** With the entropy bonus. */
  readonly entropy?: boolean;
}

/**
 * Inputs: weights (and `dropout_seed`, `dropout_index` int32 [B*L] where an adapter has dropout); `tokens`, `positions`
 * int32 [B*L]; those of tree attention and of the head.
 */
function treeForward(
  graph: g.Graph,
  config: ModelConfig,
  { context, contextRounds, checkpointing, chunks = 1 }: Partial<UpdateVariant> & TreeVariant,
  training = false,
): { weights: ParameterTensors; head: Head } {
  const weights = parameterInputs(graph, config);
  const tokens = graph.input('tokens', 'int32', ['B*L']);
  const positions = graph.input('positions', 'int32', ['B*L']);
  const sums =
    context && contextRounds !== undefined ? new g.PairedSums(graph, CONTEXT_SUMS, contextRounds) : undefined;
  const attend = treeAttention(graph, config, context, sums);
  const p = config.adapter?.dropout ?? 0;
  const dropout =
    training && p > 0 ? dropoutOf(graph, graph.input('dropout_index', 'int32', ['B*L']), p) : null;
  const hidden = hiddenStates(weights, config, tokens, positions, attend, { dropout, checkpointing });
  return { weights, head: new Head(weights, config, hidden, chunks) };
}

/**
 * Outputs: `loss` (scalar), `logprobs` [E] and `entropy` [M] of the policy before the update, and a gradient for
 * every trained weight. Further inputs, those of edges for each chunk i: `plus.i`, `minus.i` [E.i] (gspo: `plus`, `minus`
 * [Q]); clipped: `old_logprobs.i` [E.i], `clip_low`, `clip_high`, `clip_bound`; kl: `reference_logprobs.i`, `kl_weight.i`
 * [E.i]; entropy: `edge_row.i` int32 [E.i], `entropy_weight.i` [E.i]; gspo: `pair_edge` int64 [P] (among the edges of all
 * chunks), `pair_sequence` int64 [P], `pair_share` [P].
 */
export function updateGraph(config: ModelConfig, variant: UpdateVariant): GraphOutputs {
  const graph = new g.Graph();
  const { weights, head } = treeForward(graph, config, variant, true);
  const { form = 'ppo', clipped, kl } = variant;
  const inputs = new Map<string, g.Tensor>();
  const input = (name: string, dtype: g.DType, shape: g.Shape): g.Tensor => {
    const tensor = inputs.get(name) ?? graph.input(name, dtype, shape);
    inputs.set(name, tensor);
    return tensor;
  };
  const lossOf: LossOf = (values) => {
    const scalar = (name: string): g.Tensor => input(name, 'float32', []);
    const join = (parts: g.Tensor[]): g.Tensor => g.concat(parts, 0, 'E');
    const edge = (name: string): g.Tensor =>
      join(values.map(({ chunk }) => input(ofChunk(name, chunk), 'float32', [`E.${chunk}`])));
    const coefficient = (name: string): g.Tensor =>
      form === 'gspo' ? input(name, 'float32', ['Q']) : edge(name);
    return treeLoss({
      form,
      logprobs: joined(values.map(({ of }) => of)).logprobs,
      plus: coefficient('plus'),
      minus: coefficient('minus'),
      old: clipped
        ? {
            logprobs: edge('old_logprobs'),
            clipLow: scalar('clip_low'),
            clipHigh: scalar('clip_high'),
            bound: scalar('clip_bound'),
          }
        : null,
      reference: kl ? { logprobs: edge('reference_logprobs'), weight: edge('kl_weight') } : null,
      entropy: variant.entropy
        ? {
            values: join(
              values.map(({ chunk, of }) =>
                g.gather(of.entropies, input(ofChunk('edge_row', chunk), 'int32', [`E.${chunk}`])),
              ),
            ),
            weight: edge('entropy_weight'),
          }
        : null,
      sequences:
        form === 'gspo'
          ? {
              edge: input('pair_edge', 'int64', ['P']),
              sequence: input('pair_sequence', 'int64', ['P']),
              share: input('pair_share', 'float32', ['P']),
            }
          : null,
    });
  };
  // Under an adapter nothing else is trained, and no other gradient is computed.
  const trained = config.adapter ? adapterSpecs(config) : parameterSpecs(config);
  const names = trained.map(({ name }) => name);
  const above = headGradients(head, weights, config, names, lossOf, form !== 'gspo');
  const below = g.backward(
    head.rows.map((rows, i) => [rows, above.rows[i]]),
    names.map((name) => weights.get(name) as g.Tensor),
  );
  const gradients = names.map((name, i) => {
    const parts = [above.weights.get(name), below[i]].filter((part) => !!part);
    if (parts.length === 0) throw new g.ShapeError(`updateGraph: nothing depends on '${name}'`);
    return parts.reduce((sum, part) => g.add(sum, part));
  });
  return {
    loss: above.loss,
    logprobs: above.values.logprobs,
    entropy: above.values.entropies,
    ...Object.fromEntries(names.map((name, i) => [GRADIENT + name, gradients[i]])),
  };
}

/** Outputs: `logprobs` [E] and `entropy` [M]. */
export function scoreGraph(config: ModelConfig, variant: TreeVariant): GraphOutputs {
  const { head } = treeForward(new g.Graph(), config, variant);
  const { logprobs, entropies } = joined(head.values());
  return { logprobs, entropy: entropies };
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
