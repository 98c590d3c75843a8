/**
 * Gathers rows or elements by index; the derivative adds gradients into zeros at those indices. The runtime's
 * ScatterND with reduction "add" runs on several threads and loses updates of equal indices, so it is not used:
 * indices that may repeat are added one after another (`addRows`) or have a special derivative, and only distinct
 * indices are scattered.
 */
import { formatShape, type Shape, ShapeError } from '../shape.js';
import type { Tensor } from '../tensor.js';
import { defineSimpleDerivative, overrideDerivative } from '../vjp.js';
import { expand } from './broadcast.js';
import { cast } from './elementwise.js';
import { unsqueeze, zeros } from './structure.js';

/**
 * Rows of a table.
 * @param table [V, ...]
 * @param indices int32 or int64 [N], values in [0, V)
 * @param addBack derivative: maps the gradient of the rows to that of the table; default: `addRows`
 * @returns [N, ...]
 */
export function gather(table: Tensor, indices: Tensor, addBack?: (gradient: Tensor) => Tensor): Tensor {
  if (indices.shape.length !== 1)
    throw new ShapeError(`Gather: expected indices [N], got ${formatShape(indices.shape)}`);
  const shape = [indices.shape[0], ...table.shape.slice(1)];
  const node = table.graph.emit('Gather', [table, indices], [{ dtype: table.dtype, shape }], {
    axis: { int: 0 },
  });
  if (addBack) overrideDerivative(node, (_, [g]) => [g && addBack(g), null]);
  return node.outputs[0];
}

/** Distinct rows of a table: the derivative only writes them back. */
export function gatherDistinct(table: Tensor, indices: Tensor): Tensor {
  return gather(table, indices, (gradient) => placeRows(table.shape, indices, gradient));
}

/**
 * Distinct single elements (or slices) of a tensor.
 * @param x [d0, d1, ...]
 * @param indices int64 [..., r]: the first r coordinates, all different
 * @param addBack derivative: maps the gradient of the result to that of `x`; with it, coordinates may be equal
 * @returns [..., ...rest]
 */
export function gatherND(x: Tensor, indices: Tensor, addBack?: (gradient: Tensor) => Tensor): Tensor {
  const coordinates = indices.shape.at(-1);
  if (indices.dtype !== 'int64' || indices.shape.length < 2 || typeof coordinates !== 'number') {
    throw new ShapeError(
      `GatherND: expected int64 indices [..., r], got ${indices.dtype} ${formatShape(indices.shape)}`,
    );
  }
  const shape = [...indices.shape.slice(0, -1), ...x.shape.slice(coordinates)];
  const node = x.graph.emit('GatherND', [x, indices], [{ dtype: x.dtype, shape }]);
  if (addBack) overrideDerivative(node, (_, [g]) => [g && addBack(g), null]);
  return node.outputs[0];
}

/**
 * Zeros of `shape` with rows added at `indices`; rows with equal indices are added up, in order. About 10 ns per
 * element.
 * @param indices int32 or int64 [N], values in [0, shape[0])
 * @param rows [N, ...shape.slice(1)]
 */
export function addRows(shape: Shape, indices: Tensor, rows: Tensor): Tensor {
  let places = indices;
  for (let axis = 1; axis < shape.length; axis++) places = unsqueeze(places, axis);
  return rows.graph.emit(
    'ScatterElements',
    [zeros(rows, shape), expand(places, rows.shape), rows],
    [{ dtype: 'float32', shape }],
    { axis: { int: 0 }, reduction: { string: 'add' } },
  ).outputs[0];
}

/** Zeros of `shape` with rows written at `indices`, which are all different, [N]. */
export function placeRows(shape: Shape, indices: Tensor, rows: Tensor): Tensor {
  return scatter(shape, unsqueeze(cast(indices, 'int64'), 1), rows);
}

/** x[places[i, …], …] along the first axis, in the shape of `places`. */
function gatherElements(x: Tensor, places: Tensor): Tensor {
  return x.graph.emit('GatherElements', [x, places], [{ dtype: x.dtype, shape: places.shape }], {
    axis: { int: 0 },
  }).outputs[0];
}

function scatter(shape: Shape, indices: Tensor, updates: Tensor): Tensor {
  return updates.graph.emit(
    'ScatterND',
    [zeros(updates, shape), indices, updates],
    [{ dtype: 'float32', shape }],
  ).outputs[0];
}

defineSimpleDerivative('Gather', ({ inputs: [table, indices] }, g) => [
  addRows(table.shape, indices, g),
  null,
]);
defineSimpleDerivative('GatherND', ({ inputs: [x, indices] }, g) => [scatter(x.shape, indices, g), null]);
defineSimpleDerivative('ScatterND', ({ inputs: [, indices] }, g) => [null, null, gatherND(g, indices)]);
/** The index is the same for all elements of a row, as in `addRows`. */
defineSimpleDerivative('ScatterElements', ({ inputs: [, places] }, g) => [
  null,
  null,
  gatherElements(g, places),
]);
