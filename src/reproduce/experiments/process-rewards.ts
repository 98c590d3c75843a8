/**
 * The quality of GRPO's hidden process reward model: R̂(λ) of each step against the value of its prefix under the
 * policy that sampled it, on the binary tree (exact), on sums and on a real model (new completions).
 */
import { withMethod, withSeed } from '../../train/index.js';
import type { Experiment, Places, Verdict } from '../experiment.js';
import {
  JUDGED,
  type ProcessRewardsData,
  type ProcessRewardsSettings,
  type Quality,
  VALUE_TASKS,
  type ValueTask,
} from '../process-rewards-data.js';
import { massSvg, processRewardsBody, processRewardsSummary } from '../process-rewards-page.js';
import { stageRows, taskRow } from '../process-rewards-rows.js';
import { contentOf, modelPath, realModelConfig, weightsOf } from '../real-model.js';
import { treeConfig } from '../tree-runs.js';
import { type Unit, unit } from '../unit.js';
import { warmConfig, warmup } from '../warm-runs.js';
import type { PolicySpec, ValuesFigures, ValuesSpec, WarmupSpec } from '../work/index.js';

/** Range of the ratio of error and limit that counts as equal. */
const NEAR = [0.9, 1.1] as const;
/** Largest bias over all steps that counts as none. */
const SMALL = 0.05;
/** Significance level for the number of cells whose 95% interval of the bias excludes 0. */
const CHANCE = 0.01;
/** Minimum number of seeds in a cell. */
const SEEDS = 5;

export const processRewards: Experiment<ProcessRewardsSettings, ProcessRewardsData> = {
  name: 'process-rewards',
  title: 'How good the hidden process rewards are',
  claim:
    'The hidden process reward model gives a step the mean reward of the completions through it, R̂(λ): a Monte-Carlo estimate of its value (§2).',
  prediction:
    'At the token in which a step differs from its siblings, R̂(λ) has no bias and the error of |λ| independent completions, Var/|λ|: given how many ' +
    'completions pass, they are independent. After the last token of a step that several share it is biased, since they are known to part there. ' +
    'Most steps have one member, so most signs rest on one completion; λ-GRPO, which divides by |λ|, moves gradient mass to them, and with it more mass ' +
    'onto wrong signs than GRPO has. On a real model that answers problems of one digit (a first measurement on its two-digit sums, with V near 0.05, told nothing about signs): the same bias and ' +
    'error, and more mass on wrong signs with λ-GRPO before training; after 40 steps, when most completions are right, less or no difference, as on the converging tree.',
  rule:
    'A cell is a class of |λ|, a group size and a stage, with steps of at least five seeds and some variance. On a task, R̂ is as good as said if at the first token of steps (a) no more ' +
    'cells have a 95% interval (Student’s t over seeds) of the bias without 0 than chance gives (5% of cells; binomial, p ≥ 0.01), (b) the interval of the bias over all steps lies within ' +
    `±${SMALL}, and (c) the squared error over all steps is between ${NEAR[0]} and ${NEAR[1]} of Var/|λ|. holds: on the binary tree and on sums; holds in part: on one of them; else it does not hold ` +
    'here. A real model, signs and gradient mass are reported beside.',
  settings: ({ quick, seeds }) => ({
    quick,
    tasks: {
      'binary-tree': {
        seeds: seeds ?? (quick ? 2 : 20),
        stages: quick ? [0, 3] : [0, 50, 150],
        sizes: quick ? [4, 16] : [4, 8, 16, 64],
        problems: quick ? 2 : 50,
        pool: quick ? 16 : 64,
        shared: false,
        prefixes: null,
        rollouts: 0,
        ends: true,
      },
      arithmetic: {
        seeds: seeds ?? (quick ? 2 : 5),
        stages: quick ? [0] : [0, 100],
        sizes: quick ? [4] : [4, 16, 64],
        problems: quick ? 2 : 128,
        pool: quick ? 8 : 64,
        shared: false,
        prefixes: quick ? [3, 2, 2, 2, 2, 2] : [160, 100, 100, 100, 100, 100],
        rollouts: quick ? 8 : 256,
        ends: true,
      },
      smollm2: {
        seeds: seeds ?? (quick ? 2 : 5),
        stages: quick ? [0] : [0, 40],
        sizes: quick ? [4] : [4, 16, 64],
        problems: quick ? 1 : 12,
        pool: quick ? 4 : 64,
        shared: true,
        prefixes: quick ? [1, 1, 1, 1, 1, 1] : [12, 12, 12, 8, 8, 8],
        rollouts: quick ? 2 : 64,
        ends: false,
      },
    },
  }),
  units: (settings, places) => tasksOf(places).flatMap((task) => unitsOf(settings, task, places)),
  data(settings, results, places) {
    const tasks = tasksOf(places).map((task) => {
      const stages = stagesOf(settings, task, places).map(({ stage, values }) => ({
        stage,
        figures: values.map((value): ValuesFigures => results.get(value)),
      }));
      return { task, stages };
    });
    const path = modelPath(places);
    return {
      weights: places.pretrained === undefined || path === null ? null : weightsOf(path),
      stages: tasks.flatMap(({ task, stages }) =>
        stages.map(({ stage, figures }) => stageRows(task, stage, settings.tasks[task].problems, figures)),
      ),
      tasks: tasks.flatMap(
        ({ task, stages }) =>
          taskRow(
            task,
            stages.map(({ figures }) => figures),
          ) ?? [],
      ),
    };
  },
  report: (settings, data) => ({
    verdict: processRewardsVerdict(data),
    summary: processRewardsSummary(
      JUDGED.map((task) => ({ task, ...qualityOf(data, task) })),
      data,
    ),
    body: processRewardsBody(settings, data),
    figures: { mass: massSvg(data) },
  }),
};

