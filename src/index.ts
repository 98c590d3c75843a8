/**
 * lambda-grpo: GRPO post-training with its hidden process reward model made visible. The library's entry point;
 * `lambda-grpo/tree` and `lambda-grpo/objective` are the parts that also run in a browser.
 */
export * from './analysis/index.js';
export * from './engine/index.js';
export { type EngineSpec, openEngine } from './engine/open.js';
export { UserError } from './errors.js';
export { folderStore } from './model/files.js';
export type { ByteSource, ModelConfig, Store } from './model/index.js';
export { memoryStore } from './model/index.js';
export * from './objective/index.js';
export { formatOfLog, readRollouts } from './rollouts/files.js';
export * from './rollouts/index.js';
export { readOwnRollouts, writeGroups } from './rollouts/own-files.js';
export { nodeBackend } from './runtime/node.js';
export {
  confidenceInterval,
  type Interval,
  type Share,
  type ShareInterval,
  shareInterval,
  wilsonInterval,
} from './statistics/index.js';
export { type DatasetColumns, readDataset } from './task/files.js';
export * from './task/index.js';
export { loadChatTemplate, loadTokenizer } from './text/files.js';
export * from './text/index.js';
export * from './train/index.js';
export * from './tree/index.js';
