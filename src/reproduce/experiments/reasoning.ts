/**
 * GRPO and λ-GRPO on tasks with a chain of thought (in place of PAPER.md §6c's Table 2): sums, and longer chains modulo
 * 7; with and without a KL term, small and larger groups. Held-out accuracy, steps to the peak, entropy, paired by
 * seed.
 */
import { GRPO_COLOUR, LAMBDA_GRPO_COLOUR } from '../../analysis/index.js';
import { confidenceInterval, mean, shareInterval } from '../../statistics/index.js';
import type { Config } from '../../train/index.js';
import { bandsText, type Curve, curvesSvg, shareCurve } from '../curves.js';
import type { Experiment, Verdict } from '../experiment.js';
import { number, rounded, signedInterval, table, withBounds, withInterval } from '../markdown.js';
import { isAbove, isBelow, type Paired, paired, perSeed } from '../paired.js';
import type { Results } from '../results.js';
import { type WarmCase, type WarmTask, warmConfig, warmRuns, warmup } from '../warm-runs.js';
import type { TrainFigures } from '../work/index.js';

export interface Settings {
  readonly seeds: number;
  readonly steps: number;
  readonly evaluate_every: number;
  /** Prompts per step, by task: chains are longer. */
  readonly prompts_per_step: Readonly<Record<WarmTask, number>>;
  readonly tasks: readonly WarmTask[];
  readonly betas: readonly number[];
  readonly group_sizes: readonly number[];
  readonly quick: boolean;
  /** The configuration of each task, in its first case. */
  readonly runs: { readonly [task in WarmTask]?: Pick<Config, 'evaluation'> };
}

const METHODS = ['grpo', 'lambda-grpo'] as const;
type Method = (typeof METHODS)[number];
const NAMES: Record<Method, string> = { grpo: 'GRPO', 'lambda-grpo': 'λ-GRPO' };
const TASK_NAMES: Record<WarmTask, string> = { arithmetic: 'sums', chain: 'chains' };

/** One case under one method, by seed. */
export interface Outcome {
  /** Best held-out accuracy of a run, [seeds]. */
  readonly best: readonly number[];
  /** After the last step, [seeds]. */
  readonly final: readonly number[];
  /** First evaluation with at least 99% of the best accuracy, [seeds]. */
  readonly peak: readonly number[];
  /** Mean accuracy over the evaluations, which combines level and speed, [seeds]. */
  readonly area: readonly number[];
  /** Mean entropy over the last tenth of the steps, nats, [seeds]. */
  readonly entropy: readonly number[];
}

export interface CaseOutcome {
  readonly task: WarmTask;
  readonly beta: number;
  readonly k: number;
  readonly grpo: Outcome;
  readonly lambda: Outcome;
}

interface Data {
  readonly cases: readonly CaseOutcome[];
  readonly curves: readonly (Curve & { readonly task: WarmTask; readonly method: Method })[];
}

export const reasoning: Experiment<Settings, Data> = {
  name: 'reasoning',
  title: 'Chains of thought: sums, and chains modulo 7',
  claim:
    'On reasoning tasks λ-GRPO reaches a higher accuracy than GRPO (15 of 20 cells of Table 2), and its peak in less than half the steps (§4.4).',
  prediction:
    'Both repair the habits of the warm-up; at the same learning rate λ-GRPO is no faster, since most of a group’s tokens are shared and its ' +
    'step is smaller. No clear difference at the peak; λ-GRPO keeps more entropy with larger groups.',
  rule:
    'Two parts. Accuracy: the 95% interval of the difference of the best held-out accuracies, paired by seed and averaged over the cases of each task and seed, lies ' +
    'above 0. Speed: in more than half of the cases λ-GRPO’s mean step of the peak is at most GRPO’s, and the interval of that difference, averaged the same way, ' +
    'lies below 0. Both: holds; one: holds in part; none: does not hold here.',
  settings({ quick, seeds }) {
    const settings = {
      seeds: seeds ?? (quick ? 1 : 5),
      steps: quick ? 2 : 200,
      evaluate_every: quick ? 2 : 10,
      prompts_per_step: quick ? { arithmetic: 2, chain: 2 } : { arithmetic: 32, chain: 16 },
      tasks: ['arithmetic', 'chain'] as const,
      betas: quick ? [0.04] : [0, 0.04],
      group_sizes: quick ? [4] : [6, 16],
      quick,
    };
    const runs = Object.fromEntries(
      settings.tasks.map((task) => [
        task,
        warmConfig(caseOf({ ...settings, runs: {} }, task, settings.betas[0], settings.group_sizes[0])),
      ]),
    );
    return { ...settings, runs };
  },
  units: (settings) => [
    ...warmups(settings),
    ...cases(settings).flatMap((setting) =>
      METHODS.flatMap((method) => warmRuns(setting, method, settings.seeds)),
    ),
  ],
  data: (settings, results) => ({
    cases: cases(settings).map((setting) => caseOutcome(setting, settings.seeds, results)),
    curves: accuracyCurves(settings, results),
  }),
  report(settings, { cases: outcomes, curves }) {
    const { verdict, accuracy, speed, ahead } = reasoningVerdict(outcomes);
    return {
      verdict,
      summary:
        `best accuracy ${signedInterval(accuracy)}, step of the peak ${signedInterval(speed, 0)} for λ-GRPO, mean of ${outcomes.length} cases (n = ${accuracy.count}: ${settings.seeds} seeds of ${settings.tasks.length} tasks); ` +
        `higher on average in ${ahead} of ${outcomes.length} cases`,
      body: body(settings, outcomes, curves),
      figures: Object.fromEntries(
        settings.tasks.map((task) => [
          task,
          curvesSvg(
            { title: `${TASK_NAMES[task]}: held-out accuracy, greedy`, xLabel: 'step', yLabel: 'accuracy' },
            curves
              .filter((item) => item.task === task)
              .map(({ task: _, method, ...values }) => ({
                ...values,
                colour: method === 'grpo' ? GRPO_COLOUR : LAMBDA_GRPO_COLOUR,
              })),
            [0, 1],
          ),
        ]),
      ),
    };
  },
};

