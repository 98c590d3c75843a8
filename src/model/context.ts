/**
 * The context of a row of a packed forest: the ancestors of its first token, before its own tokens. In the backward
 * pass, the gradients of a token that several rows read are summed. A context is the chain of ancestors from the root,
 * so a token has the same slot in all contexts, and few tokens share a slot. The sums of a slot are a product with a
 * 0/1 matrix, [C, J, B], the same for all layers. Rows are processed all at once, or R at a time, as K chunks of the B
 * = K·R rows.
 */
import * as g from '../graph/index.js';
import type { ForestBatch } from './batches.js';

/** How gradients go back from contexts to tokens, for each chunk. */
interface Plan {
  /** Number of distinct tokens per slot, J. */
  readonly places: number;
  /** 1 if the row (last axis) adds to the sum of a token of the slot, [K, C, J, R]. Index 0 stays 0. */
  readonly sums: Float32Array;
  /** Index of the sum, among C·J, that each token receives, [K, B*L]; 0: none. */
  readonly sources: BigInt64Array;
}

type Reading = Pick<
  ForestBatch,
  'rows' | 'chunkRows' | 'length' | 'contextLength' | 'context' | 'contextEnd'
>;

/** Plans by batch: several inputs are filled from one plan. */
function planner(): (batch: ForestBatch) => Plan {
  const plans = new WeakMap<ForestBatch, Plan>();
  return (batch) => {
    const plan = plans.get(batch) ?? planContext(batch);
    plans.set(batch, plan);
    return plan;
  };
}

/**
 * Reads the context of each row, all rows at once.
 * @returns x [B, L, …] → [B, C+L, …], with a derivative
 */
export function contextReader(scope: g.InputScope<ForestBatch>): (x: g.Tensor) => g.Tensor {
  const plan = planner();
  const seen = scope.input('seen', 'int64', ['B', 'C+L', 2], seenBy);
  /** Only programs with a derivative have these inputs. */
  let back: { readonly sums: g.Tensor; readonly sources: g.Tensor } | null = null;
  return (x) =>
    g.gatherND(x, seen, (gradient) => {
      back ??= {
        sums: scope.input('context_sums', 'float32', ['C', 'J', 'B'], (batch) => plan(batch).sums),
        sources: scope.input('context_sources', 'int64', ['B', 'L', 1], (batch) => plan(batch).sources),
      };
      const [before, local] = g.splitAt(gradient, 1, ['C', 'L']);
      return g.add(local, g.gatherND(sumsOf(before, back.sums), back.sources));
    });
}

/** Reads the contexts of a chunk of R rows. */
export interface ChunkReader {
  /** Tokens of contexts, [K, R, C], and number of slots that a chunk uses, [K, 1]. */
  readonly context: g.Tensor;
  readonly used: g.Tensor;
  /** Inputs of `read`'s derivative, for all chunks. */
  readonly back: () => readonly g.Tensor[];
  /**
   * @param x values of all tokens, [N, …]
   * @param context of a chunk, only the slots that it uses, [R, S]
   * @param back of the chunk
   * @returns [R, S, …]
   */
  readonly read: (x: g.Tensor, context: g.Tensor, back: readonly g.Tensor[]) => g.Tensor;
}

export function chunkReader(scope: g.InputScope<ForestBatch>): ChunkReader {
  const plan = planner();
  let back: readonly g.Tensor[] | null = null;
  return {
    context: scope.input('context', 'int32', ['K', 'R', 'C'], (batch) => batch.context),
    used: scope.input('context_used', 'int64', ['K', 1], usedSlots),
    back: () => {
      back ??= [
        scope.input('context_sums', 'float32', ['K', 'C', 'J', 'R'], (batch) => plan(batch).sums),
        scope.input('context_sources', 'int64', ['K', 'K*R*L'], (batch) => plan(batch).sources),
      ];
      return back;
    },
    read: (x, context, [sums, sources]) => {
      const [rows, slots] = context.shape;
      const rest = x.shape.slice(1);
      const read = g.gather(x, g.reshape(context, [`${rows}*${slots}`]), (gradient) => {
        const before = g.reshape(gradient, [rows, slots, ...rest]);
        return g.gather(sumsOf(before, firstSlots(sums, 0, slots)), sources);
      });
      return g.reshape(read, [rows, slots, ...rest]);
    },
  };
}

