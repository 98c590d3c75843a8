/** The decoder, its weights, and the graphs it is run by. */
export { checkModelConfig, type ModelConfig, ModelError, toHuggingFaceConfig } from './config.js';
export { type ParameterSpec, Parameters, parameterSpecs } from './parameters.js';
export {
  decodeGraph,
  GRADIENT,
  type GraphOutputs,
  scoreGraph,
  type UpdateVariant,
  updateGraph,
} from './programs.js';
export { type NamedTensor, readSafetensors, writeSafetensors } from './safetensors.js';
