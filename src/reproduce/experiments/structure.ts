/**
 * How much structure groups have (PAPER.md §3): flat groups, path depth and intermediate proportion during GRPO
 * training on sums, for k = 6 and k = 36, and in third-party rollout logs.
 */

import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../../errors.js';
import { mean } from '../../statistics/index.js';
import { bandsText, type Curve, curve, curvesSvg, everyStep, shareCurve } from '../curves.js';
import type { Experiment, Places, Verdict } from '../experiment.js';
import { number, table } from '../markdown.js';
import { type Unit, unit } from '../unit.js';
import { type WarmCase, warmConfig, warmRuns, warmup } from '../warm-runs.js';
import type { LogSpec, LogStructure, TrainFigures } from '../work/index.js';

interface Settings {
  readonly seeds: number;
  readonly steps: number;
  /** [k, prompts per step] */
  readonly groups: readonly (readonly [number, number])[];
  readonly quick: boolean;
  readonly run: unknown;
}

/** Of all runs with one group size. */
export interface StructureRow {
  readonly k: number;
  readonly groups: number;
  readonly flat: number;
  /** Means over the first and the last fifth of the steps. */
  readonly pathDepth: readonly [first: number, last: number];
  readonly intermediate: readonly [first: number, last: number];
}

interface Data {
  readonly runs: readonly StructureRow[];
  /** By k. */
  readonly depth: readonly Charts[];
  readonly intermediate: readonly Charts[];
  readonly logs: readonly LogStructure[];
  /** Logs whose groups cannot be recovered. */
  readonly refused?: readonly string[];
}

/** Largest share of flat groups that counts as "hardly any". */
const FEW_FLAT = 0.05;

export const structure: Experiment<Settings, Data> = {
  name: 'structure',
  title: 'How much structure there is',
  claim:
    'Hardly any group is flat (k = 6: 12 of 6,700; k = 36: 0 of 1,100); paths are deeper with larger groups; depth and intermediate ' +
    'proportion grow as the policy converges (§3.2).',
  prediction:
    'Hardly flat while the policy explores, and deeper for k = 36. Growth with convergence is not expected on sums: answers are short and ' +
    'nearly all of a group becomes one completion, so late trees are flat.',
  rule:
    `Three parts, on the runs: for both k at most ${100 * FEW_FLAT}% of all groups are flat; the mean path depth is greater for the larger k in the first and in the last fifth ` +
    'of the steps; path depth and intermediate proportion are greater in the last fifth than in the first, for both k. All: holds; some: holds in part; ' +
    'none: does not hold here. Logs are reported beside.',
  settings({ quick, seeds }) {
    const settings = {
      seeds: seeds ?? (quick ? 1 : 3),
      steps: quick ? 4 : 300,
      groups: quick
        ? ([
            [6, 2],
            [36, 1],
          ] as const)
        : ([
            [6, 32],
            [36, 16],
          ] as const),
      quick,
    };
    return { ...settings, run: warmConfig(caseOf(settings, 6, 32)) };
  },
  units: (settings, places) => [
    ...Array.from({ length: settings.seeds }, (_, seed) =>
      warmup({ task: 'arithmetic', quick: settings.quick }, seed),
    ),
    ...settings.groups.flatMap(([k, prompts]) => runsOf(settings, k, prompts)),
    ...logs(places),
  ],
  data(settings, results, places) {
    const sides = settings.groups.map(([k, prompts]) => ({
      k,
      prompts,
      runs: runsOf(settings, k, prompts).map((u) => results.get(u)),
    }));
    const read = logs(places).map((u) => ({ name: u.spec.name, structure: results.get(u) }));
    const charts = sides.map(({ k, runs }) => chartsOf(k, runs));
    return {
      runs: sides.map(({ k, prompts, runs }) => rowOf(k, prompts, runs)),
      depth: charts.map(({ depth }) => depth),
      intermediate: charts.map(({ intermediate }) => intermediate),
      logs: read.flatMap(({ structure: log }) => log ?? []),
      refused: read.filter(({ structure: log }) => log === null).map(({ name }) => name),
    };
  },
  report(settings, data) {
    const { runs: rows, depth: depths, intermediate: proportions, logs: known } = data;
    return {
      verdict: structureVerdict(rows),
      summary: structureSummary(rows),
      body: body(settings, data),
      figures: {
        depth: curvesSvg(
          labels('path depth', 'step'),
          depths.map(({ byStep }) => byStep),
        ),
        'depth-sorted': curvesSvg(
          labels('path depth', 'steps, sorted, %'),
          depths.map(({ sorted }) => sorted),
        ),
        intermediate: curvesSvg(
          labels('intermediate proportion', 'step'),
          proportions.map(({ byStep }) => byStep),
        ),
        'intermediate-sorted': curvesSvg(
          labels('intermediate proportion', 'steps, sorted, %'),
          proportions.map(({ sorted }) => sorted),
        ),
        ...logFigures(known),
      },
    };
  },
};

