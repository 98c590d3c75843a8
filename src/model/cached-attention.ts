/**
 * Attention of new tokens to a decoder's cache: R rows with S new tokens each. Short rows are cached with T slots each;
 * long rows in blocks of W slots, as many as each row needs (Kwon et al. 2023, PagedAttention). Each block is attended
 * to separately, and the blocks of a row are combined by their sums of exponentials: softmax over all = Σ_b softmax
 * within b · Z_b / Z. Prompts that several rows read can be cached once, apart from the rows (prompt-readers.ts).
 */
import * as g from '../graph/index.js';
import { type Attend, bias, Heads } from './attention.js';
import type {
  BlockBatch,
  CachedSlots,
  DecodeBatch,
  SharedBlocks,
  SharedSlots,
  SlotBatch,
} from './batches.js';
import type { ModelConfig } from './config.js';
import { PromptReaders } from './prompt-readers.js';

export interface CachedAttention {
  readonly attend: Attend;
  /** Keys and values of the new tokens, in layer order k₀, v₀, k₁, …, each [R, keyValueHeads, S, d]. */
  readonly fresh: readonly g.Tensor[];
}

const arange = (count: number): Int32Array => Int32Array.from({ length: count }, (_, i) => i);

const itself = <Batch>(batch: Batch): Batch => batch;

/** Mask among a row's new tokens, [1, 1, S, S]. */
function causalBias(scope: g.InputScope<DecodeBatch>): g.Tensor {
  const index = scope.input('new_index', 'int32', ['S'], ({ newTokens }) => arange(newTokens));
  return bias(g.lessOrEqual(g.reshape(index, [1, 1, 1, 'S']), g.reshape(index, [1, 1, 'S', 1])));
}

/** Mask of the first slots that are used, [sequences, 1, 1, slots]. */
function usedSlots(used: g.Tensor, index: g.Tensor): g.Tensor {
  return bias(g.less(g.reshape(index, [1, 1, 1, index.shape[0]]), g.reshape(used, [used.shape[0], 1, 1, 1])));
}

/** Slots that all rows attend to together: of a prompt, of the row itself, or its new tokens. */
interface SlotPart {
  readonly size: g.Dim;
  /** [R or 1, 1, group·S or 1, size] */
  readonly mask: g.Tensor;
  /** [R, keyValueHeads, group·S, size] */
  scores(queries: g.Tensor, keys: g.Tensor): g.Tensor;
  /** @param weights [R, keyValueHeads, group·S, size] @returns [R, keyValueHeads, group·S, d] */
  mix(weights: g.Tensor, values: g.Tensor): g.Tensor;
  /** Keys and values of a layer. */
  read(layer: number, fresh: readonly [g.Tensor, g.Tensor]): readonly [g.Tensor, g.Tensor];
}

/** Attends over T slots of every row, and U slots of its prompt if those are shared. */
export function slotAttention(
  scope: g.InputScope<SlotBatch>,
  config: ModelConfig,
  sharing: boolean,
): CachedAttention {
  const heads = new Heads(config);
  const length = heads.queriesOf('S');
  const past: SlotPart = {
    size: 'T',
    mask: usedSlots(
      scope.input('past_length', 'int32', ['R'], (batch) => batch.pastLength),
      scope.input('past_index', 'int32', ['T'], ({ slots }) => arange(slots)),
    ),
    scores: (queries, keys) => heads.products(queries, keys),
    mix: g.matmul,
    read: (layer) => cached(scope, 'past', layer, heads.cached('R', 'T'), itself),
  };
  const fresh: SlotPart = {
    ...past,
    size: 'S',
    mask: heads.mask(causalBias(scope)),
    read: (_, ofNew) => ofNew,
  };
  const parts = [...(sharing ? [promptSlots(scope, heads)] : []), past, fresh];
  const size = parts.map((part) => part.size).join('+');
  const mask = g.concat(
    parts.map((part) => g.expand(part.mask, ['R', 1, length, part.size])),
    3,
    size,
  );
  const written: g.Tensor[] = [];
  const attend: Attend = (layer, qkv) => {
    const [queries, kv] = heads.apart(qkv, 'R', 'S');
    const ofNew = heads.keysAndValues(kv);
    written.push(...ofNew);
    const read = parts.map((part) => part.read(layer, ofNew));
    const scores = g.concat(
      parts.map((part, i) => part.scores(queries, read[i][0])),
      3,
      size,
    );
    const weights = g.splitAt(
      g.softmax(g.add(scores, mask)),
      3,
      parts.map((part) => part.size),
    );
    const mixed = parts.map((part, i) => part.mix(weights[i], read[i][1]));
    return heads.joined(
      mixed.reduce((sum, part) => g.add(sum, part)),
      'R',
      'S',
      'R*S',
    );
  };
  return { attend, fresh: written };
}

function promptSlots(scope: g.InputScope<SlotBatch>, heads: Heads): SlotPart {
  const prompts = ({ prompts }: SlotBatch): SharedSlots => prompts as SharedSlots;
  const readers = new PromptReaders(scope, heads.keyValueHeads, false, prompts);
  const length = heads.queriesOf('S');
  return {
    size: 'U',
    mask: usedSlots(
      scope.input('prompt_length', 'int32', ['R'], (batch) => prompts(batch).pastLength),
      scope.input('prompt_index', 'int32', ['U'], (batch) => arange(prompts(batch).slots)),
    ),
    scores: (queries, keys) => readers.toRows(heads.products(readers.toPrompts(queries), keys), length),
    mix: (weights, values) => readers.toRows(g.matmul(readers.toPrompts(weights), values), length),
    read: (layer) => cached(scope, 'prompt', layer, heads.cached('G', 'U'), prompts),
  };
}

