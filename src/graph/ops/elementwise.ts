/**
 * Element-wise operations with NumPy broadcasting, and their derivatives. Constants are folded here: x·1, x+0
 * and products of scalars never reach the model.
 */
import { broadcastShapes, formatShape, type Shape, ShapeError, sameShape } from '../shape.js';
import { type DType, ELEMENT_TYPE, type Tensor } from '../tensor.js';
import { defineSimpleDerivative, overrideDerivative } from '../vjp.js';
import { sumTo } from './broadcast.js';

/** The value of a scalar constant, or null. */
export function scalarValue(t: Tensor): number | null {
  const { value } = t.node;
  return value instanceof Float32Array && value.length === 1 && t.shape.length === 0 ? value[0] : null;
}

type Operand = Tensor | number;

function pair(a: Operand, b: Operand, op: string): [Tensor, Tensor] {
  const graph = typeof a === 'number' ? (b as Tensor).graph : a.graph;
  const x = typeof a === 'number' ? graph.scalar(a) : a;
  const y = typeof b === 'number' ? graph.scalar(b) : b;
  if (x.dtype !== y.dtype) throw new ShapeError(`${op}: types ${x.dtype} and ${y.dtype} differ`);
  return [x, y];
}

function binary(op: string, a: Tensor, b: Tensor, dtype: DType = a.dtype): Tensor {
  const shape = broadcastShapes(a.shape, b.shape, op);
  return a.graph.emit(op, [a, b], [{ dtype, shape }]).outputs[0];
}

function unary(op: string, x: Tensor): Tensor {
  if (x.dtype !== 'float32') throw new ShapeError(`${op}: expected float32, got ${x.dtype}`);
  return x.graph.emit(op, [x], [{ dtype: x.dtype, shape: x.shape }]).outputs[0];
}

/** a + b, broadcast. */
export function add(a: Operand, b: Operand): Tensor {
  const [x, y] = pair(a, b, 'Add');
  if (scalarValue(y) === 0) return x;
  if (scalarValue(x) === 0) return y;
  return binary('Add', x, y);
}

/** a − b, broadcast. */
export function sub(a: Operand, b: Operand): Tensor {
  const [x, y] = pair(a, b, 'Sub');
  if (scalarValue(y) === 0) return x;
  return binary('Sub', x, y);
}

/** a · b element by element, broadcast. */
export function mul(a: Operand, b: Operand): Tensor {
  const [x, y] = pair(a, b, 'Mul');
  const [u, v] = [scalarValue(x), scalarValue(y)];
  if (u !== null && v !== null) return x.graph.scalar(u * v);
  if (v === 1) return x;
  if (u === 1) return y;
  return binary('Mul', x, y);
}

/** a / b element by element, broadcast. */
export function div(a: Operand, b: Operand): Tensor {
  const [x, y] = pair(a, b, 'Div');
  if (scalarValue(y) === 1) return x;
  return binary('Div', x, y);
}

/** The element-wise minimum; for equal elements the gradient goes to `a`. */
export function minimum(a: Operand, b: Operand): Tensor {
  const [x, y] = pair(a, b, 'Min');
  return binary('Min', x, y);
}

/** The element-wise maximum; for equal elements the gradient goes to `a`. */
export function maximum(a: Operand, b: Operand): Tensor {
  const [x, y] = pair(a, b, 'Max');
  return binary('Max', x, y);
}

/** No derivative. */
export const abs = (x: Tensor): Tensor => unary('Abs', x);
export const neg = (x: Tensor): Tensor => unary('Neg', x);
export const exp = (x: Tensor): Tensor => unary('Exp', x);
export const log = (x: Tensor): Tensor => unary('Log', x);
export const sqrt = (x: Tensor): Tensor => unary('Sqrt', x);
export const tanh = (x: Tensor): Tensor => unary('Tanh', x);
export const cos = (x: Tensor): Tensor => unary('Cos', x);
export const sin = (x: Tensor): Tensor => unary('Sin', x);
/** The largest whole number ≤ x. Its derivative is 0. */
export const floor = (x: Tensor): Tensor => unary('Floor', x);
export const sigmoid = (x: Tensor): Tensor => unary('Sigmoid', x);

/** A copy through which no gradient passes. */
export const stopGradient = (x: Tensor): Tensor => unary('StopGradient', x);

/** Comparison, as booleans. No derivative. */
export const lessOrEqual = (a: Tensor, b: Tensor): Tensor => binary('LessOrEqual', a, b, 'bool');
export const less = (a: Tensor, b: Tensor): Tensor => binary('Less', a, b, 'bool');
export const and = (a: Tensor, b: Tensor): Tensor => binary('And', a, b, 'bool');

/** `x` as another type. The only derivative is from float32 to float32, which is `x` itself. */
export function cast(x: Tensor, dtype: DType): Tensor {
  if (x.dtype === dtype) return x;
  return x.graph.emit('Cast', [x], [{ dtype, shape: x.shape }], { to: { int: ELEMENT_TYPE[dtype] } })
    .outputs[0];
}

