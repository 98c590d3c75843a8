/**
 * Two ways for tokens to see each other; the decoder is the same for both.
 *
 * Tree attention (training, scoring): tokens of whole forests in depth-first order, cut into rows of L. Token i
 * sees token j iff j ≤ i < subtreeEnd[j]: j is i itself or an ancestor. What a row needs from before it are the
 * ancestors of its first token, a chain ("context" of the row), whose keys and values are gathered, not computed
 * again. Cost: N·(L + depth) instead of N².
 *
 * Cached attention (decoding): R rows, each with S new tokens after `past_length` cached ones.
 */
import * as g from '../graph/index.js';
import type { DecodeBatch, ForestBatch } from './batches.js';
import { architectureOf, type ModelConfig } from './config.js';

/**
 * Mixes values between tokens: q and the result are [N, heads·d], k and v [N, keyValueHeads·d], tokens in any fixed
 * order.
 */
export type Attend = (layer: number, q: g.Tensor, k: g.Tensor, v: g.Tensor) => g.Tensor;

/** Added to scores that must not count; finite, so that a row of them is no NaN. */
const HIDDEN = -1e9;

function bias(visible: g.Tensor): g.Tensor {
  return g.where(visible, 0, HIDDEN);
}

/**
 * Heads as the products want them. Where several query heads share a head of keys and values they are an axis of their
 * own, over which keys and values broadcast: nothing is repeated in memory.
 */
class Heads {
  readonly headWidth: number;
  private readonly heads: number;
  private readonly shared: number;
  private readonly grouped: boolean;
  readonly scale: number;

  constructor(config: ModelConfig) {
    const { headWidth, keyValueHeads } = architectureOf(config);
    this.headWidth = headWidth;
    this.heads = config.heads;
    this.shared = keyValueHeads;
    this.grouped = keyValueHeads !== config.heads;
    this.scale = 1 / Math.sqrt(headWidth);
  }

  get keyValueHeads(): number {
    return this.shared;
  }

  /** [N, heads·d] → [rows, heads, length, d], or [rows, keyValueHeads, group, length, d]. */
  queries(x: g.Tensor, rows: g.Dim, length: g.Dim): g.Tensor {
    const { heads, shared, headWidth: d } = this;
    if (!this.grouped) return g.transpose(g.reshape(x, [rows, length, heads, d]), [0, 2, 1, 3]);
    return g.transpose(g.reshape(x, [rows, length, shared, heads / shared, d]), [0, 2, 3, 1, 4]);
  }

  /** [N, keyValueHeads·d] → [rows, keyValueHeads, length, d] */
  keys(x: g.Tensor, rows: g.Dim, length: g.Dim): g.Tensor {
    return g.transpose(g.reshape(x, [rows, length, this.shared, this.headWidth]), [0, 2, 1, 3]);
  }

  /** [rows, keyValueHeads, length, d] → with an axis of 1 for the group, where there is one. */
  broadcast(x: g.Tensor): g.Tensor {
    return this.grouped ? g.unsqueeze(x, 2) : x;
  }

  /** [rows, 1, L, T] → to be added to scores. */
  mask(x: g.Tensor): g.Tensor {
    return this.grouped ? g.unsqueeze(x, 2) : x;
  }

  /** Mixed values, shaped as queries are → [N, heads·d] */
  joined(x: g.Tensor, tokens: g.Dim): g.Tensor {
    const order = this.grouped ? [0, 3, 1, 2, 4] : [0, 2, 1, 3];
    return g.reshape(g.transpose(x, order), [tokens, this.heads * this.headWidth]);
  }
}

/**
 * Attention over a packed forest.
 * @param context whether rows have ancestors before them
 * @param contextSums adds up the gradients of tokens that several rows gather; default: one after another
 */
