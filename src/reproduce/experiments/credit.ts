/**
 * Credit rules side by side: the paper's binary tree in all six configurations, sums with a warm-up, and a real model on sums.
 * Each rule at a common learning rate and at its own best, which is chosen for each seed on the other seeds alone.
 */
import { CREDIT_RULES, type CreditName } from '../../objective/index.js';
import { mean, shareInterval } from '../../statistics/index.js';
import { type Config, withCredit, withMethod, withSeed } from '../../train/index.js';
import { dotsSvg } from '../dots.js';
import type { Experiment, Places, Verdict } from '../experiment.js';
import { number, rateText, rounded, signedInterval, table, withBounds } from '../markdown.js';
import { isAbove, isBelow, type Paired, paired, perSeed } from '../paired.js';
import { contentOf, describeWeights, modelPath, weightsOf } from '../real-model.js';
import type { Results } from '../results.js';
import { recipe, type TreeCase, treeConfig } from '../tree-runs.js';
import { type Unit, unit } from '../unit.js';
import { type WarmCase, warmConfig, warmup } from '../warm-runs.js';
import type { SignsSpec, TrainSpec } from '../work/index.js';

interface TaskSettings {
  readonly rules: readonly CreditName[];
  readonly rates: readonly number[];
  /** Of them, the one that all rules are compared at. */
  readonly common: number;
  readonly seeds: number;
  readonly steps: number;
}

interface SignSettings {
  readonly rules: readonly CreditName[];
  readonly seeds: number;
  /** Steps of GRPO, at the common rate, after which the policy is looked at. */
  readonly stages: readonly number[];
  /** Groups for each policy. */
  readonly groups: number;
}

interface Settings {
  /** [n, r_neg] of each configuration. */
  readonly configurations: readonly (readonly [number, number])[];
  readonly tree: TaskSettings;
  readonly sums: TaskSettings;
  readonly model: TaskSettings;
  /** Where rules push the wrong way, on the binary tree. */
  readonly signs: SignSettings;
  readonly quick: boolean;
  readonly run: unknown;
}

/** Success of each seed: at each learning rate, and at the best of the other seeds. */
interface Row {
  readonly rule: CreditName;
  /** [rates][seeds] */
  readonly late: readonly (readonly number[])[];
}

/** Shares of the gradient's mass with the wrong sign, at one stage. */
interface SignRow {
  readonly rule: CreditName;
  readonly stage: number;
  /** [seeds] each: against the prompt's value, and against that before the token; seeds whose signs cannot be told are left out. */
  readonly prompt: readonly number[];
  readonly token: readonly number[];
}

/** A task that was not run has no rows. */
type Data = Readonly<Record<TaskName, readonly Row[]>> & {
  readonly signs: readonly SignRow[];
  /** Which weights the real model has, by digest or name on the Hub; null: it was not run. */
  readonly weights: string | null;
};

/** Those that are no other one under another name (docs/credit.md), in the order in which they are run. */
const RULES = [
  'grpo',
  'lambda-grpo',
  'lambda-0.5',
  'treerl',
  'spo-tree',
  'gtpo',
  'tempo',
  'treerpo',
  'tree-grpo',
  'treepo',
  'spo-tree-std',
] as const satisfies CreditName[];
const CONFIGURATIONS = [
  [1, -0.5],
  [1, -1],
  [1, -1.5],
  [2, -0.5],
  [2, -1],
  [2, -1.5],
] as const;
const MODEL_RULES = ['grpo', 'lambda-grpo', 'treerl', 'spo-tree', 'tempo'] as const satisfies CreditName[];
const TASKS = ['tree', 'sums', 'model'] as const;
type TaskName = (typeof TASKS)[number];
const TITLES = {
  tree: 'Binary tree, mean of the configurations',
  sums: 'Three-digit sums',
  model: 'SmolLM2-135M-Instruct, two-digit sums',
} as const;

