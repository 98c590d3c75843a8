/**
 * Tree attention for training and scoring (decoding: cached-attention.ts). The tokens of whole forests are in
 * depth-first order, cut into rows of L. Token i attends to token j iff j ≤ i < subtreeEnd[j], that is, j is i or an
 * ancestor of i. Of earlier rows, a row needs only the ancestors of its first token (its "context"); their keys and
 * values are gathered, not recomputed (context.ts). Cost: N·(L + depth) instead of N².
 */
import * as g from '../graph/index.js';
import type { ForestBatch } from './batches.js';
import { architectureOf, type ModelConfig } from './config.js';
import { chunkReader, contextReader, firstSlots } from './context.js';

/**
 * Mixes values between tokens.
 * @param qkv heads of queries, keys and values of N tokens, in any fixed order of the elements of [N, heads +
 * 2·keyValueHeads, d]
 * @returns [N, heads·d]
 */
export type Attend = (layer: number, qkv: g.Tensor) => g.Tensor;

/** Added to masked scores; finite, so that a fully masked row does not give NaN. */
const HIDDEN = -1e9;

export function bias(visible: g.Tensor): g.Tensor {
  return g.where(visible, 0, HIDDEN);
}

/**
 * Arranges heads for the matrix products. Query heads that share a key-value head become rows of one matrix, so keys
 * and values are not repeated in memory.
 */
export class Heads {
  readonly headWidth: number;
  readonly keyValueHeads: number;
  private readonly heads: number;
  /** Query heads per key-value head. */
  private readonly group: number;
  private readonly scale: number;

  constructor(config: ModelConfig) {
    const { headWidth, keyValueHeads } = architectureOf(config);
    this.headWidth = headWidth;
    this.heads = config.heads;
    this.keyValueHeads = keyValueHeads;
    this.group = config.heads / keyValueHeads;
    this.scale = 1 / Math.sqrt(headWidth);
  }

  /**
   * Separates the heads of queries, keys and values.
   * @returns queries [rows, keyValueHeads, group·length, d], and keys with values [rows, length, 2·keyValueHeads, d]
   */
  apart(qkv: g.Tensor, rows: g.Dim, length: g.Dim): [g.Tensor, g.Tensor] {
    const { heads, keyValueHeads, headWidth } = this;
    const all = g.reshape(qkv, [rows, length, heads + 2 * keyValueHeads, headWidth]);
    const [q, kv] = g.split(all, [heads, 2 * keyValueHeads], 2);
    const shape = [rows, keyValueHeads, g.times(this.group, length), headWidth];
    return [g.reshape(g.transpose(q, [0, 2, 1, 3]), shape), kv];
  }

  /**
   * All heads of tokens, [tokens, heads + 2·keyValueHeads, d], and those of keys and values, [tokens, 2·keyValueHeads,
   * d].
   */
  split(qkv: g.Tensor, tokens: g.Dim): [g.Tensor, g.Tensor] {
    const { heads, keyValueHeads, headWidth } = this;
    const all = g.reshape(qkv, [tokens, heads + 2 * keyValueHeads, headWidth]);
    return [all, g.split(all, [heads, 2 * keyValueHeads], 1)[1]];
  }

  /** [rows, T, 2·keyValueHeads, d] → keys and values, [rows, keyValueHeads, T, d] each */
  keysAndValues(kv: g.Tensor): [g.Tensor, g.Tensor] {
    const { keyValueHeads } = this;
    const [keys, values] = g.split(g.transpose(kv, [0, 2, 1, 3]), [keyValueHeads, keyValueHeads], 1);
    return [keys, values];
  }

  /** Queries of a key-value head: those of its query heads for every token. */
  queriesOf(length: g.Dim): g.Dim {
    return g.times(this.group, length);
  }

  /** Shape of cached keys or values. */
  cached(sequences: g.Dim, slots: g.Dim): g.Shape {
    return [sequences, this.keyValueHeads, slots, this.headWidth];
  }

  /** [rows, 1, length, T] → a mask to be added to scores. */
  mask(x: g.Tensor): g.Tensor {
    const { group } = this;
    const length = x.shape[2];
    if (group === 1 || length === 1) return x;
    return g.concat(new Array<g.Tensor>(group).fill(x), 2, g.times(group, length));
  }

  /** [rows, keyValueHeads, group·length, T] */
  scores(queries: g.Tensor, keys: g.Tensor, mask: g.Tensor): g.Tensor {
    return g.add(this.products(queries, keys), mask);
  }

  /** Scores without a mask. */
  products(queries: g.Tensor, keys: g.Tensor): g.Tensor {
    return g.matmul(queries, keys, { transB: true, alpha: this.scale });
  }

  /** Values mixed by the softmax of scores, in the shape of queries. */
  mixed(queries: g.Tensor, keys: g.Tensor, values: g.Tensor, mask: g.Tensor): g.Tensor {
    return g.matmul(g.softmax(this.scores(queries, keys, mask)), values);
  }

