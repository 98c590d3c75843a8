/**
 * How much structure the groups of a real chat model have (PAPER.md §3), for k = 6 and 36, at the paper's temperature
 * and at 1: before any training, on sums and on word problems; and during GRPO training on sums.
 */
import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { UserError } from '../../errors.js';
import { mean, type ShareInterval, shareInterval } from '../../statistics/index.js';
import { type Config, withMethod, withSeed } from '../../train/index.js';
import { bandsText, type Curve, curve, curvesSvg, shareCurve } from '../curves.js';
import type { Experiment, Places, Report, Verdict } from '../experiment.js';
import { number, rounded, signed, signedInterval, table, withBounds } from '../markdown.js';
import { isAbove, paired } from '../paired.js';
import { contentOf, describeWeights, realModelConfig, weightsOf } from '../real-model.js';
import type { Results } from '../results.js';
import { type Unit, unit } from '../unit.js';
import type { GroupsFigures, GroupsSpec, TrainSpec } from '../work/index.js';

const PROBLEMS = ['sums', 'word problems'] as const;
type ProblemsName = (typeof PROBLEMS)[number];

interface Settings {
  readonly quick: boolean;
  readonly group_sizes: readonly number[];
  /** The first is the paper's. */
  readonly temperatures: readonly number[];
  readonly start: {
    readonly seeds: number;
    /** Prompts per seed, each with as many completions as the largest group. */
    readonly prompts: Readonly<Record<ProblemsName, number>>;
    /** Longest completion. */
    readonly max_tokens: Readonly<Record<ProblemsName, number>>;
  };
  readonly training: {
    readonly seeds: number;
    readonly steps: number;
    /** Completions per step, in groups of one size. */
    readonly completions: number;
  };
}

/** Groups of one size before any training, over all seeds. */
export interface StartRow {
  readonly problems: ProblemsName;
  readonly temperature: number;
  readonly k: number;
  readonly seeds: number;
  readonly groups: number;
  readonly flat: number;
  /** Share of flat groups, by seed. */
  readonly flatShare: ShareInterval;
  /** Means over the seeds. */
  readonly depth: number;
  readonly intermediate: ShareInterval;
  /** Share of groups with an intermediate proportion below `MOSTLY`. */
  readonly below: number;
  readonly length: number;
  readonly success: number;
}

/** Runs with one group size at one temperature. */
export interface TrainingRow {
  readonly temperature: number;
  readonly k: number;
  readonly groups: number;
  readonly flat: number;
  /** Means over the first and the last fifth of the steps, [seeds]. */
  readonly depth: readonly [first: readonly number[], last: readonly number[]];
  readonly intermediate: readonly [first: readonly number[], last: readonly number[]];
  readonly success: readonly [first: readonly number[], last: readonly number[]];
  readonly entropy: readonly [first: readonly number[], last: readonly number[]];
}

export interface LanguageStructureData {
  readonly weights: string | null;
  /** Name of the file of word problems; null: none was given. */
  readonly file: string | null;
  readonly start: readonly StartRow[];
  readonly training: readonly TrainingRow[];
  readonly depth: readonly Curve[];
  readonly intermediate: readonly Curve[];
}

/** Largest share of flat groups that counts as "hardly any". */
const FEW_FLAT = 0.05;
/** "mostly below 0.2": the proportion, and the share of groups that must be below it. */
const MOSTLY = 0.2;
const MOST = 0.5;

