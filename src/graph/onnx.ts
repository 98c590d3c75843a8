/**
 * Writes a graph as an ONNX model (protobuf, field numbers of onnx.proto). Only nodes that the outputs need are
 * written; StopGradient is dropped. The encoder supports only the messages that our models use.
 */
import type { Shape } from './shape.js';
import {
  type Attribute,
  type Body,
  type DType,
  ELEMENT_TYPE,
  type Node,
  type Tensor,
  topologicalOrder,
} from './tensor.js';

const IR_VERSION = 9;
const OPSET = 20;

/** A model for the runtime: its bytes, and its inputs and outputs by name. */
export interface CompiledModel {
  readonly bytes: Uint8Array;
  readonly inputs: ReadonlyMap<string, { readonly dtype: DType; readonly shape: Shape }>;
  readonly outputs: ReadonlyMap<string, { readonly dtype: DType; readonly shape: Shape }>;
  /** Number of operations in the model. */
  readonly nodeCount: number;
}

/** Position of a tensor's values in a file: little-endian, in the runtime's memory layout. */
export interface StoredValues {
  /** Name of a file in the folder. */
  readonly file: string;
  /** Offset of the first byte. */
  readonly offset: number;
  readonly bytes: number;
}

/** Inputs whose values are in files: they become part of the model, and runs need not provide them. */
export interface StoredInputs {
  /** Folder of the files. */
  readonly folder: string;
  /** By the input's name. */
  readonly values: ReadonlyMap<string, StoredValues>;
}

/** Values of at least this many bytes are copied only once, into the final model. */
const LARGE = 2 ** 16;

class ProtoWriter {
  /** Bytes written before the buffer. */
  private readonly pieces: Uint8Array[] = [];
  private buffer = new Uint8Array(256);
  private length = 0;

  private reserve(extra: number): void {
    if (this.length + extra <= this.buffer.length) return;
    const grown = new Uint8Array(Math.max(this.buffer.length * 2, this.length + extra));
    grown.set(this.buffer.subarray(0, this.length));
    this.buffer = grown;
  }

  private rawVarint(value: bigint): void {
    this.reserve(10);
    let rest = BigInt.asUintN(64, value);
    while (rest > 127n) {
      this.buffer[this.length++] = Number(rest & 127n) | 128;
      rest >>= 7n;
    }
    this.buffer[this.length++] = Number(rest);
  }

  private raw(value: Uint8Array): void {
    if (value.length >= LARGE) {
      this.pieces.push(this.buffer.subarray(0, this.length), value);
      this.buffer = new Uint8Array(256);
      this.length = 0;
      return;
    }
    this.reserve(value.length);
    this.buffer.set(value, this.length);
    this.length += value.length;
  }

  varint(field: number, value: number | bigint): this {
    this.rawVarint(BigInt(field << 3));
    this.rawVarint(BigInt(value));
    return this;
  }

  float(field: number, value: number): this {
    this.rawVarint(BigInt((field << 3) | 5));
    this.reserve(4);
    new DataView(this.buffer.buffer).setFloat32(this.length, value, true);
    this.length += 4;
    return this;
  }

  bytes(field: number, value: Uint8Array): this {
    this.rawVarint(BigInt((field << 3) | 2));
    this.rawVarint(BigInt(value.length));
    this.raw(value);
    return this;
  }

  string(field: number, value: string): this {
    return this.bytes(field, new TextEncoder().encode(value));
  }

  message(field: number, write: (inner: ProtoWriter) => void): this {
    const inner = new ProtoWriter();
    write(inner);
    const pieces = [...inner.pieces, inner.buffer.subarray(0, inner.length)];
    this.rawVarint(BigInt((field << 3) | 2));
    this.rawVarint(BigInt(pieces.reduce((n, { length }) => n + length, 0)));
    for (const piece of pieces) this.raw(piece);
    return this;
  }

  finish(): Uint8Array {
    const pieces = [...this.pieces, this.buffer.subarray(0, this.length)];
    const whole = new Uint8Array(pieces.reduce((n, { length }) => n + length, 0));
    let at = 0;
    for (const piece of pieces) {
      whole.set(piece, at);
      at += piece.length;
    }
    return whole;
  }
}