/** The rule. */
export function reasoningVerdict(outcomes: readonly CaseOutcome[]): {
  verdict: Verdict;
  accuracy: Paired;
  speed: Paired;
  /** Cases in which λ-GRPO's best accuracy is higher on average. */
  ahead: number;
} {
  const pooled = (key: 'best' | 'peak'): Paired =>
    paired(
      perStart(outcomes, ({ lambda }) => lambda[key]),
      perStart(outcomes, ({ grpo }) => grpo[key]),
    );
  const [accuracy, speed] = [pooled('best'), pooled('peak')];
  const sooner = outcomes.filter(({ grpo, lambda }) => mean(lambda.peak) <= mean(grpo.peak)).length;
  const faster = sooner > outcomes.length / 2 && isBelow(speed);
  const parts = Number(isAbove(accuracy)) + Number(faster);
  return {
    verdict: (['does not hold here', 'holds in part', 'holds'] as const)[parts],
    accuracy,
    speed,
    ahead: outcomes.filter(({ grpo, lambda }) => mean(lambda.best) > mean(grpo.best)).length,
  };
}

/**
 * One figure for each task and seed: the mean of the cases, which share a warm-up and the problems. Tasks share
 * nothing.
 * @returns [tasks · seeds]
 */
function perStart(
  outcomes: readonly CaseOutcome[],
  figure: (outcome: CaseOutcome) => readonly number[],
): number[] {
  const tasks = [...new Set(outcomes.map(({ task }) => task))];
  return tasks.flatMap((task) => perSeed(outcomes.filter((outcome) => outcome.task === task).map(figure)));
}

/** Figures from a run's evaluations and entropies. */
export function outcomeOf(runs: readonly TrainFigures[]): Outcome {
  const best = runs.map(({ evaluations }) => Math.max(...evaluations.map(([, accuracy]) => accuracy)));
  return {
    best,
    final: runs.map(({ evaluations }) => evaluations[evaluations.length - 1][1]),
    peak: runs.map(
      ({ evaluations }, i) => evaluations.find(([, accuracy]) => accuracy >= 0.99 * best[i])?.[0] ?? 0,
    ),
    area: runs.map(({ evaluations }) => mean(evaluations.map(([, accuracy]) => accuracy))),
    entropy: runs.map(({ entropy }) => mean(entropy.slice(-Math.max(1, Math.floor(entropy.length / 10))))),
  };
}

export function caseOf(settings: Settings, task: WarmTask, beta: number, k: number): WarmCase {
  return {
    task,
    groupSize: k,
    promptsPerStep: settings.prompts_per_step[task],
    beta,
    steps: settings.steps,
    evaluateEvery: settings.evaluate_every,
    quick: settings.quick,
  };
}

export function warmups({ tasks, seeds, quick }: Pick<Settings, 'tasks' | 'seeds' | 'quick'>) {
  return tasks.flatMap((task) => Array.from({ length: seeds }, (_, seed) => warmup({ task, quick }, seed)));
}

