/**
 * How tokens see each other when a policy is trained or scored; the decoder is the same as for decoding
 * (cached-attention.ts).
 *
 * Tree attention: tokens of whole forests in depth-first order, cut into rows of L. Token i
 * sees token j iff j ≤ i < subtreeEnd[j]: j is i itself or an ancestor. What a row needs from before it are the
 * ancestors of its first token, a chain ("context" of the row), whose keys and values are gathered, not computed
 * again (context.ts). Cost: N·(L + depth) instead of N².
 */
import * as g from '../graph/index.js';
import type { ForestBatch } from './batches.js';
import { architectureOf, type ModelConfig } from './config.js';
import { contextReader } from './context.js';

/**
 * Mixes values between tokens.
 * @param qkv heads of queries, keys and values of N tokens in any fixed order: the elements of [N, heads + 2·keyValueHeads, d]
 * @returns [N, heads·d]
 */
export type Attend = (layer: number, qkv: g.Tensor) => g.Tensor;

/** Added to scores that must not count; finite, so that a row of them is no NaN. */
const HIDDEN = -1e9;

export function bias(visible: g.Tensor): g.Tensor {
  return g.where(visible, 0, HIDDEN);
}

/**
 * Heads as the products want them. Query heads that share a head of keys and values stand below each other as rows of one
 * matrix: nothing is repeated in memory.
 */
export class Heads {
  readonly headWidth: number;
  readonly keyValueHeads: number;
  private readonly heads: number;
  /** Query heads to a head of keys and values. */
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
   * Cuts heads of queries, keys and values apart.
   * @returns queries [rows, keyValueHeads, group·length, d], and keys with values [rows, length, 2·keyValueHeads, d]
   */
  apart(qkv: g.Tensor, rows: g.Dim, length: g.Dim): [g.Tensor, g.Tensor] {
    const { heads, keyValueHeads, headWidth } = this;
    const all = g.reshape(qkv, [rows, length, heads + 2 * keyValueHeads, headWidth]);
    const [q, kv] = g.split(all, [heads, 2 * keyValueHeads], 2);
    const shape = [rows, keyValueHeads, g.times(this.group, length), headWidth];
    return [g.reshape(g.transpose(q, [0, 2, 1, 3]), shape), kv];
  }

  /** [rows, T, 2·keyValueHeads, d] → keys and values, [rows, keyValueHeads, T, d] each */
  keysAndValues(kv: g.Tensor): [g.Tensor, g.Tensor] {
    const { keyValueHeads } = this;
    const [keys, values] = g.split(g.transpose(kv, [0, 2, 1, 3]), [keyValueHeads, keyValueHeads], 1);
    return [keys, values];
  }

  /** [rows, 1, length, T] → to be added to scores. */
  mask(x: g.Tensor): g.Tensor {
    const { group } = this;
    const length = x.shape[2];
    if (group === 1 || length === 1) return x;
    return g.concat(new Array<g.Tensor>(group).fill(x), 2, g.times(group, length));
  }

  /** [rows, keyValueHeads, group·length, T] */
  scores(queries: g.Tensor, keys: g.Tensor, mask: g.Tensor): g.Tensor {
    return g.add(g.matmul(queries, keys, { transB: true, alpha: this.scale }), mask);
  }

  /** Mixed values, shaped as queries are → [N, heads·d] */
  joined(x: g.Tensor, rows: g.Dim, length: g.Dim, tokens: g.Dim): g.Tensor {
    const { heads, headWidth } = this;
    const apart = g.reshape(x, [rows, heads, length, headWidth]);
    return g.reshape(g.transpose(apart, [0, 2, 1, 3]), [tokens, heads * headWidth]);
  }
}

/**
 * Attention over a packed forest.
 * @param context whether rows have ancestors before them
 */
export function treeAttention<Batch extends ForestBatch>(
  scope: g.InputScope<Batch>,
  config: ModelConfig,
  context: boolean,
): Attend {
  const index = scope.input('index', 'int32', ['B', 'L'], (batch) => batch.index);
  const end = scope.input('subtree_end', 'int32', ['B', 'L'], (batch) => batch.subtreeEnd);
  const query = g.reshape(index, ['B', 1, 'L', 1]);
  const local = bias(
    g.and(
      g.lessOrEqual(g.reshape(index, ['B', 1, 1, 'L']), query),
      g.less(query, g.reshape(end, ['B', 1, 1, 'L'])),
    ),
  );
  const heads = new Heads(config);
  const attend =
    (mask: g.Tensor, read: (kv: g.Tensor) => g.Tensor): Attend =>
    (_, qkv) => {
      const [queries, kv] = heads.apart(qkv, 'B', 'L');
      const [keys, values] = heads.keysAndValues(read(kv));
      const weights = g.softmax(heads.scores(queries, keys, mask));
      return heads.joined(g.matmul(weights, values), 'B', 'L', 'B*L');
    };
  if (!context) return attend(heads.mask(local), (kv) => kv);
  const contextEnd = scope.input('context_end', 'int32', ['B', 'C'], (batch) => batch.contextEnd);
  const before = bias(g.less(query, g.reshape(contextEnd, ['B', 1, 1, 'C'])));
  return attend(heads.mask(g.concat([before, local], 3, 'C+L')), contextReader(scope));
}
