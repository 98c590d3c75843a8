/**
 * Reverse-mode differentiation of a symbolic graph: the gradient is another part of the same graph. Each
 * operation registers, beside its own definition, how a gradient of its outputs becomes gradients of its
 * inputs (a vector-Jacobian product). What is left out: higher derivatives are possible only through
 * operations whose derivative is itself made of differentiable ones (all of ours but the indexing ones).
 */
import { add } from './ops/elementwise.js';
import { expand } from './ops/structure.js';
import { formatShape, ShapeError, sameShape } from './shape.js';
import { type Node, type Tensor, topologicalOrder } from './tensor.js';
import { derivativeOf } from './vjp.js';

/**
 * Gradients of a scalar with respect to tensors.
 * @param loss scalar, shape []
 * @param wrt float32 tensors of the same graph
 * @returns one tensor for each of `wrt`, of its shape
 * @throws ShapeError if the loss is no scalar, does not depend on one of `wrt`, or passes an operation
 * without a derivative
 */
export function gradients(loss: Tensor, wrt: readonly Tensor[]): Tensor[] {
  if (loss.shape.length !== 0) {
    throw new ShapeError(`gradients: the loss must be a scalar, found ${formatShape(loss.shape)}`);
  }
  const order = topologicalOrder([loss]);
  const wanted = new Set<Tensor>(wrt);
  const needed = new Set<Node>();
  for (const node of order) {
    if (
      node.outputs.some((t) => wanted.has(t)) ||
      (node.op !== 'StopGradient' && node.inputs.some((t) => needed.has(t.node)))
    ) {
      needed.add(node);
    }
  }
  const grads = new Map<Tensor, Tensor>([[loss, loss.graph.scalar(1)]]);
  for (let i = order.length - 1; i >= 0; i--) {
    const node = order[i];
    if (!needed.has(node) || node.inputs.length === 0) continue;
    const outputGrads = node.outputs.map((t) => grads.get(t) ?? null);
    if (outputGrads.every((g) => g === null)) continue;
    const inputGrads = derivativeOf(node)(node, outputGrads);
    node.inputs.forEach((input, k) => {
      const gradient = inputGrads[k];
      if (!gradient || !needed.has(input.node)) return;
      if (!sameShape(gradient.shape, input.shape)) {
        throw new ShapeError(
          `derivative of ${node.op}: input ${k} has shape ${formatShape(input.shape)}, its gradient ${formatShape(gradient.shape)}`,
        );
      }
      const before = grads.get(input);
      grads.set(input, before ? add(before, gradient) : gradient);
    });
  }
  return wrt.map((tensor, i) => {
    const gradient = grads.get(tensor);
    if (!gradient)
      throw new ShapeError(`gradients: the loss does not depend on tensor ${i} (${describe(tensor)})`);
    return gradient.shape.length === tensor.shape.length ? gradient : expand(gradient, tensor.shape);
  });
}

function describe(tensor: Tensor): string {
  return `${tensor.node.name ?? tensor.node.op} ${formatShape(tensor.shape)}`;
}
