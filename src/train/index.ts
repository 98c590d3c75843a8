/** Training: configuration, the loop, run folders, comparisons. */
export {
  type BenchmarkOptions,
  type BenchmarkResult,
  benchmark,
  type ProblemRecord,
  passAtK,
} from './benchmark.js';
export { CheckpointError, listCheckpoints } from './checkpoint.js';
export { beChild, type Child, type Failed, failureOf } from './child.js';
export {
  type ComparedRun,
  type CompareOptions,
  type Comparison,
  compare,
  finalAccuracy,
  lateSuccess,
  methodVariants,
} from './compare.js';
export {
  type Config,
  ConfigError,
  describeConfig,
  formatConfig,
  type Method,
  SECTIONS,
} from './config.js';
export { loadConfig } from './config-file.js';
export {
  type ConfigChanges,
  changeConfig,
  parseConfig,
  resolveConfig,
  withCredit,
  withExponent,
  withMethod,
  withSeed,
} from './config-sources.js';
export { openCredit } from './credit.js';
export { type Evaluation, evaluate } from './evaluate.js';
export { EndedEarly, inLanes, type Lane, WorkerProcess } from './lanes.js';
export { train } from './loop.js';
export {
  bestEvaluated,
  describeMetrics,
  METRICS,
  type MetricName,
  MetricsError,
  type MetricsLine,
  type MetricsRecord,
  parseMetrics,
} from './metrics.js';
export { NewProjectError, newProject } from './new-project.js';
export {
  type ModelText,
  type OpenedModel,
  openModel,
  openTask,
  openText,
  vocabularyOf,
} from './policy.js';
export { randomModel } from './random-model.js';
export { createEngine, openRun, type RunOptions, type RunResult, run } from './run.js';
export {
  continueRunFolder,
  createRunFolder,
  openRunFolder,
  RunFolder,
  RunFolderError,
} from './run-folder.js';
export { objectiveOfRollouts } from './run-objective.js';
export { type SelfTest, selfTest } from './self-test.js';
export { taskName } from './task-name.js';
export { exportRun, isRunFolder, openTrained, type TrainedPolicy } from './trained.js';
export type { TrainObserver, TrainOptions, TrainResult, TrainStage } from './training.js';
export { guardProcess, ranUserCode } from './user-watch.js';
export { onWarning } from './warnings.js';
