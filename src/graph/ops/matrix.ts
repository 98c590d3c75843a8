/**
 * Matrix products. `matmul` is ONNX Runtime's FusedMatMul (transposes and a factor without extra passes); `linear` is
 * Gemm with its bias. Their derivatives are products of the same two kinds, so nothing is transposed in memory.
 */
import { broadcastShapes, formatShape, ShapeError } from '../shape.js';
import type { Tensor } from '../tensor.js';
import { defineSimpleDerivative } from '../vjp.js';
import { sumTo } from './broadcast.js';

interface MatMulOptions {
  readonly transA?: boolean;
  readonly transB?: boolean;
  /** b is stored with its rows as the first axis and its columns as the last; the batch axes are between them. */
  readonly rowsFirstB?: boolean;
  /** Factor of the product. */
  readonly alpha?: number;
}

/**
 * alpha · op(a) · op(b) over the last two axes; leading axes broadcast.
 * @param a [..., M, K] ([..., K, M] with transA)
 * @param b [..., K, N] ([..., N, K] with transB, [K, ..., N] with rowsFirstB, which has no derivative)
 * @returns [..., M, N]
 */
export function matmul(
  a: Tensor,
  b: Tensor,
  { transA = false, transB = false, rowsFirstB = false, alpha = 1 }: MatMulOptions = {},
): Tensor {
  if (a.shape.length < 2 || b.shape.length < 2) {
    throw new ShapeError(
      `matmul: expected matrices, got ${formatShape(a.shape)} and ${formatShape(b.shape)}`,
    );
  }
  const [m, ka] = transA ? [a.shape.at(-1), a.shape.at(-2)] : [a.shape.at(-2), a.shape.at(-1)];
  const rows = rowsFirstB ? [...b.shape.slice(1, -1), b.shape[0], ...b.shape.slice(-1)] : b.shape;
  const [kb, n] = transB ? [rows.at(-1), rows.at(-2)] : [rows.at(-2), rows.at(-1)];
  if (ka !== kb) {
    throw new ShapeError(
      `matmul: inner sizes ${ka} and ${kb} differ (${formatShape(a.shape)}${transA ? 'ᵀ' : ''} · ${formatShape(b.shape)}${transB ? 'ᵀ' : ''})`,
    );
  }
  const batch = broadcastShapes(a.shape.slice(0, -2), rows.slice(0, -2), 'matmul');
  return a.graph.emit(
    'FusedMatMul',
    [a, b],
    [{ dtype: 'float32', shape: [...batch, m!, n!] }],
    {
      transA: { int: transA ? 1 : 0 },
      transB: { int: transB ? 1 : 0 },
      ...(rowsFirstB ? { transBatchB: { int: 1 } } : {}),
      alpha: { float: alpha },
    },
    'com.microsoft',
  ).outputs[0];
}

/** op(a) · op(b) of plain matrices, without bias. */
function gemm(a: Tensor, b: Tensor, transA: boolean, transB: boolean, bias?: Tensor): Tensor {
  const m = a.shape[transA ? 1 : 0];
  const [ka, kb] = [a.shape[transA ? 0 : 1], b.shape[transB ? 1 : 0]];
  const n = b.shape[transB ? 0 : 1];
  if (
    a.shape.length !== 2 ||
    b.shape.length !== 2 ||
    ka !== kb ||
    (bias && (bias.shape.length !== 1 || bias.shape[0] !== n))
  ) {
    throw new ShapeError(
      `linear: ${formatShape(a.shape)} · ${formatShape(b.shape)}${bias ? ` + ${formatShape(bias.shape)}` : ''} does not fit`,
    );
  }
  return a.graph.emit('Gemm', bias ? [a, b, bias] : [a, b], [{ dtype: 'float32', shape: [m, n] }], {
    transA: { int: transA ? 1 : 0 },
    transB: { int: transB ? 1 : 0 },
  }).outputs[0];
}

/**
 * x · W + bias.
 * @param x [N, I]
 * @param weight [I, O], or [O, I] with `transposed`
 * @param bias [O]
 * @returns [N, O]
 */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor, transposed = false): Tensor {
  return gemm(x, weight, false, transposed, bias);
}

const flag = (attributes: Readonly<Record<string, unknown>>, name: string): boolean =>
  (attributes[name] as { int: number }).int === 1;

defineSimpleDerivative('FusedMatMul', ({ inputs: [a, b], attributes }, g) => {
  if (attributes.transBatchB) throw new ShapeError('derivative of matmul: not with rowsFirstB');
  const [transA, transB] = [flag(attributes, 'transA'), flag(attributes, 'transB')];
  const { float: alpha } = attributes.alpha as { float: number };
  const da = transA
    ? matmul(b, g, { transA: transB, transB: true, alpha })
    : matmul(g, b, { transB: !transB, alpha });
  const db = transB
    ? matmul(g, a, { transA: true, transB: transA, alpha })
    : matmul(a, g, { transA: !transA, alpha });
  return [sumTo(da, a.shape), sumTo(db, b.shape)];
});
defineSimpleDerivative('Gemm', ({ inputs: [a, b, bias], attributes }, g) => {
  const [transA, transB] = [flag(attributes, 'transA'), flag(attributes, 'transB')];
  const da = transA ? gemm(b, g, transB, true) : gemm(g, b, false, !transB);
  const db = transB ? gemm(g, a, true, transA) : gemm(a, g, !transA, false);
  return bias ? [da, db, sumTo(g, bias.shape)] : [da, db];
});
