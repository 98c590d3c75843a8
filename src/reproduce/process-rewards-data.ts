/** The measurements of the experiment on process rewards: its tasks, and the data of its page. */
import type { StageRows, TaskRow } from './process-rewards-rows.js';
import type { ValuesSpec } from './work/index.js';

export const VALUE_TASKS = ['binary-tree', 'arithmetic', 'smollm2'] as const;
export type ValueTask = (typeof VALUE_TASKS)[number];
/** The tasks that the rule uses; the remaining one runs only with --pretrained. */
export const JUDGED: readonly ValueTask[] = ['binary-tree', 'arithmetic'];

/** Settings of one task. */
export interface ValueSettings extends Omit<ValuesSpec, 'kind' | 'policy' | 'seed'> {
  readonly seeds: number;
  /** Steps of GRPO after which the policy is measured. */
  readonly stages: readonly number[];
}

export interface ProcessRewardsSettings {
  readonly quick: boolean;
  readonly tasks: Readonly<Record<ValueTask, ValueSettings>>;
}

export interface ProcessRewardsData {
  /** Weights of the real model (real-model.ts); null: it was not run. */
  readonly weights: string | null;
  /** Without tasks that were not run. */
  readonly stages: readonly StageRows[];
  readonly tasks: readonly TaskRow[];
}

/** The figures of one task that the rule uses. */
export interface Quality {
  readonly cells: number;
  /** Number of cells whose interval of the bias excludes 0. */
  readonly missing: number;
  readonly all: TaskRow | null;
  readonly good: boolean;
}