export const languageModelStructure: Experiment<Settings, LanguageStructureData> = {
  name: 'language-model-structure',
  title: 'How much structure there is in a real model’s groups',
  long: true,
  partial: true,
  claim:
    'Hardly any group is flat (k = 6: 12 of 6,700; k = 36: 0 of 1,100); paths are deeper with larger groups (1 to 3.3 nodes at k = 6, 3 to 11 at k = 36); the intermediate ' +
    'proportion is mostly below 0.2; both grow as the policy converges (§3.2; a model of 1.5 B parameters, completions of thousands of tokens, temperature 0.75).',
  prediction:
    'k = 36: no flat group, at either temperature. k = 6: flat groups are not rare, some 5 to 25% at temperature 0.75 and 20 to 50% at 1: a small model opens its answer in many ways, and two of ' +
    'six must begin alike. Paths are deeper and proportions larger at the lower temperature and for the larger k. Proportions are mostly below 0.2. Both grow in training on sums, as answers become alike.',
  rule:
    'Four parts, the first three on groups before training at the paper’s temperature, each on sums and on word problems (where they were named): at most ' +
    `${100 * FEW_FLAT}% of the groups are flat, for both k; the mean path depth is greater for the larger k; more than half of the groups have an intermediate proportion below ${MOSTLY}, for both k. ` +
    'The fourth on training at that temperature: for both k, path depth and intermediate proportion are greater in the last fifth of the steps than in the first, the mean over the seeds of ' +
    'the differences above 0. All: holds; some: holds in part; none: does not hold here. Temperature 1 is reported beside. Three seeds carry no more than the sign of a mean.',
  settings: ({ quick, seeds }) => ({
    quick,
    group_sizes: [6, 36],
    temperatures: [0.75, 1],
    start: {
      seeds: seeds ?? (quick ? 1 : 5),
      prompts: { sums: quick ? 1 : 6, 'word problems': 3 },
      max_tokens: { sums: quick ? 6 : 48, 'word problems': 96 },
    },
    training: { seeds: seeds ?? (quick ? 1 : 3), steps: quick ? 2 : 30, completions: 36 },
  }),
  units: (settings, places) => [
    ...problemsOf(places).flatMap((problems) =>
      settings.temperatures.flatMap((temperature) => startUnits(settings, places, problems, temperature)),
    ),
    ...bySeed(
      trainingCases(settings).map(([temperature, k]) => trainingUnits(settings, places, temperature, k)),
    ),
  ],
  data(settings, results, places) {
    const config = startConfig(settings, places, 'sums', settings.temperatures[0]);
    const cases = trainingCases(settings).map(([temperature, k]) => ({
      temperature,
      k,
      units: trainingUnits(settings, places, temperature, k),
    }));
    const complete = (seed: number): boolean => cases.every(({ units }) => results.has(units[seed]));
    const runs = cases.map(({ units, ...setting }) => ({
      ...setting,
      figures: units.filter((_, seed) => complete(seed)).map((u) => results.get(u)),
    }));
    if (runs[0].figures.length === 0) runs.length = 0;
    const steps = Array.from({ length: settings.training.steps }, (_, i) => i + 1);
    const name = ({ temperature, k }: { temperature: number; k: number }): string =>
      `k = ${k}, temperature ${temperature}`;
    return {
      weights: config.model.path === null ? null : weightsOf(config.model.path),
      file: places.problems === undefined ? null : basename(places.problems),
      start: problemsOf(places).flatMap((problems) =>
        settings.temperatures.flatMap((temperature) =>
          startRows(settings, places, results, problems, temperature),
        ),
      ),
      training: runs.map(({ temperature, k, figures }) => {
        const count = settings.training.completions / k;
        const ends = (values: (run: (typeof figures)[number]) => readonly number[]) =>
          fifths(figures.map(values));
        return {
          temperature,
          k,
          groups: figures.reduce((n, { flat }) => n + flat.length * count, 0),
          flat: Math.round(figures.reduce((n, { flat }) => n + flat.reduce((a, b) => a + b * count, 0), 0)),
          depth: ends(({ pathDepth }) => pathDepth),
          intermediate: ends(({ intermediate }) => intermediate),
          success: ends(({ success }) => success),
          entropy: ends(({ entropy }) => entropy),
        };
      }),
      depth: runs.map((run) =>
        curve(
          name(run),
          steps,
          run.figures.map(({ pathDepth }) => pathDepth),
        ),
      ),
      intermediate: runs.map((run) =>
        shareCurve(
          name(run),
          steps,
          run.figures.map(({ intermediate }) => intermediate),
          Number.POSITIVE_INFINITY,
        ),
      ),
    };
  },
  report: (settings, data): Report => ({
    verdict: languageStructureVerdict(settings, data),
    summary: summary(settings, data),
    body: body(settings, data),
    figures:
      data.training.length === 0
        ? {}
        : {
            depth: curvesSvg(labels('path depth'), data.depth),
            intermediate: curvesSvg(labels('intermediate proportion'), data.intermediate),
          },
  }),
};

function labels(what: string) {
  return { title: `Two-digit sums, GRPO: mean ${what}`, xLabel: 'step', yLabel: `mean ${what}` };
}

