/** The decoder, its weights, and the graphs it is run by. */

export { readModelConfig, toHuggingFaceConfig } from './architectures.js';
export type {
  DecodeBatch,
  ForestBatch,
  HeadChunk,
  LossBatch,
  SequenceBatch,
  TreeBatch,
  UpdateBatch,
  WeightBatch,
} from './batches.js';
export {
  type Checkpoint,
  loadParameters,
  openCheckpoint,
  type StoredWeights,
  storedWeights,
  type WriteOptions,
  withCheckpoint,
  writeCheckpoint,
} from './checkpoint.js';
export {
  type Architecture,
  architectureOf,
  checkModelConfig,
  type Family,
  type Llama3Scaling,
  type LoraConfig,
  type ModelConfig,
  ModelError,
  type Rotary,
} from './config.js';
export { DTYPES, type StoredDType } from './dtypes.js';
export { type FetchProgress, type ResolvedModel, resolveModel } from './hub.js';
export {
  adapterSpecs,
  freshAdapter,
  mergeAdapter,
  readAdapter,
  writeAdapter,
  writeAdapterFiles,
} from './lora.js';
export type { LossForm } from './loss.js';
export { type LinearModule, linearModules } from './modules.js';
export { ParameterSet, type ParameterSpec, Parameters, parameterSpecs } from './parameters.js';
export {
  type DecodeValues,
  decodeProgram,
  scoreProgram,
  type TreeValues,
  type TreeVariant,
  type UpdateValues,
  type UpdateVariant,
  updateProgram,
} from './programs.js';
export { type NamedTensor, readSafetensors, SafetensorsFile, writeSafetensors } from './safetensors.js';