/** The first slots along an axis. @param slots a symbol whose size is known */
export function firstSlots(
  x: g.Tensor,
  axis: number,
  slots: g.Dim,
  count = x.graph.dimension(slots),
): g.Tensor {
  return g.slice(x, axis, x.graph.int64s([0]), count, slots);
}

/** Number of slots that the rows of each chunk use, at least one; later slots are not read. */
function usedSlots({ rows, chunkRows, contextLength, contextEnd }: ForestBatch): BigInt64Array {
  return BigInt64Array.from({ length: rows / chunkRows }, (_, chunk) => {
    const ends = contextEnd.subarray(
      chunk * chunkRows * contextLength,
      (chunk + 1) * chunkRows * contextLength,
    );
    let used = 1;
    ends.forEach((end, at) => {
      if (end > 0) used = Math.max(used, (at % contextLength) + 1);
    });
    return BigInt(used);
  });
}

/** Sums for all slots. @param before gradients of contexts, [R, S, …] @returns [S*J, …] */
function sumsOf(before: g.Tensor, matrix: g.Tensor): g.Tensor {
  const [rows, slots, ...rest] = before.shape;
  const width = rest.reduce<number>((n, dim) => n * Number(dim), 1);
  const sums = g.matmul(matrix, g.reshape(before, [rows, slots, width]), { rowsFirstB: true });
  return g.reshape(sums, [`${slots}*${matrix.shape[1]}`, ...rest]);
}

/** Row and column of each token that a row reads, [B, C+L, 2]. */
function seenBy({ rows, length, contextLength, context }: ForestBatch): BigInt64Array {
  const seen = new BigInt64Array(2 * rows * (contextLength + length));
  let at = 0;
  const see = (token: number): void => {
    seen[at++] = BigInt(Math.floor(token / length));
    seen[at++] = BigInt(token % length);
  };
  for (let row = 0; row < rows; row++) {
    for (let slot = 0; slot < contextLength; slot++) see(context[row * contextLength + slot]);
    for (let column = 0; column < length; column++) see(row * length + column);
  }
  return seen;
}

/** @throws RangeError if a token has two slots */
export function planContext({ rows, chunkRows, length, contextLength, context, contextEnd }: Reading): Plan {
  const chunks = rows / chunkRows;
  const slotOf = new Map<number, number>();
  /** Tokens of each slot in each chunk, in order, from 1. */
  const tokens: Map<number, number>[] = [];
  let places = 1;
  const visit = (
    see: (chunk: number, slot: number, row: number, place: number, token: number) => void,
  ): void => {
    for (let row = 0; row < rows; row++) {
      const chunk = Math.floor(row / chunkRows);
      for (let slot = 0; slot < contextLength; slot++) {
        const at = row * contextLength + slot;
        if (contextEnd[at] === 0) continue;
        const token = context[at];
        tokens[chunk * contextLength + slot] ??= new Map();
        const known = tokens[chunk * contextLength + slot];
        const place = known.get(token) ?? known.size + 1;
        known.set(token, place);
        see(chunk, slot, row % chunkRows, place, token);
      }
    }
  };
  visit((_, slot, __, place, token) => {
    if ((slotOf.get(token) ?? slot) !== slot) throw new RangeError(`context: token ${token} has two slots`);
    slotOf.set(token, slot);
    places = Math.max(places, place + 1);
  });
  const sums = new Float32Array(contextLength * places * rows);
  const sources = new BigInt64Array(chunks * rows * length);
  visit((chunk, slot, row, place, token) => {
    sums[((chunk * contextLength + slot) * places + place) * chunkRows + row] = 1;
    sources[chunk * rows * length + token] = BigInt(slot * places + place);
  });
  return { places, sums, sources };
}
