/**
 * A compiled computation: one ONNX model in one ONNX Runtime session, with named and checked inputs.
 * Inputs are read in place (no copy), outputs are freshly allocated by the runtime; symbolic dimensions are
 * bound by the inputs of each run, so one session serves every batch size.
 */
import * as ort from 'onnxruntime-node';
import {
  type CompiledModel,
  compileModel,
  type DType,
  formatShape,
  type StoredInputs,
  type Tensor,
} from '../graph/index.js';

export type FeedData = Float32Array | Int32Array | BigInt64Array;

/** Values for one input: `data` is used in place until the run ends. */
export interface Feed {
  readonly data: FeedData;
  readonly dims: readonly number[];
}

/** What came out under one name. */
export interface Output {
  readonly data: Float32Array;
  readonly dims: readonly number[];
}

export interface RuntimeOptions {
  /** ONNX Runtime execution provider; default 'cpu'. */
  readonly provider?: 'cpu' | 'webgpu' | 'cuda' | 'coreml' | 'dml';
  /** Threads within one operation; default: as many as the machine has cores. */
  readonly threads?: number;
  /**
   * Whether matrices of stored inputs are copied into an order that products read faster (with few rows up to 1.7 times),
   * which takes seconds and memory; default: they are read where the file is mapped.
   */
  readonly pack?: boolean;
}

/** A run that the runtime refused, or an input that does not fit the model. */
export class RuntimeError extends Error {
  override name = 'RuntimeError';
}

const STORED_FOLDER = 'model_external_initializers_file_folder_path';
const PACKING_OFF = 'disable_prepacking';

export class Program {
  private constructor(
    private readonly session: ort.InferenceSession,
    private readonly model: CompiledModel,
  ) {}

  /** Number of operations in the model. */
  get nodeCount(): number {
    return this.model.nodeCount;
  }

  /** Names of the inputs that the outputs really depend on. */
  get inputNames(): string[] {
    return [...this.model.inputs.keys()];
  }

  /**
   * Compiles `outputs` and loads them into a session.
   * @param stored their files are mapped into memory
   */
  static async compile(
    outputs: Readonly<Record<string, Tensor>>,
    options: RuntimeOptions = {},
    stored?: StoredInputs,
  ): Promise<Program> {
    const model = compileModel(outputs, stored);
    const sessionOptions: ort.InferenceSession.SessionOptions = {
      executionProviders: [options.provider ?? 'cpu'],
      graphOptimizationLevel: 'all',
      logSeverityLevel: 3,
      // Planned by one run's shapes, memory stays held for as much as its largest run wanted.
      enableMemPattern: false,
      ...(stored
        ? { extra: { session: { [STORED_FOLDER]: stored.folder, [PACKING_OFF]: options.pack ? '0' : '1' } } }
        : {}),
      ...(options.threads ? { intraOpNumThreads: options.threads } : {}),
    };
    return new Program(await ort.InferenceSession.create(model.bytes, sessionOptions), model);
  }

  /**
   * Runs the model once.
   * @param feeds a value for every input, by name; further names are ignored (they were optimised away)
   * @throws RuntimeError if an input is missing, of another type, or does not fit its shape
   */
  async run(feeds: Readonly<Record<string, Feed>>): Promise<Record<string, Output>> {
    const symbols = new Map<string, number>();
    const tensors: Record<string, ort.Tensor> = {};
    for (const [name, { dtype, shape }] of this.model.inputs) {
      const feed = feeds[name];
      if (!feed) throw new RuntimeError(`input '${name}' ${formatShape(shape)} is missing`);
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
          `input '${name}' wants ${formatShape(shape)}, found ${formatShape(feed.dims)} with ${feed.data.length} values`,
        );
      }
      tensors[name] = toOrt(dtype, feed);
    }
    const results = await this.session.run(tensors);
    const outputs: Record<string, Output> = {};
    for (const name of this.model.outputs.keys()) {
      const { data, dims } = results[name];
      outputs[name] = { data: data as Float32Array, dims };
    }
    return outputs;
  }

  async dispose(): Promise<void> {
    await this.session.release();
  }
}

function toOrt(dtype: DType, { data, dims }: Feed): ort.Tensor {
  if (dtype === 'float32' && data instanceof Float32Array) return new ort.Tensor('float32', data, dims);
  if (dtype === 'int32' && data instanceof Int32Array) return new ort.Tensor('int32', data, dims);
  if (dtype === 'int64' && data instanceof BigInt64Array) return new ort.Tensor('int64', data, dims);
  throw new RuntimeError(`an input of type ${dtype} was given ${data.constructor.name}`);
}
