/**
 * A unit of work: a training run. It uses the product's own `run` in a separate folder, continues from its checkpoint
 * if it was interrupted, keeps only the figures that experiments use, and removes the folder. A warm-up is a unit too:
 * runs of one seed that differ in method, group size or β start from its checkpoint, which stays in the work folder.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { remove } from '../../files/index.js';
import { checkpointName, newestCheckpoint } from '../../train/checkpoint.js';
import { type Config, lateSuccess, type MetricsLine, run, type TrainObserver } from '../../train/index.js';
import { Interrupted, type WorkContext } from './context.js';

export interface TrainSpec {
  readonly kind: 'train';
  readonly config: Config;
  /** Id of the unit that it starts from (a warm-up or given weights); null: the run's own start. */
  readonly start: string | null;
}

export interface WarmupSpec {
  readonly kind: 'warmup';
  /** A configuration of 0 training steps. */
  readonly config: Config;
}

/** A training run whose policy is kept. */
export interface PolicySpec {
  readonly kind: 'policy';
  readonly config: Config;
  /** As in a training run. */
  readonly start: string | null;
}

/** Figures of every training step, [steps], four decimals. */
export interface TrainFigures {
  /** Mean success rate over the last 50 steps. */
  readonly late: number;
  readonly success: readonly number[];
  /** Nats. */
  readonly entropy: readonly number[];
  /** Mean tokens of a completion. */
  readonly length: readonly number[];
  readonly gradNorm: readonly number[];
  /** Rescaling factors of rescale_to; empty without it. */
  readonly rescale: readonly number[];
  readonly pathDepth: readonly number[];
  readonly intermediate: readonly number[];
  /** Share of groups without an intermediate node. */
  readonly flat: readonly number[];
  /** Share of groups whose rewards are all equal. */
  readonly zeroVariance: readonly number[];
  /** Greedy accuracy on held-out problems: [step, accuracy]. */
  readonly evaluations: readonly (readonly [number, number])[];
}

const LATE_STEPS = 50;
/** A unit whose parent was just killed may still be writing its checkpoint. */
const PATIENCE_MS = 30_000;

/** Path of a unit's run. */
export function runFolder(folder: string, id: string): string {
  return join(folder, 'units', id);
}

export async function runTrain({ config, start }: TrainSpec, context: WorkContext): Promise<TrainFigures> {
  const metrics = await runIn(config, start, context, {
    step: (record, steps) => context.progress(record.step / steps),
  });
  await remove(runFolder(context.folder, context.id));
  return figuresOf(metrics);
}

/** Keeps the run's folder with its last checkpoint. @returns the success rate of the last 50 steps */
export async function runPolicy(
  { config, start }: PolicySpec,
  context: WorkContext,
): Promise<{ late: number }> {
  const metrics = await runIn(config, start, context, {
    step: (record, steps) => context.progress(record.step / steps),
  });
  return { late: config.train.steps > 0 ? lateSuccess(metrics, LATE_STEPS) : 0 };
}

/** @returns the final loss, nats per token */
export async function runWarmup({ config }: WarmupSpec, context: WorkContext): Promise<{ loss: number }> {
  const metrics = await runIn(config, null, context, {
    warmup: ({ step }, steps) => context.progress(step / steps),
  });
  return { loss: metrics.findLast(({ phase }) => phase === 'warmup')?.loss ?? 0 };
}

/** A run in the unit's folder, continued from its newest checkpoint if it was interrupted. @throws Interrupted */
async function runIn(
  config: Config,
  start: string | null,
  context: WorkContext,
  observer: TrainObserver,
): Promise<MetricsLine[]> {
  const out = runFolder(context.folder, context.id);
  const resume = await canGoOn(out);
  if (!resume) await remove(out);
  const { interrupted, folder } = await run({
    config,
    out,
    resume,
    from: start === null ? undefined : startCheckpoint(context.folder, start),
    threads: 1,
    patience: PATIENCE_MS,
    signal: context.signal,
    observer,
  });
  if (interrupted) throw new Interrupted();
  return folder.readMetrics();
}

/** Whether an interrupted unit left a checkpoint. */
async function canGoOn(out: string): Promise<boolean> {
  const newest = await newestCheckpoint(join(out, 'checkpoints')).catch(() => null);
  return newest !== null && existsSync(join(out, 'config.yaml'));
}

/** The start of a unit that builds on another one. */
export function startCheckpoint(folder: string, id: string): string {
  return join(runFolder(folder, id), 'checkpoints', checkpointName(0));
}

/** Whether the files of a finished warm-up still exist. */
export function startExists(folder: string, id: string): boolean {
  return existsSync(startCheckpoint(folder, id));
}

/** Whether the policy of a finished run can still be opened. */
export function policyExists(folder: string, id: string): boolean {
  return existsSync(join(runFolder(folder, id), 'checkpoints'));
}

function figuresOf(metrics: readonly MetricsLine[]): TrainFigures {
  const steps = metrics.filter(({ phase, step }) => phase === 'train' && step > 0);
  const series = (name: keyof MetricsLine): number[] =>
    steps.flatMap((record) => (record[name] === undefined ? [] : Number(Number(record[name]).toFixed(4))));
  return {
    late: lateSuccess(metrics, LATE_STEPS),
    success: series('success_rate'),
    entropy: series('entropy'),
    length: series('completion_length'),
    gradNorm: series('grad_norm'),
    rescale: series('rescale'),
    pathDepth: series('path_depth'),
    intermediate: series('intermediate_proportion'),
    flat: series('flat_share'),
    zeroVariance: series('zero_variance_share'),
    evaluations: metrics.flatMap(({ step, eval_accuracy }) =>
      eval_accuracy === undefined ? [] : [[step, eval_accuracy] as const],
    ),
  };
}
