/**
 * Symbolic tensors and their graph. A `Tensor` knows its type, its shape and the node that computes it, but no values.
 * Nodes are ONNX nodes plus StopGradient, an identity without a derivative. Equal nodes are created once: the same
 * operation on the same inputs returns the existing node, so simple derivative code causes no duplicate work.
 */
import { type Dim, formatShape, type Shape, ShapeError } from './shape.js';

export type DType = 'float32' | 'int8' | 'int32' | 'int64' | 'bool';

/** ONNX's numbers of the types. */
export const ELEMENT_TYPE: Readonly<Record<DType, number>> = {
  float32: 1,
  int8: 3,
  int32: 6,
  int64: 7,
  bool: 9,
};

/** An attribute of a node, tagged by its ONNX type. */
export type Attribute =
  | { readonly int: number }
  | { readonly float: number }
  | { readonly ints: readonly number[] }
  | { readonly string: string }
  | { readonly body: Body };

export interface Tensor {
  readonly id: number;
  readonly graph: Graph;
  readonly dtype: DType;
  readonly shape: Shape;
  /** The node that computes this tensor, and the index of its output. */
  readonly node: Node;
  readonly output: number;
}

export interface Node {
  readonly id: number;
  /** ONNX operator, or 'Input', 'Constant', 'StopGradient'. */
  readonly op: string;
  /** Operator set: '' for ONNX's own, 'com.microsoft' for ONNX Runtime's. */
  readonly domain: string;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  readonly attributes: Readonly<Record<string, Attribute>>;
  /** Name of an input; undefined for other nodes. */
  readonly name?: string;
  /** Values of a constant; undefined for other nodes. */
  readonly value?: Float32Array | Int32Array | BigInt64Array;
}

interface OutputType {
  readonly dtype: DType;
  readonly shape: Shape;
}

/** Where the run-time size of a symbol can be read: an axis of an input. */
interface SymbolSource {
  readonly tensor: Tensor;
  readonly axis: number;
}

export class Graph {
  private nextId = 0;
  private readonly interned = new Map<string, Node>();
  private readonly inputNames = new Set<string>();
  private readonly symbols = new Map<string, SymbolSource>();

  /** An input of the model. After this, other operations of the graph can read its symbolic dimensions. */
  input(name: string, dtype: DType, shape: Shape): Tensor {
    if (this.inputNames.has(name)) throw new ShapeError(`input: the name '${name}' is taken`);
    this.inputNames.add(name);
    const node = this.make('Input', '', [], [{ dtype, shape }], {}, { name });
    const tensor = node.outputs[0];
    shape.forEach((dim, axis) => {
      if (typeof dim === 'string' && !dim.includes('*') && !this.symbols.has(dim)) {
        this.symbols.set(dim, { tensor, axis });
      }
    });
    return tensor;
  }

  /** Makes a symbol readable that no input has: the size of an axis of a computed tensor. */
  defineSymbol(symbol: string, tensor: Tensor, axis: number): void {
    if (!this.symbols.has(symbol)) this.symbols.set(symbol, { tensor, axis });
  }

  /** Whether the run-time size of `dim` can be read. */
  knows(dim: Dim): boolean {
    return String(dim)
      .split('*')
      .every((part) => /^\d+$/.test(part) || this.symbols.has(part));
  }

  /** A constant tensor, written into the model. */
  constant(value: Float32Array | Int32Array | BigInt64Array, shape: Shape): Tensor {
    const size = shape.reduce<number>((n, dim) => n * Number(dim), 1);
    if (size !== value.length) {
      throw new ShapeError(`constant: ${value.length} values do not fill ${formatShape(shape)}`);
    }
    const dtype = value instanceof Float32Array ? 'float32' : value instanceof Int32Array ? 'int32' : 'int64';
    const key = `Constant|${dtype}|${shape.join(',')}|${value.join(',')}`;
    const known = this.interned.get(key);
    if (known) return known.outputs[0];
    const node = this.make('Constant', '', [], [{ dtype, shape }], {}, { value });
    this.interned.set(key, node);
    return node.outputs[0];
  }

  /** A float32 constant without axes. */
  scalar(value: number): Tensor {
    return this.constant(new Float32Array([value]), []);
  }

  /** An int64 vector constant, as ONNX wants for shapes and axes. */
  int64s(values: readonly number[]): Tensor {
    return this.constant(
      BigInt64Array.from(values, (v) => BigInt(v)),
      [values.length],
    );
  }

