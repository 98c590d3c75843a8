/**
 * How good the process reward model is that GRPO hides: R̂(λ) of each step against the value of its prefix under the policy that
 * sampled it, on the binary tree (exact) and on sums (fresh completions).
 */
import {
  confidenceInterval,
  type Interval,
  mean,
  type ShareInterval,
  shareInterval,
} from '../../statistics/index.js';
import { withMethod, withSeed } from '../../train/index.js';
import { type Curve, curvesSvg } from '../curves.js';
import type { Experiment, Verdict } from '../experiment.js';
import { number, rounded, signedInterval, table, withBounds, withInterval } from '../markdown.js';
import { isAbove, isBelow, type Paired, paired } from '../paired.js';
import type { Results } from '../results.js';
import { treeConfig } from '../tree-runs.js';
import { type Unit, unit } from '../unit.js';
import { warmConfig, warmup } from '../warm-runs.js';
import { CLASSES, type ValuesFigures, type ValuesSpec } from '../work/index.js';

const TASKS = ['binary-tree', 'arithmetic'] as const;
type TaskName = (typeof TASKS)[number];

/** What is measured on one task. */
interface TaskSettings {
  readonly seeds: number;
  /** Steps of GRPO after which the policy is looked at. */
  readonly stages: readonly number[];
  readonly group_sizes: readonly number[];
  /** Groups of each size. */
  readonly groups: number;
  /** Steps of a group, at most. */
  readonly steps: number;
  /** Fresh completions for each value; 0: exact. */
  readonly rollouts: number;
}

interface Settings {
  readonly quick: boolean;
  readonly tasks: Readonly<Record<TaskName, TaskSettings>>;
}

/** Steps of one class of |λ|, over all seeds. */
export interface ClassRow {
  readonly task: TaskName;
  readonly stage: number;
  readonly k: number;
  /** Place in `CLASSES`. */
  readonly size: number;
  readonly steps: number;
  readonly bias: Interval;
  readonly biasAtEnd: Interval;
  /** Means over the seeds. */
  readonly error: number;
  readonly limit: number;
  /** Share of decided steps with the wrong sign; null: no step was decided. */
  readonly wrong: ShareInterval | null;
}

/** Groups of one size, over all seeds. */
export interface SizeRow {
  readonly task: TaskName;
  readonly stage: number;
  readonly k: number;
  readonly value: Interval;
  readonly rank: Interval | null;
  /** Over the seeds with gradient mass whose sign can be told; null: there is none. */
  readonly wrongMass: {
    readonly grpo: ShareInterval;
    readonly lambda: ShareInterval;
    /** λ-GRPO − GRPO, paired by seed. */
    readonly difference: Paired;
  } | null;
}

export interface ProcessRewardsData {
  readonly classes: readonly ClassRow[];
  readonly sizes: readonly SizeRow[];
}

/** Ratios of error and limit that count as equal. */
const NEAR = [0.9, 1.1] as const;
/** Share of intervals of the bias that must hold 0: one in twenty misses it by chance. */
const UNBIASED = 0.9;

