/**
 * Broadcasting along axes and summing over them. Each is the derivative of the other, and every broadcasting operation
 * needs the sum for its derivative, so both are here, below all other operations. Means, which also multiply, are in
 * reduction.ts.
 */
import {
  broadcastShapes,
  type Dim,
  formatShape,
  normalizeAxis,
  type Shape,
  ShapeError,
  sameElementCount,
  sameShape,
} from '../shape.js';
import type { Tensor } from '../tensor.js';
import { defineSimpleDerivative } from '../vjp.js';

/** The same elements under another shape. */
export function reshape(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x;
  if (!sameElementCount(x.shape, shape)) {
    throw new ShapeError(
      `Reshape: ${formatShape(x.shape)} does not have the elements of ${formatShape(shape)}`,
    );
  }
  // -1 (inferred) is used for one symbol; others are copied from the same axis (0) or read from an input.
  let inferred = false;
  const codes = shape.map((dim, axis): Dim => {
    if (typeof dim === 'number') return dim;
    if (x.shape[axis] === dim) return 0;
    if (!inferred) {
      inferred = true;
      return -1;
    }
    return dim;
  });
  return x.graph.emit('Reshape', [x, x.graph.shapeTensor(codes)], [{ dtype: x.dtype, shape }]).outputs[0];
}

/** `x` broadcast to `shape`, stored in full. */
export function expand(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x;
  if (!sameShape(broadcastShapes(x.shape, shape, 'Expand'), shape)) {
    throw new ShapeError(`Expand: ${formatShape(x.shape)} does not stretch to ${formatShape(shape)}`);
  }
  return x.graph.emit('Expand', [x, x.graph.shapeTensor(shape)], [{ dtype: x.dtype, shape }]).outputs[0];
}

/** Sum over `axes`; with `keepDims` they remain with size 1. */
export function reduceSum(x: Tensor, axes: readonly number[], keepDims = false): Tensor {
  return reduce('ReduceSum', x, axes, keepDims);
}

/** A reduction over `axes` with the given operator. */
export function reduce(op: string, x: Tensor, axes: readonly number[], keepDims: boolean): Tensor {
  if (axes.length === 0) return x;
  const rank = x.shape.length;
  const set = new Set(axes.map((axis) => normalizeAxis(axis, rank, op)));
  const shape: Dim[] = [];
  x.shape.forEach((dim, axis) => {
    if (!set.has(axis)) shape.push(dim);
    else if (keepDims) shape.push(1);
  });
  const sorted = [...set].sort((a, b) => a - b);
  return x.graph.emit(op, [x, x.graph.int64s(sorted)], [{ dtype: x.dtype, shape }], {
    keepdims: { int: keepDims ? 1 : 0 },
  }).outputs[0];
}

/** Sum of all elements, as a scalar. */
export function sumAll(x: Tensor): Tensor {
  return reduceSum(
    x,
    x.shape.map((_, axis) => axis),
  );
}

/** Reverses broadcasting: sums `x` over the axes in which `shape` was expanded. */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x;
  const extra = x.shape.length - shape.length;
  const axes: number[] = [];
  x.shape.forEach((dim, axis) => {
    if (axis < extra || (shape[axis - extra] === 1 && dim !== 1)) axes.push(axis);
  });
  const summed = reduceSum(x, axes, true);
  return sameShape(summed.shape, shape) ? summed : reshape(summed, shape);
}

/** The shape in which the reduced axes have size 1. */
export const keptShape = (shape: Shape, axes: readonly number[]): Shape =>
  shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim));

/** The axes that a reduction sums over. */
export function reducedAxes(node: { inputs: readonly Tensor[] }): number[] {
  return Array.from(node.inputs[1].node.value as BigInt64Array, Number);
}

defineSimpleDerivative('Reshape', ({ inputs: [x] }, g) => [reshape(g, x.shape), null]);
defineSimpleDerivative('Expand', ({ inputs: [x] }, g) => [sumTo(g, x.shape), null]);
defineSimpleDerivative('ReduceSum', (node, g) => {
  const [x] = node.inputs;
  return [expand(reshape(g, keptShape(x.shape, reducedAxes(node))), x.shape), null];
});
