/**
 * `lambda-grpo compare`: runs the same configuration under GRPO and λ-GRPO, or under other credit rules, over several
 * seeds, and compares the results.
 */

import { join } from 'node:path';
import { lineChartSvg, ruleColours, runObjective } from '../analysis/index.js';
import { writeWhole } from '../files/index.js';
import { CREDIT_RULES, hasZeroVariance, isCreditName } from '../objective/index.js';
import type { Group } from '../rollouts/index.js';
import { readOwnRollouts } from '../rollouts/own-files.js';
import { movingMean, type ShareInterval, shareInterval } from '../statistics/index.js';
import {
  type ComparedRun,
  type Comparison,
  type Config,
  type ConfigChanges,
  compare,
  finalAccuracy,
  lateSuccess,
  loadConfig,
  methodVariants,
  openModel,
  RunFolder,
  taskName,
} from '../train/index.js';
import { ProcessTree } from '../tree/index.js';
import { serveBeside } from './dashboard.js';
import { fetchBar } from './fetching.js';
import { onInterrupt } from './interrupt.js';
import { defaultFolder } from './options.js';
import { Progress } from './progress.js';
import { formatTable } from './table.js';
import { INTERRUPTED, print, say } from './terminal.js';
import { printGroup } from './tree.js';

export interface CompareCommandOptions extends ConfigChanges {
  readonly out?: string;
  readonly seeds: number;
  readonly jobs?: number;
  /** Rules to compare; default: GRPO and λ-GRPO. */
  readonly credit?: readonly string[];
  readonly resume?: boolean;
  /** Serve the dashboard while it runs. */
  readonly ui?: boolean;
}

const titleOf = (method: string): string => (isCreditName(method) ? CREDIT_RULES[method].title : method);
const LATE_STEPS = 50;

export async function compareCommand(
  file: string,
  options: CompareCommandOptions,
  version: string,
): Promise<void> {
  const config = loadConfig(file, options);
  const methods = options.credit ?? ['grpo', 'lambda-grpo'];
  const labels = [...methodVariants(config, methods).keys()];
  const out = options.out ?? defaultFolder(file, '-compare');
  const seeds = Array.from({ length: options.seeds }, (_, i) => config.seed + i);
  const dashboard = options.ui ? await serveBeside(out, false, version) : null;
  let bar: Progress | null = null;
  const interrupt = onInterrupt(() => {
    bar?.clear();
    say('stopping; saving checkpoints (Ctrl-C again: stop now) …');
  });
  let comparison: Comparison;
  const started = performance.now();
  try {
    // Fetched once; otherwise all runs would fetch the same files at the same time.
    if (!options.resume) await openModel(config.model, fetchBar());
    comparison = await compare({
      config,
      methods,
      seeds,
      out,
      jobs: options.jobs,
      resume: options.resume,
      signal: interrupt.signal,
      progress(done, total, latest) {
        bar ??= new Progress({ label: 'compare', total });
        bar.update(done, latest);
      },
      notice(line) {
        bar?.clear();
        say(`note: ${line}`);
      },
    });
    (bar as Progress | null)?.end();
  } finally {
    interrupt.release();
    await dashboard?.close();
  }
  if (comparison.interrupted) {
    print(`interrupted; continue with --resume --out ${out}`);
    process.exitCode = INTERRUPTED;
    return;
  }
  const target = config.task.name === 'binary-tree' ? 'target frequency' : 'success rate';
  const problems = problemsBehind(config);
  const rows = labels.map((method) => methodRow(comparison, method, problems));
  const window = Math.min(LATE_STEPS, config.train.steps);
  const header = ['method', 'seeds', `${target}, last ${window} steps`, 'seeds above 0.5'];
  const withAccuracy = rows.every(({ accuracy }) => accuracy !== null);
  if (withAccuracy) header.push('held-out accuracy, greedy');
  print(
    `\n${taskName(config)}, ${config.train.steps} steps, groups of ${config.sampling.group_size}, ` +
      `${config.model.path ?? `${config.model.layers} layers × ${config.model.width}`}, ${config.optimizer.name} at ${config.optimizer.learning_rate}: ` +
      'mean [95% interval over seeds]\n',
  );
  print(
    formatTable(
      header,
      rows.map(({ method, late, solved, accuracy }) => [
        titleOf(method),
        String(late.count),
        formatInterval(late),
        `${solved} of ${late.count}`,
        ...(withAccuracy && accuracy ? [formatInterval(accuracy)] : []),
      ]),
    ),
  );
  const charts = [join(out, 'curves.svg')];
  const title = `${taskName(config)}: ${target}`;
  await writeWhole(charts[0], chart(comparison, smoothedSuccess, title, target, problems.sampled));
  if (withAccuracy && config.task.name !== 'binary-tree') {
    charts.push(join(out, 'accuracy.svg'));
    const held = 'held-out accuracy, greedy';
    await writeWhole(
      charts[1],
      chart(comparison, accuracies, `${taskName(config)}: ${held}`, held, problems.heldOut),
    );
  }
  const results = join(out, 'comparison.json');
  await writeWhole(results, `${JSON.stringify(resultsOf(comparison, rows), null, 1)}\n`);
  await printGroups(comparison, window);
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  print(
    `\n${comparison.runs.length} runs in ${seconds} s. Runs, metrics and rollouts: ${out}\nlearning curves: ${charts.join(', ')}\nfigures: ${results}`,
  );
}

interface MethodRow {
  readonly method: string;
  readonly late: ShareInterval;
  readonly solved: number;
  readonly accuracy: ShareInterval | null;
}