/** The three parts of the rule. @param rows of the smaller and of the larger k */
function partsOf([small, large]: readonly StructureRow[]) {
  return {
    few: [small, large].every(({ flat, groups }) => flat <= FEW_FLAT * groups),
    deeper: [0, 1].every((when) => large.pathDepth[when] > small.pathDepth[when]),
    grows: [small, large].every(({ pathDepth: [d0, d1], intermediate: [i0, i1] }) => d1 > d0 && i1 > i0),
  };
}

/** The rule. @param rows of the smaller and of the larger k */
export function structureVerdict(rows: readonly StructureRow[]): Verdict {
  const met = Object.values(partsOf(rows)).filter(Boolean).length;
  return met === 3 ? 'holds' : met > 0 ? 'holds in part' : 'does not hold here';
}

/** Each part of the rule in words, with the figures that decide it. */
export function structureSummary(rows: readonly StructureRow[]): string {
  const { few, deeper, grows } = partsOf(rows);
  const met = [few, deeper, grows].filter(Boolean).length;
  const each = (text: (row: StructureRow) => string): string => rows.map(text).join(' and ');
  const flat = each(({ k, flat: n, groups }) => `${number((100 * n) / groups, 1)}% (k = ${k})`);
  const depth = each(({ k, pathDepth: [d0, d1] }) => `${number(d0, 2)} → ${number(d1, 2)} (k = ${k})`);
  const share = each(({ k, intermediate: [i0, i1] }) => `${number(i0, 2)} → ${number(i1, 2)} (k = ${k})`);
  return [
    `${met} of 3 parts of the claim ${met === 1 ? 'holds' : 'hold'}`,
    `flat groups are ${few ? 'rare' : 'not rare'}: ${flat}, where the rule allows ${100 * FEW_FLAT}%`,
    `paths are ${deeper ? 'deeper' : 'not deeper'} for the larger k: ${depth}`,
    `structure ${grows ? 'grows' : 'does not grow'} as the policy converges: path depth as above, intermediate proportion ${share}`,
  ].join('; ');
}

function caseOf({ steps, quick }: Pick<Settings, 'steps' | 'quick'>, k: number, prompts: number): WarmCase {
  return {
    task: 'arithmetic',
    groupSize: k,
    promptsPerStep: prompts,
    beta: 0,
    steps,
    evaluateEvery: 0,
    quick,
  };
}

function runsOf(settings: Settings, k: number, prompts: number) {
  return warmRuns(caseOf(settings, k, prompts), 'grpo', settings.seeds);
}

/** Files below the folder, as units. @throws UserError if there is no such folder */
function logs({ logs: folder }: Places): Unit<LogSpec>[] {
  if (folder === undefined) return [];
  if (!existsSync(folder)) throw new UserError(`--logs: ${folder}: no such folder`);
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(jsonl?|parquet|csv)$/.test(name))
    .sort()
    .map((name) => {
      const path = join(folder, name);
      return unit(name, { kind: 'log', path, name, size: statSync(path).size }, { cost: 20 });
    });
}

function rowOf(k: number, prompts: number, runs: readonly TrainFigures[]): StructureRow {
  const fifths = (figure: (run: TrainFigures) => readonly number[]): readonly [number, number] => {
    const ends = runs.map((run) => {
      const values = figure(run);
      const fifth = Math.max(1, Math.floor(values.length / 5));
      return [mean(values.slice(0, fifth)), mean(values.slice(-fifth))] as const;
    });
    return [mean(ends.map(([first]) => first)), mean(ends.map(([, last]) => last))];
  };
  return {
    k,
    groups: runs.reduce((n, { flat }) => n + flat.length * prompts, 0),
    flat: Math.round(runs.reduce((n, { flat }) => n + flat.reduce((a, b) => a + b * prompts, 0), 0)),
    pathDepth: fifths(({ pathDepth }) => pathDepth),
    intermediate: fifths(({ intermediate }) => intermediate),
  };
}

interface Charts {
  readonly byStep: Curve;
  readonly sorted: Curve;
}