function cases(settings: Settings): WarmCase[] {
  return settings.tasks.flatMap((task) =>
    settings.betas.flatMap((beta) => settings.group_sizes.map((k) => caseOf(settings, task, beta, k))),
  );
}

function caseOutcome(setting: WarmCase, seeds: number, results: Results): CaseOutcome {
  const outcome = (method: Method) =>
    rounding(outcomeOf(warmRuns(setting, method, seeds).map((u) => results.get(u))));
  return {
    task: setting.task,
    beta: setting.beta,
    k: setting.groupSize,
    grpo: outcome('grpo'),
    lambda: outcome('lambda-grpo'),
  };
}

/** Accuracy during training for the first β and the largest group of each task. */
function accuracyCurves(
  settings: Settings,
  results: Results,
): (Curve & { task: WarmTask; method: Method })[] {
  const k = settings.group_sizes[settings.group_sizes.length - 1];
  return settings.tasks.flatMap((task) =>
    METHODS.map((method) => {
      const runs = warmRuns(caseOf(settings, task, settings.betas[0], k), method, settings.seeds).map(
        (u) => results.get(u).evaluations,
      );
      const steps = runs[0].map(([step]) => step);
      const values = runs.map((evaluations) => evaluations.map(([, accuracy]) => accuracy));
      return { task, method, ...shareCurve(NAMES[method], steps, values, heldOut(settings, task)) };
    }),
  );
}

/** Held-out problems behind each accuracy. */
export function heldOut({ runs }: Pick<Settings, 'runs'>, task: WarmTask): number {
  return runs[task]?.evaluation.problems ?? 1;
}

/** The case in words. */
export function prompts({ tasks, prompts_per_step }: Pick<Settings, 'tasks' | 'prompts_per_step'>): string {
  const each = tasks.map((task) => `${prompts_per_step[task]} prompts (${TASK_NAMES[task]})`);
  return each.join(' or ');
}

function body(settings: Settings, outcomes: readonly CaseOutcome[], curves: readonly Curve[]): string {
  const k = settings.group_sizes[settings.group_sizes.length - 1];
  const pair =
    (key: keyof Outcome, digits = 3) =>
    (outcome: CaseOutcome): string[] => {
      const share = key === 'best' || key === 'final' || key === 'area';
      const over = (values: readonly number[]): string =>
        share
          ? withBounds(shareInterval(values, heldOut(settings, outcome.task)), digits)
          : withInterval(confidenceInterval(values), digits);
      const difference = paired(outcome.lambda[key], outcome.grpo[key]);
      const p = difference.p === null ? '' : ` (p ${difference.p.toFixed(2)})`;
      return [
        over(outcome.grpo[key]),
        over(outcome.lambda[key]),
        `${signedInterval(difference, digits)}${p}`,
      ];
    };
  const name = ({ task, beta, k: size }: CaseOutcome): string[] => [
    TASK_NAMES[task],
    String(beta),
    String(size),
  ];
  const part = (key: keyof Outcome, digits?: number): string =>
    table(
      ['task', 'β', 'k', 'GRPO', 'λ-GRPO', 'difference, paired'],
      outcomes.map((outcome) => [...name(outcome), ...pair(key, digits)(outcome)]),
    );
  return `${settings.steps} steps of ${prompts(settings)} from the same warm-up, ${settings.seeds} seeds, greedy accuracy on held-out problems every ${settings.evaluate_every} steps. Accuracies: mean
[95% interval], Wilson's from the spread between seeds; steps, entropies and differences: mean ± 95% interval of Student's t over the seeds. Differences are
paired by seed, with the p of the exact sign-flip test (with five seeds it cannot be less than ${number(2 / 2 ** 5, 2)}).

**Best held-out accuracy**

${part('best')}

**Step of the peak** (first evaluation with at least 99% of the run's best)

${part('peak', 0)}

**Mean accuracy over all evaluations** (level and speed in one)

${part('area')}

**Entropy over the last tenth of the steps**, nats

${part('entropy')}

**Accuracy after the last step**

${part('final')}

${settings.tasks.map((task) => `![${TASK_NAMES[task]}, β = ${settings.betas[0]}, k = ${k}](reasoning-${task}.svg)`).join('\n')}

${bandsText(curves)}`;
}

function rounding(outcome: Outcome): Outcome {
  return Object.fromEntries(
    Object.entries(outcome).map(([key, values]: [string, readonly number[]]) => [
      key,
      values.map((v) => rounded(v)),
    ]),
  ) as unknown as Outcome;
}
