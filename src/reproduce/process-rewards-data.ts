/** What the experiment on process rewards measures, on which tasks, and what its page is made of. */
import type { StageRows, TaskRow } from './process-rewards-rows.js';
import type { ValuesSpec } from './work/index.js';

export const VALUE_TASKS = ['binary-tree', 'arithmetic', 'smollm2'] as const;
export type ValueTask = (typeof VALUE_TASKS)[number];
/** Those that the rule reads; the other one is run with --pretrained alone. */
export const JUDGED: readonly ValueTask[] = ['binary-tree', 'arithmetic'];

/** What is measured on one task. */
export interface ValueSettings extends Omit<ValuesSpec, 'kind' | 'policy' | 'seed'> {
  readonly seeds: number;
  /** Steps of GRPO after which the policy is looked at. */
  readonly stages: readonly number[];
}

export interface ProcessRewardsSettings {
  readonly quick: boolean;
  readonly tasks: Readonly<Record<ValueTask, ValueSettings>>;
}

export interface ProcessRewardsData {
  /** Of the real model (real-model.ts); null: it was not run. */
  readonly weights: string | null;
  /** Without tasks that were not run. */
  readonly stages: readonly StageRows[];
  readonly tasks: readonly TaskRow[];
}

/** What the rule reads on one task. */
export interface Quality {
  readonly cells: number;
  /** Cells whose interval of the bias does not hold 0. */
  readonly missing: number;
  readonly all: TaskRow | null;
  readonly good: boolean;
}