  /** Mixed values in the shape of queries → [N, heads·d] */
  joined(x: g.Tensor, rows: g.Dim, length: g.Dim, tokens: g.Dim): g.Tensor {
    const { heads, headWidth } = this;
    const apart = g.reshape(x, [rows, heads, length, headWidth]);
    return g.reshape(g.transpose(apart, [0, 2, 1, 3]), [tokens, heads * headWidth]);
  }
}

/** How rows read earlier rows: not at all, all rows at once, or in chunks of rows. */
export type ContextReading = 'none' | 'at once' | 'in chunks';

/** Names of a forest's symbolic axes in its programs. */
export interface ForestAxes {
  readonly rows: g.Dim;
  readonly tokens: g.Dim;
}

export function forestAxes(reading: ContextReading): ForestAxes {
  const rows = reading === 'in chunks' ? 'K*R' : 'B';
  return { rows, tokens: `${rows}*L` };
}

/** Attention over a packed forest. */
export function treeAttention<Batch extends ForestBatch>(
  scope: g.InputScope<Batch>,
  config: ModelConfig,
  reading: ContextReading,
): Attend {
  const heads = new Heads(config);
  return reading === 'in chunks' ? inChunks(scope, heads) : atOnce(scope, heads, reading === 'at once');
}

/** Mask of a row's own tokens, [rows, 1, L, L]. @param index, end [rows, L] */
function within(index: g.Tensor, end: g.Tensor): g.Tensor {
  const [rows, length] = index.shape;
  const query = g.reshape(index, [rows, 1, length, 1]);
  return bias(
    g.and(
      g.lessOrEqual(g.reshape(index, [rows, 1, 1, length]), query),
      g.less(query, g.reshape(end, [rows, 1, 1, length])),
    ),
  );
}

/** Mask of the row's context, [rows, 1, L, C]. @param index [rows, L] @param end [rows, C] */
function before(index: g.Tensor, end: g.Tensor): g.Tensor {
  const [rows, length] = index.shape;
  const query = g.reshape(index, [rows, 1, length, 1]);
  return bias(g.less(query, g.reshape(end, [rows, 1, 1, end.shape[1]])));
}

function atOnce(scope: g.InputScope<ForestBatch>, heads: Heads, context: boolean): Attend {
  const index = scope.input('index', 'int32', ['B', 'L'], (batch) => batch.index);
  const end = scope.input('subtree_end', 'int32', ['B', 'L'], (batch) => batch.subtreeEnd);
  const local = within(index, end);
  const attend =
    (mask: g.Tensor, read: (kv: g.Tensor) => g.Tensor): Attend =>
    (_, qkv) => {
      const [queries, kv] = heads.apart(qkv, 'B', 'L');
      const [keys, values] = heads.keysAndValues(read(kv));
      return heads.joined(heads.mixed(queries, keys, values, mask), 'B', 'L', 'B*L');
    };
  if (!context) return attend(heads.mask(local), (kv) => kv);
  const contextEnd = scope.input('context_end', 'int32', ['B', 'C'], (batch) => batch.contextEnd);
  const mask = g.concat([before(index, contextEnd), local], 3, 'C+L');
  return attend(heads.mask(mask), contextReader(scope));
}

/** K chunks of R rows: memory at any time is that of one chunk, with only as many slots as its rows use. */
function inChunks(scope: g.InputScope<ForestBatch>, heads: Heads): Attend {
  const inputs = [
    scope.input('index', 'int32', ['K', 'R', 'L'], (batch) => batch.index),
    scope.input('subtree_end', 'int32', ['K', 'R', 'L'], (batch) => batch.subtreeEnd),
    scope.input('context_end', 'int32', ['K', 'R', 'C'], (batch) => batch.contextEnd),
  ];
  const reader = chunkReader(scope);
  return (_, qkv) => {
    const [all, kv] = heads.split(qkv, 'K*R*L');
    const mixed = g.partByPart(
      [g.reshape(all, ['K', 'R', 'L', ...all.shape.slice(1)]), reader.used, reader.context, ...inputs],
      [kv],
      ([queryInput, used, context, index, end, contextEnd], [kvOfAll], back) => {
        const [queries, local] = heads.apart(queryInput, 'R', 'L');
        const tokens = firstSlots(context, 1, 'S', used);
        tokens.graph.defineSymbol('S', tokens, 1);
        const seen = g.concat([reader.read(kvOfAll, tokens, back), local], 1, 'S+L');
        const ends = firstSlots(contextEnd, 1, 'S');
        const mask = heads.mask(g.concat([before(index, ends), within(index, end)], 3, 'S+L'));
        const [keys, values] = heads.keysAndValues(seen);
        return heads.joined(heads.mixed(queries, keys, values, mask), 'R', 'L', 'R*L');
      },
      reader.back,
    );
    return g.reshape(mixed, ['K*R*L', mixed.shape[2]]);
  };
}
