/** Runs on the paper's binary tree (§4.3), as units: the recipe's model, one arm, one learning rate, one seed. */
import { fileURLToPath } from 'node:url';
import { type Config, loadConfig, withExponent, withMethod, withSeed } from '../train/index.js';
import { type Unit, unit } from './unit.js';
import type { TrainSpec } from './work/index.js';

/** GRPO, λ-GRPO, or GRPO with every gradient scaled to the norm of λ-GRPO's. */
export type Arm = 'grpo' | 'lambda-grpo' | 'rescaled';
export const ARM_NAMES: Record<Arm, string> = {
  grpo: 'GRPO',
  'lambda-grpo': 'λ-GRPO',
  rescaled: 'GRPO at λ-GRPO’s norm',
};

/** A configuration under `recipes/` of the package. */
export function recipe(name: string): Config {
  return loadConfig(fileURLToPath(new URL(`../../recipes/${name}.yaml`, import.meta.url)));
}

/** The same configuration under an arm. */
export function withArm(config: Config, arm: Arm): Config {
  if (arm !== 'rescaled') return withMethod(config, arm);
  const grpo = withMethod(config, 'grpo');
  return { ...grpo, objective: { ...grpo.objective, rescale_to: 'lambda-grpo' } };
}

export interface TreeCase {
  /** Number of first turns shared with the target that make a path bad. */
  readonly n: number;
  /** Reward of those paths, r_neg. */
  readonly reward: number;
  readonly optimizer: 'adamw' | 'sgd';
  readonly learningRate: number;
  readonly steps: number;
}

/** The recipe in one case; it writes only metrics. */
export function treeConfig({ n, reward, optimizer, learningRate, steps }: TreeCase): Config {
  const base = recipe('binary-tree');
  if (base.task.name !== 'binary-tree') throw new TypeError('recipes/binary-tree.yaml is of another task');
  return {
    ...base,
    task: { ...base.task, n, negative_reward: reward },
    optimizer: { ...base.optimizer, name: optimizer, learning_rate: learningRate },
    train: { ...base.train, steps },
    evaluation: { ...base.evaluation, every: 0 },
    checkpoint: { ...base.checkpoint, every: 0 },
    log: { ...base.log, rollouts_every: 0 },
  };
}

/** One run per seed, 0 … seeds − 1. @param how an arm, or the exponent p of |λ|^−p */
export function treeRuns(setting: TreeCase, how: Arm | number, seeds: number): Unit<TrainSpec>[] {
  const config = treeConfig(setting);
  const changed = typeof how === 'number' ? withExponent(config, how) : withArm(config, how);
  const name = typeof how === 'number' ? `p ${how}` : how;
  return Array.from({ length: seeds }, (_, seed) =>
    unit(
      `${name}, n ${setting.n}, r ${setting.reward}, ${setting.optimizer} ${setting.learningRate}, seed ${seed}`,
      { kind: 'train', config: withSeed(changed, seed), start: null },
      { cost: setting.steps * (how === 'rescaled' ? 1.5 : 1) },
    ),
  );
}
