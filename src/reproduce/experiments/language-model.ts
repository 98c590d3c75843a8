/**
 * Table 2 at the scale of this machine: GRPO, λ-GRPO and GRPO at λ-GRPO's gradient norm on a real chat model, on sums
 * and products in its own words, with and without ending the completion at the answer. Each method uses its own best
 * learning rate, chosen for each seed on the other seeds.
 */
import { GRPO_COLOUR, LAMBDA_GRPO_COLOUR } from '../../analysis/index.js';
import { mean, type ShareInterval, shareInterval } from '../../statistics/index.js';
import { type Config, withSeed } from '../../train/index.js';
import { curve, curvesSvg, shareCurve } from '../curves.js';
import type { Experiment, Places, Report, Verdict } from '../experiment.js';
import { number, rateText, rounded, signed, signedInterval, table, withBounds } from '../markdown.js';
import { ownRates } from '../own-rate.js';
import { isAbove, isBelow, type Paired, paired } from '../paired.js';
import { contentOf, describeWeights, realModelConfig, weightsOf } from '../real-model.js';
import type { Results } from '../results.js';
import { ARM_NAMES, type Arm, withArm } from '../tree-runs.js';
import { type Unit, unit } from '../unit.js';
import type { TrainFigures, TrainSpec } from '../work/index.js';

const TASKS = { 'one-digit': 1, 'two-digit': 2 } as const;
type TaskName = keyof typeof TASKS;
const TITLES: Record<TaskName, string> = {
  'one-digit': 'One-digit sums and products',
  'two-digit': 'Two-digit sums',
};
const ARMS = ['grpo', 'rescaled', 'lambda-grpo'] as const satisfies Arm[];
const COLOURS: Record<Arm, string> = {
  grpo: GRPO_COLOUR,
  rescaled: '#009E73',
  'lambda-grpo': LAMBDA_GRPO_COLOUR,
};

interface Settings {
  readonly quick: boolean;
  readonly seeds: number;
  readonly steps: number;
  readonly evaluate_every: number;
  readonly learning_rates: readonly number[];
  /** Longest completion. */
  readonly max_tokens: number;
  readonly cases: readonly Case[];
}

interface Case {
  readonly task: TaskName;
  /** Whether a completion ends at its answer. */
  readonly end_at_answer: boolean;
}

/** The figures of one run. */
export interface Outcome {
  /** Greedy accuracy on held-out problems at each evaluation; the first is before training. */
  readonly accuracy: readonly number[];
  /** Means over each fifth of the steps. */
  readonly success: readonly number[];
  /** Nats. */
  readonly entropy: readonly number[];
  /** Tokens of a completion. */
  readonly length: readonly number[];
  /** Mean factor that rescaled the gradient, over the steps that have one; null: nothing was rescaled. */
  readonly rescale: number | null;
}

/** One task with or without ending at the answer, from the complete seeds. */
export interface CaseData {
  readonly task: TaskName;
  readonly endAtAnswer: boolean;
  readonly seeds: readonly number[];
  /** [rates][seeds] */
  readonly runs: Readonly<Record<Arm, readonly (readonly Outcome[])[]>>;
}

export interface LanguageModelData {
  readonly weights: string | null;
  /** Steps at which accuracy was measured. */
  readonly evaluated: readonly number[];
  /** Held-out problems of each task. */
  readonly heldOut: Readonly<Record<TaskName, number>>;
  readonly cases: readonly CaseData[];
}

/** Held-out problems of recipes/tasks/in-words.ts. */
const HELD_OUT = { 'one-digit': 40, 'two-digit': 61 } as const;

