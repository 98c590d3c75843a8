/** Types of a training: its options, its observer and its result. */
import type { Engine } from '../engine/index.js';
import type { CreditRule } from '../objective/index.js';
import type { Task } from '../task/index.js';
import type { Config } from './config.js';
import type { MetricsRecord } from './metrics.js';
import type { RunFolder } from './run-folder.js';
import type { WarmupStep } from './warmup.js';

/** What a caller may watch; every call comes in order and none is awaited. */
export interface TrainObserver {
  warmup?(step: WarmupStep, steps: number): void;
  step?(record: MetricsRecord, steps: number): void;
  /** What begins now, for a step of training (0: before the first). */
  stage?(stage: TrainStage, step: number, steps: number): void;
  /** Something that the person who runs it should know, in one line. */
  notice?(line: string): void;
}

export type TrainStage = 'sampling' | 'updating' | 'evaluating';

export interface TrainOptions {
  readonly config: Config;
  readonly task: Task;
  readonly engine: Engine;
  readonly folder: RunFolder;
  /** In the place of the method's rule; a configuration's (`objective.credit`) is opened by `openCredit`. */
  readonly credit?: CreditRule;
  /** Checkpoint to continue from; it may belong to another run of the same seed (a shared warm-up). */
  readonly from?: string;
  /** Once aborted, the loop ends as soon as it can, with a checkpoint of the steps that were taken. */
  readonly signal?: AbortSignal;
  readonly observer?: TrainObserver;
}

export interface TrainResult {
  readonly step: number;
  readonly interrupted: boolean;
  /** The latest; empty: none yet. */
  readonly checkpoint: string;
}
