/** What a run of the update or score program is fed with, besides weights; and what is read from what comes out. */
import { contextSums, ofChunk } from '../../model/index.js';
import type { Feed } from '../../runtime/index.js';
import { packedIndices } from '../../tree/index.js';
import {
  EngineError,
  type PolicyOptions,
  type TrainExample,
  type TreeExample,
  type TreeScores,
  type UpdateOptions,
} from '../engine.js';
import type { HeadChunk, PackedRows } from './batch.js';

/** Added to the logits of tokens that are not allowed. */
const FORBIDDEN = -1e9;

/** Inputs that say which tokens there are and who sees whom. */
export function treeFeeds(
  rows: PackedRows,
  chunks: readonly HeadChunk[],
  options: PolicyOptions,
  vocabularySize: number,
): Record<string, Feed> {
  const grid = [rows.rows, rows.length];
  return {
    tokens: { data: rows.tokens, dims: [rows.tokens.length] },
    positions: { data: rows.positions, dims: [rows.tokens.length] },
    index: { data: rows.index, dims: grid },
    subtree_end: { data: rows.subtreeEnd, dims: grid },
    context: { data: rows.context, dims: [rows.context.length] },
    context_end: { data: rows.contextEnd, dims: [rows.rows, rows.contextLength] },
    ...headFeeds(rows, chunks),
    inverse_temperature: { data: Float32Array.of(1 / (options.temperature || 1)), dims: [] },
    logit_bias: { data: logitBias(options.allowedTokens, vocabularySize), dims: [vocabularySize] },
  };
}

/** Rows and edges of the head's chunks. */
function headFeeds(rows: PackedRows, chunks: readonly HeadChunk[]): Record<string, Feed> {
  const feeds: Record<string, Feed> = {};
  chunks.forEach((chunk, i) => {
    const predicting = rows.headRows.subarray(...chunk.rows);
    feeds[ofChunk('head_rows', i)] = { data: predicting, dims: [predicting.length] };
    const order = rows.edgeOrder.subarray(...chunk.edges);
    const edges = new BigInt64Array(2 * order.length);
    order.forEach((edge, e) => {
      edges[2 * e] = BigInt(rows.edgeRow[edge] - chunk.rows[0]);
      edges[2 * e + 1] = BigInt(rows.edgeToken[edge]);
    });
    feeds[ofChunk('edges', i)] = { data: edges, dims: [order.length, 2] };
  });
  return feeds;
}

/** Values of edges, for each chunk its own. */
function edgeFeeds(
  name: string,
  values: Float32Array | Int32Array,
  { edgeOrder }: PackedRows,
  chunks: readonly HeadChunk[],
): Record<string, Feed> {
  return Object.fromEntries(
    chunks.map(({ edges, rows: [firstRow] }, i) => {
      const data =
        values instanceof Float32Array
          ? Float32Array.from(edgeOrder.subarray(...edges), (edge) => values[edge])
          : edgeOrder.slice(...edges).map((edge) => values[edge] - firstRow);
      return [ofChunk(name, i), { data, dims: [data.length] }];
    }),
  );
}

/** How the gradients of context tokens are added up. */
export function contextFeeds(rows: PackedRows, rounds: number): Record<string, Feed> {
  const sums = contextSums(rows.context, rows.contextEnd, rounds);
  return Object.fromEntries([...sums].map(([name, data]) => [name, { data, dims: [data.length] }]));
}

/** 0 for allowed tokens, a large negative number for all others, [V]. */
export function logitBias(allowed: readonly number[] | undefined, vocabularySize: number): Float32Array {
  const bias = new Float32Array(vocabularySize);
  if (!allowed) return bias;
  bias.fill(FORBIDDEN);
  for (const token of allowed) bias[token] = 0;
  return bias;
}

/** δ where two-sided clipping is off: larger than any ratio that occurs. */
const UNBOUNDED = 3e38;

