/** The frozen weights that sampling reads in int8. */
import { type QuantizedMatrix, quantizeMatrix } from '../graph/index.js';
import type { ModelConfig } from './config.js';
import { headModule, linearModules } from './modules.js';

/** By the name of the weight. */
export type QuantizedWeights = ReadonlyMap<string, QuantizedMatrix>;

/**
 * Every weight of a product in the layers, and the head, in int8.
 * @param read values of a weight, by its name
 */
export async function quantizedWeights(
  model: ModelConfig,
  read: (name: string) => Promise<Float32Array> | Float32Array,
): Promise<QuantizedWeights> {
  const matrices = new Map<string, QuantizedMatrix>();
  for (const { name, in: inputs, out: outputs, transposed, residual } of [
    ...linearModules(model),
    headModule(model),
  ]) {
    const weight = `${name}.weight`;
    // What goes back to the residual stream is not normalised before, so its rows differ in size.
    const matrix = quantizeMatrix(await read(weight), inputs, outputs, transposed);
    matrices.set(weight, { ...matrix, perRow: residual });
  }
  return matrices;
}