export const credit: Experiment<Settings, Data> = {
  name: 'credit',
  title: 'Credit rules side by side',
  long: true,
  partial: true,
  claim:
    'In 2025 and 2026 a dozen methods give credit to the steps of a group’s tree; each is shown to beat GRPO, on its own task, with its own ' +
    'sampling. Taken as rules of one and the same tree, the method that counts each step once (λ-GRPO) is no worse than any of them (ours; the paper compares with GRPO alone).',
  prediction:
    'On the binary tree the rules that count each step once (λ-GRPO, SPO-tree, TreeRPO) lead and are not told apart with ten seeds; GTPO, which does not push shared ' +
    'steps down, leads where a bad step hides the target; TreePO, Tree-GRPO and TEMPO stay near GRPO. At each rule’s own rate the differences shrink. On sums nothing is told apart. ' +
    'Wrong signs: against the prompt’s value GRPO has the least mass on them and λ-GRPO more, since single members weigh more; against the value before the token, the rules that subtract the parent’s value ' +
    '(SPO-tree, TreeRPO, TreeRL) have less than both; GTPO has the most of all. Fewer wrong signs alone do not make a rule better.',
  rule:
    'The figure of a seed is its success in the last 50 steps (a real model: in all 20), on the binary tree averaged over the configurations; each rule at its own best learning rate, chosen for each seed as the one ' +
    'with the highest mean over the other seeds. On each task the other rules are compared with λ-GRPO, paired by seed; one is better if the 95% interval of the difference lies above 0 and the ' +
    'sign-flip test has p < 0.05 divided by the number of rules compared there. holds: no rule is better on any task. holds in part: on no more than one task. Else it does not hold here. Three seeds of a ' +
    'real model can show no rule better. Signs do not enter the verdict.',
  settings({ quick, seeds }) {
    const task = (
      rules: readonly CreditName[],
      rates: readonly number[],
      common: number,
      steps: number,
      full: number,
    ): TaskSettings => ({
      rules: quick ? ['grpo', 'lambda-grpo', 'tempo'] : rules,
      rates: quick ? [common] : rates,
      common,
      seeds: seeds ?? (quick ? 2 : full),
      steps,
    });
    return {
      configurations: quick ? CONFIGURATIONS.slice(0, 1) : CONFIGURATIONS,
      tree: task(RULES, [6.25e-5, 2.5e-4, 1e-3], 1e-3, quick ? 8 : 250, 10),
      sums: task(RULES, [5e-5, 1e-4, 2e-4, 4e-4], 2e-4, quick ? 2 : 60, 10),
      model: task(MODEL_RULES, [1e-4, 2.5e-4, 6.25e-4], 2.5e-4, quick ? 1 : 20, 3),
      signs: {
        rules: quick ? ['grpo', 'lambda-grpo', 'tempo'] : RULES,
        seeds: seeds ?? (quick ? 2 : 10),
        stages: quick ? [0, 3] : [0, 50, 150],
        groups: quick ? 4 : 50,
      },
      quick,
      run: treeConfig(treeCase(1, -1, 1e-3, quick ? 8 : 250)),
    };
  },
  units(settings, places) {
    const ofTasks = tasksOf(places).flatMap((task) => {
      const runs = settings[task].rules.flatMap((rule) => unitsOf(settings, task, rule, places).flat(2));
      if (task !== 'sums') return runs;
      const { seeds, steps } = settings.sums;
      const warm = sumsCase(settings, steps);
      return [...Array.from({ length: seeds }, (_, seed) => warmup(warm, seed)), ...runs];
    });
    return [...signUnits(settings).flat(), ...ofTasks];
  },
  data(settings, results, places) {
    // Rules whose seeds are all done, at every rate; without λ-GRPO there is nothing to compare them with.
    const rows = (task: TaskName): Row[] => {
      const complete = settings[task].rules.flatMap((rule): Row[] => {
        const units = unitsOf(settings, task, rule, places);
        return units.flat(2).every((run) => results.has(run)) ? [{ rule, late: lateOf(units, results) }] : [];
      });
      return complete.some(({ rule }) => rule === 'lambda-grpo') ? complete : [];
    };
    const done = tasksOf(places);
    const orNone = (task: TaskName): Row[] => (done.includes(task) ? rows(task) : []);
    const signs = settings.signs.stages.flatMap((stage, i) => {
      const units = signUnits(settings)[i];
      if (!units.every((measured) => results.has(measured))) return [];
      const seeds = units.map((measured) => results.get(measured));
      return settings.signs.rules.map((rule, r) => ({
        rule,
        stage,
        prompt: seeds.flatMap((figures) => figures[r].prompt ?? []),
        token: seeds.flatMap((figures) => figures[r].token ?? []),
      }));
    });
    const model = orNone('model');
    const path = modelPath(places);
    const weights = model.length > 0 && path !== null ? weightsOf(path) : null;
    return { tree: orNone('tree'), sums: orNone('sums'), model, signs, weights };
  },
  report(settings, data) {
    const done = TASKS.filter((task) => data[task].length > 0);
    const better = done.map((task) => betterThanLambda(data[task], settings[task].rules.length - 1));
    const open = (['tree', 'sums'] as const).flatMap((task) => {
      const missing = settings[task].rules.filter((rule) => !data[task].some((row) => row.rule === rule));
      return missing.length > 0 ? [`${TITLES[task]}: ${titlesOf(missing)}`] : [];
    });
    const verdict = open.length > 0 ? 'not decided yet' : creditVerdict(better.map(({ length }) => length));
    const names = (rows: readonly Row[]): string =>
      rows.length === 0 ? 'none' : titlesOf(rows.map(({ rule }) => rule));
    const progressOf = (task: TaskName): string =>
      data[task].length < settings[task].rules.length
        ? ` (rules done: ${data[task].length - 1} of ${settings[task].rules.length - 1})`
        : '';
    return {
      verdict,
      summary:
        done.length === 0
          ? 'no task has λ-GRPO and another rule complete'
          : done
              .map(
                (task, i) => `better than λ-GRPO on ${TITLES[task]}${progressOf(task)}: ${names(better[i])}`,
              )
              .join('; '),
      body: [
        ...(open.length > 0 ? [`Not done yet. ${open.join('. ')}.`] : []),
        ...done.map((task) => section(TITLES[task], settings[task], data[task])),
        ...(data.signs.length > 0 ? [signSection(settings.signs, data.signs)] : []),
        ending(data),
      ].join('\n\n'),
      figures: { difference: differenceSvg(settings, data) },
    };
  },
};

