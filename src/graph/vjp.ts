/**
 * The registry of derivatives: operator name → vector-Jacobian product. Each operation registers itself when its
 * module is loaded, so the formula is beside the operation.
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

/** Several nodes that have one derivative together: it stands at the last of them. */
export interface JointDerivative {
  /** What the first nodes read, found from the last. */
  readonly inputs: (last: Node) => readonly Tensor[];
  /** Gradients of `inputs`. */
  readonly derivative: Derivative;
}

const overrides = new WeakMap<Node, Derivative | JointDerivative>();

/** Another derivative for one node: equal in value, found in a way that the operator alone does not know. */
export function overrideDerivative(node: Node, derivative: Derivative | JointDerivative): void {
  overrides.set(node, derivative);
}

/** Gives a node's second computation the derivative that was set for the first. */
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

/** The tensors that a node's derivative gives gradients of. */
export function derivedInputs(node: Node): readonly Tensor[] {
  const override = overrides.get(node);
  return typeof override === 'object' ? override.inputs(node) : node.inputs;
}

/** Operators that have a derivative: what the test against central differences must cover. */
export function differentiableOperators(): string[] {
  return [...derivatives.keys()].sort();
}
