/**
 * The saved state of an engine: weights and optimizer state, as named tensors in files and flat arrays in memory, and
 * the shape of the model, so that the store describes itself.
 */
import {
  adapterIn,
  type ModelConfig,
  type NamedTensor,
  type ParameterSet,
  type ParameterSpec,
  Parameters,
  readTensors,
  readText,
  type Store,
  writeText,
} from '../../model/index.js';
import { EngineError } from '../engine.js';

export const WEIGHTS_FILE = 'model.safetensors';
const MODEL_FILE = 'model.json';

/** Writes the shape of a model and, separately, its adapter. */
export async function writeModelShape(store: Store, { adapter: _, ...shape }: ModelConfig): Promise<void> {
  await writeText(store, MODEL_FILE, `${JSON.stringify(shape)}\n`);
}

/** Reads the shape of the model whose weights or adapter were saved. @throws EngineError naming the file */
export async function readModelShape(store: Store): Promise<ModelConfig> {
  try {
    return JSON.parse(await readText(store, MODEL_FILE)) as ModelConfig;
  } catch (error) {
    throw new EngineError(`${store.path(MODEL_FILE)}: cannot be read: ${(error as Error).message}`);
  }
}

/** Reads the trained weights that an engine saved: the model's or an adapter's. @throws EngineError, ModelError */
export async function readSaved(
  store: Store,
  isAdapter: boolean,
): Promise<{ readonly model: ModelConfig; readonly trained: ParameterSet | Parameters }> {
  const shape = await readModelShape(store);
  if (isAdapter) {
    const { config, adapter } = await adapterIn(store, shape);
    return { model: config, trained: adapter };
  }
  const parameters = new Parameters(shape);
  const { tensors } = await readTensors(store, WEIGHTS_FILE);
  parameters.flat.set(flatten(parameters.specs, store.path(WEIGHTS_FILE), tensors));
  return { model: shape, trained: parameters };
}

/** Tensors of a file as one flat array. The file must hold exactly these tensors with their shapes. */
export function flatten(
  specs: readonly ParameterSpec[],
  file: string,
  tensors: ReadonlyMap<string, NamedTensor>,
  prefix = '',
): Float32Array {
  const flat = new Float32Array(specs.reduce((n, { size }) => n + size, 0));
  const wanted = new Set(specs.map(({ name }) => prefix + name));
  for (const name of tensors.keys()) {
    if (name.startsWith(prefix) && !wanted.has(name)) {
      throw new EngineError(`${file}: tensor '${name}' does not belong to this model`);
    }
  }
  for (const { name, shape, offset } of specs) {
    const tensor = tensors.get(prefix + name);
    if (!tensor) throw new EngineError(`${file}: tensor '${prefix}${name}' is missing`);
    if (tensor.shape.join() !== shape.join()) {
      throw new EngineError(
        `${file}: tensor '${prefix}${name}' has shape [${tensor.shape.join(', ')}], this model expects [${shape.join(', ')}]`,
      );
    }
    flat.set(tensor.data, offset);
  }
  return flat;
}

/** Views of a flat array by name. */
export function named(parameters: ParameterSet, flat: Float32Array): Map<string, NamedTensor> {
  return new Map(
    parameters.specs.map(({ name, shape, offset, size }) => [
      name,
      { shape, data: flat.subarray(offset, offset + size) },
    ]),
  );
}