export const processRewards: Experiment<Settings, ProcessRewardsData> = {
  name: 'process-rewards',
  title: 'How good the hidden process rewards are',
  claim:
    'The hidden process reward model gives a step the mean reward of the completions through it, R̂(λ): a Monte-Carlo estimate of its value (§2).',
  prediction:
    'At the token in which a step differs from its siblings, R̂(λ) has no bias and the error of |λ| independent completions, Var/|λ|: given how many ' +
    'completions pass, they are independent. After the last token of a step that several share it is biased, since they are known to part there. ' +
    'Most steps have one member, so most signs rest on one completion; λ-GRPO, which divides by |λ|, moves gradient mass to them, and with it more mass ' +
    'onto wrong signs than GRPO has.',
  rule:
    `On a task, R̂ is as good as said if at the first token of steps the 95% interval (Student’s t over seeds) of its bias holds 0 in at least ${100 * UNBIASED}% of all ` +
    `classes of |λ|, group sizes and stages, and its squared error, over all of them, is between ${NEAR[0]} and ${NEAR[1]} of Var/|λ|. holds: on both tasks; holds in part: ` +
    'on one; else it does not hold here. Signs and gradient mass are reported beside.',
  settings: ({ quick, seeds }) => ({
    quick,
    tasks: {
      'binary-tree': {
        seeds: seeds ?? (quick ? 2 : 20),
        stages: quick ? [0, 3] : [0, 50, 150],
        group_sizes: quick ? [4, 16] : [4, 8, 16, 64],
        groups: quick ? 4 : 50,
        steps: 1000,
        rollouts: 0,
      },
      arithmetic: {
        seeds: seeds ?? (quick ? 2 : 5),
        stages: quick ? [0] : [0, 100],
        group_sizes: quick ? [4] : [4, 16, 64],
        groups: quick ? 2 : 8,
        steps: quick ? 3 : 12,
        rollouts: quick ? 8 : 256,
      },
    },
  }),
  units: (settings) => [
    ...Array.from({ length: settings.tasks.arithmetic.seeds }, (_, seed) =>
      warmup({ task: 'arithmetic', quick: settings.quick }, seed),
    ),
    ...TASKS.flatMap((task) => stagesOf(settings, task).flatMap(({ units }) => units)),
  ],
  data: (settings, results) => {
    const stages = TASKS.flatMap((task) => stagesOf(settings, task).map((stage) => ({ task, ...stage })));
    return {
      classes: stages.flatMap(({ task, stage, units }) =>
        settings.tasks[task].group_sizes.flatMap((k) =>
          classRows(task, stage, k, settings.tasks[task].groups, figures(results, units)),
        ),
      ),
      sizes: stages.flatMap(({ task, stage, units }) =>
        settings.tasks[task].group_sizes.map((k) =>
          sizeRow(task, stage, k, settings.tasks[task].groups, figures(results, units)),
        ),
      ),
    };
  },
  report: (settings, data) => ({
    verdict: processRewardsVerdict(data.classes),
    summary: summary(data),
    body: body(settings, data),
    figures: {
      error: errorSvg(data.classes),
      signs: signsSvg(data.classes),
    },
  }),
};

const figures = (results: Results, units: readonly Unit<ValuesSpec>[]): ValuesFigures[] =>
  units.map((u) => results.of(u));

function stagesOf(
  settings: Settings,
  task: TaskName,
): { readonly stage: number; readonly units: Unit<ValuesSpec>[] }[] {
  const { seeds, stages, group_sizes: sizes, groups, steps, rollouts } = settings.tasks[task];
  return stages.map((stage) => ({
    stage,
    units: Array.from({ length: seeds }, (_, seed) => {
      const first = task === 'arithmetic' ? warmup({ task, quick: settings.quick }, seed) : null;
      const config = withSeed(withMethod(configOf(task, stage, settings.quick), 'grpo'), seed);
      return unit(
        `${task}, values after ${stage} steps, seed ${seed}`,
        { kind: 'values', config, start: first?.id ?? null, sizes, groups, steps, rollouts },
        { cost: task === 'arithmetic' ? 2000 + 20 * stage : 10 + stage, needs: first ? [first.id] : [] },
      );
    }),
  }));
}

function configOf(task: TaskName, steps: number, quick: boolean) {
  if (task === 'binary-tree') {
    return treeConfig({ n: 1, reward: -1, optimizer: 'adamw', learningRate: 1e-3, steps });
  }
  return warmConfig({
    task,
    groupSize: 16,
    promptsPerStep: quick ? 1 : 32,
    beta: 0,
    steps,
    evaluateEvery: 0,
    quick,
  });
}

/** @param groups independent groups behind each seed's share */
function classRows(
  task: TaskName,
  stage: number,
  k: number,
  groups: number,
  seeds: readonly ValuesFigures[],
): ClassRow[] {
  return CLASSES.flatMap((_, size) => {
    const own = seeds.flatMap(({ sizes }) =>
      sizes.flatMap((of) => (of.k === k ? of.classes.filter((c) => c.size === size) : [])),
    );
    if (own.length === 0) return [];
    const signed = own.filter(({ decided }) => decided > 0);
    return {
      task,
      stage,
      k,
      size,
      steps: own.reduce((sum, { steps }) => sum + steps, 0),
      bias: short(confidenceInterval(own.map(({ bias }) => bias))),
      biasAtEnd: short(confidenceInterval(own.map(({ biasAtEnd }) => biasAtEnd))),
      error: rounded(mean(own.map(({ error }) => error))),
      limit: rounded(mean(own.map(({ limit }) => limit))),
      wrong:
        signed.length === 0
          ? null
          : shortShare(
              shareInterval(
                signed.map(({ wrong, decided }) => wrong / decided),
                groups,
              ),
            ),
    };
  });
}

