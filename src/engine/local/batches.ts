/**
 * What a run of the model is filled from: the packed forest, and for each of its predicted tokens what the loss needs. Here
 * the coefficients of tree nodes become those of tokens; from here on only edges.ts knows how tokens are counted.
 */
import type { SequenceBatch, TreeBatch, UpdateBatch, UpdateValues } from '../../model/index.js';
import { packedIndices } from '../../tree/index.js';
import {
  EngineError,
  type PolicyOptions,
  type TrainExample,
  type TreeExample,
  type TreeScores,
  type UpdateOptions,
} from '../engine.js';
import type { Edges } from './edges.js';
import type { PackedRows } from './pack.js';

/** Added to the logits of tokens that are not allowed. */
const FORBIDDEN = -1e9;
/** δ where two-sided clipping is off: larger than any ratio that occurs. */
const UNBOUNDED = 3e38;

/** 0 for allowed tokens, a large negative number for all others, [V]. */
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

/** The coefficients of every edge, from those of the node that its token belongs to. */
export function updateBatch(
  tree: TreeBatch,
  edges: Edges,
  batch: readonly TrainExample[],
  options: UpdateOptions,
  dropoutSeed: number,
): UpdateBatch {
  const { form = 'ppo', entropyBonus = 0, klBeta } = options;
  const values = (): Float32Array => new Float32Array(edges.count);
  const [plus, minus, klWeight, entropyWeight, oldLogprobs, referenceLogprobs] = Array.from(
    { length: 6 },
    values,
  );
  for (const { example, firstEdge, packed } of edges.parts) {
    const { coefficients, mask, weights, ...known } = batch[example];
    for (let j = packed.promptLength, t = 0; j < packed.length; j++, t++) {
      const node = packed.node[j];
      const trained = mask ? mask[t] : 1;
      const factor = trained * (weights ? weights[t] : 1);
      plus[firstEdge + t] = factor * coefficients.plus[node];
      minus[firstEdge + t] = factor * coefficients.minus[node];
      klWeight[firstEdge + t] = klBeta * Math.fround(trained * coefficients.kl[node]);
      entropyWeight[firstEdge + t] = entropyBonus * Math.fround(trained * coefficients.kl[node]);
    }
    if (known.oldLogprobs) oldLogprobs.set(known.oldLogprobs, firstEdge);
    if (known.referenceLogprobs) referenceLogprobs.set(known.referenceLogprobs, firstEdge);
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
    referenceLogprobs,
    klWeight,
    entropyWeight,
    sequences,
    dropoutSeed,
  };
}

/** What the form gspo wants: which edges make up each sequence, and the advantage of each sequence. */
function sequenceBatch(
  edges: Edges,
  batch: readonly TrainExample[],
): SequenceBatch & Pick<UpdateBatch, 'plus' | 'minus'> {
  const members: bigint[] = [];
  const owners: bigint[] = [];
  const shares: number[] = [];
  const advantages: number[] = [];
  const ranks = edges.ranks();
  for (const { example, firstEdge, packed } of edges.parts) {
    const { tree, sequenceAdvantages, mask } = batch[example];
    if (sequenceAdvantages?.length !== tree.groupSize) {
      throw new EngineError(
        `update: example ${example} needs sequenceAdvantages with ${tree.groupSize} values, got ${sequenceAdvantages?.length ?? 'none'}`,
      );
    }
    for (let i = 0; i < tree.groupSize; i++) {
      const first = members.length;
      for (const place of packedIndices(tree, packed, i)) {
        const token = place - packed.promptLength;
        if (mask && mask[token] === 0) continue;
        members.push(BigInt(ranks[firstEdge + token]));
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

/** @throws EngineError if log-probabilities that the loss reads are not there for each tree token */
export function checkLogprobs(
  example: TrainExample,
  i: number,
  key: 'oldLogprobs' | 'referenceLogprobs',
  needed: boolean,
): void {
  if (needed && example[key]?.length !== example.tree.distinctTokenCount) {
    throw new EngineError(
      `update: example ${i} needs ${key} with ${example.tree.distinctTokenCount} values, got ${example[key]?.length ?? 'none'}`,
    );
  }
}

export function emptyScores(batch: readonly TreeExample[]): TreeScores {
  const empty = (): Float32Array[] => batch.map(({ tree }) => new Float32Array(tree.distinctTokenCount));
  return { logprobs: empty(), entropies: empty() };
}

/** Puts what a run gave to the tree tokens of its examples. */
export function collectScores(
  scores: TreeScores,
  edges: Edges,
  values: Pick<UpdateValues, 'logprobs' | 'entropies'>,
): void {
  const [logprobs, entropies] = [edges.byEdge(values.logprobs), edges.ofRows(values.entropies)];
  for (const { example, firstEdge, packed } of edges.parts) {
    const end = firstEdge + packed.length - packed.promptLength;
    scores.logprobs[example].set(logprobs.subarray(firstEdge, end));
    scores.entropies[example].set(entropies.subarray(firstEdge, end));
  }
}