const tasksOf = ({ pretrained }: Places): ValueTask[] =>
  VALUE_TASKS.filter((task) => task !== 'smollm2' || pretrained !== undefined);

/** Units of one stage: runs that leave the policy of each seed, and the values under that policy. */
interface StageUnits {
  readonly stage: number;
  readonly policies: readonly (Unit<PolicySpec> | Unit<WarmupSpec>)[];
  readonly values: readonly Unit<ValuesSpec>[];
}

function unitsOf(settings: ProcessRewardsSettings, task: ValueTask, places: Places): Unit[] {
  const { seeds } = settings.tasks[task];
  const first =
    task === 'arithmetic'
      ? Array.from({ length: seeds }, (_, seed) => warmup({ task, quick: settings.quick }, seed))
      : [];
  return [
    ...first,
    ...stagesOf(settings, task, places).flatMap(({ policies, values }) => [...policies, ...values]),
  ];
}

function stagesOf(settings: ProcessRewardsSettings, task: ValueTask, places: Places): StageUnits[] {
  const { seeds, stages, ...measured } = settings.tasks[task];
  return stages.map((stage) => {
    const policies = Array.from({ length: seeds }, (_, seed) =>
      policyOf(settings, task, places, stage, seed),
    );
    const values = policies.map(({ id }, seed) =>
      unit(
        `${task}, values after ${stage} steps, seed ${seed}`,
        { kind: 'values', policy: id, seed, ...measured },
        { cost: { 'binary-tree': 3, arithmetic: 60, smollm2: 300 }[task], needs: [id] },
      ),
    );
    return { stage, policies, values };
  });
}

function policyOf(
  { quick }: ProcessRewardsSettings,
  task: ValueTask,
  places: Places,
  stage: number,
  seed: number,
): Unit<PolicySpec> | Unit<WarmupSpec> {
  const named = (spec: PolicySpec, cost: number, needs: readonly string[] = []): Unit<PolicySpec> =>
    unit(`${task}, ${stage} steps, seed ${spec.config.seed}`, spec, { cost, needs });
  if (task === 'binary-tree') {
    const config = treeConfig({ n: 1, reward: -1, optimizer: 'adamw', learningRate: 1e-3, steps: stage });
    return named(
      { kind: 'policy', config: withSeed(withMethod(config, 'grpo'), seed), start: null },
      1 + stage / 50,
    );
  }
  if (task === 'arithmetic') {
    const first = warmup({ task, quick }, seed);
    if (stage === 0) return first;
    const config = warmConfig({
      task,
      groupSize: 16,
      promptsPerStep: quick ? 1 : 32,
      beta: 0,
      steps: stage,
      evaluateEvery: 0,
      quick,
    });
    return named(
      { kind: 'policy', config: withSeed(withMethod(config, 'grpo'), seed), start: first.id },
      stage,
      [first.id],
    );
  }
  // Before training all seeds have the same model; they are seeds of sampling then.
  const base = withMethod(
    realModelConfig({ quick: false, digits: 1, maxTokens: 24, endAtAnswer: true }, places),
    'grpo',
  );
  const config = withSeed(
    {
      ...base,
      optimizer: { ...base.optimizer, learning_rate: 2.5e-4 },
      train: { ...base.train, steps: stage },
    },
    stage === 0 ? 0 : seed,
  );
  const spec: PolicySpec = { kind: 'policy', config, start: null };
  return unit(`${task}, ${stage} steps${stage === 0 ? '' : `, seed ${seed}`}`, spec, {
    cost: 10 + 3 * stage,
    content: { ...spec, config: contentOf(config) },
  });
}

export function qualityOf({ stages, tasks }: ProcessRewardsData, task: ValueTask): Quality {
  const cells = stages
    .filter((row) => row.task === task)
    .flatMap(({ classes }) => classes)
    .filter(({ limit, bias }) => limit > 0 && bias.count >= SEEDS);
  const missing = cells.filter(({ bias }) => Math.abs(bias.mean) > bias.half).length;
  const all = tasks.find((row) => row.task === task) ?? null;
  const good =
    all !== null &&
    cells.length > 0 &&
    atLeast(missing, cells.length, 0.05) >= CHANCE &&
    Math.abs(all.bias.mean) + all.bias.half <= SMALL &&
    all.ratio.mean >= NEAR[0] &&
    all.ratio.mean <= NEAR[1];
  return { cells: cells.length, missing, all, good };
}

/** Probability of at least `count` successes in `trials` trials with probability p. */
export function atLeast(count: number, trials: number, p: number): number {
  let term = (1 - p) ** trials;
  let total = 0;
  for (let n = 0; n < count; n++) {
    total += term;
    term *= (((trials - n) / (n + 1)) * p) / (1 - p);
  }
  return 1 - total;
}

/** The rule. */
export function processRewardsVerdict(data: ProcessRewardsData): Verdict {
  const good = JUDGED.filter((task) => qualityOf(data, task).good).length;
  return good === JUDGED.length ? 'holds' : good > 0 ? 'holds in part' : 'does not hold here';
}