function sizeRow(
  task: TaskName,
  stage: number,
  k: number,
  groups: number,
  seeds: readonly ValuesFigures[],
): SizeRow {
  const own = seeds.flatMap(({ sizes }) => sizes.filter((of) => of.k === k));
  const ranks = own.flatMap(({ rank }) => (rank === null ? [] : [rank]));
  const known = own.flatMap(({ wrongMass }) => wrongMass ?? []);
  const mass = (method: 'grpo' | 'lambda-grpo'): number[] => known.map((shares) => shares[method]);
  const share = (values: readonly number[]): ShareInterval => shortShare(shareInterval(values, groups));
  return {
    task,
    stage,
    k,
    value: short(confidenceInterval(seeds.map(({ value }) => value))),
    rank: ranks.length > 0 ? short(confidenceInterval(ranks)) : null,
    wrongMass:
      known.length > 0
        ? {
            grpo: share(mass('grpo')),
            lambda: share(mass('lambda-grpo')),
            difference: shortPaired(paired(mass('lambda-grpo'), mass('grpo'))),
          }
        : null,
  };
}

const shortPaired = (difference: Paired): Paired => ({ ...difference, ...short(difference) });

const short = ({ mean: center, half, count }: Interval): Interval => ({
  mean: rounded(center),
  half: rounded(half),
  count,
});
const shortShare = ({ mean: center, low, high, count }: ShareInterval): ShareInterval => ({
  mean: rounded(center),
  low: rounded(low),
  high: rounded(high),
  count,
});

/** What the rule reads on one task: cells whose interval of the bias holds 0, and error ÷ limit over all. */
function qualityOf(rows: readonly ClassRow[], task: TaskName) {
  const own = rows.filter((row) => row.task === task && row.limit > 0);
  const holding = own.filter(({ bias }) => Math.abs(bias.mean) <= bias.half).length;
  const total = (value: (row: ClassRow) => number): number =>
    own.reduce((sum, row) => sum + row.steps * value(row), 0);
  // Where no policy ever gets another reward, there is nothing to estimate.
  const ratio = own.length > 0 ? total(({ error }) => error) / total(({ limit }) => limit) : 0;
  const good = own.length > 0 && holding >= UNBIASED * own.length && ratio >= NEAR[0] && ratio <= NEAR[1];
  return { cells: own.length, holding, ratio, good };
}

/** The rule. */
export function processRewardsVerdict(rows: readonly ClassRow[]): Verdict {
  const good = TASKS.filter((task) => qualityOf(rows, task).good).length;
  return good === TASKS.length ? 'holds' : good > 0 ? 'holds in part' : 'does not hold here';
}

function summary({ classes, sizes }: ProcessRewardsData): string {
  const parts = TASKS.map((task) => {
    const { cells, holding, ratio } = qualityOf(classes, task);
    return `${task}: the bias’s interval holds 0 in ${holding} of ${cells} cells, squared error ${number(ratio, 2)} of Var/|λ|`;
  });
  const differences = sizes.flatMap(({ wrongMass }) => wrongMass?.difference ?? []);
  const more = differences.filter(isAbove).length;
  const less = differences.filter(isBelow).length;
  return `${parts.join('; ')}; of ${differences.length} cases λ-GRPO has more gradient mass on wrong signs than GRPO in ${more}, less in ${less}`;
}

/** `3–4` */
export function className(size: number): string {
  const least = size === 0 ? 1 : CLASSES[size - 1] + 1;
  const most = CLASSES[size];
  if (most === Number.POSITIVE_INFINITY) return `${least}+`;
  return least === most ? String(least) : `${least}–${most}`;
}