function writeAttribute(w: ProtoWriter, name: string, attribute: Exclude<Attribute, { body: Body }>): void {
  w.string(1, name);
  if ('int' in attribute) w.varint(3, attribute.int).varint(20, 2);
  else if ('float' in attribute) w.float(2, attribute.float).varint(20, 1);
  else if ('string' in attribute) w.string(4, attribute.string).varint(20, 3);
  else {
    for (const value of attribute.ints) w.varint(8, value);
    w.varint(20, 7);
  }
}

function writeValueInfo(w: ProtoWriter, name: string, dtype: DType, shape: Shape): void {
  w.string(1, name).message(2, (type) =>
    type.message(1, (tensor) =>
      tensor.varint(1, ELEMENT_TYPE[dtype]).message(2, (dims) => {
        for (const dim of shape) {
          dims.message(1, (d) => (typeof dim === 'number' ? d.varint(1, dim) : d.string(2, dim)));
        }
      }),
    ),
  );
}

function writeInitializer(w: ProtoWriter, name: string, tensor: Tensor, value: ArrayBufferView): void {
  for (const dim of tensor.shape) w.varint(1, dim as number);
  w.varint(2, ELEMENT_TYPE[tensor.dtype])
    .string(8, name)
    .bytes(9, new Uint8Array(value.buffer as ArrayBuffer, value.byteOffset, value.byteLength));
}

/** A tensor whose values are in a file: TensorProto with data_location EXTERNAL. */
function writeStored(w: ProtoWriter, name: string, { dtype, shape }: Tensor, place: StoredValues): void {
  for (const dim of shape) w.varint(1, dim as number);
  w.varint(2, ELEMENT_TYPE[dtype]).string(8, name);
  const { file, offset, bytes } = place;
  for (const [key, value] of Object.entries({ location: file, offset, length: bytes })) {
    w.message(13, (entry) => entry.string(1, key).string(2, String(value)));
  }
  w.varint(14, 1);
}

/** Follows StopGradient nodes to the tensor that they copy. */
function resolve(tensor: Tensor): Tensor {
  let at = tensor;
  while (at.node.op === 'StopGradient') at = at.node.inputs[0];
  return at;
}

/** Names of a graph's tensors, and how its inputs are written. */
interface Naming {
  /** Prefix of the names of computed tensors: names in a node's body must differ from all names around it. */
  readonly prefix: string;
  readonly inputName: (tensor: Tensor) => string;
  readonly onInput: (tensor: Tensor) => void;
}

/**
 * Writes the operations that compute `outputs` into a GraphProto.
 * @returns number of operations, including those in bodies
 */
function writeOperations(
  graph: ProtoWriter,
  outputs: Readonly<Record<string, Tensor>>,
  { prefix, inputName, onInput }: Naming,
): number {
  // An output tensor gets its public name directly; only inputs and second names need an Identity.
  const publicNames = new Map<Tensor, string>();
  for (const [name, tensor] of Object.entries(outputs)) {
    const real = resolve(tensor);
    if (real.node.op !== 'Input' && real.node.op !== 'Constant' && !publicNames.has(real))
      publicNames.set(real, name);
  }
  const nameOf = (t: Tensor): string => {
    const real = resolve(t);
    return real.node.op === 'Input' ? inputName(real) : (publicNames.get(real) ?? `${prefix}t${real.id}`);
  };
  let count = 0;
  const order = topologicalOrder(Object.values(outputs));
  // An unused statistic has no name, so that the runtime does not compute it.
  const read = new Set<Tensor>(Object.values(outputs).map(resolve));
  for (const node of order) for (const input of node.inputs) read.add(resolve(input));
  for (const node of order) {
    if (node.op === 'Input') onInput(node.outputs[0]);
    else if (node.op === 'Constant') {
      const [constant] = node.outputs;
      const value = node.value as NonNullable<Node['value']>;
      graph.message(5, (m) => writeInitializer(m, nameOf(constant), constant, value));
    } else if (node.op !== 'StopGradient') {
      count++;
      graph.message(1, (m) => {
        const names = node.inputs.map(nameOf);
        const bodies = Object.entries(node.attributes).flatMap(([name, attribute]) =>
          'body' in attribute ? [[name, attribute.body] as const] : [],
        );
        const captured = bodies.reduce((n, [, body]) => Math.max(n, body.captured), 0);
        for (const name of names.slice(0, names.length - captured)) m.string(1, name);
        for (const output of node.outputs)
          m.string(2, read.has(output) || !node.op.endsWith('LayerNormalization') ? nameOf(output) : '');
        m.string(3, `${prefix}${node.op}_${node.id}`).string(4, node.op);
        for (const [name, attribute] of Object.entries(node.attributes)) {
          if (!('body' in attribute)) m.message(5, (a) => writeAttribute(a, name, attribute));
        }
        for (const [name, body] of bodies) {
          m.message(5, (a) => {
            a.string(1, name).varint(20, 5);
            a.message(6, (inner) => {
              count += writeBody(inner, body, `${prefix}${node.id}.`, names);
            });
          });
        }
        if (node.domain) m.string(7, node.domain);
      });
    }
  }
  for (const [name, tensor] of Object.entries(outputs)) {
    if (nameOf(tensor) !== name) {
      graph.message(1, (m) =>
        m.string(1, nameOf(tensor)).string(2, name).string(3, name).string(4, 'Identity'),
      );
    }
  }
  return count;
}