/** Word problems are examined only if their file is given. */
function problemsOf({ problems }: Places): readonly ProblemsName[] {
  return problems === undefined ? ['sums'] : PROBLEMS;
}

const trainingCases = ({
  temperatures,
  group_sizes: sizes,
}: Settings): readonly (readonly [number, number])[] =>
  temperatures.flatMap((temperature) => sizes.map((k) => [temperature, k] as const));

/** All runs of a seed come before those of the next. @param cases [cases][seeds] */
function bySeed<T>(cases: readonly (readonly T[])[]): T[] {
  return (cases[0] ?? []).flatMap((_, seed) => cases.map((runs) => runs[seed]));
}

function startConfig(
  { quick, start }: Settings,
  places: Places,
  problems: ProblemsName,
  temperature: number,
): Config {
  const maxTokens = start.max_tokens[problems];
  const base = realModelConfig({ quick, digits: 2, maxTokens, endAtAnswer: false }, places);
  const { problems: file } = places;
  if (problems === 'word problems' && !(file && existsSync(file)))
    throw new UserError(
      `--problems: expected a file of problems with answers, got '${file}', which is not there`,
    );
  return {
    ...base,
    ...(problems === 'word problems' ? { task: wordProblems(file as string, maxTokens) } : {}),
    // Samples without training.
    model: { ...base.model, lora: null },
    sampling: { ...base.sampling, temperature },
  };
}

function wordProblems(file: string, maxTokens: number): Config['task'] {
  return {
    name: 'math',
    train: [file],
    held_out_files: [],
    held_out: 125,
    columns: { problem: null, answer: null },
    system_prompt: null,
    prompt: 'chat',
    max_prompt_tokens: 256,
    max_completion_tokens: maxTokens,
    stop_at_box: false,
    accuracy_weight: 1,
    format_weight: 0,
  };
}

/** [seeds]: every seed has different problems. */
function startUnits(
  settings: Settings,
  places: Places,
  problems: ProblemsName,
  temperature: number,
): Unit<GroupsSpec>[] {
  const config = startConfig(settings, places, problems, temperature);
  const { group_sizes: sizes, start } = settings;
  const prompts = start.prompts[problems];
  return Array.from({ length: start.seeds }, (_, seed) => {
    const spec = {
      kind: 'groups',
      config: withSeed(config, seed),
      sizes,
      prompts,
      first: seed * prompts,
    } as const;
    return unit(`${problems} at temperature ${temperature}, seed ${seed}`, spec, {
      cost: (prompts * Math.max(...sizes) * start.max_tokens[problems]) / 500,
      content: { ...spec, config: contentOf(spec.config) },
    });
  });
}

/** [seeds] */
function trainingUnits(
  settings: Settings,
  places: Places,
  temperature: number,
  k: number,
): Unit<TrainSpec>[] {
  const { quick, start, training } = settings;
  const base = withMethod(
    realModelConfig({ quick, digits: 2, maxTokens: start.max_tokens.sums, endAtAnswer: false }, places),
    'grpo',
  );
  const config: Config = {
    ...base,
    sampling: {
      ...base.sampling,
      temperature,
      group_size: k,
      prompts_per_step: training.completions / k,
    },
    train: { ...base.train, steps: training.steps },
  };
  return Array.from({ length: training.seeds }, (_, seed) => {
    const spec = { kind: 'train', config: withSeed(config, seed), start: null } as const;
    return unit(`training, k ${k}, temperature ${temperature}, seed ${seed}`, spec, {
      cost: training.steps * 8,
      content: { ...spec, config: contentOf(spec.config) },
    });
  });
}

/** One row per group size, from the finished seeds. */
function startRows(
  settings: Settings,
  places: Places,
  results: Results,
  problems: ProblemsName,
  temperature: number,
): StartRow[] {
  const done = startUnits(settings, places, problems, temperature).filter((u) => results.has(u));
  if (done.length === 0) return [];
  const seeds = done.map((u) => results.get(u));
  const prompts = settings.start.prompts[problems];
  return settings.group_sizes.map((k) => startRow({ problems, temperature, k }, seeds, prompts));
}

