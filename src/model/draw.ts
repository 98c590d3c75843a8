/**
 * Samples tokens inside the graph: for 32 rows over 49,152 tokens, returning the distributions would copy 6 MB per
 * step. A token is drawn by the inverse of the cumulative sum in two stages: first a block of the vocabulary, then a
 * token of the block, so that no cumulative sum over the vocabulary is stored. Greedy tokens are found the same way; of
 * equal ones the first is taken.
 */
import * as g from '../graph/index.js';
import type { DrawBatch } from './batches.js';

/** Below 1 by more than the rounding error of a float32 sum. */
const BELOW_ONE = 1 - 2 ** -20;

export interface Choice {
  /** Each drawn token, as float32, [D]. */
  readonly drawnTokens: g.Tensor;
  /** Its ln p, [D]. */
  readonly drawnLogprobs: g.Tensor;
  /** The likeliest token of each row, as float32, [R]. */
  readonly greedyTokens: g.Tensor;
  /** Its ln p, [R]. */
  readonly greedyLogprobs: g.Tensor;
}

/** Tokens per block: a divisor of the vocabulary's size near its square root. */
export function blockWidth(vocabularySize: number): number {
  let width = vocabularySize;
  for (let divisor = 1; divisor * divisor <= vocabularySize; divisor++) {
    if (vocabularySize % divisor === 0) width = vocabularySize / divisor;
  }
  return width;
}

/**
 * @param probabilities [R, V]
 */
export function chooseTokens(scope: g.InputScope<DrawBatch>, probabilities: g.Tensor): Choice {
  const { graph } = scope;
  const [rows, size] = probabilities.shape;
  const width = blockWidth(Number(size));
  const count = Number(size) / width;
  const blocks = g.reshape(probabilities, [rows, count, width]);
  const row = scope.input('draw_row', 'int64', ['D', 1], (batch) => batch.drawRow());
  const uniform = scope.input('draw', 'float32', ['D', 1], (batch) => batch.draw());
  const share = g.minimum(uniform, BELOW_ONE);

  /** First index whose cumulative sum is above the target, as float32 [D, 1], and the sum of all earlier elements. */
  const place = (values: g.Tensor, target: (total: g.Tensor) => g.Tensor) => {
    const cumulative = g.cumulativeSum(values, 1);
    const last = graph.int64s([Number(values.shape[1]) - 1]);
    const total = g.slice(cumulative, 1, last, graph.int64s([Number.MAX_SAFE_INTEGER]), 1);
    const aim = target(total);
    const isBelow = g.cast(g.lessOrEqual(cumulative, aim), 'float32');
    return {
      index: g.reduceSum(isBelow, [1], true),
      before: g.reduceSum(g.mul(isBelow, values), [1], true),
      aim,
    };
  };
  const sums = g.gather(g.reduceSum(blocks, [2]), g.reshape(row, ['D']));
  const block = place(sums, (total) => g.mul(share, total));
  const at = g.concat([row, g.cast(block.index, 'int64')], 1);
  const rest = g.sub(block.aim, block.before);
  // Rounding may leave a rest of the target that equals the block's sum; then the last possible token of the block is
  // taken.
  const within = place(g.gatherND(blocks, at), (total) => g.minimum(rest, g.mul(total, BELOW_ONE)));
  const drawn = g.gatherND(blocks, g.concat([at, g.cast(within.index, 'int64')], 1));

  const highest = g.reduceMax(blocks, 2);
  const best = g.argMax(highest);
  const everyRow = g.reshape(
    scope.input('each_row', 'int64', [rows], (batch) => batch.eachRow()),
    [rows, 1],
  );
  const bestBlock = g.gatherND(blocks, g.concat([everyRow, g.reshape(best, [rows, 1])], 1));
  const token = (first: g.Tensor, second: g.Tensor): g.Tensor => g.add(g.mul(first, width), second);
  return {
    drawnTokens: g.reshape(token(block.index, within.index), ['D']),
    drawnLogprobs: g.log(drawn),
    greedyTokens: token(g.cast(best, 'float32'), g.cast(g.argMax(bestBlock), 'float32')),
    greedyLogprobs: g.log(g.reduceMax(highest, 1)),
  };
}

/**
 * Entropy of each row in nats, [R]: ln Σ eᶻ − Σ p·z, where ln Σ eᶻ = max z − ln max p.
 * @param logits z with p = softmax(z), [R, V]
 * @param greedyLogprobs ln max p, [R]
 */
export function entropies(logits: g.Tensor, probabilities: g.Tensor, greedyLogprobs: g.Tensor): g.Tensor {
  const [rows, size] = logits.shape;
  const [p, z] = [probabilities, logits].map((x) => g.reshape(x, [rows, 1, size]));
  const mean = g.reshape(g.matmul(p, z, { transB: true }), [rows]);
  return g.sub(g.sub(g.reduceMax(logits, 1), greedyLogprobs), mean);
}

/** Far below any relevant probability: 0 · ln 0 becomes 0. */
const NO_PROBABILITY = 1e-30;

/** −Σ p ln p of each row in nats, [R]: faster for a small vocabulary. */
export function plainEntropies(probabilities: g.Tensor): g.Tensor {
  const logs = g.log(g.add(probabilities, NO_PROBABILITY));
  return g.neg(g.reduceSum(g.mul(probabilities, logs), [1]));
}