export const languageModel: Experiment<Settings, LanguageModelData> = {
  name: 'language-model',
  title: 'GRPO and λ-GRPO on a real chat model',
  long: true,
  partial: true,
  claim:
    'λ-GRPO reaches a higher accuracy than GRPO (15 of 20 cells of Table 2, models of 1 to 1.5 B parameters on OpenRS), at a peak in less than half the steps.',
  prediction:
    'Without an end at the answer λ-GRPO is not ahead of GRPO at any rate: most tokens come after the answer, in steps of one completion, and dividing by |λ| gives those the weight that it takes from the ' +
    'shared opening (first looks, two-digit sums, judged and ended otherwise, 30 steps, three seeds: GRPO 42, 43, 48%, λ-GRPO 37, 35, 37%). With an end the two are not told apart with five seeds. ' +
    'Problems of one digit are learnt to near the ceiling by all (a pilot, GRPO, seed 1000, 2.5e-4, ended at the answer: 0.25 → 0.95 in 30 steps), so that best accuracies cannot differ much there and the speed may. ' +
    'GRPO at λ-GRPO’s norm is like GRPO, since AdamW divides a lasting factor away and the factor is near 1 at first (pilots: 0.97 to 0.99). Entropy falls more slowly with λ-GRPO; peaks lie in the second half of the steps for all.',
  rule:
    'A case is a task with or without an end at the answer. The figure of a seed is the best greedy accuracy of its evaluations, at the method’s own learning rate: for each seed the one with the highest mean over ' +
    'the other seeds. λ-GRPO is better in a case if the 95% interval (Student’s t) of its difference to GRPO, paired by seed, lies above 0, and worse if below. Only cases with all their seeds count. holds: better in every case; ' +
    'holds in part: better in at least one, worse in none; else it does not hold here. The best of several evaluations lies above the true accuracy, for all methods alike; the step of the peak, the accuracy at the end and over all evaluations (speed), the ' +
    'entropy and GRPO at λ-GRPO’s norm are reported beside.',
  settings: ({ quick, seeds }) => ({
    quick,
    seeds: seeds ?? (quick ? 1 : 5),
    steps: quick ? 2 : 80,
    evaluate_every: quick ? 1 : 8,
    learning_rates: quick ? [1e-3] : [1e-4, 2.5e-4],
    max_tokens: quick ? 6 : 24,
    cases: quick
      ? [
          { task: 'one-digit', end_at_answer: true },
          { task: 'one-digit', end_at_answer: false },
        ]
      : [
          { task: 'two-digit', end_at_answer: true },
          { task: 'two-digit', end_at_answer: false },
          { task: 'one-digit', end_at_answer: true },
        ],
  }),
  // One case after the other, and within it one seed after the other: the rule counts cases with all their seeds.
  units: (settings, places) =>
    settings.cases.flatMap((planned) =>
      seedsOf(settings).flatMap((seed) => unitsOf(settings, places, planned, seed).flat()),
    ),
  data(settings, results, places) {
    const { path } = configOf(settings, places, settings.cases[0]).model;
    const { steps, evaluate_every: every } = settings;
    return {
      weights: path === null ? null : weightsOf(path),
      evaluated: Array.from({ length: Math.floor(steps / every) + 1 }, (_, i) => i * every),
      heldOut: HELD_OUT,
      cases: settings.cases.flatMap((planned) => caseData(settings, places, results, planned) ?? []),
    };
  },
  report: (settings, data): Report => ({
    verdict: languageModelVerdict(settings.seeds, settings.cases.length, data),
    summary: summary(data),
    body: body(settings, data),
    figures: Object.fromEntries(data.cases.flatMap((caseData) => figuresOf(settings, data, caseData))),
  }),
};

const seedsOf = ({ seeds }: Settings): number[] => Array.from({ length: seeds }, (_, seed) => seed);

function configOf(
  { quick, steps, evaluate_every: every, max_tokens: maxTokens }: Settings,
  places: Places,
  { task, end_at_answer: endAtAnswer }: Case,
): Config {
  const base = realModelConfig({ quick, digits: TASKS[task], maxTokens, endAtAnswer }, places);
  return {
    ...base,
    ...(quick ? { sampling: { ...base.sampling, group_size: 4, prompts_per_step: 2 } } : {}),
    train: { ...base.train, steps },
    evaluation: { ...base.evaluation, every },
    checkpoint: { every: 10, keep: 1, best: false },
  };
}

/** Runs of one seed, [arms][rates]. */
function unitsOf(settings: Settings, places: Places, planned: Case, seed: number): Unit<TrainSpec>[][] {
  const { task, end_at_answer: end } = planned;
  const base = withSeed(configOf(settings, places, planned), seed);
  return ARMS.map((arm) =>
    settings.learning_rates.map((rate) => {
      const config = withArm({ ...base, optimizer: { ...base.optimizer, learning_rate: rate } }, arm);
      const spec = { kind: 'train', config, start: null } as const;
      return unit(`${task}${end ? ', end at the answer' : ''}, ${arm}, lr ${rate}, seed ${seed}`, spec, {
        cost: settings.steps * (end ? 6 : 9) * (arm === 'rescaled' ? 1.4 : 1),
        content: { ...spec, config: contentOf(config) },
      });
    }),
  );
}

/** @returns null if no seed is complete */
function caseData(settings: Settings, places: Places, results: Results, planned: Case): CaseData | null {
  const bySeed = seedsOf(settings)
    .map((seed) => ({ seed, units: unitsOf(settings, places, planned, seed) }))
    .filter(({ units }) => units.flat().every((u) => results.has(u)));
  if (bySeed.length === 0) return null;
  const runs = ARMS.map((arm, a) => [
    arm,
    settings.learning_rates.map((_, rate) =>
      bySeed.map(({ units }) => outcomeOf(results.get(units[a][rate]))),
    ),
  ]);
  return {
    task: planned.task,
    endAtAnswer: planned.end_at_answer,
    seeds: bySeed.map(({ seed }) => seed),
    runs: Object.fromEntries(runs) as CaseData['runs'],
  };
}

