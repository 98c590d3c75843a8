/**
 * Runs the same configuration under several methods or credit rules, and seeds. Runs with the same seed share initial
 * weights, warm-up, problems and random streams. Several runs train in parallel, each in its own process with its
 * share of the cores.
 */

import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FolderLock, makeFolder } from '../files/index.js';
import { isCreditName } from '../objective/index.js';
import { mean } from '../statistics/index.js';
import { checkpointName } from './checkpoint.js';
import { type Config, ConfigError, type Method } from './config.js';
import { withCredit, withMethod, withSeed } from './config-sources.js';
import { openCredit } from './credit.js';
import { inLanes, type Lane, WorkerProcess } from './lanes.js';
import type { MetricsLine } from './metrics.js';
import { run } from './run.js';
import { RunFolder, RunFolderError } from './run-folder.js';
import type { WorkerMessage, WorkerOptions } from './worker.js';

export interface CompareOptions {
  readonly config: Config;
  /** Methods, published credit rules by name, and modules of custom rules. */
  readonly methods: readonly string[];
  readonly seeds: readonly number[];
  /** Folder of all runs: `<method>/seed_<n>`, and `warmup/seed_<n>` if there is a warm-up. */
  readonly out: string;
  readonly resume?: boolean;
  /** Number of runs at the same time; default: one per core. */
  readonly jobs?: number;
  readonly signal?: AbortSignal;
  /** Called after every step of any run with the finished and the total number of steps over all runs. */
  readonly progress?: (done: number, total: number, latest: string) => void;
  /** A one-line notice for the user. */
  readonly notice?: (line: string) => void;
}

export interface ComparedRun {
  /** Name of the method or rule; for a module, its file name without the ending. */
  readonly method: string;
  readonly seed: number;
  readonly folder: string;
  readonly metrics: readonly MetricsLine[];
}

export interface Comparison {
  readonly runs: readonly ComparedRun[];
  readonly interrupted: boolean;
}

interface Job {
  readonly label: string;
  readonly steps: number;
  readonly options: WorkerOptions;
}

/**
 * The configuration under each method or credit rule, by name. `grpo` and `lambda-grpo` are the methods.
 * @param names of methods, of published rules, or files of modules
 * @throws ConfigError if one contradicts the configuration, or two have the same name
 */
export function methodVariants(config: Config, names: readonly string[]): Map<string, Config> {
  const { credit } = config.objective;
  if (credit !== null) {
    throw new ConfigError(
      `objective.credit: expected null (it would replace every method; give the rules with --credit), got ${credit}`,
    );
  }
  const variants = new Map<string, Config>();
  for (const name of names) {
    const label = isCreditName(name) ? name : basename(name, extname(name));
    if (variants.has(label) || label === WARMUP || label === '') {
      const expected = label === WARMUP ? 'a different name (this folder holds warm-ups)' : 'each rule once';
      throw new ConfigError(
        `--credit: expected ${expected}, got '${name}'${label === name ? '' : ` as '${label}'`}`,
      );
    }
    variants.set(label, isMethod(name) ? withMethod(config, name) : withCredit(config, name));
  }
  return variants;
}

/** Folder of the warm-ups, beside those of the methods. */
const WARMUP = 'warmup';

const isMethod = (name: string): name is Method => name === 'grpo' || name === 'lambda-grpo';

/**
 * Runs every method from every seed; finished runs in the folder are kept with `resume`.
 * @throws RunFolderError if the folder holds runs and `resume` is not set, and what `run` throws
 */