/** Coefficients of every edge, from those of the node its token belongs to. */
export function lossFeeds(
  rows: PackedRows,
  chunks: readonly HeadChunk[],
  batch: readonly TrainExample[],
  options: UpdateOptions,
  clipped: boolean,
  kl: boolean,
): Record<string, Feed> {
  const { form = 'ppo', entropyBonus = 0 } = options;
  const count = rows.edgeRow.length;
  const plus = new Float32Array(count);
  const minus = new Float32Array(count);
  const weight = new Float32Array(count);
  const old = new Float32Array(clipped ? count : 0);
  const reference = new Float32Array(kl ? count : 0);
  for (const { example, firstEdge, packed } of rows.parts) {
    const { coefficients, oldLogprobs, referenceLogprobs, mask, weights } = batch[example];
    for (let j = packed.promptLength, t = 0; j < packed.length; j++, t++) {
      const node = packed.node[j];
      const trained = mask ? mask[t] : 1;
      const factor = trained * (weights ? weights[t] : 1);
      plus[firstEdge + t] = factor * coefficients.plus[node];
      minus[firstEdge + t] = factor * coefficients.minus[node];
      weight[firstEdge + t] = trained * coefficients.kl[node];
    }
    if (clipped) old.set(oldLogprobs as Float32Array, firstEdge);
    if (kl) reference.set(referenceLogprobs as Float32Array, firstEdge);
  }
  const edge = (name: string, values: Float32Array): Record<string, Feed> =>
    edgeFeeds(name, values, rows, chunks);
  const scalar = (value: number): Feed => ({ data: Float32Array.of(value), dims: [] });
  return {
    ...(form === 'gspo' ? sequenceFeeds(rows, batch) : { ...edge('plus', plus), ...edge('minus', minus) }),
    ...(clipped
      ? {
          ...edge('old_logprobs', old),
          clip_low: scalar(options.clipLow),
          clip_high: scalar(options.clipHigh),
          clip_bound: scalar(options.clipBound ?? UNBOUNDED),
        }
      : {}),
    ...(kl
      ? {
          ...edge('reference_logprobs', reference),
          ...edge(
            'kl_weight',
            weight.map((w) => options.klBeta * w),
          ),
        }
      : {}),
    ...(entropyBonus > 0
      ? {
          ...edgeFeeds('edge_row', rows.edgeRow, rows, chunks),
          ...edge(
            'entropy_weight',
            weight.map((w) => entropyBonus * w),
          ),
        }
      : {}),
  };
}

/** What the form gspo wants: which edges make up each sequence, and the advantage of each sequence. */
function sequenceFeeds(rows: PackedRows, batch: readonly TrainExample[]): Record<string, Feed> {
  const edges: number[] = [];
  const owners: number[] = [];
  const shares: number[] = [];
  const advantages: number[] = [];
  const place = new Int32Array(rows.edgeOrder.length);
  rows.edgeOrder.forEach((edge, i) => {
    place[edge] = i;
  });
  for (const { example, firstEdge, packed } of rows.parts) {
    const { tree, sequenceAdvantages, mask } = batch[example];
    if (sequenceAdvantages?.length !== tree.groupSize) {
      throw new EngineError(
        `update: example ${example} needs sequenceAdvantages with ${tree.groupSize} values, found ${sequenceAdvantages?.length ?? 'none'}`,
      );
    }
    for (let i = 0; i < tree.groupSize; i++) {
      const first = edges.length;
      for (const slot of packedIndices(tree, packed, i)) {
        const token = slot - packed.promptLength;
        if (mask && mask[token] === 0) continue;
        edges.push(place[firstEdge + token]);
        owners.push(advantages.length);
      }
      const length = edges.length - first;
      for (let p = 0; p < length; p++) shares.push(1 / length);
      advantages.push(sequenceAdvantages[i]);
    }
  }
  const int64 = (values: readonly number[]): BigInt64Array => BigInt64Array.from(values, (v) => BigInt(v));
  const of = (values: readonly number[]): Feed => ({
    data: Float32Array.from(values),
    dims: [values.length],
  });
  return {
    plus: of(advantages.map((a) => Math.max(a, 0))),
    minus: of(advantages.map((a) => Math.min(a, 0))),
    pair_edge: { data: int64(edges), dims: [edges.length] },
    pair_sequence: { data: int64(owners), dims: [owners.length] },
    pair_share: of(shares),
  };
}

export function checkLogprobs(
  example: TrainExample,
  i: number,
  key: 'oldLogprobs' | 'referenceLogprobs',
  needed: boolean,
): void {
  if (needed && example[key]?.length !== example.tree.distinctTokenCount) {
    throw new EngineError(
      `update: example ${i} needs ${key} with ${example.tree.distinctTokenCount} values, found ${example[key]?.length ?? 'none'}`,
    );
  }
}

export function emptyScores(batch: readonly TreeExample[]): TreeScores {
  const make = (): Float32Array[] => batch.map(({ tree }) => new Float32Array(tree.distinctTokenCount));
  return { logprobs: make(), entropies: make() };
}

/** @param logprobs of the edges in `edgeOrder`, [E] */
export function collectScores(
  scores: TreeScores,
  rows: PackedRows,
  logprobs: Float32Array,
  entropy: Float32Array,
): void {
  const ofEdge = new Float32Array(logprobs.length);
  rows.edgeOrder.forEach((edge, i) => {
    ofEdge[edge] = logprobs[i];
  });
  for (const { example, firstEdge, packed } of rows.parts) {
    const count = packed.length - packed.promptLength;
    scores.logprobs[example].set(ofEdge.subarray(firstEdge, firstEdge + count));
    for (let e = 0; e < count; e++) scores.entropies[example][e] = entropy[rows.edgeRow[firstEdge + e]];
  }
}
