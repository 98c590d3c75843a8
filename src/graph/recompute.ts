/**
 * Gradient checkpointing (arXiv:1604.06174): the intermediate values of a part of the graph are dropped after the
 * forward pass. The derivative computes the part again from its first tensor when the gradient reaches its end. Since
 * the runtime orders operations only by data dependencies, operations that must wait get an artificial dependency.
 */

import { sumAll } from './ops/broadcast.js';
import { add, stopGradient } from './ops/elementwise.js';
import { slice } from './ops/structure.js';
import { ShapeError } from './shape.js';
import { type Graph, type Node, type Tensor, topologicalOrder } from './tensor.js';
import { copyDerivative } from './vjp.js';

interface Part {
  readonly from: Tensor;
  /** Nodes between the two tensors, each after the ones that it reads. */
  readonly nodes: ReadonlySet<Node>;
}

const parts = new WeakMap<Graph, Part[]>();

/**
 * Marks everything between two tensors for recomputation in the derivative. Nodes that do not depend on `from`
 * (weights, masks) are kept.
 * @param from is kept in memory, float32 with at least one axis
 * @param result depends on `from`; other nodes in between must not be read from outside
 * @returns `result`
 */
export function recompute(from: Tensor, result: Tensor): Tensor {
  const nodes = new Set<Node>();
  for (const node of topologicalOrder([result])) {
    if (node.inputs.some((input) => input === from || nodes.has(input.node))) nodes.add(node);
  }
  if (!nodes.has(result.node))
    throw new ShapeError('recompute: the result does not depend on the first tensor');
  const known = parts.get(from.graph) ?? [];
  if (known.some((part) => [...nodes].some((node) => part.nodes.has(node)))) {
    throw new ShapeError('recompute: parts must not overlap');
  }
  parts.set(from.graph, [...known, { from, nodes }]);
  return result;
}

/**
 * `x` with a dependency: it is available only after other tensors have been computed.
 * @param x float32
 * @param done float32 tensors, each with at least one axis and not empty; if one is not finite, the result is NaN
 */
export function after(x: Tensor, ...done: readonly Tensor[]): Tensor {
  if (done.length === 0) return x;
  const { graph } = x;
  const [start, end] = [graph.int64s([0]), graph.int64s([1])];
  const sum = done
    .map((tensor) => sumAll(slice(stopGradient(tensor), 0, start, end, 1)))
    .reduce((total, part) => add(total, part));
  const nothing = graph.emit('Mul', [sum, graph.scalar(0)], [{ dtype: 'float32', shape: [] }]).outputs[0];
  return add(x, nothing);
}

/** Finds for each node the one whose values its derivative should read: the node itself, or its recomputation. */
export class Replay {
  private readonly known: readonly Part[];
  private readonly copies = new Map<Node, Node>();

  constructor(graph: Graph) {
    this.known = parts.get(graph) ?? [];
  }

  /** @param done tensors that must be computed before the recomputation begins */
  copyOf(node: Node, done: () => readonly Tensor[]): Node {
    const copy = this.copies.get(node);
    if (copy) return copy;
    const part = this.known.find(({ nodes }) => nodes.has(node));
    if (!part) return node;
    const tensors = new Map<Tensor, Tensor>([[part.from, after(part.from, ...done())]]);
    for (const original of part.nodes) {
      const { op, inputs, outputs, attributes, domain } = original;
      const again = original.outputs[0].graph.emit(
        op,
        inputs.map((input) => tensors.get(input) ?? input),
        outputs,
        attributes,
        domain,
      );
      copyDerivative(original, again);
      outputs.forEach((output, i) => {
        tensors.set(output, again.outputs[i]);
      });
      this.copies.set(original, again);
    }
    return this.copies.get(node) as Node;
  }
}
