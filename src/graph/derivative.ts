/**
 * Reverse-mode differentiation of a symbolic graph: the gradient becomes part of the same graph. Each operation
 * registers its vector-Jacobian product beside its definition. Higher derivatives work only for operations whose
 * derivative consists of differentiable operations (all of ours except indexing).
 */

import { expand } from './ops/broadcast.js';
import { add } from './ops/elementwise.js';
import { Replay } from './recompute.js';
import { formatShape, ShapeError, sameShape } from './shape.js';
import { type Node, type Tensor, topologicalOrder } from './tensor.js';
import { derivativeOf, derivedInputs } from './vjp.js';

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
    throw new ShapeError(`gradients: expected a scalar loss, got ${formatShape(loss.shape)}`);
  }
  return backward([[loss, loss.graph.scalar(1)]], wrt).map((gradient, i) => {
    if (gradient) return gradient;
    throw new ShapeError(`gradients: the loss does not depend on tensor ${i} (${describe(wrt[i])})`);
  });
}

/**
 * Gradients of Σ ⟨y, seed⟩ with respect to tensors: back-propagation from tensors whose gradients are already known.
 * @param seeds tensors y with their gradients, of the same shape
 * @param wrt float32 tensors of the same graph
 * @returns one tensor for each of `wrt`, of its shape; null if no y depends on it
 * @throws ShapeError for an operation without a derivative on the way
 */
export function backward(
  seeds: readonly (readonly [Tensor, Tensor])[],
  wrt: readonly Tensor[],
): (Tensor | null)[] {
  const order = topologicalOrder(seeds.map(([tensor]) => tensor));
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
  const grads = new Map<Tensor, Tensor>();
  const accumulate = (tensor: Tensor, gradient: Tensor): void => {
    const before = grads.get(tensor);
    const sum = before ? add(before, gradient) : gradient;
    grads.set(tensor, sum);
    if (wanted.has(tensor) && sum.shape.length > 0) fresh.push(sum);
  };
  /** Gradients of `wrt` that were computed since the last recomputed part. */
  const fresh: Tensor[] = [];
  for (const [tensor, seed] of seeds) accumulate(tensor, seed);
  const replay = new Replay(seeds[0][0].graph);
  for (let i = order.length - 1; i >= 0; i--) {
    const node = order[i];
    if (!needed.has(node) || node.inputs.length === 0) continue;
    const outputGrads = node.outputs.map((t) => grads.get(t) ?? null);
    const arrived = outputGrads.find((g) => g !== null);
    if (!arrived) continue;
    // A recomputation waits for all gradients so far: they read the previous recomputed part, whose memory is then
    // released.
    const computed = replay.copyOf(node, () => [arrived, ...fresh.splice(0)]);
    const inputGrads = derivativeOf(computed)(computed, outputGrads);
    derivedInputs(node).forEach((input, k) => {
      const gradient = inputGrads[k];
      if (!gradient || !needed.has(input.node)) return;
      if (!sameShape(gradient.shape, input.shape)) {
        throw new ShapeError(
          `derivative of ${node.op}: input ${k} has shape ${formatShape(input.shape)}, its gradient ${formatShape(gradient.shape)}`,
        );
      }
      accumulate(input, gradient);
    });
  }
  return wrt.map((tensor) => {
    const gradient = grads.get(tensor);
    if (!gradient) return null;
    return gradient.shape.length === tensor.shape.length ? gradient : expand(gradient, tensor.shape);
  });
}

function describe(tensor: Tensor): string {
  return `${tensor.node.name ?? tensor.node.op} ${formatShape(tensor.shape)}`;
}
