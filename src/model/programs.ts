/**
 * The three programs of a decoder: update (forward, loss and all gradients in one run), score (forward only) and decode
 * (new tokens with a cache). Each part declares its inputs where it reads them.
 */
import * as g from '../graph/index.js';
import { adapterStacks } from './adapter-stack.js';
import { type ContextReading, forestAxes, treeAttention } from './attention.js';
import type { BlockBatch, DecodeBatch, ForestBatch, SlotBatch, TreeBatch, UpdateBatch } from './batches.js';
import { blockAttention, type CachedAttention, slotAttention } from './cached-attention.js';
import type { ModelConfig } from './config.js';
import {
  distribution,
  hiddenStates,
  type ParameterTensors,
  parameterInputs,
  policyLogits,
} from './decoder.js';
import { chooseTokens, entropies, plainEntropies } from './draw.js';
import { dropoutOf } from './dropout.js';
import { Head, headGradients, joined } from './head.js';
import { adapterSpecs } from './lora.js';
import { type LossTerms, lossOf } from './loss.js';
import { parameterSpecs } from './parameters.js';

/** Variant of the program that scores a forest. */
export interface TreeVariant {
  /** How rows of the batch read their earlier ancestors. */
  readonly context: ContextReading;
  /** Number of chunks in which the head is computed (head.ts). */
  readonly chunks: number;
}

/** Variant of the program that updates: it computes only what is needed. */
export interface UpdateVariant extends TreeVariant, LossTerms {
  /** Whether layers are recomputed for the gradient. */
  readonly checkpointing: boolean;
}

export interface TreeValues {
  /** ln π of the edges, chunk after chunk, [E]. */
  readonly logprobs: Float32Array;
  /** Entropy (nats) of the distribution of each row that predicts, [M]. */
  readonly entropies: Float32Array;
}

export interface UpdateValues extends TreeValues {
  /** −J */
  readonly loss: number;
  /** Of each trained weight, in the order of their specs. */
  readonly gradients: readonly Float32Array[];
}

/** Tokens that were chosen in the graph. */
export interface ChosenTokens {
  /** Each token that was drawn and its ln π, [D]. */
  readonly drawnTokens: Float32Array;
  readonly drawnLogprobs: Float32Array;
  /** The likeliest token of each row and its ln π, [R]. */
  readonly greedyTokens: Float32Array;
  readonly greedyLogprobs: Float32Array;
}

export interface DecodeValues {
  /** null: the vocabulary is small, and its distributions are returned instead. */
  readonly choice: ChosenTokens | null;
  /** Entropy (nats) of each row's distribution, [R]. */
  readonly entropies: Float32Array;
  /** π of the next token, [R, V]; null if it was not requested. */
  readonly probabilities: Float32Array | null;
  /**
   * New keys and values, k₀, v₀, k₁, …, as one output, because every output takes time: [2·layers·R, keyValueHeads, S,
   * d].
   */
  readonly cache: Float32Array;
}

const treeSizes = ({ rows, chunkRows, length, contextLength }: ForestBatch): g.Sizes => ({
  B: rows,
  K: rows / chunkRows,
  R: chunkRows,
  L: length,
  C: contextLength,
});

function treeForward<Batch extends TreeBatch>(
  scope: g.InputScope<Batch>,
  config: ModelConfig,
  { context, chunks }: TreeVariant,
  training: Parameters<typeof hiddenStates>[5] = {},
): { weights: ParameterTensors; head: Head } {
  const weights = parameterInputs(scope, config);
  const { tokens: count } = forestAxes(context);
  const tokens = scope.input('tokens', 'int32', [count], (batch) => batch.tokens);
  const positions = scope.input('positions', 'int32', [count], (batch) => batch.positions);
  const attend = treeAttention(scope, config, context);
  const hidden = hiddenStates(weights, config, tokens, positions, attend, training);
  return { weights, head: new Head(scope, weights, config, hidden, chunks) };
}

/** A trained tensor of the graph and the weights that it consists of. */
interface Trained {
  readonly name: string;
  readonly parts: (gradient: Float32Array) => readonly (readonly [string, Float32Array])[];
}

/** With an adapter only the adapter is trained, and no other gradient is computed. */
function trainedTensors(config: ModelConfig): readonly Trained[] {
  if (config.adapter) return [...adapterStacks(config).values()].flatMap(({ a, b }) => [a, b]);
  return parameterSpecs(config).map(({ name }) => ({ name, parts: (gradient) => [[name, gradient]] }));
}