export async function compare(options: CompareOptions): Promise<Comparison> {
  const { config, methods, seeds, out, resume = false } = options;
  const variants = methodVariants(config, methods);
  const labels = [...variants.keys()];
  // A module that cannot be loaded is reported before any run starts.
  for (const variant of variants.values()) await openCredit(variant);
  if (!resume && [...labels, WARMUP].some((name) => existsSync(join(out, name)))) {
    throw new RunFolderError(
      `${out}: expected a folder without runs, got one with runs; choose another with --out, or continue with --resume`,
    );
  }
  const jobs = Math.max(1, Math.min(options.jobs ?? availableParallelism(), methods.length * seeds.length));
  const threads = Math.max(1, Math.floor(availableParallelism() / jobs));
  const job = (folder: string, changed: Config, steps: number, from?: string): Job => {
    const path = join(out, folder);
    return {
      label: folder,
      steps,
      options: {
        config: changed,
        out: path,
        resume: resume && existsSync(join(path, 'config.yaml')),
        from,
        threads,
        memoryShare: 1 / jobs,
      },
    };
  };
  const warmups = config.warmup.steps > 0;
  const warmup = seeds.map((seed) =>
    job(
      `${WARMUP}/seed_${seed}`,
      withSeed(
        { ...config, train: { ...config.train, steps: 0 }, evaluation: { ...config.evaluation, every: 0 } },
        seed,
      ),
      config.warmup.steps,
    ),
  );
  const training = seeds.flatMap((seed) =>
    [...variants].map(([method, variant]) =>
      job(
        `${method}/seed_${seed}`,
        withSeed(variant, seed),
        config.train.steps,
        warmups ? join(out, WARMUP, `seed_${seed}`, 'checkpoints', checkpointName(0)) : undefined,
      ),
    ),
  );
  const stages = warmups ? [warmup, training] : [training];
  const total = stages.flat().reduce((n, { steps }) => n + steps, 0);
  let done = 0;
  let interrupted = false;
  await makeFolder(out);
  const lock = await FolderLock.take(out);
  try {
    for (const stage of stages) {
      interrupted ||= await runJobs(
        stage,
        jobs,
        options.signal,
        (label) => options.progress?.(++done, total, label),
        (line) => options.notice?.(line),
      );
    }
  } finally {
    await lock.release();
  }
  const runs: ComparedRun[] = [];
  for (const seed of seeds) {
    for (const method of labels) {
      const folder = join(out, method, `seed_${seed}`);
      if (!existsSync(join(folder, 'metrics.jsonl'))) continue;
      runs.push({ method, seed, folder, metrics: await new RunFolder(folder).readMetrics() });
    }
  }
  return { runs, interrupted };
}

/** Runs jobs, `parallel` at a time. @returns whether one was interrupted */
async function runJobs(
  jobs: readonly Job[],
  parallel: number,
  signal: AbortSignal | undefined,
  stepped: (label: string) => void,
  notice: (line: string) => void,
): Promise<boolean> {
  const worker = fileURLToPath(new URL('./worker.js', import.meta.url));
  const inProcess = parallel === 1 || !existsSync(worker);
  let interrupted = false;
  const lane: Lane<Job> = {
    run: async ({ label, options }) => {
      const step = (): void => stepped(label);
      const result = inProcess
        ? await run({ ...options, signal, observer: { warmup: step, step, notice } })
        : await runInWorker(worker, options, signal, step, notice);
      interrupted ||= result.interrupted;
      return result.interrupted ? 'stop' : undefined;
    },
    end: () => {},
  };
  const whole = await inLanes(jobs, inProcess ? 1 : parallel, () => lane, { signal });
  return interrupted || !whole;
}

/** Each run has its own process. */
async function runInWorker(
  worker: string,
  options: WorkerOptions,
  signal: AbortSignal | undefined,
  stepped: () => void,
  notice: (line: string) => void,
): Promise<{ interrupted: boolean }> {
  const child = new WorkerProcess<WorkerMessage>(worker, signal);
  try {
    return await child.ask(options, `${options.out}: the run's process`, (message) => {
      if (message.type === 'done') return { result: { interrupted: message.interrupted } };
      if (message.type === 'notice') notice(message.line);
      else stepped();
      return undefined;
    });
  } finally {
    child.end();
  }
}

/** Mean success rate over the last `window` steps of a run. */
export function lateSuccess(metrics: readonly MetricsLine[], window = 50): number {
  const rates = metrics
    .filter(({ phase, step }) => phase === 'train' && step > 0)
    .map((m) => m.success_rate ?? 0);
  const late = rates.slice(-window);
  return mean(late);
}

/** Held-out accuracy of the last evaluation; undefined if there was none. */
export function finalAccuracy(metrics: readonly MetricsLine[]): number | undefined {
  return metrics.findLast(({ eval_accuracy }) => eval_accuracy !== undefined)?.eval_accuracy;
}
