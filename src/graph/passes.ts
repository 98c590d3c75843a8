/**
 * Rewrites a finished graph for a runtime provider that lacks an operator. The model and its derivatives are written
 * once with the fastest operators; unsupported operators are replaced here, node by node.
 */
import { add, mul, sub } from './ops/elementwise.js';
import { concat, split, transpose } from './ops/structure.js';
import { changeBodies, type Node, type Tensor, topologicalOrder } from './tensor.js';

/** Replaces a node: computes its outputs from its (already rewritten) inputs. */
export type Rule = (node: Node, inputs: readonly Tensor[]) => readonly Tensor[];
/** Rules by operator. */
export type Pass = Readonly<Record<string, Rule>>;

const flag = (node: Node, name: string): boolean => (node.attributes[name] as { int: number }).int === 1;

/** Exchanges the last two axes. */
function transposed(x: Tensor): Tensor {
  const order = x.shape.map((_, axis) => axis);
  const [a, b] = order.splice(-2);
  return transpose(x, [...order, b, a]);
}

/** Moves the first axis before the last one. */
function rowsInPlace(x: Tensor): Tensor {
  const axes = x.shape.map((_, axis) => axis);
  return transpose(x, [...axes.slice(1, -1), 0, ...axes.slice(-1)]);
}

/** FusedMatMul as MatMul, with Transpose and Mul if it needs them. */
const plainMatMul: Rule = (node, [a, last]) => {
  const b = node.attributes.transBatchB ? rowsInPlace(last) : last;
  const [left, right] = [flag(node, 'transA') ? transposed(a) : a, flag(node, 'transB') ? transposed(b) : b];
  const { graph } = a;
  const [{ dtype, shape }] = node.outputs;
  const [product] = graph.emit('MatMul', [left, right], [{ dtype, shape }]).outputs;
  const { float: alpha } = node.attributes.alpha as { float: number };
  if (alpha === 1) return [product];
  return [graph.emit('Mul', [product, graph.scalar(alpha)], [{ dtype, shape }]).outputs[0]];
};

/** LogSoftmax as d − ln Σ exp d over the last axis, with d = x − max x so that no exponential overflows. */
const plainLogSoftmax: Rule = (_, [x]) => {
  const { graph, dtype } = x;
  const shape = [...x.shape.slice(0, -1), 1];
  const over = (op: string, y: Tensor): Tensor =>
    graph.emit(op, [y, graph.int64s([x.shape.length - 1])], [{ dtype, shape }], { keepdims: { int: 1 } })
      .outputs[0];
  const shifted = sub(x, over('ReduceMax', x));
  return [sub(shifted, over('ReduceLogSumExp', shifted))];
};

/** RotaryEmbedding on rows in their given layout. */
const plainTurn: Rule = (_, [x, , cos, sin]) => {
  const half = Number(x.shape[2]) / 2;
  const [a, b] = split(x, [half, half], 2);
  return [concat([sub(mul(a, cos), mul(b, sin)), add(mul(b, cos), mul(a, sin))], 2)];
};

/** Uses only operators for which ONNX Runtime's WebGPU provider has kernels. */
export const webgpuPass: Pass = {
  FusedMatMul: plainMatMul,
  LogSoftmax: plainLogSoftmax,
  RotaryEmbedding: plainTurn,
};

/**
 * The same outputs, with every node replaced for which a pass has a rule. Nodes that depend on replaced ones are
 * created again.
 */
export function rewrite(
  outputs: Readonly<Record<string, Tensor>>,
  pass: Pass,
): Readonly<Record<string, Tensor>> {
  const replaced = new Map<Tensor, Tensor>();
  const at = (tensor: Tensor): Tensor => replaced.get(tensor) ?? tensor;
  for (const node of topologicalOrder(Object.values(outputs))) {
    const inputs = node.inputs.map(at);
    const rule = pass[node.op];
    const attributes = changeBodies(node.attributes, (parts) => rewrite(parts, pass));
    const kept = attributes === node.attributes && inputs.every((input, i) => input === node.inputs[i]);
    if (!rule && kept) continue;
    const results = rule
      ? rule(node, inputs)
      : inputs[0].graph.emit(node.op, inputs, node.outputs, attributes, node.domain).outputs;
    node.outputs.forEach((output, i) => {
      replaced.set(output, results[i]);
    });
  }
  return Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => [name, at(tensor)]));
}