function outcomeOf({ evaluations, success, entropy, length, rescale, gradNorm }: TrainFigures): Outcome {
  const factors = rescale.filter((_, step) => gradNorm[step] > 0);
  return {
    accuracy: evaluations.map(([, accuracy]) => rounded(accuracy)),
    success: fifths(success),
    entropy: fifths(entropy),
    length: fifths(length),
    rescale: factors.length > 0 ? rounded(mean(factors), 3) : null,
  };
}

/** Means over each fifth of the steps; with fewer than five steps, each step. */
function fifths(values: readonly number[]): number[] {
  const parts = Math.min(5, values.length);
  return Array.from({ length: parts }, (_, i) =>
    rounded(
      mean(
        values.slice(Math.floor((i * values.length) / parts), Math.floor(((i + 1) * values.length) / parts)),
      ),
    ),
  );
}

const best = ({ accuracy }: Outcome): number => Math.max(...accuracy);
/** The first of equals. */
const peak = ({ accuracy }: Outcome): number => accuracy.indexOf(best({ accuracy } as Outcome));

/** Runs of an arm at its own best rate, [seeds]. */
export function atOwnRates(runs: readonly (readonly Outcome[])[]): Outcome[] {
  const rates = ownRates(runs.map((seeds) => seeds.map(best)));
  return rates.map((rate, seed) => runs[rate][seed]);
}

/** Best accuracy of an arm minus that of another, paired by seed. */
function difference(
  { runs }: CaseData,
  arm: Arm,
  other: Arm,
  figure: (run: Outcome) => number = best,
): Paired {
  return paired(atOwnRates(runs[arm]).map(figure), atOwnRates(runs[other]).map(figure));
}

/** The rule. @param seeds planned; @param planned cases */
export function languageModelVerdict(seeds: number, planned: number, { cases }: LanguageModelData): Verdict {
  const whole = cases.filter((caseData) => caseData.seeds.length === seeds);
  if (whole.length < planned) return 'not decided yet';
  const differences = whole.map((caseData) => difference(caseData, 'lambda-grpo', 'grpo'));
  if (differences.every(isAbove)) return 'holds';
  return differences.some(isAbove) && !differences.some(isBelow) ? 'holds in part' : 'does not hold here';
}

const caseName = ({ task, endAtAnswer }: CaseData): string =>
  `${TITLES[task]}, ${endAtAnswer ? 'ended at the answer' : 'not ended at the answer'}`;

const seedsText = ({ seeds }: CaseData): string => `${seeds.length} ${seeds.length === 1 ? 'seed' : 'seeds'}`;

function interval(value: Paired, digits = 3): string {
  if (value.count < 2) return signed(value.mean, digits);
  const side = isAbove(value) ? ' (above 0)' : isBelow(value) ? ' (below 0)' : '';
  return `${signedInterval(value, digits)}${side}`;
}

function summary({ cases }: LanguageModelData): string {
  if (cases.length === 0) return 'no seed is complete yet';
  return cases
    .map(
      (caseData) =>
        `${caseName(caseData)} (${seedsText(caseData)}): best accuracy of λ-GRPO less GRPO’s ${interval(difference(caseData, 'lambda-grpo', 'grpo'))}, ` +
        `less that of GRPO at its norm ${interval(difference(caseData, 'lambda-grpo', 'rescaled'))}`,
    )
    .join('; ');
}

const slug = ({ task, endAtAnswer }: CaseData): string => `${task}${endAtAnswer ? '-ended' : ''}`;

function body(settings: Settings, data: LanguageModelData): string {
  const { steps, learning_rates: rates, max_tokens: maxTokens } = settings;
  return `The model is ${describeWeights(data.weights)}${settings.quick ? '' : ', with LoRA r 16 on q, k, v, o (`recipes/smollm2-sums.yaml`)'}. Problems are asked as in \`recipes/tasks/in-words.ts\` ("What is 7 × 3?"), answered in
at most ${maxTokens} tokens of the model's own words; right is a completion whose first sentence or line has the right number as its last one. **Ended at the answer**: a completion stops with that sentence. Otherwise it goes on to the
model's own end or the longest length, and nothing that comes after is judged. Accuracy is greedy, on ${data.heldOut['one-digit']} held-out problems of one digit and ${data.heldOut['two-digit']} of two; ${steps} steps, learning rates ${rates.map(rateText).join(' and ')}.

Intervals: 95%, over seeds; of accuracies Wilson's, of other figures Student's t; differences are paired by seed, bands of figures are made alike. One seed has no interval.
${settings.quick ? '' : '\nA fourth case was planned, one digit not ended at the answer. It was left out for time before any of its runs was complete.\n'}
${data.cases.map((caseData) => section(settings, data, caseData)).join('\n\n') || 'No seed is complete yet.'}`;
}

