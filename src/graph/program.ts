/**
 * A program: a graph with rules for filling its inputs from a batch and for reading its outputs. Each input is declared
 * once, with name, type, shape and fill function, beside the operation that reads it. Symbolic sizes are given by the
 * program for each batch, or follow from the number of values of an input.
 */
import { formatShape, type Shape, ShapeError } from './shape.js';
import { type DType, Graph, type Tensor } from './tensor.js';

/** Values by element type, as the runtime reads them: in place, row-major. */
export interface ValuesOf {
  float32: Float32Array;
  int32: Int32Array;
  int64: BigInt64Array;
}

/** Element types of inputs. */
export type InputDType = keyof ValuesOf;
export type Values = ValuesOf[InputDType];

/** One declared input. */
export interface Input<Batch> {
  readonly name: string;
  readonly dtype: InputDType;
  readonly shape: Shape;
  /** Its values for a batch; they must not change until the run ends. */
  readonly fill: (batch: Batch) => Values;
}

/**
 * The interface through which parts of a program declare their inputs. A part that reads less of a batch accepts every
 * batch that has more.
 */
export interface InputScope<Batch> {
  readonly graph: Graph;
  /** @throws ShapeError if the name is taken */
  input<D extends InputDType>(
    name: string,
    dtype: D,
    shape: Shape,
    fill: (batch: Batch) => ValuesOf[D],
  ): Tensor;
}

/** Sizes of a batch's symbolic dimensions, by symbol. */
export type Sizes = Readonly<Record<string, number>>;

/** A program that can be compiled. */
export interface ProgramDefinition<Batch, Result> {
  readonly inputs: readonly Input<Batch>[];
  /** Tensors by their output name. */
  readonly outputs: Readonly<Record<string, Tensor>>;
  /** Sizes that do not follow from a single input. */
  readonly sizes: (batch: Batch) => Sizes;
  /** Names of the outputs that a batch needs; absent: all. Returning fewer outputs is faster. */
  readonly wanted?: (batch: Batch) => readonly string[];
  /** @param values of an output, by its name */
  readonly read: (values: (name: string) => Float32Array, batch: Batch) => Result;
}

/** A graph and the inputs declared so far. */
export class InputList<Batch> implements InputScope<Batch> {
  readonly graph = new Graph();
  readonly inputs: Input<Batch>[] = [];

  input<D extends InputDType>(
    name: string,
    dtype: D,
    shape: Shape,
    fill: (batch: Batch) => ValuesOf[D],
  ): Tensor {
    this.inputs.push({ name, dtype, shape, fill });
    return this.graph.input(name, dtype as DType, shape);
  }
}

/**
 * The inputs that a run must provide.
 * @param read names that the compiled graph reads, without those in files
 * @param elsewhere names whose values are in files
 * @throws ShapeError if the graph reads a name that was not declared, or does not read one that was
 */
export function checkInputs<Batch>(
  inputs: readonly Input<Batch>[],
  read: ReadonlySet<string>,
  elsewhere: ReadonlySet<string> = new Set(),
): readonly Input<Batch>[] {
  const declared = new Set(inputs.map(({ name }) => name));
  for (const name of read) {
    if (!declared.has(name)) throw new ShapeError(`program: input '${name}' is read, but not declared`);
  }
  for (const { name } of inputs) {
    if (!read.has(name) && !elsewhere.has(name)) {
      throw new ShapeError(`program: input '${name}' is declared, but no output depends on it`);
    }
  }
  return inputs.filter(({ name }) => !elsewhere.has(name));
}

/**
 * Sizes of an input's axes, from its number of values. An unknown symbol is bound if it is the only one.
 * @param sizes known so far; new ones are added
 * @throws ShapeError if the values do not fill the shape
 */
export function bindShape(name: string, shape: Shape, count: number, sizes: Map<string, number>): number[] {
  const sizeOf = (dim: string): number | undefined => {
    const known = sizes.get(dim);
    if (known !== undefined || !dim.includes('*')) return known;
    const factors = dim
      .split('*')
      .map((factor) => (/^\d+$/.test(factor) ? Number(factor) : sizes.get(factor)));
    return factors.every((factor) => factor !== undefined)
      ? factors.reduce((product, factor) => product * factor, 1)
      : undefined;
  };
  let known = 1;
  let open: string | null = null;
  for (const dim of shape) {
    const size = typeof dim === 'number' ? dim : sizeOf(dim);
    if (size !== undefined) known *= size;
    else if (open === null || open === dim) open = dim as string;
    else throw new ShapeError(`input '${name}': the sizes of '${open}' and '${dim}' are unknown`);
  }
  if (open !== null) {
    const size = known === 0 ? 0 : count / known;
    if (Number.isInteger(size)) sizes.set(open, size);
  }
  const dims = shape.map((dim) => (typeof dim === 'number' ? dim : (sizeOf(dim) ?? -1)));
  if (dims.reduce((product, size) => product * size, 1) !== count) {
    throw new ShapeError(
      `input '${name}': expected ${formatShape(shape)}${dims.some((_, i) => typeof shape[i] === 'string') ? ` = ${formatShape(dims)}` : ''}, got ${count} values`,
    );
  }
  return dims;
}