  /** A new node, or the existing one if there is an equal node. */
  emit(
    op: string,
    inputs: readonly Tensor[],
    outputs: readonly OutputType[],
    attributes: Readonly<Record<string, Attribute>> = {},
    domain = '',
  ): Node {
    for (const tensor of inputs) {
      if (tensor.graph !== this) throw new ShapeError(`${op}: an input belongs to another graph`);
    }
    const key = `${domain}|${op}|${inputs.map((t) => t.id).join(',')}|${JSON.stringify(attributes)}|${outputs
      .map((o) => `${o.dtype}${o.shape.join(',')}`)
      .join(';')}`;
    const known = this.interned.get(key);
    if (known) return known;
    const node = this.make(op, domain, inputs, outputs, attributes, {});
    this.interned.set(key, node);
    return node;
  }

  /** An int64 vector of one element: the run-time size of `dim`. */
  dimension(dim: Dim): Tensor {
    if (typeof dim === 'number') return this.int64s([dim]);
    if (/^\d+$/.test(dim)) return this.int64s([Number(dim)]);
    const [first, ...rest] = dim.split('*');
    if (rest.length > 0) {
      const parts = [first, rest.join('*')].map((part) =>
        this.dimension(/^\d+$/.test(part) ? Number(part) : part),
      );
      return this.emit('Mul', parts, [{ dtype: 'int64', shape: [1] }]).outputs[0];
    }
    const source = this.symbols.get(first);
    if (!source) throw new ShapeError(`dimension: no input has an axis '${first}'`);
    const { tensor, axis } = source;
    return this.emit('Shape', [tensor], [{ dtype: 'int64', shape: [1] }], {
      start: { int: axis },
      end: { int: axis + 1 },
    }).outputs[0];
  }

  /** An int64 vector holding the run-time sizes of `shape`. */
  shapeTensor(shape: Shape): Tensor {
    if (shape.every((dim) => typeof dim === 'number')) return this.int64s(shape as readonly number[]);
    if (shape.length === 1) return this.dimension(shape[0]);
    return this.emit(
      'Concat',
      shape.map((dim) => this.dimension(dim)),
      [{ dtype: 'int64', shape: [shape.length] }],
      { axis: { int: 0 } },
    ).outputs[0];
  }

  private make(
    op: string,
    domain: string,
    inputs: readonly Tensor[],
    outputs: readonly OutputType[],
    attributes: Readonly<Record<string, Attribute>>,
    extra: Pick<Node, 'name' | 'value'>,
  ): Node {
    const tensors: Tensor[] = [];
    const node: Node = { id: this.nextId++, op, domain, inputs, outputs: tensors, attributes, ...extra };
    outputs.forEach(({ dtype, shape }, output) => {
      tensors.push({ id: this.nextId++, graph: this, dtype, shape, node, output });
    });
    return node;
  }
}

/** A graph within a node, which the node computes several times (ops/parts.ts). */
export class Body {
  private static count = 0;
  private readonly id = Body.count++;

  /**
   * @param inputs the last `captured` of them are tensors of the outer graph, the same for each repetition
   * @param outputs of the same graph as the inputs
   */
  constructor(
    readonly inputs: readonly Tensor[],
    readonly captured: number,
    readonly outputs: readonly Tensor[],
  ) {}

  /** A key for comparing nodes. */
  toJSON(): number {
    return this.id;
  }
}

type Outputs = Readonly<Record<string, Tensor>>;

/** Attributes with replaced outputs of their bodies (of the same types); the same object if nothing changes. */
export function changeBodies(
  attributes: Node['attributes'],
  change: (outputs: Outputs) => Outputs,
): Node['attributes'] {
  const changed = Object.entries(attributes).flatMap(([name, attribute]) => {
    if (!('body' in attribute)) return [];
    const { inputs, captured, outputs } = attribute.body;
    const results = change(Object.fromEntries(outputs.map((tensor, i) => [String(i), tensor])));
    const all = outputs.map((_, i) => results[i]);
    if (all.every((tensor, i) => tensor === outputs[i])) return [];
    return [[name, { body: new Body(inputs, captured, all) }] as const];
  });
  return changed.length === 0 ? attributes : { ...attributes, ...Object.fromEntries(changed) };
}

/**
 * All nodes that `outputs` depend on, each after the ones that it reads. Without recursion, because graphs can be deep.
 */
export function topologicalOrder(outputs: readonly Tensor[]): Node[] {
  const order: Node[] = [];
  /** Index of the next input to visit; absent: not visited yet. */
  const next = new Map<Node, number>();
  const stack: Node[] = [];
  const visit = (node: Node): void => {
    if (next.has(node)) return;
    next.set(node, 0);
    stack.push(node);
  };
  for (const { node } of outputs) {
    visit(node);
    while (stack.length > 0) {
      const top = stack[stack.length - 1];
      const at = next.get(top) as number;
      if (at < top.inputs.length) {
        next.set(top, at + 1);
        visit(top.inputs[at].node);
      } else {
        order.push(top);
        stack.pop();
      }
    }
  }
  return order;
}
