/**
 * Fuses operations around a matrix product into it; the values stay the same. The runtime spends time on each
 * operation, and its memory planning is quadratic in their number. Derivatives are written plainly, and finished
 * graphs are fused.
 *
 *   c · Gemm(A, B), Gemm(c·A, B)  →  Gemm(A, B) with alpha
 *   C + Gemm(A, B)                →  Gemm(A, B, C)
 *   Reshape(Reshape(x))           →  Reshape(x)
 */
import { reshape } from './ops/broadcast.js';
import { scalarValue } from './ops/elementwise.js';
import { sameShape } from './shape.js';
import { changeBodies, type Node, type Tensor, topologicalOrder } from './tensor.js';

type Outputs = Readonly<Record<string, Tensor>>;

const alphaOf = ({ attributes }: Node): number =>
  (attributes.alpha as { float: number } | undefined)?.float ?? 1;

function gemm(node: Node, inputs: readonly Tensor[], alpha: number): Tensor {
  const attributes = { ...node.attributes, ...(alpha === 1 ? {} : { alpha: { float: alpha } }) };
  return inputs[0].graph.emit('Gemm', inputs, node.outputs, attributes).outputs[0];
}

/** x and c of c·x; null if the tensor is not such a product. */
function scaled({ node }: Tensor): { x: Tensor; factor: number } | null {
  if (node.op !== 'Mul') return null;
  const [a, b] = node.inputs;
  for (const [x, c] of [
    [a, b],
    [b, a],
  ]) {
    const factor = scalarValue(c);
    if (factor !== null) return { x, factor };
  }
  return null;
}

/** The same outputs with fewer operations. */
export function fuse(outputs: Outputs): Outputs {
  const order = topologicalOrder(Object.values(outputs));
  const uses = new Map<Tensor, number>();
  const use = (tensor: Tensor): void => {
    uses.set(tensor, (uses.get(tensor) ?? 0) + 1);
  };
  for (const { inputs } of order) inputs.forEach(use);
  Object.values(outputs).forEach(use);
  const replaced = new Map<Tensor, Tensor>();
  const at = (tensor: Tensor): Tensor => replaced.get(tensor) ?? tensor;
  /** The replacement of `tensor`, if it is a product without addend that nothing else reads. */
  const product = (tensor: Tensor): Node | null => {
    const { node } = at(tensor);
    return node.op === 'Gemm' && node.inputs.length === 2 && uses.get(tensor) === 1 ? node : null;
  };
  const fused = (node: Node): Tensor | null => {
    const [result] = node.outputs;
    const inputs = node.inputs.map(at);
    if (node.op === 'Reshape' && inputs[0].node.op === 'Reshape') {
      const [x] = inputs[0].node.inputs;
      const open = result.shape.filter((dim, axis) => typeof dim === 'string' && dim !== x.shape[axis]);
      if (open.slice(1).every((dim) => x.graph.knows(dim))) return reshape(x, result.shape);
    }
    if (node.op === 'Gemm') {
      let alpha = alphaOf(node);
      const factors = inputs.map((input, i) => {
        const parts = i < 2 ? scaled(input) : null;
        if (!parts) return input;
        alpha *= parts.factor;
        return parts.x;
      });
      return alpha === alphaOf(node) ? null : gemm(node, factors, alpha);
    }
    if (node.op === 'Mul') {
      for (const [i, j] of [
        [0, 1],
        [1, 0],
      ]) {
        const [inner, factor] = [product(node.inputs[i]), scalarValue(inputs[j])];
        if (inner && factor !== null) return gemm(inner, inner.inputs, alphaOf(inner) * factor);
      }
    }
    if (node.op === 'Add' && sameShape(inputs[0].shape, inputs[1].shape)) {
      // The later product is the better one, because its addend has already been computed.
      for (const [i, j] of [
        [1, 0],
        [0, 1],
      ]) {
        const inner = product(node.inputs[i]);
        if (inner) return gemm(inner, [...inner.inputs, inputs[j]], alphaOf(inner));
      }
    }
    return null;
  };
  for (const node of order) {
    const inputs = node.inputs.map(at);
    const result = fused(node);
    const attributes = changeBodies(node.attributes, fuse);
    if (result) replaced.set(node.outputs[0], result);
    else if (attributes !== node.attributes || inputs.some((input, i) => input !== node.inputs[i])) {
      const again = inputs[0].graph.emit(node.op, inputs, node.outputs, attributes, node.domain);
      node.outputs.forEach((output, i) => {
        replaced.set(output, again.outputs[i]);
      });
    }
  }
  return Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => [name, at(tensor)]));
}