/** @param better rules better than λ-GRPO on each task */
export function creditVerdict(better: readonly number[]): Verdict {
  const tasks = better.filter((count) => count > 0).length;
  if (tasks === 0) return 'holds';
  return tasks === 1 ? 'holds in part' : 'does not hold here';
}

/**
 * The figure of each seed at the learning rate that is best over the other seeds: chosen without looking at the seed.
 * @param late [rates][seeds]
 * @returns [seeds]; a single seed has no others: the first rate
 */
export function atOwnRate(late: readonly (readonly number[])[]): number[] {
  return late[0].map((_, seed) => {
    const others = late.map((values) => values.filter((_value, other) => other !== seed));
    const best = others.reduce((at, values, rate) => (sum(values) > sum(others[at]) ? rate : at), 0);
    return late[best][seed];
  });
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

/** A best rate at the end of those tried may not be the best there is. */
function edges(rates: readonly number[], rows: readonly Row[]): string {
  if (rates.length < 2) return '';
  const best = rows.map(({ late }) => {
    const means = late.map((values) => mean(values));
    return means.indexOf(Math.max(...means));
  });
  const lowest = best.filter((rate) => rate === 0).length;
  const highest = best.filter((rate) => rate === rates.length - 1).length;
  return ` The best rate over all seeds is the lowest tried for ${lowest} of ${rows.length} rules, the highest for ${highest}.`;
}

const titlesOf = (rules: readonly CreditName[]): string =>
  rules.map((rule) => CREDIT_RULES[rule].title).join(', ');

/** @param compared rules that are looked at together, those that are not done yet among them */
function betterThanLambda(rows: readonly Row[], compared: number): Row[] {
  const lambda = rows.find(({ rule }) => rule === 'lambda-grpo') as Row;
  return rows.filter((row) => row !== lambda && isBetter(againstLambda(row, lambda), compared));
}

/** @param compared rules that are looked at together */
export function isBetter(difference: Paired, compared: number): boolean {
  return isAbove(difference) && difference.p !== null && difference.p < 0.05 / compared;
}

const againstLambda = (row: Row, lambda: Row): Paired => paired(atOwnRate(row.late), atOwnRate(lambda.late));

function section(title: string, settings: TaskSettings, rows: readonly Row[]): string {
  const { rates, common, seeds, steps } = settings;
  const compared = settings.rules.length - 1;
  const lambda = rows.find(({ rule }) => rule === 'lambda-grpo') as Row;
  const place = rates.indexOf(common);
  const lines = rows.map((row) => {
    const bestRate = atOwnRate(row.late);
    const difference = againstLambda(row, lambda);
    const judgement = isBetter(difference, compared)
      ? 'better'
      : isBelow(difference)
        ? 'interval below 0'
        : '';
    return [
      CREDIT_RULES[row.rule].title,
      ...row.late.map((values) => number(mean(values))),
      withBounds(shareInterval(row.late[place])),
      withBounds(shareInterval(bestRate)),
      row === lambda ? '' : `${signedInterval(difference)} ${judgement}`.trim(),
    ];
  });
  return `## ${title}

${seeds} seeds, ${steps} steps; ${compared} differences looked at.${edges(rates, rows)}

${table(['rule', ...rates.map((rate) => `lr ${rateText(rate)}`), `at ${rateText(common)}`, 'at its own rate', 'against λ-GRPO, paired'], lines)}`;
}

function signSection({ seeds, stages, groups, rules }: SignSettings, rows: readonly SignRow[]): string {
  const rowAt = (rule: CreditName, stage: number): SignRow =>
    rows.find((row) => row.rule === rule && row.stage === stage) as SignRow;
  const cell = (values: readonly number[], grpo: readonly number[]): string => {
    if (values.length === 0) return '–';
    const difference = values.length === grpo.length ? paired(values, grpo) : null;
    const than =
      difference && isBelow(difference) ? ' less' : difference && isAbove(difference) ? ' more' : '';
    return withBounds(shareInterval(values, groups)) + than;
  };
  const lines = rules.map((rule) => {
    const stageRows = stages.map((stage) => rowAt(rule, stage));
    return [
      CREDIT_RULES[rule].title,
      ...stageRows.map(({ prompt, stage }) => cell(prompt, rowAt('grpo', stage).prompt)),
      ...stageRows.map(({ token, stage }) => cell(token, rowAt('grpo', stage).token)),
    ];
  });
  const header = ['prompt', 'token before'].flatMap((what) =>
    stages.map((stage) => `against the ${what}, step ${stage}`),
  );
  return `## Wrong signs

Share of a rule’s gradient mass, Σ |A⁺ + A⁻| over the tokens of the tree, that pushes the wrong way, under policies that GRPO has trained for so many steps (n = 1, r_neg = −1;
${groups} groups of each of ${seeds} policies, the same for all rules; values are exact). A token is pushed the wrong way *against the prompt* where the push has not the sign of V(step) − V(prompt),
as in [process-rewards](process-rewards.md), and *against the token before* where it has not that of V(with the token) − V(before it), the token’s true advantage.
Mean over the policies [95% interval: Wilson’s with the spread between policies]; *less* and *more*: than GRPO, where the 95% interval of the difference, paired by policy, leaves out 0.

${table(['rule', ...header], lines)}`;
}

function ending({ model, weights }: Data): string {
  const missing =
    model.length > 0
      ? `\n\nThe real model: ${describeWeights(weights)}, with LoRA as in \`recipes/smollm2-sums.yaml\`.`
      : '\n\nThe real model was not run: `--pretrained` adds it (SmolLM2-135M-Instruct, from a folder, the Hub or its cache).';
  return `![Success of each rule against λ-GRPO](credit-difference.svg)

Rules and their formulas: [credit.md](../credit.md). Rules that have another one’s gradient are left out.${missing}

The lowest rate of the binary tree, the two lowest of the sums, the highest of the real model, and the last five rules on sums (|λ|^−½, TreeRPO, Tree-GRPO, TreePO, SPO-tree ÷ std) were added after the figures of the others had been seen: the best rate of every rule had been at the end of those tried.`;
}

/** Of each rule against λ-GRPO on the binary tree, at its own rate and at the common one. */
function differenceSvg({ tree }: Settings, data: Data): string {
  const lambda = data.tree.find(({ rule }) => rule === 'lambda-grpo');
  const place = tree.rates.indexOf(tree.common);
  const others = lambda ? data.tree.filter((row) => row !== lambda) : [];
  return dotsSvg(
    'Binary tree: success against λ-GRPO',
    'difference, paired by seed, mean and 95% interval',
    ['each at its own rate', `all at ${rateText(tree.common)}`],
    others.map((row) => ({
      name: CREDIT_RULES[row.rule].title,
      marks: lambda ? [againstLambda(row, lambda), paired(row.late[place], lambda.late[place])] : [],
    })),
  );
}

const tasksOf = ({ pretrained }: Places): readonly TaskName[] =>
  TASKS.filter((task) => task !== 'model' || pretrained !== undefined);

function treeCase(n: number, reward: number, learningRate: number, steps: number): TreeCase {
  return { n, reward, optimizer: 'adamw', learningRate, steps };
}

function sumsCase({ quick }: Settings, steps: number): WarmCase {
  return {
    task: 'arithmetic',
    groupSize: 16,
    promptsPerStep: quick ? 2 : 16,
    beta: 0,
    steps,
    evaluateEvery: 0,
    quick,
  };
}

function underRule(config: Config, rule: CreditName): Config {
  return rule === 'grpo' || rule === 'lambda-grpo' ? withMethod(config, rule) : withCredit(config, rule);
}

/** [stages][seeds] */
function signUnits({ signs, tree, quick }: Settings): Unit<SignsSpec>[][] {
  return signs.stages.map((stage) => {
    const config = withMethod(treeConfig(treeCase(1, -1, tree.common, stage)), 'grpo');
    return Array.from({ length: signs.seeds }, (_, seed) =>
      unit(
        `signs after ${stage} steps, seed ${seed}`,
        { kind: 'signs', config: withSeed(config, seed), rules: signs.rules, groups: signs.groups },
        { cost: quick ? 4 : stage + 50 },
      ),
    );
  });
}

/** [rates][cases][seeds]: the binary tree has a case for each configuration, the others one. */
function unitsOf(
  settings: Settings,
  task: TaskName,
  rule: CreditName,
  places: Places,
): Unit<TrainSpec>[][][] {
  const { rates, seeds, steps } = settings[task];
  const numbers = Array.from({ length: seeds }, (_, seed) => seed);
  return rates.map((rate) => {
    if (task === 'tree') {
      return settings.configurations.map(([n, reward]) => {
        const config = underRule(treeConfig(treeCase(n, reward, rate, steps)), rule);
        return numbers.map((seed) =>
          unit(
            `${rule}, n ${n}, r ${reward}, lr ${rate}, seed ${seed}`,
            { kind: 'train', config: withSeed(config, seed), start: null },
            { cost: steps },
          ),
        );
      });
    }
    if (task === 'sums') {
      const warm = sumsCase(settings, steps);
      const base = warmConfig(warm);
      const config = underRule({ ...base, optimizer: { ...base.optimizer, learning_rate: rate } }, rule);
      return [
        numbers.map((seed) => {
          const first = warmup(warm, seed);
          return unit(
            `sums, ${rule}, lr ${rate}, seed ${seed}`,
            { kind: 'train', config: withSeed(config, seed), start: first.id },
            { cost: steps * 10, needs: [first.id] },
          );
        }),
      ];
    }
    const base = recipe('smollm2-sums');
    const config = underRule(
      {
        ...base,
        model: { ...base.model, path: modelPath(places) },
        optimizer: { ...base.optimizer, learning_rate: rate },
        // The same everywhere: an update that is made of other runs rounds differently.
        runtime: { ...base.runtime, memory: '4GiB' },
        train: { ...base.train, steps },
        evaluation: { ...base.evaluation, every: 0 },
        log: { ...base.log, rollouts_every: 0 },
      },
      rule,
    );
    return [
      numbers.map((seed) => {
        const spec = { kind: 'train', config: withSeed(config, seed), start: null } as const;
        return unit(`SmolLM2, ${rule}, lr ${rate}, seed ${seed}`, spec, {
          cost: steps * 100,
          content: { ...spec, config: contentOf(spec.config) },
        });
      }),
    ];
  });
}

/** @returns [rates][seeds], the mean of the cases for each seed */
function lateOf(units: Unit<TrainSpec>[][][], results: Results): number[][] {
  return units.map((cases) =>
    perSeed(cases.map((seeds) => seeds.map((run) => results.get(run).late))).map((late) => rounded(late)),
  );
}
