/** The decoder, its weights and its graphs. files.ts and hub.ts read and write files. */

export { readModelConfig, toHuggingFaceConfig } from './architectures.js';
export type { ContextReading } from './attention.js';
export type {
  BlockBatch,
  CachedBlocks,
  CachedSlots,
  DecodeBatch,
  DistributionBatch,
  DrawBatch,
  ForestBatch,
  HeadChunk,
  LossBatch,
  SequenceBatch,
  SharedBlocks,
  SharedSlots,
  SlotBatch,
  TreeBatch,
  UpdateBatch,
  WeightBatch,
} from './batches.js';
export {
  type Checkpoint,
  checkpointIn,
  loadParameters,
  type StoredWeights,
  type WriteOptions,
  writeModel,
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
export { adapterIn, adapterSpecs, freshAdapter, mergeAdapter, writeAdapterFiles } from './lora.js';
export { LOSS_FORMS, type LossForm } from './loss.js';
export { headModule, type LinearModule, linearModules } from './modules.js';
export { ParameterSet, type ParameterSpec, Parameters, parameterSpecs } from './parameters.js';
export {
  blockDecodeProgram,
  type ChosenTokens,
  type DecodeValues,
  scoreProgram,
  slotDecodeProgram,
  type TreeValues,
  type TreeVariant,
  type UpdateValues,
  type UpdateVariant,
  updateProgram,
} from './programs.js';
export { type QuantizedWeights, quantizedWeights } from './quantized.js';
export { type NamedTensor, readTensors, SafetensorsFile, writeTensors } from './safetensors.js';
export { type ByteSource, memoryStore, readText, type Store, writeText } from './store.js';