function startRow(
  setting: Pick<StartRow, 'problems' | 'temperature' | 'k'>,
  seeds: readonly GroupsFigures[],
  prompts: number,
): StartRow {
  const sizes = seeds.flatMap((seed) => seed.sizes.filter(({ k }) => k === setting.k));
  const groups = sizes.reduce((n, size) => n + size.groups, 0);
  const all = sizes.flatMap(({ intermediate }) => intermediate);
  return {
    ...setting,
    seeds: seeds.length,
    groups,
    flat: sizes.reduce((n, { flat }) => n + flat, 0),
    // Groups of one prompt are not independent, so a seed has at most as many trials as prompts.
    flatShare: short(
      shareInterval(
        sizes.map((size) => size.flat / size.groups),
        prompts,
      ),
    ),
    depth: rounded(mean(sizes.map(({ depth }) => mean(depth)))),
    intermediate: short(
      shareInterval(
        sizes.map(({ intermediate }) => mean(intermediate)),
        Number.POSITIVE_INFINITY,
      ),
    ),
    below: rounded(all.filter((proportion) => proportion < MOSTLY).length / all.length),
    length: rounded(mean(seeds.map(({ length }) => length)), 1),
    success: rounded(mean(seeds.map(({ success }) => success))),
  };
}

function short({ mean: center, low, high, count }: ShareInterval): ShareInterval {
  return { mean: rounded(center), low: rounded(low), high: rounded(high), count };
}

/** @param runs [seeds][steps]; @returns means over the first and the last fifth of the steps, [seeds] */
function fifths(runs: readonly (readonly number[])[]): [number[], number[]] {
  const part = (values: readonly number[]): number => Math.max(1, Math.floor(values.length / 5));
  return [
    runs.map((values) => rounded(mean(values.slice(0, part(values))))),
    runs.map((values) => rounded(mean(values.slice(-part(values))))),
  ];
}

/** The parts of the rule; null: its groups have not been sampled yet. @param temperature the paper's */
function partsOf(temperature: number, { start, training }: LanguageStructureData) {
  const rows = start.filter((row) => row.temperature === temperature);
  const runs = training.filter((row) => row.temperature === temperature);
  const deeper = rows.every((row) =>
    rows.every((other) => other.problems !== row.problems || other.k <= row.k || other.depth > row.depth),
  );
  const grows = runs.every(
    ({ depth, intermediate }) =>
      mean(depth[1]) > mean(depth[0]) && mean(intermediate[1]) > mean(intermediate[0]),
  );
  const started = rows.length > 0;
  return {
    few: started ? rows.every(({ flat, groups }) => flat <= FEW_FLAT * groups) : null,
    deeper: started ? deeper : null,
    mostly: started ? rows.every(({ below: share }) => share > MOST) : null,
    grows: runs.length > 0 ? grows : null,
  };
}

/** The rule; it needs all planned seeds. */
export function languageStructureVerdict(
  { temperatures: [paper], start, training }: Pick<Settings, 'temperatures' | 'start' | 'training'>,
  data: LanguageStructureData,
): Verdict {
  const whole =
    data.start.every(({ seeds }) => seeds === start.seeds) &&
    data.training.every(({ depth: [first] }) => first.length === training.seeds);
  const parts = Object.values(partsOf(paper, data));
  if (!whole || parts.includes(null)) return 'not decided yet';
  const met = parts.filter(Boolean).length;
  return met === parts.length ? 'holds' : met > 0 ? 'holds in part' : 'does not hold here';
}

function summary({ temperatures: [paper] }: Settings, data: LanguageStructureData): string {
  const parts = partsOf(paper, data);
  const { few, deeper, mostly, grows } = parts;
  const known = Object.values(parts).filter((part) => part !== null);
  const met = known.filter(Boolean).length;
  const rows = data.start.filter(({ temperature }) => temperature === paper);
  const each = (text: (row: StartRow) => string): string =>
    PROBLEMS.flatMap((name) => {
      const problemRows = rows.filter(({ problems }) => problems === name);
      return problemRows.length === 0
        ? []
        : `${name} ${problemRows.map((row) => `${text(row)} (k = ${row.k})`).join(', ')}`;
    }).join('; ');
  const runs = data.training.filter(({ temperature }) => temperature === paper);
  const change = ([first, last]: TrainingRow['depth']): string =>
    `${number(mean(first), 2)} → ${number(mean(last), 2)}`;
  return [
    `${met} of ${known.length} parts of the claim ${met === 1 ? 'holds' : 'hold'} at temperature ${paper}. Flat groups are ${few ? 'rare' : 'not rare everywhere'}: ${each(({ flat, groups }) => `${flat} of ${groups}`)}`,
    `Paths are ${deeper ? 'deeper' : 'not deeper'} for the larger k: ${each(({ depth }) => number(depth, 2))}`,
    `Proportions are ${mostly ? 'mostly' : 'not mostly'} below ${MOSTLY}: ${each(({ below: share }) => `${number(100 * share, 0)}%`)}`,
    grows === null
      ? 'Whether structure grows in training is still to be run'
      : `In training on sums structure ${grows ? 'grows' : 'does not grow'}: ${runs.map(({ k, depth, intermediate }) => `depth ${change(depth)}, proportion ${change(intermediate)} (k = ${k})`).join('; ')}`,
  ].join('. ');
}

