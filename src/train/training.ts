/** Types of a training: its options, its observer and its result. */
import type { Engine } from '../engine/index.js';
import type { CreditRule } from '../objective/index.js';
import type { Task } from '../task/index.js';
import type { Config } from './config.js';
import type { MetricsRecord } from './metrics.js';
import type { RunFolder } from './run-folder.js';
import type { WarmupStep } from './warmup.js';

/** Events of a run; calls come in order and are not awaited. */
export interface TrainObserver {
  warmup?(step: WarmupStep, steps: number): void;
  step?(record: MetricsRecord, steps: number): void;
  /** The stage that begins, in a training step (0: before the first). */
  stage?(stage: TrainStage, step: number, steps: number): void;
  /** A one-line notice for the user. */
  notice?(line: string): void;
}

export type TrainStage = 'sampling' | 'updating' | 'evaluating';

export interface TrainOptions {
  readonly config: Config;
  readonly task: Task;
  readonly engine: Engine;
  readonly folder: RunFolder;
  /** Replaces the method's rule; `openCredit` opens the configured one (`objective.credit`). */
  readonly credit?: CreditRule;
  /** Checkpoint to continue from; it may belong to another run with the same seed (a shared warm-up). */
  readonly from?: string;
  /** Once aborted, the loop ends as soon as possible, with a checkpoint of the finished steps. */
  readonly signal?: AbortSignal;
  readonly observer?: TrainObserver;
}

export interface TrainResult {
  readonly step: number;
  readonly interrupted: boolean;
  /** The latest checkpoint; empty: none yet. */
  readonly checkpoint: string;
}