/** Results over sets of slots, of which each row has up to `count`. */
interface BlockPart {
  readonly count: g.Dim;
  /** Mask of the sets that a row has, [R, 1, 1, count]. */
  readonly present: g.Tensor;
  /**
   * For each set ln Z, [R, count, keyValueHeads, group·S], and the mean of its values under its softmax, [R, count,
   * keyValueHeads, group·S, d].
   */
  attend(queries: g.Tensor, layer: number): readonly [g.Tensor, g.Tensor];
}

/**
 * Over one set of slots: ln Z, and the mean of the values under its softmax. The largest weight is exp(largest score) /
 * Z; the runtime's ReduceLogSumExp is many times slower.
 */
function setOf(scores: g.Tensor, values: g.Tensor): readonly [g.Tensor, g.Tensor] {
  const weights = g.softmax(scores);
  const logSum = g.sub(g.reduceMax(scores, -1), g.log(g.reduceMax(weights, -1)));
  return [logSum, g.matmul(weights, values)];
}

/** Attends over N blocks of W slots, each of one row, and the blocks of prompts if those are shared. */
export function blockAttention(
  scope: g.InputScope<BlockBatch>,
  config: ModelConfig,
  sharing: boolean,
): CachedAttention {
  const heads = new Heads(config);
  const slot = scope.input('slot_index', 'int32', ['W'], ({ blockWidth }) => arange(blockWidth));
  const parts = [...(sharing ? [promptBlocks(scope, heads, slot)] : []), rowBlocks(scope, heads, slot)];
  const causal = heads.mask(causalBias(scope));
  const all = [...parts.map(({ count }) => count), 1].join('+');
  const present = g.concat(
    [...parts.map((part) => part.present), g.zeros(parts[0].present, ['R', 1, 1, 1])],
    3,
    all,
  );
  const written: g.Tensor[] = [];
  const attend: Attend = (layer, qkv) => {
    const [queries, kv] = heads.apart(qkv, 'R', 'S');
    const [keys, values] = heads.keysAndValues(kv);
    written.push(keys, values);
    const ofNew = setOf(heads.scores(queries, keys, causal), values);
    const sets = [
      ...parts.map((part) => part.attend(queries, layer)),
      ofNew.map((value) => g.unsqueeze(value, 1)),
    ];
    const [logSums, means] = [0, 1].map((i) =>
      g.concat(
        sets.map((set) => set[i]),
        1,
        all,
      ),
    );
    const weights = g.softmax(g.add(g.transpose(logSums, [0, 2, 3, 1]), present));
    const shares = g.unsqueeze(g.transpose(weights, [0, 3, 1, 2]), 4);
    return heads.joined(g.reduceSum(g.mul(shares, means), [1]), 'R', 'S', 'R*S');
  };
  return { attend, fresh: written };
}

function rowBlocks(scope: g.InputScope<BlockBatch>, heads: Heads, slot: g.Tensor): BlockPart {
  const row = scope.input('block_row', 'int32', ['N'], (batch) => batch.blockRow);
  const fill = scope.input('block_fill', 'int32', ['N'], (batch) => batch.blockFill);
  const blocks = scope.input('row_blocks', 'int32', ['R*P'], (batch) => batch.rowBlocks);
  const used = scope.input('row_block_count', 'int32', ['R'], (batch) => batch.rowBlockCount);
  const order = scope.input('block_index', 'int32', ['P'], ({ blocksPerRow }) => arange(blocksPerRow));
  const filled = usedSlots(fill, slot);
  return {
    count: 'P',
    present: usedSlots(used, order),
    attend(queries, layer) {
      const [keys, values] = cached(scope, 'past', layer, heads.cached('N', 'W'), itself);
      const sets = setOf(heads.scores(g.gather(queries, row), keys, filled), values);
      const [logSums, means] = sets.map((x) =>
        g.reshape(g.gather(x, blocks), ['R', 'P', ...x.shape.slice(1)]),
      );
      return [logSums, means];
    },
  };
}

function promptBlocks(scope: g.InputScope<BlockBatch>, heads: Heads, slot: g.Tensor): BlockPart {
  const prompts = ({ prompts }: BlockBatch): SharedBlocks => prompts as SharedBlocks;
  const readers = new PromptReaders(scope, heads.keyValueHeads, true, prompts);
  const fill = scope.input('prompt_block_fill', 'int32', ['G'], (batch) => prompts(batch).blockFill);
  const used = scope.input('prompt_blocks', 'int32', ['R'], (batch) => prompts(batch).rowBlockCount);
  const order = scope.input('prompt_block_index', 'int32', ['B'], (batch) =>
    arange(prompts(batch).blocksPerRow),
  );
  const filled = usedSlots(fill, slot);
  const length = heads.queriesOf('S');
  return {
    count: 'B',
    present: usedSlots(used, order),
    attend(queries, layer) {
      const [keys, values] = cached(scope, 'prompt', layer, heads.cached('G', 'W'), prompts);
      const sets = setOf(heads.scores(readers.toPrompts(queries), keys, filled), values);
      const [logSums, means] = sets.map((x) => readers.toRows(x, length));
      return [logSums, means];
    },
  };
}

/** Cached keys and values of a layer. */
function cached<Batch extends DecodeBatch>(
  scope: g.InputScope<Batch>,
  name: string,
  layer: number,
  shape: g.Shape,
  cache: (batch: Batch) => Pick<CachedSlots, 'past'>,
): readonly [g.Tensor, g.Tensor] {
  return [
    scope.input(`${name}_key.${layer}`, 'float32', shape, (batch) => cache(batch).past(layer, 0)),
    scope.input(`${name}_value.${layer}`, 'float32', shape, (batch) => cache(batch).past(layer, 1)),
  ];
}
