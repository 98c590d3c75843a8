/** The page on process rewards: summary, tables and figure. */
import { type BarSeries, barChartSvg, GRPO_COLOUR, LAMBDA_GRPO_COLOUR } from '../analysis/index.js';
import type { Interval } from '../statistics/index.js';
import { number, signed, signedInterval, table, withBounds, withInterval } from './markdown.js';
import { isAbove, isBelow } from './paired.js';
import type {
  ProcessRewardsData,
  ProcessRewardsSettings,
  Quality,
  ValueTask,
} from './process-rewards-data.js';
import type { ClassRow, SizeRow, StageRows, TaskRow } from './process-rewards-rows.js';
import { describeWeights } from './real-model.js';
import { CLASSES } from './work/index.js';

const TITLES: Readonly<Record<ValueTask, string>> = {
  'binary-tree': 'Binary tree',
  arithmetic: 'Three-digit sums, model from scratch',
  smollm2: 'One-digit sums and products in words, SmolLM2-135M-Instruct',
};

/** `3–4` */
export function className(size: number): string {
  const least = size === 0 ? 1 : CLASSES[size - 1] + 1;
  const most = CLASSES[size];
  if (most === Number.POSITIVE_INFINITY) return `${least}+`;
  return least === most ? String(least) : `${least}–${most}`;
}

/** Minimum share of the mass with a known sign for comparing methods. */
const KNOWN = 0.5;

function isSignKnown(mass: SizeRow['mass']): mass is NonNullable<SizeRow['mass']> {
  return mass !== null && Math.min(mass.grpo.decided.mean, mass.lambda.decided.mean) >= KNOWN;
}

export function processRewardsSummary(
  qualities: readonly (Quality & { readonly task: ValueTask })[],
  { stages }: ProcessRewardsData,
): string {
  const parts = qualities.map(({ task, cells, missing, all }) => {
    const figures = all
      ? `, over all steps ${signedInterval(all.bias)}; squared error ${withInterval(all.ratio, 2)} of Var/|λ|`
      : '';
    return `${task}: the bias’s interval misses 0 in ${missing} of ${cells} cells${figures}`;
  });
  const cases = stages.flatMap(({ sizes }) =>
    sizes.flatMap(({ mass }) => (isSignKnown(mass) ? mass.difference : [])),
  );
  const [more, less] = [cases.filter(isAbove).length, cases.filter(isBelow).length];
  return `${parts.join('; ')}; of ${cases.length} cases λ-GRPO has more gradient mass on wrong signs than GRPO in ${more}, less in ${less}`;
}

export function processRewardsBody(settings: ProcessRewardsSettings, data: ProcessRewardsData): string {
  const tasks = [...new Set(data.stages.map(({ task }) => task))];
  const { arithmetic: sums, smollm2: real } = settings.tasks;
  const model =
    data.weights === null
      ? ''
      : ` Those of\nSmolLM2 are too, **but before training they are of sampling and problems alone: there is one model**, ${describeWeights(data.weights)}.`;
  const missing = tasks.includes('smollm2')
    ? ''
    : '\n\nThe real model was not run: `--pretrained` adds it (SmolLM2-135M-Instruct, from a folder, the Hub or its cache).';
  return `![Share of the gradient that pushes a step the wrong way](process-rewards-mass.svg)

Of the mass whose sign can be told; policies are drawn, and methods compared, where that is at least half of all. GRPO and λ-GRPO weigh the same groups.

A step's **estimate** is R̂(λ), the mean reward of the |λ| completions through it. Its **truth** is V, the expected reward of a completion that begins with the step's prefix, under the
policy that sampled the group: exact on the binary tree, from ${sums.rollouts} fresh completions on sums, from ${real.rollouts} on SmolLM2. The variance of this truth (s²/${sums.rollouts}, s²/${real.rollouts}) is taken out of
the squared error, without bias. Two prefixes: up to the step's first token, in which it differs from its siblings (what a choice is worth), and up to its last.

A sign is wrong where Â(λ) and V − V(prompt) have opposite signs. Only steps with Â ≠ 0 and with V two standard errors from V(prompt) can be told; their share stands beside. On the tree V is exact.
Many members make R̂ precise, but not its sign: R̂(λ) − mean(G) = (1 − |λ|/k) · (R̂(λ) − R̂ of the other completions), so the sign of a step that 15 of 16 share hangs on the one that does not.

On sums and on SmolLM2 not every step is measured. First tokens are drawn at random within each class of |λ|, and each step counts by one over its chance. Intervals are Student's t over seeds of a
ratio of sums (linearised), those of shares Wilson's with the spread between seeds; n is the number of seeds. Classes with fewer
than ${FEW} measured steps have no interval. Seeds of the binary tree and of sums are of training and of sampling.${model}
Policies are GRPO's after so many steps.

${tasks.map((task) => section(settings, data, task as ValueTask)).join('\n\n')}${missing}`;
}

