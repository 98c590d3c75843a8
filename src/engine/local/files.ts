/** Weights and optimizer state between flat arrays and the named tensors of a file. */
import type { NamedTensor, ParameterSet, ParameterSpec } from '../../model/index.js';
import { EngineError } from '../engine.js';

/** Tensors of a file as one flat array; every one of them must be there with its shape, and no other. */
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
        `${file}: tensor '${prefix}${name}' has shape [${tensor.shape.join(', ')}], this model wants [${shape.join(', ')}]`,
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
