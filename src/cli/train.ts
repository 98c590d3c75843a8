/** `lambda-grpo train`: one run, with its progress. */
import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import {
  bestEvaluated,
  type Config,
  type ConfigChanges,
  loadConfig,
  type MetricsLine,
  type MetricsRecord,
  RunFolderError,
  run,
} from '../train/index.js';
import { serveBeside } from './dashboard.js';
import { fetchBar } from './fetching.js';
import { onInterrupt } from './interrupt.js';
import { defaultFolder } from './options.js';
import { INTERRUPTED, print, say } from './terminal.js';
import { TrainDisplay } from './train-display.js';

export interface TrainCommandOptions extends ConfigChanges {
  readonly out?: string;
  readonly resume?: boolean;
  readonly threads?: number;
  /** Serve the dashboard while it runs. */
  readonly ui?: boolean;
}

export async function trainCommand(
  file: string,
  options: TrainCommandOptions,
  version: string,
): Promise<void> {
  const config = loadConfig(file, options);
  const out = options.out ?? defaultFolder(file, `-${config.method}-seed${config.seed}`);
  if (options.resume && !existsSync(out)) {
    throw new RunFolderError(
      `${out}: no run to continue here; name its folder with --out, or start without --resume`,
    );
  }
  const dashboard = options.ui ? await serveBeside(out, true, version) : null;
  const display = new TrainDisplay(ruleOf(config));
  const interrupt = onInterrupt(() => {
    display.clear();
    say('ending, with a checkpoint (Ctrl-C again ends at once) …');
  });
  try {
    const result = await run({
      config,
      out,
      resume: options.resume,
      threads: options.threads,
      signal: interrupt.signal,
      onFetch: fetchBar(),
      observer: display.observer,
    });
    display.end();
    const metrics = await result.folder.readMetrics();
    print(summary(config, result.step, metrics.at(-1)));
    if (config.checkpoint.best) print(bestLine(metrics));
    print(`run folder: ${out}`);
    if (result.interrupted) {
      print(
        result.checkpoint
          ? `interrupted ${whereOf(result.checkpoint, result.step)}; continue with --resume --out ${out}`
          : `interrupted before the first step; --resume --out ${out} starts it again`,
      );
      process.exitCode = INTERRUPTED;
    }
  } finally {
    interrupt.release();
    await dashboard?.close();
  }
}

const whereOf = (checkpoint: string, step: number): string =>
  basename(checkpoint).startsWith('warmup') ? 'in the warm-up' : `after step ${step}`;

function bestLine(metrics: readonly MetricsLine[]): string {
  const best = bestEvaluated(metrics);
  if (best?.eval_accuracy === undefined) return 'no evaluation: no best checkpoint';
  return `best of the evaluations: step ${best.step}, held-out accuracy ${best.eval_accuracy.toFixed(3)} (--checkpoint best)`;
}

/** What says how much each step is pushed: the method, or a rule of the user's own. */
const ruleOf = ({ method, objective: { credit } }: Config): string =>
  credit === null ? method : `credit ${basename(credit)}`;

function summary(config: Config, step: number, last: Partial<MetricsRecord> | undefined): string {
  const parts = [`${ruleOf(config)}, ${config.task.name}, seed ${config.seed}: ${step} steps`];
  if (last?.reward_mean !== undefined) parts.push(`reward ${last.reward_mean.toFixed(3)}`);
  if (last?.success_rate !== undefined) parts.push(`success ${last.success_rate.toFixed(3)}`);
  if (last?.eval_accuracy !== undefined)
    parts.push(`held-out accuracy (greedy) ${last.eval_accuracy.toFixed(3)}`);
  return parts.join(', ');
}
