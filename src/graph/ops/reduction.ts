/**
 * Means over axes, softmax and layer normalisation, with derivatives that use few passes over memory (on a CPU these
 * operations are limited by bandwidth). Sums are in broadcast.ts.
 */
import { ShapeError, sameShape } from '../shape.js';
import type { Tensor } from '../tensor.js';
import { defineDerivative, defineSimpleDerivative } from '../vjp.js';
import { expand, keptShape, reduce, reducedAxes, reduceSum, reshape, sumTo } from './broadcast.js';
import { add, mul, sub } from './elementwise.js';

/** Mean over `axes`; with `keepDims` they remain with size 1. */
export function reduceMean(x: Tensor, axes: readonly number[], keepDims = false): Tensor {
  return reduce('ReduceMean', x, axes, keepDims);
}

/** The maximum along an axis, which is removed. No derivative. */
export function reduceMax(x: Tensor, axis: number): Tensor {
  return reduce('ReduceMax', x, [axis], false);
}

/** Index of the maximum along the last axis, which is removed; the first of equal elements. int64, no derivative. */
export function argMax(x: Tensor): Tensor {
  const shape = x.shape.slice(0, -1);
  const attributes = { axis: { int: x.shape.length - 1 }, keepdims: { int: 0 } };
  return x.graph.emit('ArgMax', [x], [{ dtype: 'int64', shape }], attributes).outputs[0];
}

/** Inclusive cumulative sum along an axis. No derivative. */
export function cumulativeSum(x: Tensor, axis: number): Tensor {
  const at = x.graph.constant(BigInt64Array.of(BigInt(axis)), []);
  return x.graph.emit('CumSum', [x, at], [{ dtype: x.dtype, shape: x.shape }]).outputs[0];
}

/** exp(x) / Σ exp(x) over the last axis. */
export function softmax(x: Tensor): Tensor {
  return x.graph.emit('Softmax', [x], [{ dtype: x.dtype, shape: x.shape }], { axis: { int: -1 } }).outputs[0];
}

/** ln softmax over the last axis. */
export function logSoftmax(x: Tensor): Tensor {
  return x.graph.emit('LogSoftmax', [x], [{ dtype: x.dtype, shape: x.shape }], { axis: { int: -1 } })
    .outputs[0];
}

/**
 * (x − mean) / √(variance + ε) · scale + bias over the last axis.
 * @param x [..., D]
 * @param scale [D]
 * @param bias [D]
 */
export function layerNorm(x: Tensor, scale: Tensor, bias: Tensor, epsilon: number): Tensor {
  const width = x.shape.at(-1);
  if (scale.shape.length !== 1 || scale.shape[0] !== width || !sameShape(scale.shape, bias.shape)) {
    throw new ShapeError(`LayerNormalization: scale and bias must be [${width}]`);
  }
  const statistic = [...x.shape.slice(0, -1), 1];
  return x.graph.emit(
    'LayerNormalization',
    [x, scale, bias],
    [
      { dtype: x.dtype, shape: x.shape },
      { dtype: x.dtype, shape: statistic },
      { dtype: x.dtype, shape: statistic },
    ],
    { axis: { int: -1 }, epsilon: { float: epsilon } },
  ).outputs[0];
}

/**
 * x / √(mean of x² + ε) · scale over the last axis: LayerNorm without centring and bias (RMSNorm).
 * @param x [..., D]
 * @param scale [D]
 */
export function rmsNorm(x: Tensor, scale: Tensor, epsilon: number): Tensor {
  const width = x.shape.at(-1);
  if (scale.shape.length !== 1 || scale.shape[0] !== width) {
    throw new ShapeError(`RMSNorm: expected scale [${width}], got [${scale.shape}]`);
  }
  const statistic = [...x.shape.slice(0, -1), 1];
  return x.graph.emit(
    'SimplifiedLayerNormalization',
    [x, scale],
    [
      { dtype: x.dtype, shape: x.shape },
      { dtype: x.dtype, shape: statistic },
    ],
    { axis: { int: -1 }, epsilon: { float: epsilon }, stash_type: { int: 1 } },
  ).outputs[0];
}

defineSimpleDerivative('ReduceMean', (node, g) => {
  const [x] = node.inputs;
  const axes = reducedAxes(node);
  let count = 1;
  for (const axis of axes) {
    const dim = x.shape[axis];
    if (typeof dim !== 'number')
      throw new ShapeError(`derivative of ReduceMean: axis ${axis} has no fixed size`);
    count *= dim;
  }
  return [expand(mul(reshape(g, keptShape(x.shape, axes)), 1 / count), x.shape), null];
});
defineSimpleDerivative('Softmax', ({ outputs: [y] }, g) => [
  mul(y, sub(g, reduceSum(mul(g, y), [-1], true))),
]);
defineSimpleDerivative('LogSoftmax', ({ inputs: [x] }, g) => [
  sub(g, mul(softmax(x), reduceSum(g, [-1], true))),
]);
defineDerivative('LayerNormalization', ({ inputs: [x, scale, bias], outputs: [, mean, inverse] }, [g]) => {
  if (!g) return [null, null, null];
  const centred = mul(sub(x, mean), inverse);
  const scaled = mul(g, scale);
  const correction = add(
    reduceMean(scaled, [-1], true),
    mul(centred, reduceMean(mul(scaled, centred), [-1], true)),
  );
  return [mul(inverse, sub(scaled, correction)), sumTo(mul(g, centred), scale.shape), sumTo(g, bias.shape)];
});
defineDerivative('SimplifiedLayerNormalization', ({ inputs: [x, scale], outputs: [, inverse] }, [g]) => {
  if (!g) return [null, null];
  const normed = mul(x, inverse);
  const scaled = mul(g, scale);
  const correction = mul(normed, reduceMean(mul(scaled, normed), [-1], true));
  return [mul(inverse, sub(scaled, correction)), sumTo(mul(g, normed), scale.shape)];
});
