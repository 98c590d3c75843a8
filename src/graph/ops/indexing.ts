/** Reading rows or elements by index, and its derivative: adding into zeros at those places. */
import { formatShape, type Shape, ShapeError } from '../shape.js';
import type { Tensor } from '../tensor.js';
import { defineSimpleDerivative } from '../vjp.js';
import { cast } from './elementwise.js';
import { reshape, zeros } from './structure.js';

/**
 * Rows of a table.
 * @param table [V, ...]
 * @param indices int32 or int64 [N], values in [0, V)
 * @returns [N, ...]
 */
export function gather(table: Tensor, indices: Tensor): Tensor {
  if (indices.shape.length !== 1)
    throw new ShapeError(`Gather: indices must be [N], found ${formatShape(indices.shape)}`);
  const shape = [indices.shape[0], ...table.shape.slice(1)];
  return table.graph.emit('Gather', [table, indices], [{ dtype: table.dtype, shape }], { axis: { int: 0 } })
    .outputs[0];
}

/**
 * Single elements (or slices) of a tensor.
 * @param x [d0, d1, ...]
 * @param indices int64 [N, r]: the first r coordinates
 * @returns [N, ...rest]
 */
export function gatherND(x: Tensor, indices: Tensor): Tensor {
  if (indices.dtype !== 'int64' || indices.shape.length !== 2 || typeof indices.shape[1] !== 'number') {
    throw new ShapeError(
      `GatherND: indices must be int64 [N, r], found ${indices.dtype} ${formatShape(indices.shape)}`,
    );
  }
  const shape = [indices.shape[0], ...x.shape.slice(indices.shape[1])];
  return x.graph.emit('GatherND', [x, indices], [{ dtype: x.dtype, shape }]).outputs[0];
}

/**
 * Zeros of `shape` with `updates` added at `indices`; equal indices add up.
 * @param indices int64 [N, r]
 * @param updates [N, ...shape.slice(r)]
 */
export function scatterAdd(shape: Shape, indices: Tensor, updates: Tensor): Tensor {
  return updates.graph.emit(
    'ScatterND',
    [zeros(updates, shape), indices, updates],
    [{ dtype: 'float32', shape }],
    { reduction: { string: 'add' } },
  ).outputs[0];
}

defineSimpleDerivative('Gather', ({ inputs: [table, indices] }, g) => {
  const rows = reshape(cast(indices, 'int64'), [indices.shape[0], 1]);
  return [scatterAdd(table.shape, rows, g), null];
});
defineSimpleDerivative('GatherND', ({ inputs: [x, indices] }, g) => [scatterAdd(x.shape, indices, g), null]);
defineSimpleDerivative('ScatterND', ({ inputs: [, indices] }, g) => [null, null, gatherND(g, indices)]);
