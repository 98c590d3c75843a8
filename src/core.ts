/**
 * lambda-grpo/core: everything that needs no Node.js. Trees, objective, graphs, the engine on a given runtime, the
 * built-in tasks, and one training step: sample → reward → tree → coefficients → update. It does not read or write
 * files: weights and checkpoints go to a `Store`.
 *
 * @example
 * import * as ort from 'onnxruntime-web/wasm';
 * const config = resolveConfig({ task: { name: 'binary-tree' } });
 * const task = createTask(config.task, config.seed);
 * const engine = new LocalEngine({
 *   backend: { runtime: ort, provider: 'wasm' }, model: randomModel(config, task),
 *   optimizer: optimizerConfig(config.optimizer), seed: config.seed });
 * const { groups } = await sampleStep({ config, task, engine }, 1, 0);
 * const scored = scoreGroups(groups, config.objective);
 * const batch = await stepBatch(engine, scored, config.objective, task.maxCompletionTokens, policy);
 * await learn(engine, batch, { ...policy, objective: config.objective, learningRate: 1e-3, maxGradNorm: 1 });
 */
export {
  type AnalysisOptions,
  type AnalyzableGroup,
  analyzeGroup,
  type GroupAnalysis,
} from './analysis/analyze-group.js';
export { type GroupCredit, ownCredit, publishedCredit, tokenCredit } from './analysis/group-credit.js';
export * from './engine/index.js';
export { UserError } from './errors.js';
export { type Pass, type ProgramDefinition, rewrite, type Tensor, webgpuPass } from './graph/index.js';
export type { Source } from './input/source.js';
export { blobSource } from './input/web.js';
export {
  type ByteSource,
  checkpointIn,
  loadParameters,
  type ModelConfig,
  ModelError,
  memoryStore,
  Parameters,
  type Store,
} from './model/index.js';
export * from './objective/index.js';
export { Stream } from './random/stream.js';
export type { Completion, Group } from './rollouts/group.js';
export { type ReadNote, type ReadOptions, readGroups } from './rollouts/read.js';
export * from './runtime/index.js';
export * from './task/index.js';
export * from './text/index.js';
export { type StepBatch, stepBatch, trainExamples } from './train/batch.js';
export { checkCapabilities } from './train/capabilities.js';
export { type Config, ConfigError, type Method } from './train/config.js';
export {
  type ConfigChanges,
  changeConfig,
  parseConfig,
  resolveConfig,
  withExponent,
  withMethod,
  withSeed,
} from './train/config-sources.js';
export { type Evaluation, evaluate } from './train/evaluate.js';
export { learn, type StepOptions, type StepResult } from './train/learner.js';
export { optimizerConfig, randomModel } from './train/random-model.js';
export { type RolloutOptions, type StepGroups, sampleStep } from './train/rollout.js';
export { learningRateAt } from './train/schedule.js';
export { type ScoredGroup, scoreGroup, scoreGroups, withAdvantages } from './train/scored-groups.js';
export * from './tree/index.js';