export function treeAttention<Batch extends ForestBatch>(
  scope: g.InputScope<Batch>,
  config: ModelConfig,
  context: boolean,
  contextSums?: g.PairedSums<ForestBatch>,
): Attend {
  const index = scope.input('index', 'int32', ['B', 'L'], (batch) => batch.index);
  const end = scope.input('subtree_end', 'int32', ['B', 'L'], (batch) => batch.subtreeEnd);
  const query = g.reshape(index, ['B', 1, 'L', 1]);
  const own = bias(
    g.and(
      g.lessOrEqual(g.reshape(index, ['B', 1, 1, 'L']), query),
      g.less(query, g.reshape(end, ['B', 1, 1, 'L'])),
    ),
  );
  const heads = new Heads(config);
  const { scale } = heads;
  if (!context) {
    const mask = heads.mask(own);
    return (_, q, k, v) => {
      const qh = heads.queries(q, 'B', 'L');
      const [kh, vh] = [k, v].map((x) => heads.broadcast(heads.keys(x, 'B', 'L')));
      const weights = g.softmax(g.add(g.matmul(qh, kh, { transB: true, alpha: scale }), mask));
      return heads.joined(g.matmul(weights, vh), 'B*L');
    };
  }
  const rows = scope.input('context', 'int32', ['B*C'], (batch) => batch.context);
  const contextEnd = scope.input('context_end', 'int32', ['B', 'C'], (batch) => batch.contextEnd);
  const before = bias(g.less(query, g.reshape(contextEnd, ['B', 1, 1, 'C'])));
  const mask = heads.mask(g.concat([before, own], 3, 'C+L'));
  const withContext = (x: g.Tensor): g.Tensor => {
    const { keyValueHeads, headWidth } = heads;
    const addBack = contextSums && ((gradient: g.Tensor) => contextSums.add(x.shape, gradient));
    const gathered = g.reshape(g.gather(x, rows, addBack), ['B', 'C', keyValueHeads, headWidth]);
    const joined = g.concat([gathered, g.reshape(x, ['B', 'L', keyValueHeads, headWidth])], 1, 'C+L');
    return heads.broadcast(g.transpose(joined, [0, 2, 1, 3]));
  };
  return (_, q, k, v) => {
    const scores = g.matmul(heads.queries(q, 'B', 'L'), withContext(k), { transB: true, alpha: scale });
    return heads.joined(g.matmul(g.softmax(g.add(scores, mask)), withContext(v)), 'B*L');
  };
}

export interface CachedAttention {
  readonly attend: Attend;
  /** Keys and values of the new tokens, in layer order k₀, v₀, k₁, …, each [R, keyValueHeads, S, d]. */
  readonly fresh: readonly g.Tensor[];
}

/**
 * Attention of S new tokens a row over a cache of T slots and over themselves.
 */
export function cachedAttention(scope: g.InputScope<DecodeBatch>, config: ModelConfig): CachedAttention {
  const { graph } = scope;
  const arange = (count: number): Int32Array => Int32Array.from({ length: count }, (_, i) => i);
  const heads = new Heads(config);
  const { scale, keyValueHeads, headWidth } = heads;
  const pastLength = g.reshape(
    scope.input('past_length', 'int32', ['R'], (batch) => batch.pastLength),
    ['R', 1, 1, 1],
  );
  const pastIndex = g.reshape(
    scope.input('past_index', 'int32', ['T'], ({ slots }) => arange(slots)),
    [1, 1, 1, 'T'],
  );
  const newIndex = scope.input('new_index', 'int32', ['S'], ({ newTokens }) => arange(newTokens));
  const past = heads.mask(bias(g.less(pastIndex, pastLength)));
  const causal = heads.mask(
    g.reshape(bias(g.lessOrEqual(g.reshape(newIndex, [1, 'S']), g.reshape(newIndex, ['S', 1]))), [
      1,
      1,
      'S',
      'S',
    ]),
  );
  const fresh: g.Tensor[] = [];
  const attend: Attend = (layer, q, k, v) => {
    const cached = (kind: 0 | 1): g.Tensor =>
      heads.broadcast(
        scope.input(
          `past_${kind === 0 ? 'key' : 'value'}.${layer}`,
          'float32',
          ['R', keyValueHeads, 'T', headWidth],
          (batch) => batch.past(layer, kind),
        ),
      );
    const [keys, values] = [cached(0), cached(1)];
    const qh = heads.queries(q, 'R', 'S');
    const [kh, vh] = [k, v].map((x) => heads.keys(x, 'R', 'S'));
    fresh.push(kh, vh);
    const scores = g.concat(
      [
        g.add(g.matmul(qh, keys, { transB: true, alpha: scale }), past),
        g.add(g.matmul(qh, heads.broadcast(kh), { transB: true, alpha: scale }), causal),
      ],
      -1,
      'T+S',
    );
    const weights = g.softmax(scores);
    const cut = graph.dimension('T');
    const end = graph.int64s([Number.MAX_SAFE_INTEGER]);
    const old = g.matmul(g.slice(weights, -1, graph.int64s([0]), cut, 'T'), values);
    const own = g.matmul(g.slice(weights, -1, cut, end, 'S'), heads.broadcast(vh));
    return heads.joined(g.add(old, own), 'R*S');
  };
  return { attend, fresh };
}
