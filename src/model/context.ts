/**
 * What a row of a packed forest sees: the ancestors of its first token ("context"), then its own tokens. All are read in one
 * gather. On the way back the gradients of a token that several rows read are added up. A context holds the chain of
 * ancestors from the root, so a token stands at the same slot of all contexts that it is in, and the sums of one slot are a
 * product with a matrix of zeros and ones over the rows: [C, B, B], the same for all layers.
 */
import * as g from '../graph/index.js';
import type { ForestBatch } from './batches.js';

interface Plan {
  /** Row and column of what each row sees, [B, C+L, 2]. */
  readonly seen: BigInt64Array;
  /** 1 where the row (last axis) adds to the sum that stands at the row (second axis), [C, B, B]. */
  readonly sums: Float32Array;
  /** Slot and row where the sum of each token stands, [B, L, 2]; a sum that is 0 for tokens in no context. */
  readonly sources: BigInt64Array;
}

/**
 * Reads what each row sees.
 * @returns x [B, L, …] → [B, C+L, …], with a derivative
 */
export function contextReader(scope: g.InputScope<ForestBatch>): (x: g.Tensor) => g.Tensor {
  const plans = new WeakMap<ForestBatch, Plan>();
  const plan = (batch: ForestBatch): Plan => {
    const planned = plans.get(batch) ?? planContext(batch);
    plans.set(batch, planned);
    return planned;
  };
  const seen = scope.input('seen', 'int64', ['B', 'C+L', 2], (batch) => plan(batch).seen);
  /** Only programs with a derivative have these. */
  let back: { readonly sums: g.Tensor; readonly sources: g.Tensor } | null = null;
  return (x) =>
    g.gatherND(x, seen, (gradient) => {
      back ??= {
        sums: scope.input('context_sums', 'float32', ['C', 'B', 'B'], (batch) => plan(batch).sums),
        sources: scope.input('context_sources', 'int64', ['B', 'L', 2], (batch) => plan(batch).sources),
      };
      const rest = x.shape.slice(2);
      const width = rest.reduce<number>((n, dim) => n * Number(dim), 1);
      const [before, local] = g.splitAt(gradient, 1, 'C', 'L');
      const sums = g.matmul(back.sums, g.reshape(before, ['B', 'C', width]), { rowsFirstB: true });
      return g.add(local, g.gatherND(g.reshape(sums, ['C', 'B', ...rest]), back.sources));
    });
}

/** @throws RangeError if a token stands at two slots of contexts, or no row is without context */
export function planContext({ rows, length, contextLength, context, contextEnd }: ForestBatch): Plan {
  const seen = new BigInt64Array(2 * rows * (contextLength + length));
  const sums = new Float32Array(contextLength * rows * rows);
  const sources = new BigInt64Array(2 * rows * length);
  let at = 0;
  const see = (token: number): void => {
    seen[at++] = BigInt(Math.floor(token / length));
    seen[at++] = BigInt(token % length);
  };
  /** Slot and row where a token's sum stands. */
  const places = new Map<number, { readonly slot: number; readonly row: number }>();
  for (let row = 0; row < rows; row++) {
    for (let slot = 0; slot < contextLength; slot++) {
      const token = context[row * contextLength + slot];
      see(token);
      if (contextEnd[row * contextLength + slot] === 0) continue;
      if (row === 0) throw new RangeError('context: the first row of a forest has no ancestors');
      const place = places.get(token) ?? { slot, row };
      if (place.slot !== slot) throw new RangeError(`context: token ${token} stands at two slots`);
      places.set(token, place);
      sums[(slot * rows + place.row) * rows + row] = 1;
    }
    for (let column = 0; column < length; column++) see(row * length + column);
  }
  for (const [token, { slot, row }] of places) {
    sources[2 * token] = BigInt(slot);
    sources[2 * token + 1] = BigInt(row);
  }
  // All others read slot 0 of row 0, to which nothing is added: the first row has no ancestors.
  return { seen, sums, sources };
}
