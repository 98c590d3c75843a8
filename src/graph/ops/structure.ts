/**
 * Operations that rearrange elements without changing them: transpose, split, concat, slice (reshape and expand:
 * broadcast.ts).
 */
import { type Dim, formatShape, normalizeAxis, type Shape, ShapeError } from '../shape.js';
import type { Tensor } from '../tensor.js';
import { defineDerivative, defineSimpleDerivative } from '../vjp.js';

/** Axes in another order: axis i of the result is axis `permutation[i]` of x. */
export function transpose(x: Tensor, permutation: readonly number[]): Tensor {
  if (
    [...permutation].sort((a, b) => a - b).some((axis, i) => axis !== i) ||
    permutation.length !== x.shape.length
  ) {
    throw new ShapeError(`Transpose: ${permutation.join(',')} does not permute ${formatShape(x.shape)}`);
  }
  if (permutation.every((axis, i) => axis === i)) return x;
  const { node } = x;
  if (node.op === 'Transpose') {
    const inner = (node.attributes.perm as { ints: readonly number[] }).ints;
    return transpose(
      node.inputs[0],
      permutation.map((axis) => inner[axis]),
    );
  }
  const shape = permutation.map((axis) => x.shape[axis]);
  return x.graph.emit('Transpose', [x], [{ dtype: x.dtype, shape }], { perm: { ints: permutation } })
    .outputs[0];
}

/** Inserts an axis of size 1 before axis `axis` of x; unlike reshape, it works for any symbols in the shape. */
export function unsqueeze(x: Tensor, axis: number): Tensor {
  const shape = [...x.shape.slice(0, axis), 1, ...x.shape.slice(axis)];
  return x.graph.emit('Unsqueeze', [x, x.graph.int64s([axis])], [{ dtype: x.dtype, shape }]).outputs[0];
}

/** Removes axis `axis`, which has size 1. */
export function squeeze(x: Tensor, axis: number): Tensor {
  if (x.shape[axis] !== 1) throw new ShapeError(`Squeeze: axis ${axis} of ${formatShape(x.shape)} is not 1`);
  const shape = x.shape.filter((_, i) => i !== axis);
  return x.graph.emit('Squeeze', [x, x.graph.int64s([axis])], [{ dtype: x.dtype, shape }]).outputs[0];
}

/** Zeros of `shape` (its symbols are read from the graph's inputs). */
export function zeros(like: Tensor, shape: Shape): Tensor {
  return like.graph.emit('ConstantOfShape', [like.graph.shapeTensor(shape)], [{ dtype: 'float32', shape }])
    .outputs[0];
}

/** Pieces of the given sizes along an axis of fixed size. */
export function split(x: Tensor, sizes: readonly number[], axis: number): Tensor[] {
  const at = normalizeAxis(axis, x.shape.length, 'Split');
  if (sizes.reduce((a, b) => a + b, 0) !== x.shape[at]) {
    throw new ShapeError(
      `Split: sizes ${sizes.join(' + ')} do not make axis ${at} of ${formatShape(x.shape)}`,
    );
  }
  const outputs = sizes.map((size) => ({
    dtype: x.dtype,
    shape: x.shape.map((dim, i) => (i === at ? size : dim)),
  }));
  return [...x.graph.emit('Split', [x, x.graph.int64s(sizes)], outputs, { axis: { int: at } }).outputs];
}

/** Splits an axis into parts whose sizes are known when the model runs. */
export function splitAt(x: Tensor, axis: number, sizes: readonly Dim[]): readonly Tensor[] {
  const at = normalizeAxis(axis, x.shape.length, 'Split');
  const outputs = sizes.map((size) => ({
    dtype: x.dtype,
    shape: x.shape.map((dim, i) => (i === at ? size : dim)),
  }));
  return x.graph.emit('Split', [x, x.graph.shapeTensor(sizes)], outputs, { axis: { int: at } }).outputs;
}

/**
 * Joins tensors along an axis.
 * @param size the joined size when a part's is symbolic; by default the sum of fixed sizes
 */
export function concat(parts: readonly Tensor[], axis: number, size?: Dim): Tensor {
  const [first] = parts;
  const at = normalizeAxis(axis, first.shape.length, 'Concat');
  for (const part of parts) {
    if (
      part.shape.length !== first.shape.length ||
      part.shape.some((dim, i) => i !== at && dim !== first.shape[i])
    ) {
      throw new ShapeError(
        `Concat: ${formatShape(part.shape)} does not join ${formatShape(first.shape)} on axis ${at}`,
      );
    }
  }
  if (parts.length === 1) return first;
  const sum = parts.reduce((n, part) => n + Number(part.shape[at]), 0);
  const joined = size ?? sum;
  if (size === undefined && Number.isNaN(sum)) {
    throw new ShapeError(`Concat: axis ${at} has a symbolic size; name the joined size`);
  }
  const shape = first.shape.map((dim, i) => (i === at ? joined : dim));
  return first.graph.emit('Concat', parts, [{ dtype: first.dtype, shape }], { axis: { int: at } }).outputs[0];
}

/** Elements [start, end) along an axis; the bounds are int64 vectors of one element. */
export function slice(x: Tensor, axis: number, start: Tensor, end: Tensor, size: Dim): Tensor {
  const at = normalizeAxis(axis, x.shape.length, 'Slice');
  const shape = x.shape.map((dim, i) => (i === at ? size : dim));
  return x.graph.emit('Slice', [x, start, end, x.graph.int64s([at])], [{ dtype: x.dtype, shape }]).outputs[0];
}

defineSimpleDerivative('Unsqueeze', ({ inputs: [, axes] }, g) => [
  squeeze(g, Number((axes.node.value as BigInt64Array)[0])),
  null,
]);
defineSimpleDerivative('Squeeze', ({ inputs: [, axes] }, g) => [
  unsqueeze(g, Number((axes.node.value as BigInt64Array)[0])),
  null,
]);
defineSimpleDerivative('Transpose', ({ attributes }, g) => {
  const { ints } = attributes.perm as { ints: readonly number[] };
  const inverse = ints.map((_, axis) => ints.indexOf(axis));
  return [transpose(g, inverse)];
});
defineDerivative('Split', ({ inputs: [x], outputs, attributes }, grads) => {
  if (grads.every((g) => g === null)) return [null, null];
  const { int } = attributes.axis as { int: number };
  return [
    concat(
      outputs.map((t, i) => grads[i] ?? zeros(x, t.shape)),
      int,
      x.shape[int],
    ),
    null,
  ];
});
defineSimpleDerivative('Concat', ({ inputs, attributes }, g) => {
  const { int } = attributes.axis as { int: number };
  const { graph } = g;
  const sizes = inputs.map(({ shape }) => shape[int]).filter((size) => typeof size === 'number');
  if (sizes.length === inputs.length && typeof g.shape[int] === 'number') return split(g, sizes, int);
  let start = graph.int64s([0]);
  return inputs.map((input) => {
    const size = graph.dimension(input.shape[int]);
    const end = graph.emit('Add', [start, size], [{ dtype: 'int64', shape: [1] }]).outputs[0];
    const piece = slice(g, int, start, end, input.shape[int]);
    start = end;
    return piece;
  });
});