function body({ start, training, quick }: Settings, data: LanguageStructureData): string {
  const words = data.file
    ? `word problems (\`${data.file}\`, ${start.prompts['word problems']} prompts of a seed, at most ${start.max_tokens['word problems']} tokens)`
    : 'no word problems, since no file of them was named (`--problems`)';
  return `The model is ${describeWeights(data.weights)}${quick ? '' : ', with its chat template'}.

## Before training

Two-digit sums (${start.prompts.sums} prompts of a seed, at most ${start.max_tokens.sums} tokens) and ${words}, ${start.seeds} seeds with their own problems. A completion that was cut
off at the longest length counts as it is, which makes its share in intermediate steps larger than that of the whole. Each prompt has ${Math.max(...data.start.map(({ k }) => k))} completions; smaller groups
are disjoint parts of them. Intervals: 95%, over seeds (Wilson's, a seed's prompts as its trials).

${table(
  [
    'problems',
    'temperature',
    'k',
    'seeds',
    'groups',
    'flat groups',
    'share of flat groups',
    'path depth',
    'intermediate proportion',
    `groups below ${MOSTLY}`,
    'tokens',
    'right',
  ],
  data.start.map((row) => [
    row.problems,
    String(row.temperature),
    String(row.k),
    String(row.seeds),
    String(row.groups),
    String(row.flat),
    withBounds(row.flatShare),
    number(row.depth, 2),
    withBounds(row.intermediate),
    `${number(100 * row.below, 0)}%`,
    number(row.length, 1),
    `${number(100 * row.success, 1)}%`,
  ]),
)}

The paper, on its model and problems: k = 6: 12 of 6,700 groups flat (0.2%), depth 1 to 3.3 by step; k = 36: none of 1,100, depth 3 to 11; proportions mostly below 0.2, up to 0.8.

${throughTraining(training, data)}`;
}

function throughTraining(
  { completions, steps }: Settings['training'],
  { training, depth, intermediate }: LanguageStructureData,
): string {
  if (training.length === 0) return '## Through training\n\nNo seed is complete yet.';
  const arrow = ([first, last]: TrainingRow['depth']): string =>
    `${number(mean(first), 2)} → ${number(mean(last), 2)}`;
  const growth = ([first, last]: TrainingRow['depth']): string => {
    const difference = paired(last, first);
    const width = difference.count > 1 ? signedInterval(difference, 2) : signed(difference.mean, 2);
    return `${width}${isAbove(difference) ? ' (above 0)' : ''}`;
  };
  const seeds = training[0].depth[0].length;
  return `## Through training

GRPO on two-digit sums, ${completions} completions a step in groups of k, ${steps} steps, ${seeds} ${seeds === 1 ? 'seed' : 'seeds'}; means over the first → the last fifth of the steps, and the change, paired by
seed, ± Student's t.

${table(
  [
    'temperature',
    'k',
    'groups',
    'flat groups',
    'path depth',
    'change',
    'intermediate proportion',
    'change',
    'right',
    'entropy, nats',
  ],
  training.map((row) => [
    String(row.temperature),
    String(row.k),
    String(row.groups),
    `${row.flat} (${number((100 * row.flat) / row.groups, 1)}%)`,
    arrow(row.depth),
    growth(row.depth),
    arrow(row.intermediate),
    growth(row.intermediate),
    arrow(row.success),
    arrow(row.entropy),
  ]),
)}

![Path depth against step](language-model-structure-depth.svg)
![Intermediate proportion against step](language-model-structure-intermediate.svg)

${bandsText([...depth, ...intermediate])}`;
}