function body({ tasks }: Settings, { classes, sizes }: ProcessRewardsData): string {
  const { 'binary-tree': tree, arithmetic: sums } = tasks;
  return `A step's **estimate** is R̂(λ), the mean reward of its |λ| members. Its **truth** is V, the expected reward of a completion that begins with the step's prefix, under the
policy that sampled the group: exact on the binary tree, from ${sums.rollouts} fresh completions on sums (their own noise is taken out of the squared error).
Two prefixes: up to the step's first token, in which it differs from its siblings (what a choice is worth), and up to its last. A sign is
wrong where Â(λ) and V − V(prompt) have opposite signs; on sums only steps count whose V differs from the prompt's by two standard errors. Policies are GRPO's after so many steps; ${tree.seeds}
seeds on the tree and ${sums.seeds} on sums, the unit of all intervals.

## Error and sign by |λ|

![Squared error of R̂ and its limit](process-rewards-error.svg)

![Share of steps with the wrong sign](process-rewards-signs.svg)

${table(
  [
    'task',
    'after',
    'k',
    '|λ|',
    'steps',
    'bias, first token',
    'error',
    'Var/|λ|',
    'bias, last token',
    'wrong sign',
  ],
  classes.map(({ task, stage, k, size, steps, bias, error, limit, biasAtEnd, wrong }) => [
    task,
    String(stage),
    String(k),
    className(size),
    String(steps),
    signedInterval(bias),
    number(error),
    number(limit),
    signedInterval(biasAtEnd),
    wrong ? withBounds(wrong) : '–',
  ]),
)}

## Gradient mass on wrong signs

Share of Σ weight · tokens · |Â| over decided steps, with weight |λ| (GRPO) or 1 (λ-GRPO); the difference is paired by seed. Rank: Spearman's correlation of R̂ and V over the
steps.

${table(
  ['task', 'after', 'k', 'V(prompt)', 'rank', 'GRPO', 'λ-GRPO', 'λ-GRPO − GRPO'],
  sizes.map(({ task, stage, k, value, rank, wrongMass }) => [
    task,
    String(stage),
    String(k),
    withInterval(value),
    rank ? withInterval(rank) : '–',
    wrongMass ? withBounds(wrongMass.grpo) : '–',
    wrongMass ? withBounds(wrongMass.lambda) : '–',
    wrongMass ? signedInterval(wrongMass.difference) : '–',
  ]),
)}`;
}

/** The largest group size that all tasks have. */
const SHOWN_K = 16;

/** Rows of the last stage of each task, for the groups that are drawn. */
function shownRows(rows: readonly ClassRow[], task: TaskName): ClassRow[] {
  const own = rows.filter((row) => row.task === task);
  const last = Math.max(...own.map(({ stage }) => stage));
  const sizes = new Set(own.map(({ k }) => k));
  const k = sizes.has(SHOWN_K) ? SHOWN_K : Math.max(...sizes);
  return own.filter((row) => row.stage === last && row.k === k);
}

const place = (size: number): number => (CLASSES[size] === Number.POSITIVE_INFINITY ? 32 : CLASSES[size]);

function errorSvg(rows: readonly ClassRow[]): string {
  const curves = TASKS.flatMap((task): Curve[] => {
    const own = shownRows(rows, task);
    const line = (name: string, value: (row: ClassRow) => number): Curve => {
      const values = own.map(value);
      return {
        name,
        step: own.map(({ size }) => place(size)),
        mean: values,
        low: values,
        high: values,
        band: 't',
      };
    };
    return [line(`${task}: (R̂ − V)²`, ({ error }) => error), line(`${task}: Var/|λ|`, ({ limit }) => limit)];
  });
  return curvesSvg(
    {
      title: 'Squared error of R̂(λ) and its limit',
      xLabel: 'members of the step, |λ|',
      yLabel: 'squared error',
    },
    curves,
  );
}

function signsSvg(rows: readonly ClassRow[]): string {
  const curves = TASKS.map((task): Curve => {
    const own = shownRows(rows, task).filter(({ wrong }) => wrong !== null);
    const values = (key: 'mean' | 'low' | 'high') => own.map(({ wrong }) => wrong?.[key] ?? 0);
    return {
      name: task,
      step: own.map(({ size }) => place(size)),
      mean: values('mean'),
      low: values('low'),
      high: values('high'),
      band: 'wilson',
    };
  });
  return curvesSvg(
    {
      title: 'Steps whose advantage has the wrong sign',
      xLabel: 'members of the step, |λ|',
      yLabel: 'share',
    },
    curves,
    [0, 1],
  );
}
