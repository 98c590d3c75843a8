/**
 * The register of derivatives: operator name → vector-Jacobian product. Operations add themselves when their
 * module is loaded, so the formula stands beside the operation it belongs to.
 */
import { ShapeError } from './shape.js';
import type { Node, Tensor } from './tensor.js';

/** Gradients of a node's inputs from those of its outputs (null: none arrived, none is passed on). */
export type Derivative = (node: Node, outputGrads: readonly (Tensor | null)[]) => readonly (Tensor | null)[];

const derivatives = new Map<string, Derivative>();

export function defineDerivative(op: string, derivative: Derivative): void {
  derivatives.set(op, derivative);
}

/** A derivative for operations with a single output that always receives a gradient. */
export function defineSimpleDerivative(
  op: string,
  derivative: (node: Node, gradient: Tensor) => readonly (Tensor | null)[],
): void {
  derivatives.set(op, (node, [gradient]) =>
    gradient ? derivative(node, gradient) : node.inputs.map(() => null),
  );
}

const overrides = new WeakMap<Node, Derivative>();

/** Another derivative for one node: equal in value, found in a way that the operator alone does not know. */
export function overrideDerivative(node: Node, derivative: Derivative): void {
  overrides.set(node, derivative);
}

/** Gives a node's second computation the derivative that was set for the first. */
export function copyDerivative(from: Node, to: Node): void {
  const own = overrides.get(from);
  if (own) overrides.set(to, own);
}

export function derivativeOf(node: Node): Derivative {
  const found = overrides.get(node) ?? derivatives.get(node.op);
  if (!found) throw new ShapeError(`gradients: ${node.op} has no derivative`);
  return found;
}

/** Operators that have a derivative: what the test against central differences must cover. */
export function differentiableOperators(): string[] {
  return [...derivatives.keys()].sort();
}