/** `a` where the condition holds, else `b`. */
export function where(condition: Tensor, a: Operand, b: Operand): Tensor {
  const [x, y] = pair(typeof a === 'number' ? condition.graph.scalar(a) : a, b, 'Where');
  if (condition.dtype !== 'bool')
    throw new ShapeError(`Where: expected a bool condition, got ${condition.dtype}`);
  const shape = broadcastShapes(condition.shape, broadcastShapes(x.shape, y.shape, 'Where'), 'Where');
  return x.graph.emit('Where', [condition, x, y], [{ dtype: x.dtype, shape }]).outputs[0];
}

const GELU_SCALE = Math.sqrt(2 / Math.PI);
const GELU_CUBIC = 0.044715;

/**
 * GPT-2's GELU, x·σ(2u) with u = √(2/π)(x + 0.044715 x³): the tanh approximation, written with the sigmoid so that
 * value and derivative share σ.
 */
export function gelu(x: Tensor): Tensor {
  const twiceU = mul(x, add(mul(mul(x, x), 2 * GELU_SCALE * GELU_CUBIC), 2 * GELU_SCALE));
  return mul(x, sigmoid(twiceU));
}

/** x·σ(x), also called swish. */
export function silu(x: Tensor): Tensor {
  return mul(x, sigmoid(x));
}

/**
 * h = silu(gate)·up. With σ = σ(gate) the gradient of the gate is h' · (h + σ·(up − h)), which reads only tensors that
 * already exist.
 */
export function swiglu(gate: Tensor, up: Tensor): Tensor {
  assertSameShape(gate, up, 'swiglu');
  const h = mul(silu(gate), up);
  overrideDerivative(h.node, {
    inputs: ({ inputs: [s, second] }) => [s.node.inputs[0], second],
    derivative: ({ inputs: [s, second], outputs: [y] }, [g]) => {
      const [, sigma] = s.node.inputs;
      return [g && mul(g, add(y, mul(sigma, sub(second, y)))), g && mul(g, s)];
    },
  });
  return h;
}

/** Requires equal shapes, in places where broadcasting would hide a mistake. */
export function assertSameShape(a: Tensor, b: Tensor, what: string): void {
  if (!sameShape(a.shape, b.shape)) {
    throw new ShapeError(`${what}: shapes ${formatShape(a.shape)} and ${formatShape(b.shape)} differ`);
  }
}

const to = (g: Tensor, shape: Shape): Tensor => sumTo(g, shape);

defineSimpleDerivative('Add', ({ inputs: [a, b] }, g) => [to(g, a.shape), to(g, b.shape)]);
defineSimpleDerivative('Sub', ({ inputs: [a, b] }, g) => [to(g, a.shape), to(neg(g), b.shape)]);
defineSimpleDerivative('Mul', ({ inputs: [a, b] }, g) => [to(mul(g, b), a.shape), to(mul(g, a), b.shape)]);
defineSimpleDerivative('Div', ({ inputs: [a, b], outputs: [y] }, g) => {
  const q = div(g, b);
  return [to(q, a.shape), to(neg(mul(q, y)), b.shape)];
});
defineSimpleDerivative('Min', ({ inputs: [a, b] }, g) => {
  const first = lessOrEqual(a, b);
  return [to(where(first, g, 0), a.shape), to(where(first, 0, g), b.shape)];
});
defineSimpleDerivative('Max', ({ inputs: [a, b] }, g) => {
  const first = lessOrEqual(b, a);
  return [to(where(first, g, 0), a.shape), to(where(first, 0, g), b.shape)];
});
defineSimpleDerivative('Neg', (_, g) => [neg(g)]);
defineSimpleDerivative('Exp', ({ outputs: [y] }, g) => [mul(g, y)]);
defineSimpleDerivative('Log', ({ inputs: [x] }, g) => [div(g, x)]);
defineSimpleDerivative('Sqrt', ({ outputs: [y] }, g) => [div(mul(g, 0.5), y)]);
defineSimpleDerivative('Tanh', ({ outputs: [y] }, g) => [mul(g, sub(1, mul(y, y)))]);
defineSimpleDerivative('Sigmoid', ({ outputs: [y] }, g) => [mul(g, sub(y, mul(y, y)))]);
defineSimpleDerivative('Cos', ({ inputs: [x] }, g) => [neg(mul(g, sin(x)))]);
defineSimpleDerivative('Sin', ({ inputs: [x] }, g) => [mul(g, cos(x))]);
defineSimpleDerivative('Floor', () => [null]);
defineSimpleDerivative('StopGradient', () => [null]);
defineSimpleDerivative('Where', ({ inputs: [condition, a, b] }, g) => [
  null,
  to(where(condition, g, 0), a.shape),
  to(where(condition, 0, g), b.shape),
]);