function section(settings: ProcessRewardsSettings, data: ProcessRewardsData, task: ValueTask): string {
  const { stages, tasks } = data;
  const rows = stages.filter((row) => row.task === task);
  const { seeds, problems, pool } = settings.tasks[task];
  const values = rows.map(({ stage, value }) => `${withInterval(value)} after ${stage} steps`).join(', ');
  const ends = rows.some(({ classes }) => classes.some(({ biasAtEnd }) => biasAtEnd !== null));
  return `## ${TITLES[task]}

n = ${seeds} seeds; for each, stage and k ${problems} prompts with ${pool} completions, in groups of k. Mean V(prompt): ${values}.${overall(tasks.find((row) => row.task === task))}

${table(
  [
    'after',
    'k',
    '|λ|',
    'steps (measured)',
    'n',
    'bias, first token',
    'squared error',
    'Var/|λ|',
    'ratio',
    ...(ends ? ['bias, last token'] : []),
    'rank',
    'sign known',
    'wrong sign',
  ],
  rows.flatMap(({ stage, classes }) => classes.map((row) => classCells(stage, row, ends))),
)}

Gradient mass is factor · tokens · |Â| of a step, with factor |λ| (GRPO) or 1 (λ-GRPO). Sign known: share of all mass; wrong: share of this. Rank: Spearman's correlation of R̂ and V over
all steps of such groups.

${table(
  [
    'after',
    'k',
    'rank',
    'GRPO: sign known',
    'wrong',
    'λ-GRPO: sign known',
    'wrong',
    'wrong, λ-GRPO − GRPO',
    'n',
  ],
  rows.flatMap(({ stage, sizes }) => sizes.map((row) => sizeCells(stage, row))),
)}${limitOf(rows)}`;
}

/** If values are near 0, a few completions cannot show which of two is larger. */
function limitOf(rows: readonly StageRows[]): string {
  const isKnown = rows.some(({ sizes }) => sizes.some(({ mass }) => isSignKnown(mass)));
  return isKnown
    ? ''
    : '\n\nFor less than half of the gradient mass the sign can be told here, so nothing follows about signs.';
}

function overall(row: TaskRow | undefined): string {
  if (!row) return '';
  return ` Over all steps the bias is ${signedInterval(row.bias)} and the squared error ${withInterval(row.ratio, 2)} of Var/|λ|.`;
}

/** If so few steps are measured, seeds without a reward look equal, and an interval would be too narrow. */
const FEW = 30;

function classCells(stage: number, row: ClassRow, ends: boolean): string[] {
  const { k, size, steps, measured, bias, biasAtEnd, error, limit, ratio, rank, decided, wrong } = row;
  const few = measured < FEW;
  const difference = (value: Interval): string => (few ? signed(value.mean) : signedInterval(value));
  return [
    String(stage),
    String(k),
    className(size),
    measured === steps ? String(steps) : `${steps} (${measured})`,
    String(bias.count),
    difference(bias),
    few ? number(error.mean) : withInterval(error),
    number(limit),
    few && ratio ? number(ratio.mean, 2) : interval(ratio),
    ...(ends ? [biasAtEnd ? difference(biasAtEnd) : '–'] : []),
    few && rank ? number(rank.mean, 2) : interval(rank),
    decided ? withBounds(decided, 2) : '–',
    wrong ? withBounds(wrong) : '–',
  ];
}

/** A single seed has no interval. */
function interval(value: Interval | null): string {
  if (value === null) return '–';
  return value.count > 1 ? withInterval(value, 2) : number(value.mean, 2);
}

function sizeCells(stage: number, { k, rank, mass }: SizeRow): string[] {
  return [
    String(stage),
    String(k),
    interval(rank),
    ...(mass
      ? [
          withBounds(mass.grpo.decided, 2),
          withBounds(mass.grpo.wrong),
          withBounds(mass.lambda.decided, 2),
          withBounds(mass.lambda.wrong),
          mass.difference.count > 1 ? signedInterval(mass.difference) : signed(mass.difference.mean),
          String(mass.difference.count),
        ]
      : ['–', '–', '–', '–', '–', '–']),
  ];
}

/** The group size in the figure; all tasks have it, except in a smoke version. */
const SHOWN_K = 16;
const SHORT: Readonly<Record<ValueTask, string>> = {
  'binary-tree': 'tree',
  arithmetic: 'sums',
  smollm2: 'SmolLM2',
};
const COLOURS = { grpo: GRPO_COLOUR, lambda: LAMBDA_GRPO_COLOUR } as const;

/** Share of the gradient's mass that pushes the wrong way, for each policy. */
export function massSvg({ stages }: ProcessRewardsData): string {
  const shown = stages.flatMap(({ task, stage, sizes }) => {
    const { mass } = sizes.find(({ k }) => k === SHOWN_K) ?? sizes[0];
    return isSignKnown(mass) ? [{ task: task as ValueTask, stage, mass }] : [];
  });
  const series = (name: string, method: 'grpo' | 'lambda'): BarSeries => ({
    name,
    colour: COLOURS[method],
    values: shown.map(({ mass }) => mass[method].wrong.mean),
    low: shown.map(({ mass }) => mass[method].wrong.low),
    high: shown.map(({ mass }) => mass[method].wrong.high),
  });
  return barChartSvg({
    title: 'Share of the gradient that pushes a step the wrong way, 95% intervals',
    xLabel: `policy; groups of ${SHOWN_K}`,
    categories: shown.map(({ task, stage }) => `${SHORT[task]}, ${stage > 0 ? `step ${stage}` : 'start'}`),
    format: (value) => `${(100 * value).toFixed(1)}%`,
    series: [series('GRPO', 'grpo'), series('λ-GRPO', 'lambda')],
  });
}
