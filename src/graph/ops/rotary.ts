/**
 * Rotary position embedding (ONNX Runtime's RotaryEmbedding): channels i and i + d/2 form a plane and are rotated. The
 * derivative rotates back.
 */
import { formatShape, ShapeError, sameShape } from '../shape.js';
import type { Tensor } from '../tensor.js';
import { defineSimpleDerivative } from '../vjp.js';
import { neg } from './elementwise.js';

/**
 * (a, b) → (a·cos − b·sin, b·cos + a·sin) for the halves a and b of each row.
 * @param x [1, M, d]
 * @param cos [M, d/2]
 * @param sin [M, d/2]; no derivative for either
 */
export function turn(x: Tensor, cos: Tensor, sin: Tensor): Tensor {
  const [first, rows, width] = x.shape;
  const planes = [rows, Number(width) / 2];
  if (x.shape.length !== 3 || first !== 1 || !sameShape(cos.shape, planes) || !sameShape(sin.shape, planes)) {
    throw new ShapeError(
      `RotaryEmbedding: expected [1, M, d] and twice [M, d/2], got ${[x, cos, sin].map(({ shape }) => formatShape(shape)).join(', ')}`,
    );
  }
  const { graph, dtype, shape } = x;
  const inputs = [x, graph.int64s([0]), cos, sin];
  return graph.emit('RotaryEmbedding', inputs, [{ dtype, shape }], {}, 'com.microsoft').outputs[0];
}

defineSimpleDerivative('RotaryEmbedding', ({ inputs: [, , cos, sin] }, g) => [
  turn(g, cos, neg(sin)),
  null,
  null,
  null,
]);
