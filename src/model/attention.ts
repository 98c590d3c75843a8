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
import type { ModelConfig } from './config.js';

/** Mixes values between tokens: q, k, v and the result are [N, D], tokens in any fixed order. */
export type Attend = (layer: number, q: g.Tensor, k: g.Tensor, v: g.Tensor) => g.Tensor;

/** Added to scores that must not count; finite, so that a row of them is no NaN. */
const HIDDEN = -1e9;

function bias(visible: g.Tensor): g.Tensor {
  return g.where(visible, 0, HIDDEN);
}

/** [N, D] → [rows, heads, length, D/heads] */
function toHeads(x: g.Tensor, rows: g.Dim, length: g.Dim, { heads, width }: ModelConfig): g.Tensor {
  return g.transpose(g.reshape(x, [rows, length, heads, width / heads]), [0, 2, 1, 3]);
}

/** [rows, heads, length, D/heads] → [N, D] */
function fromHeads(x: g.Tensor, tokens: g.Dim, { width }: ModelConfig): g.Tensor {
  return g.reshape(g.transpose(x, [0, 2, 1, 3]), [tokens, width]);
}

/**
 * Attention over a packed forest.
 * Inputs it declares: `index` int32 [B, L] (position in depth-first order), `subtree_end` int32 [B, L], and with
 * `context` also `context` int32 [B*C] (tokens gathered for each row) and `context_end` int32 [B, C] (their
 * subtree_end; 0 marks padding, which nobody sees).
 */
export function treeAttention(graph: g.Graph, config: ModelConfig, context: boolean): Attend {
  const index = graph.input('index', 'int32', ['B', 'L']);
  const end = graph.input('subtree_end', 'int32', ['B', 'L']);
  const query = g.reshape(index, ['B', 1, 'L', 1]);
  const own = bias(
    g.and(
      g.lessOrEqual(g.reshape(index, ['B', 1, 1, 'L']), query),
      g.less(query, g.reshape(end, ['B', 1, 1, 'L'])),
    ),
  );
  const scale = 1 / Math.sqrt(config.width / config.heads);
  if (!context) {
    return (_, q, k, v) => {
      const [qh, kh, vh] = [q, k, v].map((x) => toHeads(x, 'B', 'L', config));
      const weights = g.softmax(g.add(g.matmul(qh, kh, { transB: true, alpha: scale }), own));
      return fromHeads(g.matmul(weights, vh), 'B*L', config);
    };
  }
  const rows = graph.input('context', 'int32', ['B*C']);
  const contextEnd = graph.input('context_end', 'int32', ['B', 'C']);
  const before = bias(g.less(query, g.reshape(contextEnd, ['B', 1, 1, 'C'])));
  const mask = g.concat([before, own], 3, 'C+L');
  const withContext = (x: g.Tensor): g.Tensor => {
    const { heads, width } = config;
    const gathered = g.reshape(g.gather(x, rows), ['B', 'C', heads, width / heads]);
    const joined = g.concat([gathered, g.reshape(x, ['B', 'L', heads, width / heads])], 1, 'C+L');
    return g.transpose(joined, [0, 2, 1, 3]);
  };
  return (_, q, k, v) => {
    const scores = g.matmul(toHeads(q, 'B', 'L', config), withContext(k), { transB: true, alpha: scale });
    return fromHeads(g.matmul(g.softmax(g.add(scores, mask)), withContext(v)), 'B*L', config);
  };
}

export interface CachedAttention {
  readonly attend: Attend;
  /** Keys and values of the new tokens, in layer order k₀, v₀, k₁, …, each [R, heads, S, D/heads]. */
  readonly fresh: readonly g.Tensor[];
}

/**
 * Attention of S new tokens a row over a cache of T slots and over themselves.
 * Inputs it declares: `past_key.i`, `past_value.i` [R, heads, T, D/heads], `past_length` int32 [R] (slots in use),
 * `past_index` int32 [T] = 0…T−1, `new_index` int32 [S] = 0…S−1.
 */
export function cachedAttention(graph: g.Graph, config: ModelConfig): CachedAttention {
  const head = config.width / config.heads;
  const pastLength = g.reshape(graph.input('past_length', 'int32', ['R']), ['R', 1, 1, 1]);
  const pastIndex = g.reshape(graph.input('past_index', 'int32', ['T']), [1, 1, 1, 'T']);
  const newIndex = graph.input('new_index', 'int32', ['S']);
  const past = bias(g.less(pastIndex, pastLength));
  const causal = bias(g.lessOrEqual(g.reshape(newIndex, [1, 'S']), g.reshape(newIndex, ['S', 1])));
  const scale = 1 / Math.sqrt(head);
  const fresh: g.Tensor[] = [];
  const attend: Attend = (layer, q, k, v) => {
    const keys = graph.input(`past_key.${layer}`, 'float32', ['R', config.heads, 'T', head]);
    const values = graph.input(`past_value.${layer}`, 'float32', ['R', config.heads, 'T', head]);
    const [qh, kh, vh] = [q, k, v].map((x) => toHeads(x, 'R', 'S', config));
    fresh.push(kh, vh);
    const scores = g.concat(
      [
        g.add(g.matmul(qh, keys, { transB: true, alpha: scale }), past),
        g.add(g.matmul(qh, kh, { transB: true, alpha: scale }), causal),
      ],
      3,
      'T+S',
    );
    const weights = g.softmax(scores);
    const cut = graph.dimension('T');
    const end = graph.int64s([Number.MAX_SAFE_INTEGER]);
    const old = g.matmul(g.slice(weights, 3, graph.int64s([0]), cut, 'T'), values);
    const own = g.matmul(g.slice(weights, 3, cut, end, 'S'), vh);
    return fromHeads(g.add(old, own), 'R*S', config);
  };
  return { attend, fresh };
}
