/**
 * The inputs of a model run: the packed forest and, for each of its predicted tokens, the inputs of the loss. Here the
 * coefficients of tree nodes become coefficients of tokens; after this, only edges.ts knows how tokens are numbered.
 */
import type { SequenceBatch, TreeBatch, UpdateBatch, UpdateValues } from '../../model/index.js';
import { tokenCoefficients } from '../../objective/index.js';
import { packedIndices } from '../../tree/index.js';
import {
  EngineError,
  type PolicyOptions,
  type TrainExample,
  type TreeExample,
  type TreeScores,
  type UpdateOptions,
} from '../engine.js';
import { type Edges, edgesOf } from './edges.js';
import type { PackedRows } from './pack.js';

/** Added to the logits of tokens that are not allowed. */
const FORBIDDEN = -1e9;
/** δ without two-sided clipping: larger than any ratio that occurs. */
const UNBOUNDED = 3e38;

/** Number of tokens after which the dropout mask repeats: its arithmetic is exact enough for numbers below this. */
const DROPOUT_PERIOD = 2 ** 14;

/** 0 for allowed tokens, a large negative number for the others, [V]. */
export function logitBias(allowed: readonly number[] | undefined, vocabularySize: number): Float32Array {
  const bias = new Float32Array(vocabularySize);
  if (!allowed) return bias;
  bias.fill(FORBIDDEN);
  for (const token of allowed) bias[token] = 0;
  return bias;
}

/** @param chunks of the head */
export function treeBatch(
  forest: PackedRows,
  weights: TreeBatch['weights'],
  chunks: number,
  options: PolicyOptions,
  vocabularySize: number,
): TreeBatch {
  return {
    ...forest,
    weights,
    chunks: forest.edges.chunks(chunks),
    inverseTemperature: 1 / (options.temperature || 1),
    logitBias: logitBias(options.allowedTokens, vocabularySize),
  };
}

/** The coefficients of every edge: those of the node that its token belongs to. */
export function updateBatch(
  tree: TreeBatch,
  { edges, batchToken }: PackedRows,
  batch: readonly TrainExample[],
  options: UpdateOptions,
  dropoutSeed: number,
): UpdateBatch {
  const { form = 'ppo', entropyBonus = 0, klBeta, importanceCap = UNBOUNDED } = options;
  const values = (): Float32Array => new Float32Array(edges.count);
  const [plus, minus, klWeight, entropyWeight, oldLogprobs, referenceLogprobs, samplerLogprobs] = Array.from(
    { length: 7 },
    values,
  );
  for (const part of edges.parts) {
    const { coefficients, mask, weights, ...known } = batch[part.example];
    for (const { edge, token, node, isFirst, counts } of edgesOf(part)) {
      const trained = counts ? (mask?.[token] ?? 1) : 0;
      const factor = trained * (weights?.[token] ?? 1);
      const { plus: up, minus: down } = tokenCoefficients(coefficients, isFirst);
      plus[edge] = factor * up[node];
      minus[edge] = factor * down[node];
      klWeight[edge] = klBeta * Math.fround(trained * coefficients.kl[node]);
      entropyWeight[edge] = entropyBonus * Math.fround(trained * coefficients.kl[node]);
      if (known.oldLogprobs) oldLogprobs[edge] = known.oldLogprobs[token];
      if (known.referenceLogprobs) referenceLogprobs[edge] = known.referenceLogprobs[token];
      if (known.samplerLogprobs) samplerLogprobs[edge] = known.samplerLogprobs[token];
    }
  }
  const sequences = form === 'gspo' ? sequenceBatch(edges, batch) : null;
  return {
    ...tree,
    plus: sequences?.plus ?? plus,
    minus: sequences?.minus ?? minus,
    oldLogprobs,
    clipLow: options.clipLow,
    clipHigh: options.clipHigh,
    clipBound: options.clipBound ?? UNBOUNDED,
    samplerLogprobs,
    importanceCap,
    referenceLogprobs,
    klWeight,
    entropyWeight,
    sequences,
    dropoutSeed,
    dropoutIndex: batchToken.map((token) => token % DROPOUT_PERIOD),
  };
}

/** Additional inputs of the form gspo: the edges of each sequence, and the advantage of each sequence. */
function sequenceBatch(
  edges: Edges,
  batch: readonly TrainExample[],
): SequenceBatch & Pick<UpdateBatch, 'plus' | 'minus'> {
  const members: bigint[] = [];
  const owners: bigint[] = [];
  const shares: number[] = [];
  const advantages: number[] = [];
  const ranks = edges.ranks();
  for (const { example, firstEdge, packed, piece } of edges.parts) {
    const { tree, sequenceAdvantages, mask } = batch[example];
    if (sequenceAdvantages?.length !== tree.groupSize) {
      throw new EngineError(
        `update: example ${example} needs sequenceAdvantages with ${tree.groupSize} values, got ${sequenceAdvantages?.length ?? 'none'}`,
      );
    }
    for (const i of piece?.completions ?? tree.lengths.keys()) {
      const first = members.length;
      for (const place of packedIndices(tree, packed, i)) {
        if (mask && mask[packed.treeToken[place]] === 0) continue;
        members.push(BigInt(ranks[firstEdge + place - packed.promptLength]));
        owners.push(BigInt(advantages.length));
      }
      const length = members.length - first;
      for (let p = 0; p < length; p++) shares.push(1 / length);
      advantages.push(sequenceAdvantages[i]);
    }
  }
  return {
    plus: Float32Array.from(advantages, (a) => Math.max(a, 0)),
    minus: Float32Array.from(advantages, (a) => Math.min(a, 0)),
    edge: BigInt64Array.from(members),
    sequence: BigInt64Array.from(owners),
    share: Float32Array.from(shares),
  };
}

/** @throws EngineError if a tree token lacks a log-probability that the loss reads */
export function checkLogprobs(
  example: TrainExample,
  i: number,
  key: 'oldLogprobs' | 'referenceLogprobs' | 'samplerLogprobs',
  needed: boolean,
): void {
  if (needed && example[key]?.length !== example.tree.distinctTokenCount) {
    throw new EngineError(
      `update: example ${i} needs ${key} with ${example.tree.distinctTokenCount} values, got ${example[key]?.length ?? 'none'}`,
    );
  }
}

export function emptyScores(batch: readonly TreeExample[]): Required<TreeScores> {
  const empty = (): Float32Array[] => batch.map(({ tree }) => new Float32Array(tree.distinctTokenCount));
  return { logprobs: empty(), entropies: empty() };
}

/** Assigns the results of a run to the tree tokens of its examples. */
export function collectScores(
  scores: Required<TreeScores>,
  edges: Edges,
  values: Pick<UpdateValues, 'logprobs' | 'entropies'>,
): void {
  const [logprobs, entropies] = [edges.byEdge(values.logprobs), edges.ofRows(values.entropies)];
  for (const part of edges.parts) {
    for (const { edge, token } of edgesOf(part)) {
      scores.logprobs[part.example][token] = logprobs[edge];
      scores.entropies[part.example][token] = entropies[edge];
    }
  }
}
