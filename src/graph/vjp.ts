/**
 * The registry of derivatives: operator name → vector-Jacobian product. Each operation registers itself when its
 * module is loaded, so the formula is beside the operation.
 */
import { ShapeError } from './shape.js';
import type { Node, Tensor } from './tensor.js';

/** Computes gradients of a node's inputs from those of its outputs (null: no gradient). */
export type Derivative = (node: Node, outputGrads: readonly (Tensor | null)[]) => readonly (Tensor | null)[];

const derivatives = new Map<string, Derivative>();

export function defineDerivative(op: string, derivative: Derivative): void {
  derivatives.set(op, derivative);
}

/** Registers a derivative for an operation with one output; it is only called with a gradient. */
export function defineSimpleDerivative(
  op: string,
  derivative: (node: Node, gradient: Tensor) => readonly (Tensor | null)[],
): void {
  derivatives.set(op, (node, [gradient]) =>
    gradient ? derivative(node, gradient) : node.inputs.map(() => null),
  );
}

/** A joint derivative of several nodes, registered for the last of them. */
export interface JointDerivative {
  /** Inputs of the first nodes, found from the last node. */
  readonly inputs: (last: Node) => readonly Tensor[];
  /** Gradients of `inputs`. */
  readonly derivative: Derivative;
}

const overrides = new WeakMap<Node, Derivative | JointDerivative>();

/**
 * Sets another derivative for one node: it has equal values but uses knowledge that the operator alone does not have.
 */
export function overrideDerivative(node: Node, derivative: Derivative | JointDerivative): void {
  overrides.set(node, derivative);
}

/** Gives a node's recomputation the derivative that was set for the original node. */
export function copyDerivative(from: Node, to: Node): void {
  const override = overrides.get(from);
  if (override) overrides.set(to, override);
}

export function derivativeOf(node: Node): Derivative {
  const override = overrides.get(node);
  if (override) return typeof override === 'function' ? override : override.derivative;
  const known = derivatives.get(node.op);
  if (!known) throw new ShapeError(`gradients: ${node.op} has no derivative`);
  return known;
}

/** The tensors for which a node's derivative gives gradients. */
export function derivedInputs(node: Node): readonly Tensor[] {
  const override = overrides.get(node);
  return typeof override === 'object' ? override.inputs(node) : node.inputs;
}

/** Operators that have a derivative: the test against central differences must cover all of them. */
export function differentiableOperators(): string[] {
  return [...derivatives.keys()].sort();
}
