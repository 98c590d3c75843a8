/**
 * lambda-grpo: GRPO post-training with its hidden process reward model made visible. The library's entry point;
 * `lambda-grpo/tree` and `lambda-grpo/objective` are the parts that also run in a browser.
 */
export * from './analysis/index.js';
export * from './engine/index.js';
export { UserError } from './errors.js';
export type { ModelConfig } from './model/index.js';
export * from './objective/index.js';
export * from './rollouts/index.js';
export { nodeBackend } from './runtime/node.js';
export {
  confidenceInterval,
  type Interval,
  type Share,
  type ShareInterval,
  shareInterval,
  wilsonInterval,
} from './statistics/index.js';
export * from './task/index.js';
export * from './text/index.js';
export * from './train/index.js';
export * from './tree/index.js';
