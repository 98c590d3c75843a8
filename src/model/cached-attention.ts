/**
 * Attention of new tokens to a decoder's cache: R rows with S new tokens each. Short rows are cached with T slots each;
 * long rows in blocks of W slots, as many as each row needs (Kwon et al. 2023, PagedAttention). Each block is attended
 * to separately, and the blocks of a row are combined by their sums of exponentials: softmax over all = Σ_b softmax
 * within b · Z_b / Z.
 */
import * as g from '../graph/index.js';
import { type Attend, bias, Heads } from './attention.js';
import type { BlockBatch, DecodeBatch, SlotBatch } from './batches.js';
import type { ModelConfig } from './config.js';

export interface CachedAttention {
  readonly attend: Attend;
  /** Keys and values of the new tokens, in layer order k₀, v₀, k₁, …, each [R, keyValueHeads, S, d]. */
  readonly fresh: readonly g.Tensor[];
}

const arange = (count: number): Int32Array => Int32Array.from({ length: count }, (_, i) => i);

/** Mask among a row's new tokens, [1, 1, S, S]. */
function causalBias(scope: g.InputScope<DecodeBatch>): g.Tensor {
  const index = scope.input('new_index', 'int32', ['S'], ({ newTokens }) => arange(newTokens));
  return bias(g.lessOrEqual(g.reshape(index, [1, 1, 1, 'S']), g.reshape(index, [1, 1, 'S', 1])));
}

/** Attends over T slots of every row. */
export function slotAttention(scope: g.InputScope<SlotBatch>, config: ModelConfig): CachedAttention {
  const heads = new Heads(config);
  const { keyValueHeads, headWidth } = heads;
  const pastLength = g.reshape(
    scope.input('past_length', 'int32', ['R'], (batch) => batch.pastLength),
    ['R', 1, 1, 1],
  );
  const pastIndex = g.reshape(
    scope.input('past_index', 'int32', ['T'], ({ slots }) => arange(slots)),
    [1, 1, 1, 'T'],
  );
  const past = bias(g.less(pastIndex, pastLength));
  const causal = heads.mask(causalBias(scope));
  const fresh: g.Tensor[] = [];
  const attend: Attend = (layer, qkv) => {
    const [oldKeys, oldValues] = cached(scope, layer, ['R', keyValueHeads, 'T', headWidth]);
    const [queries, kv] = heads.apart(qkv, 'R', 'S');
    const [keys, values] = heads.keysAndValues(kv);
    fresh.push(keys, values);
    const scores = g.concat(
      [heads.scores(queries, oldKeys, past), heads.scores(queries, keys, causal)],
      -1,
      'T+S',
    );
    const weights = g.softmax(scores);
    const [before, local] = g.splitAt(weights, -1, 'T', 'S');
    const mixed = g.add(g.matmul(before, oldValues), g.matmul(local, values));
    return heads.joined(mixed, 'R', 'S', 'R*S');
  };
  return { attend, fresh };
}

/** Attends over N blocks of W slots, each of one row; a row has up to P blocks. */
export function blockAttention(scope: g.InputScope<BlockBatch>, config: ModelConfig): CachedAttention {
  const heads = new Heads(config);
  const { keyValueHeads, headWidth } = heads;
  const blockRow = scope.input('block_row', 'int32', ['N'], (batch) => batch.blockRow);
  const fill = scope.input('block_fill', 'int32', ['N'], (batch) => batch.blockFill);
  const slot = scope.input('slot_index', 'int32', ['W'], ({ blockWidth }) => arange(blockWidth));
  const filled = bias(g.less(g.reshape(slot, [1, 1, 1, 'W']), g.reshape(fill, ['N', 1, 1, 1])));
  const rowBlocks = scope.input('row_blocks', 'int32', ['R*P'], (batch) => batch.rowBlocks);
  const used = scope.input('row_block_count', 'int32', ['R'], (batch) => batch.rowBlockCount);
  const order = scope.input('block_index', 'int32', ['P'], ({ blocksPerRow }) => arange(blocksPerRow));
  const present = bias(g.less(g.reshape(order, [1, 1, 1, 'P']), g.reshape(used, ['R', 1, 1, 1])));
  const causal = heads.mask(causalBias(scope));
  /** Result over one set of slots: ln Z, and the mean of the values under its softmax. */
  const part = (scores: g.Tensor, values: g.Tensor): [g.Tensor, g.Tensor] => [
    g.reduceLogSumExp(scores),
    g.matmul(g.softmax(scores), values),
  ];
  /** Gathers values of blocks by row: [N, …] → [R, P, …]. */
  const byRow = (x: g.Tensor): g.Tensor => g.reshape(g.gather(x, rowBlocks), ['R', 'P', ...x.shape.slice(1)]);
  const fresh: g.Tensor[] = [];
  const attend: Attend = (layer, qkv) => {
    const [oldKeys, oldValues] = cached(scope, layer, ['N', keyValueHeads, 'W', headWidth]);
    const [queries, kv] = heads.apart(qkv, 'R', 'S');
    const [keys, values] = heads.keysAndValues(kv);
    fresh.push(keys, values);
    const [pastLogSums, past] = part(heads.scores(g.gather(queries, blockRow), oldKeys, filled), oldValues);
    const [localLogSum, local] = part(heads.scores(queries, keys, causal), values);
    const logSums = g.concat(
      [g.add(g.transpose(byRow(pastLogSums), [0, 2, 3, 1]), present), g.unsqueeze(localLogSum, 3)],
      3,
      'P+1',
    );
    const weights = g.unsqueeze(g.transpose(g.softmax(logSums), [0, 3, 1, 2]), 4);
    const parts = g.concat([byRow(past), g.unsqueeze(local, 1)], 1, 'P+1');
    return heads.joined(g.reduceSum(g.mul(weights, parts), [1]), 'R', 'S', 'R*S');
  };
  return { attend, fresh };
}

/** Cached keys and values of a layer. */
function cached(scope: g.InputScope<DecodeBatch>, layer: number, shape: g.Shape): [g.Tensor, g.Tensor] {
  return [
    scope.input(`past_key.${layer}`, 'float32', shape, (batch) => batch.past(layer, 0)),
    scope.input(`past_value.${layer}`, 'float32', shape, (batch) => batch.past(layer, 1)),
  ];
}