function section(settings: Settings, data: LanguageModelData, caseData: CaseData): string {
  const { learning_rates: rates } = settings;
  const problems = data.heldOut[caseData.task];
  const share = (values: readonly number[]): string =>
    values.length < 2 ? number(mean(values)) : withBounds(bounds(values, problems));
  const step = (run: Outcome): number => data.evaluated[peak(run)];
  const last = (values: readonly number[]): number => values[values.length - 1];
  const rows = ARMS.map((arm) => {
    const runs = caseData.runs[arm];
    const atBest = atOwnRates(runs);
    return [
      ARM_NAMES[arm],
      ...runs.map((seeds) => number(mean(seeds.map(best)))),
      share(atBest.map(best)),
      number(mean(atBest.map(step)), 0),
      share(atBest.map(({ accuracy }) => last(accuracy))),
      share(atBest.map(({ accuracy }) => mean(accuracy))),
      `${number(mean(atBest.map(({ success }) => success[0])))} → ${number(mean(atBest.map(({ success }) => last(success))))}`,
      `${number(mean(atBest.map(({ entropy }) => entropy[0])), 2)} → ${number(mean(atBest.map(({ entropy }) => last(entropy))), 2)}`,
      `${number(mean(atBest.map(({ length }) => length[0])), 1)} → ${number(mean(atBest.map(({ length }) => last(length))), 1)}`,
    ];
  });
  const pairs = [
    ['lambda-grpo', 'grpo'],
    ['lambda-grpo', 'rescaled'],
    ['rescaled', 'grpo'],
  ] as const;
  const factor = mean(caseData.runs.rescaled.flatMap((seeds) => seeds.map(({ rescale }) => rescale ?? 1)));
  const before = mean(
    ARMS.flatMap((arm) => caseData.runs[arm].flatMap((seeds) => seeds.map(({ accuracy }) => accuracy[0]))),
  );
  return `## ${caseName(caseData)}

${seedsText(caseData)} of ${settings.seeds}; greedy accuracy before training ${number(before)}.

${table(
  [
    'method',
    ...rates.map((rate) => `best at ${rateText(rate)}`),
    'best at its own rate',
    'step of the peak',
    'at the last step',
    'mean of all evaluations',
    'right among samples',
    'entropy, nats',
    'tokens',
  ],
  rows,
)}

${table(
  [
    'difference',
    'best accuracy',
    'step of the peak',
    'accuracy at the last step',
    'mean of all evaluations',
    'entropy, last fifth',
  ],
  pairs.map(([arm, other]) => [
    `${ARM_NAMES[arm]} − ${ARM_NAMES[other]}`,
    interval(difference(caseData, arm, other)),
    interval(difference(caseData, arm, other, step), 0),
    interval(difference(caseData, arm, other, ({ accuracy }) => last(accuracy))),
    interval(difference(caseData, arm, other, ({ accuracy }) => mean(accuracy))),
    interval(
      difference(caseData, arm, other, ({ entropy }) => last(entropy)),
      2,
    ),
  ]),
)}

Right among samples, entropy and tokens: means over the first → the last fifth of the steps. GRPO's gradient was brought to λ-GRPO's norm by a factor of ${number(factor, 2)} on average.

![Accuracy](language-model-${slug(caseData)}.svg)
![Entropy](language-model-${slug(caseData)}-entropy.svg)`;
}

function bounds(values: readonly number[], problems: number): ShareInterval {
  return shareInterval(values, problems);
}

function figuresOf({ steps }: Settings, data: LanguageModelData, caseData: CaseData): [string, string][] {
  const title = caseName(caseData);
  const armRuns = ARMS.map((arm) => ({ arm, runs: atOwnRates(caseData.runs[arm]) }));
  const parts = armRuns[0].runs[0].entropy.map((_, i, { length }) =>
    rounded(((i + 0.5) * steps) / length, 1),
  );
  return [
    [
      slug(caseData),
      curvesSvg(
        { title, xLabel: 'step', yLabel: 'greedy accuracy, held out' },
        armRuns.map(({ arm, runs }) => ({
          ...shareCurve(
            ARM_NAMES[arm],
            data.evaluated,
            runs.map(({ accuracy }) => accuracy),
            data.heldOut[caseData.task],
          ),
          colour: COLOURS[arm],
        })),
        [0, 1],
      ),
    ],
    [
      `${slug(caseData)}-entropy`,
      curvesSvg(
        { title, xLabel: 'step', yLabel: 'entropy, nats' },
        armRuns.map(({ arm, runs }) => ({
          ...curve(
            ARM_NAMES[arm],
            parts,
            runs.map(({ entropy }) => entropy),
          ),
          colour: COLOURS[arm],
        })),
      ),
    ],
  ];
}