/** By step, and each run's values sorted, as in the paper's figure. */
function chartsOf(k: number, runs: readonly TrainFigures[]): { depth: Charts; intermediate: Charts } {
  const steps = runs[0].pathDepth.map((_, i) => i + 1);
  const stride = Math.max(1, Math.floor(steps.length / 100));
  const make = (draw: typeof curve, values: readonly (readonly number[])[]): Charts => ({
    byStep: draw(
      `k = ${k}`,
      everyStep(steps, stride),
      values.map((series) => everyStep(series, stride)),
    ),
    sorted: draw(
      `k = ${k}`,
      everyStep(steps, stride).map((step) => Number(((100 * step) / steps.length).toFixed(1))),
      values.map((series) =>
        everyStep(
          [...series].sort((a, b) => a - b),
          stride,
        ),
      ),
    ),
  });
  return {
    depth: make(
      curve,
      runs.map(({ pathDepth }) => pathDepth),
    ),
    intermediate: make(
      (name, steps, values) => shareCurve(name, steps, values, Number.POSITIVE_INFINITY),
      runs.map(({ intermediate }) => intermediate),
    ),
  };
}

function labels(what: string, xLabel: string) {
  return { title: `Sums, GRPO: mean ${what}`, xLabel, yLabel: `mean ${what}` };
}

/** Groups of the larger logs, sorted. */
function logFigures(read: readonly LogStructure[]): Record<string, string> {
  const large = read.filter(({ groups, sizes, tokens }) => groups >= 20 && sizes[1] > 1 && tokens > 0);
  if (large.length === 0) return {};
  const chart = (key: 'sortedDepth' | 'sortedIntermediate', what: string): string =>
    curvesSvg(
      { title: `Logs: ${what} of each group, sorted`, xLabel: 'groups, %', yLabel: what },
      large.map((log) => {
        const values = log[key];
        const x = values.map((_, i) => Number(((100 * i) / Math.max(1, values.length - 1)).toFixed(1)));
        return curve(shortName(log.name), x, [values]);
      }),
    );
  return {
    'logs-depth': chart('sortedDepth', 'path depth'),
    'logs-intermediate': chart('sortedIntermediate', 'intermediate proportion'),
  };
}

function shortName(name: string): string {
  return name.replace(/^.*\//, '').replace(/\.\w+$/, '');
}

function body(
  settings: Settings,
  { runs: rows, depth, intermediate, logs: known, refused = [] }: Data,
): string {
  const arrow = ([first, last]: readonly [number, number]): string => `${number(first)} → ${number(last)}`;
  const runs = `Runs of GRPO on sums (\`recipes/arithmetic.yaml\` with ${settings.groups.map(([k, prompts]) => `${prompts} prompts of k = ${k}`).join(' or ')} a step), ${settings.steps} steps, ${settings.seeds} seeds;
means over the first → the last fifth of the steps.

${table(
  ['k', 'groups', 'flat groups', 'path depth', 'intermediate proportion'],
  rows.map((row) => [
    String(row.k),
    String(row.groups),
    `${row.flat} (${number((100 * row.flat) / row.groups, 1)}%)`,
    arrow(row.pathDepth),
    arrow(row.intermediate),
  ]),
)}

![Path depth against step](structure-depth.svg)
![Path depth, sorted](structure-depth-sorted.svg)
![Intermediate proportion against step](structure-intermediate.svg)
![Intermediate proportion, sorted](structure-intermediate-sorted.svg)

${bandsText([...depth, ...intermediate].map(({ byStep }) => byStep))}

A group whose completions are all alike is flat, and its one step is the root's: this is what converging looks like on a task with short
answers. The paper's completions are thousands of tokens long and never become one.`;
  if (known.length + refused.length === 0) return `${runs}\n\nNo folder of logs was named (\`--logs\`).`;
  const pictures = known.some(({ groups, sizes, tokens }) => groups >= 20 && sizes[1] > 1 && tokens > 0)
    ? `\n\n![Logs: path depth](structure-logs-depth.svg)\n![Logs: intermediate proportion](structure-logs-intermediate.svg)`
    : '';
  return `${runs}

## Rollout logs of others

Where a log has no token ids, units of its text stand in for tokens.

${table(
  [
    'log',
    'groups',
    'k',
    'tokens',
    'ids',
    'flat groups',
    'path depth',
    'intermediate proportion',
    'tokens shared',
  ],
  known.map((log) => [
    `\`${log.name}\``,
    String(log.groups),
    log.sizes[0] === log.sizes[1] ? String(log.sizes[0]) : `${log.sizes[0]} to ${log.sizes[1]}`,
    String(log.tokens),
    log.source,
    String(log.flat),
    number(log.pathDepth, 2),
    number(log.intermediate),
    `${number(100 * log.shared, 1)}%`,
  ]),
)}${refused.length > 0 ? `\n\nNot read, since their groups cannot be known: ${refused.map((name) => `\`${name}\``).join(', ')}.` : ''}${pictures}`;
}