/** Loss, values of the policy before the update, and a gradient for every trained weight. */
export function updateProgram(
  config: ModelConfig,
  variant: UpdateVariant,
): g.ProgramDefinition<UpdateBatch, UpdateValues> {
  const scope = new g.InputList<UpdateBatch>();
  const p = config.adapter?.dropout ?? 0;
  const dropout = p > 0 ? dropoutOf(scope, p, forestAxes(variant.context).tokens) : null;
  const { checkpointing } = variant;
  const { weights, head } = treeForward(scope, config, variant, { dropout, checkpointing });
  const specs = config.adapter ? adapterSpecs(config) : parameterSpecs(config);
  const trained = trainedTensors(config);
  const names = trained.map(({ name }) => name);
  const headPart = headGradients(
    head,
    weights,
    config,
    names,
    lossOf(scope, variant),
    variant.form !== 'gspo',
  );
  const layerGradients = g.backward(
    head.rows.map((rows, i) => [rows, headPart.rows[i]]),
    names.map((name) => weights.get(name) as g.Tensor),
  );
  const gradients = names.map((name, i) => {
    const parts = [headPart.weights.get(name), layerGradients[i]].filter((part) => !!part);
    if (parts.length === 0) throw new g.ShapeError(`updateProgram: the loss does not depend on '${name}'`);
    return parts.reduce((sum, part) => g.add(sum, part));
  });
  const gradientOf = (name: string): string => `grad:${name}`;
  return {
    inputs: scope.inputs,
    sizes: treeSizes,
    outputs: {
      loss: headPart.loss,
      logprobs: headPart.values.logprobs,
      entropies: headPart.values.entropies,
      ...Object.fromEntries(names.map((name, i) => [gradientOf(name), gradients[i]])),
    },
    read: (values) => {
      const single = new Map(trained.flatMap(({ name, parts }) => parts(values(gradientOf(name)))));
      return {
        loss: values('loss')[0],
        logprobs: values('logprobs'),
        entropies: values('entropies'),
        gradients: specs.map(({ name }) => single.get(name) as Float32Array),
      };
    },
  };
}

/** Values of a policy. */
export function scoreProgram(
  config: ModelConfig,
  variant: TreeVariant,
): g.ProgramDefinition<TreeBatch, TreeValues> {
  const scope = new g.InputList<TreeBatch>();
  const { head } = treeForward(scope, config, variant);
  const { logprobs, entropies } = joined(head.values());
  return {
    inputs: scope.inputs,
    sizes: treeSizes,
    outputs: { logprobs, entropies },
    read: (values) => ({ logprobs: values('logprobs'), entropies: values('entropies') }),
  };
}

/**
 * The next token's distribution for rows cached in slots, and the new keys and values.
 * @param sharing whether prompts that several rows read are cached apart
 */
export function slotDecodeProgram(
  config: ModelConfig,
  sharing = false,
): g.ProgramDefinition<SlotBatch, DecodeValues> {
  return decodeProgram<SlotBatch>(
    config,
    (scope) => slotAttention(scope, config, sharing),
    ({ slots, prompts }) => ({ T: slots, ...(prompts ? { U: prompts.slots, Q: prompts.mostReaders } : {}) }),
  );
}

/** The same for rows cached in blocks. */
export function blockDecodeProgram(
  config: ModelConfig,
  sharing = false,
): g.ProgramDefinition<BlockBatch, DecodeValues> {
  return decodeProgram<BlockBatch>(
    config,
    (scope) => blockAttention(scope, config, sharing),
    ({ blockRow, blockWidth, blocksPerRow, prompts }) => ({
      N: blockRow.length,
      W: blockWidth,
      P: blocksPerRow,
      ...(prompts ? { G: prompts.blockFill.length, B: prompts.blocksPerRow, Q: prompts.mostReaders } : {}),
    }),
  );
}

/** Up to this vocabulary size, returning a distribution is faster than choosing from it in the graph. */
const SMALL_VOCABULARY = 1024;

function decodeProgram<Batch extends DecodeBatch>(
  config: ModelConfig,
  attention: (scope: g.InputScope<Batch>) => CachedAttention,
  sizes: (batch: Batch) => g.Sizes,
): g.ProgramDefinition<Batch, DecodeValues> {
  const scope = new g.InputList<Batch>();
  const weights = parameterInputs(scope, config);
  const tokens = scope.input('tokens', 'int32', ['R', 'S'], (batch) => batch.tokens);
  const positions = scope.input('positions', 'int32', ['R', 'S'], (batch) => batch.positions);
  const { attend, fresh } = attention(scope);
  const flat = (x: g.Tensor): g.Tensor => g.reshape(x, ['R*S']);
  const hidden = hiddenStates(weights, config, flat(tokens), flat(positions), attend);
  const last = scope.input('last', 'int32', ['R'], (batch) => batch.last);
  const logits = policyLogits(weights, config, g.gather(hidden, last), distribution(scope, config));
  const probabilities = g.softmax(logits);
  const cache = g.concat(fresh, 0, 'layers*R');
  const common = {
    inputs: scope.inputs,
    sizes: (batch: Batch) => ({ R: batch.rows, S: batch.newTokens, ...sizes(batch) }),
  };
  if (config.vocabularySize <= SMALL_VOCABULARY) {
    return {
      ...common,
      outputs: { probabilities, entropies: plainEntropies(probabilities), cache },
      read: (values) => ({
        choice: null,
        entropies: values('entropies'),
        probabilities: values('probabilities'),
        cache: values('cache'),
      }),
    };
  }
  const choice = chooseTokens(scope, probabilities);
  const small = { ...choice, entropies: entropies(logits, probabilities, choice.greedyLogprobs), cache };
  return {
    ...common,
    outputs: { ...small, probabilities },
    wanted: ({ wholeDistributions }) => [
      ...Object.keys(small),
      ...(wholeDistributions ? ['probabilities'] : []),
    ],
    read: (values, { wholeDistributions }) => ({
      choice: {
        drawnTokens: values('drawnTokens'),
        drawnLogprobs: values('drawnLogprobs'),
        greedyTokens: values('greedyTokens'),
        greedyLogprobs: values('greedyLogprobs'),
      },
      entropies: values('entropies'),
      probabilities: wholeDistributions ? values('probabilities') : null,
      cache: values('cache'),
    }),
  };
}