/** Number of problems behind a success rate or an accuracy; the binary tree has one. */
interface Problems {
  readonly sampled: number;
  readonly heldOut: number;
}

function problemsBehind({ task, sampling, evaluation }: Config): Problems {
  if (task.name === 'binary-tree') return { sampled: 1, heldOut: 1 };
  return { sampled: sampling.prompts_per_step, heldOut: evaluation.problems };
}

function methodRow({ runs }: Comparison, method: string, { sampled, heldOut }: Problems): MethodRow {
  const methodRuns = runs.filter((r) => r.method === method);
  const late = methodRuns.map(({ metrics }) => lateSuccess(metrics, LATE_STEPS));
  const accuracies = methodRuns.map(({ metrics }) => finalAccuracy(metrics));
  return {
    method,
    late: shareInterval(late, sampled),
    solved: late.filter((value) => value > 0.5).length,
    accuracy: accuracies.every((value) => value !== undefined)
      ? shareInterval(accuracies as number[], heldOut)
      : null,
  };
}

function formatInterval({ mean, low, high }: ShareInterval): string {
  return `${mean.toFixed(3)} [${low.toFixed(2)}, ${high.toFixed(2)}]`;
}

interface Curve {
  readonly x: readonly number[];
  readonly y: readonly number[];
}

/** One figure against the step: the mean over seeds with its 95% band. */
function chart(
  { runs }: Comparison,
  curveOf: (run: ComparedRun) => Curve,
  title: string,
  yLabel: string,
  problems: number,
): string {
  const methods = [...new Set(runs.map(({ method }) => method))];
  const colours = ruleColours(methods);
  const series = methods.map((method, place) => {
    const curves = runs.filter((r) => r.method === method).map(curveOf);
    const x = curves[0]?.x ?? [];
    const bands = x.map((_, i) =>
      shareInterval(
        curves.map(({ y }) => y[i] ?? 0),
        problems,
      ),
    );
    return {
      name: titleOf(method),
      x: [...x],
      mean: bands.map(({ mean }) => mean),
      low: bands.map(({ low }) => low),
      high: bands.map(({ high }) => high),
      colour: colours[place],
    };
  });
  return lineChartSvg({ title, xLabel: 'step', yLabel, series });
}

/** Success rate of the samples, averaged over the last 10 steps. */
function smoothedSuccess({ metrics }: ComparedRun): Curve {
  const steps = metrics.filter(({ phase, step }) => phase === 'train' && step > 0);
  const rates = steps.map(({ success_rate }) => success_rate ?? 0);
  return {
    x: steps.map(({ step }) => step),
    y: movingMean(rates, 10),
  };
}

/** Held-out accuracy at each evaluation. */
function accuracies({ metrics }: ComparedRun): Curve {
  const evaluated = metrics.filter(({ eval_accuracy }) => eval_accuracy !== undefined);
  return {
    x: evaluated.map(({ step }) => step),
    y: evaluated.map(({ eval_accuracy }) => eval_accuracy as number),
  };
}

function resultsOf({ runs }: Comparison, rows: readonly MethodRow[]): unknown {
  return {
    methods: rows.map(({ method, late, solved, accuracy }) => ({
      method,
      late_success: late,
      found: solved,
      accuracy,
    })),
    runs: runs.map(({ method, seed, metrics }) => ({
      method,
      seed,
      late_success: lateSuccess(metrics, LATE_STEPS),
      accuracy: finalAccuracy(metrics) ?? null,
      success_rate: metrics
        .filter(({ phase, step }) => phase === 'train' && step > 0)
        .map(({ success_rate = 0 }) => Number(success_rate.toFixed(4))),
      eval_accuracy: metrics
        .filter(({ eval_accuracy }) => eval_accuracy !== undefined)
        .map(({ step, eval_accuracy }) => [step, eval_accuracy]),
    })),
  };
}

interface FoundGroup {
  readonly run: ComparedRun;
  readonly step: number;
  readonly group: Group;
}

/** Process trees of an early and of a late group: what the policies tried at first, and at the end. */
async function printGroups({ runs }: Comparison, window: number): Promise<void> {
  const last = Math.max(...runs.map(({ metrics }) => metrics.at(-1)?.step ?? 0));
  const late = await richestGroup(runs, last - window, last);
  const early = late && (await richestGroup([late.run], 0, Math.min(window, last - window)));
  for (const [when, sample] of [
    ['an early', early],
    ['a late', late],
  ] as const) {
    if (!sample) continue;
    const { run, step, group } = sample;
    print(`\nprocess tree of ${when} group (${titleOf(run.method)}, seed ${run.seed}, step ${step}):\n`);
    const objective = runObjective(loadConfig(new RunFolder(run.folder).configFile).objective);
    printGroup(group, { maxNodes: 40, objective });
  }
}

/** The group with mixed rewards and the most nodes, from the steps after `from` up to `to`. */
async function richestGroup(
  runs: readonly ComparedRun[],
  from: number,
  to: number,
): Promise<FoundGroup | null> {
  let best: (FoundGroup & { readonly nodes: number }) | null = null;
  for (const run of runs) {
    const folder = new RunFolder(run.folder);
    const steps = (await folder.rolloutSteps()).filter((step) => step > from && step <= to);
    for (const step of steps) {
      for await (const group of readOwnRollouts(folder.rolloutsFile(step))) {
        if (hasZeroVariance(group.completions.map(({ reward }) => reward))) continue;
        const nodes = ProcessTree.build(group.completions.map(({ tokens }) => tokens)).nodeCount;
        if (best === null || nodes > best.nodes) best = { run, step, group, nodes };
      }
    }
  }
  return best;
}