/** @param outer names of the node's inputs; the body refers to captured tensors by these names */
function writeBody(w: ProtoWriter, body: Body, prefix: string, outer: readonly string[]): number {
  const { inputs, captured, outputs } = body;
  const inner = inputs.length - captured;
  const names = new Map(
    inputs.map((tensor, i) => [tensor, i < inner ? `${prefix}${tensor.node.name}` : outer[i]]),
  );
  const results = outputs.map((tensor, i) => [`${prefix}out${i}`, tensor] as const);
  const count = writeOperations(w, Object.fromEntries(results), {
    prefix,
    inputName: (tensor) => names.get(tensor) as string,
    onInput: () => {},
  });
  w.string(2, `${prefix}body`);
  for (const tensor of inputs.slice(0, inner)) {
    w.message(11, (m) => writeValueInfo(m, names.get(tensor) as string, tensor.dtype, tensor.shape));
  }
  for (const [name, { dtype, shape }] of results) w.message(12, (m) => writeValueInfo(m, name, dtype, shape));
  return count;
}

/**
 * The ONNX model that computes `outputs`.
 * @param outputs tensors by their output name
 * @param stored inputs whose values the runtime reads from files
 * @param constants values of inputs that are written into the model; less than 2 GiB together
 */
export function compileModel(
  outputs: Readonly<Record<string, Tensor>>,
  stored?: StoredInputs,
  constants?: ReadonlyMap<string, Float32Array | Int8Array>,
): CompiledModel {
  const inputs = new Map<string, { dtype: DType; shape: Shape }>();
  const results = new Map<string, { dtype: DType; shape: Shape }>();
  let nodeCount = 0;
  const w = new ProtoWriter();
  w.varint(1, IR_VERSION).string(2, 'lambda-grpo');
  w.message(7, (graph) => {
    nodeCount = writeOperations(graph, outputs, {
      prefix: '',
      inputName: ({ node }) => node.name as string,
      onInput: (tensor) => {
        const name = tensor.node.name as string;
        const place = stored?.values.get(name);
        const fixed = constants?.get(name);
        if (fixed) graph.message(5, (m) => writeInitializer(m, name, tensor, fixed));
        else if (place) graph.message(5, (m) => writeStored(m, name, tensor, place));
        else inputs.set(name, { dtype: tensor.dtype, shape: tensor.shape });
      },
    });
    for (const [name, { dtype, shape }] of Object.entries(outputs)) results.set(name, { dtype, shape });
    graph.string(2, 'lambda-grpo');
    for (const [name, { dtype, shape }] of inputs)
      graph.message(11, (m) => writeValueInfo(m, name, dtype, shape));
    for (const [name, { dtype, shape }] of results)
      graph.message(12, (m) => writeValueInfo(m, name, dtype, shape));
  });
  w.message(8, (m) => m.string(1, '').varint(2, OPSET));
  w.message(8, (m) => m.string(1, 'com.microsoft').varint(2, 1));
  return { bytes: w.finish(), inputs, outputs: results, nodeCount };
}
