/**
 * Runs on the tasks with a chain of thought, as units: a recipe's model and warm-up, then one arm, one group size, one
 * β, one seed. All runs of a seed start from the same warm-up.
 */
import { type Config, withSeed } from '../train/index.js';
import { type Arm, recipe, withArm } from './tree-runs.js';
import { type Unit, unit } from './unit.js';
import type { TrainSpec, WarmupSpec } from './work/index.js';

export type WarmTask = 'arithmetic' | 'chain';

export interface WarmCase {
  readonly task: WarmTask;
  /** Completions of a group, k. */
  readonly groupSize: number;
  readonly promptsPerStep: number;
  /** β of the KL term. */
  readonly beta: number;
  readonly steps: number;
  /** Steps between evaluations; 0: none. */
  readonly evaluateEvery: number;
  /** A few warm-up steps and problems, for a smoke version. */
  readonly quick: boolean;
}

/** Any β > 0: the warm-up then also saves its reference policy, for the runs that need one. */
const WARMUP_BETA = 0.04;

/** The recipe in one case; it writes only metrics. */
export function warmConfig(setting: WarmCase): Config {
  const base = recipe(setting.task);
  return {
    ...base,
    objective: { ...base.objective, kl_beta: setting.beta },
    sampling: { ...base.sampling, group_size: setting.groupSize, prompts_per_step: setting.promptsPerStep },
    warmup: { ...base.warmup, steps: setting.quick ? 5 : base.warmup.steps },
    train: { ...base.train, steps: setting.steps },
    evaluation: { every: setting.evaluateEvery, problems: setting.quick ? 10 : base.evaluation.problems },
    checkpoint: { every: 50, keep: 1, best: false },
    log: { ...base.log, rollouts_every: 0 },
  };
}

/** The runs of one arm, one per seed, 0 … seeds − 1. */
export function warmRuns(setting: WarmCase, arm: Arm, seeds: number): Unit<TrainSpec>[] {
  const config = withArm(warmConfig(setting), arm);
  return Array.from({ length: seeds }, (_, seed) => {
    const first = warmup(setting, seed);
    return unit(
      `${setting.task}, ${arm}, k ${setting.groupSize}, β ${setting.beta}, seed ${seed}`,
      { kind: 'train', config: withSeed(config, seed), start: first.id },
      {
        cost: (setting.steps * setting.groupSize * setting.promptsPerStep * weight(setting, arm)) / 500,
        needs: [first.id],
      },
    );
  });
}

/** The warm-up that all runs with the same seed share. */
export function warmup({ task, quick }: Pick<WarmCase, 'task' | 'quick'>, seed: number): Unit<WarmupSpec> {
  const base = warmConfig({
    task,
    quick,
    groupSize: 2,
    promptsPerStep: 1,
    beta: WARMUP_BETA,
    steps: 0,
    evaluateEvery: 0,
  });
  return unit(
    `${task}, warm-up, seed ${seed}`,
    { kind: 'warmup', config: withSeed(base, seed) },
    { cost: base.warmup.steps / 4 },
  );
}

/** Approximate duration of a step relative to one of GRPO on sums. */
function weight({ task, beta }: WarmCase, arm: Arm): number {
  return (task === 'chain' ? 1.8 : 1) * (beta > 0 ? 1.2 : 1) * (arm === 'rescaled' ? 1.4 : 1);
}
