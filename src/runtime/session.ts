/**
 * One ONNX model in one session of ONNX Runtime, run by named values. Inputs are read in place (no copy), outputs are
 * newly allocated by the runtime. The inputs of each run determine the symbolic sizes, so one session serves every
 * batch size.
 */
import type { InferenceSession, Tensor as RuntimeTensor } from 'onnxruntime-common';
import {
  type CompiledModel,
  compileModel,
  type DType,
  formatShape,
  fuse,
  type QuantizedMatrix,
  quantizeProducts,
  rewrite,
  type StoredInputs,
  type Tensor,
  type Values,
} from '../graph/index.js';
import { type Backend, passOf } from './backend.js';

/** Values for one input: `data` is used in place until the run ends. */
export interface Feed {
  readonly data: Values;
  readonly dims: readonly number[];
}

/** The values of one output. */
export interface Output {
  readonly data: Float32Array;
  readonly dims: readonly number[];
}

export interface SessionOptions {
  /** Threads within one operation; default: as many as the machine has cores. */
  readonly threads?: number;
  /**
   * Whether matrices of stored inputs are copied into a layout that products read faster (with few rows up to 1.7
   * times), which takes time and memory; default: they are read from the mapped file.
   */
  readonly pack?: boolean;
  /**
   * Whether the runtime plans the memory of a run from the shapes of an earlier one. This is slightly faster, but the
   * memory of the largest run stays allocated; default: no.
   */
  readonly planMemory?: boolean;
  /** Values of inputs that never change: they become part of the model, packed, and runs need not provide them. */
  readonly constants?: ReadonlyMap<string, Float32Array>;
  /** Frozen weights whose products are computed in int8, by the name of their input. */
  readonly quantized?: ReadonlyMap<string, QuantizedMatrix>;
  /** Inputs whose values are in files, which are mapped into memory. Node.js only. */
  readonly stored?: StoredInputs;
}

/** A run that the runtime refused, or an input that does not match the model. */
export class RuntimeError extends Error {
  override name = 'RuntimeError';
}

const STORED_FOLDER = 'model_external_initializers_file_folder_path';
const PACKING_OFF = 'disable_prepacking';

export class Session {
  /** The last values of inputs without symbolic sizes: weights are checked once, not with every token. */
  private readonly checked = new Map<string, { readonly feed: Feed; readonly tensor: RuntimeTensor }>();

  private constructor(
    private readonly backend: Backend,
    private readonly session: InferenceSession,
    private readonly model: CompiledModel,
  ) {}

  /** Number of operations in the model. */
  get nodeCount(): number {
    return this.model.nodeCount;
  }

  /** Compiles `outputs` for the backend's provider and loads them. */
  static async open(
    backend: Backend,
    outputs: Readonly<Record<string, Tensor>>,
    { threads, pack, planMemory = false, stored, constants, quantized }: SessionOptions = {},
  ): Promise<Session> {
    const pass = passOf(backend.provider);
    const products = quantized && quantizeProducts(outputs, quantized);
    const fused = fuse(products?.outputs ?? outputs);
    const values = products ? new Map([...(constants ?? []), ...products.constants]) : constants;
    const model = compileModel(pass ? rewrite(fused, pass) : fused, stored, values);
    const options: InferenceSession.SessionOptions = {
      executionProviders: [backend.provider],
      graphOptimizationLevel: 'all',
      logSeverityLevel: 3,
      enableMemPattern: planMemory,
      ...(stored
        ? { extra: { session: { [STORED_FOLDER]: stored.folder, [PACKING_OFF]: pack ? '0' : '1' } } }
        : {}),
      ...(threads ? { intraOpNumThreads: threads } : {}),
    };
    return new Session(backend, await backend.runtime.InferenceSession.create(model.bytes, options), model);
  }

  /** Names of the inputs that a run must provide. */
  get inputNames(): ReadonlySet<string> {
    return new Set(this.model.inputs.keys());
  }

  /**
   * Runs the model once.
   * @param feeds a value for every input, by name
   * @param wanted names of the returned outputs; default: all
   * @throws RuntimeError if an input is missing, unknown, of another type, or does not match its shape
   */
  async run(
    feeds: Readonly<Record<string, Feed>>,
    wanted: readonly string[] = [...this.model.outputs.keys()],
  ): Promise<Record<string, Output>> {
    const symbols = new Map<string, number>();
    const tensors: Record<string, RuntimeTensor> = {};
    const surplus = Object.keys(feeds).find((name) => !this.model.inputs.has(name));
    if (surplus !== undefined) throw new RuntimeError(`input '${surplus}' is not read by the model`);
    for (const [name, { dtype, shape }] of this.model.inputs) {
      const feed = feeds[name];
      if (!feed) throw new RuntimeError(`input '${name}' ${formatShape(shape)} is missing`);
      const before = this.checked.get(name);
      if (before?.feed.data === feed.data && before.feed.dims === feed.dims) {
        tensors[name] = before.tensor;
        continue;
      }
      const fits =
        feed.dims.length === shape.length &&
        shape.every((dim, axis) => {
          const size = feed.dims[axis];
          if (typeof dim === 'number') return dim === size;
          const bound = symbols.get(dim);
          if (bound === undefined) symbols.set(dim, size);
          return bound === undefined || bound === size;
        });
      const count = feed.dims.reduce((n, size) => n * size, 1);
      if (!fits || count !== feed.data.length) {
        throw new RuntimeError(
          `input '${name}': expected ${formatShape(shape)}, got ${formatShape(feed.dims)} with ${feed.data.length} values`,
        );
      }
      tensors[name] = this.tensor(dtype, feed);
      if (shape.every((dim) => typeof dim === 'number')) {
        this.checked.set(name, { feed, tensor: tensors[name] });
      }
    }
    const results = await this.session.run(tensors, wanted);
    const outputs: Record<string, Output> = {};
    for (const name of wanted) {
      const { data, dims } = results[name];
      outputs[name] = { data: data as Float32Array, dims };
    }
    return outputs;
  }

  async dispose(): Promise<void> {
    await this.session.release();
  }

  private tensor(dtype: DType, { data, dims }: Feed): RuntimeTensor {
    const { Tensor } = this.backend.runtime;
    if (dtype === 'float32' && data instanceof Float32Array) return new Tensor('float32', data, dims);
    if (dtype === 'int32' && data instanceof Int32Array) return new Tensor('int32', data, dims);
    if (dtype === 'int64' && data instanceof BigInt64Array) return new Tensor('int64', data, dims);
    throw new RuntimeError(`expected values of type ${dtype}, got ${data.constructor.name}`);
  }
}
