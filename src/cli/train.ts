/** `lambda-grpo train`: runs one training with a progress display. */
import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { wilsonInterval } from '../statistics/index.js';
import {
  bestEvaluated,
  type Config,
  type ConfigChanges,
  loadConfig,
  type MetricsLine,
  type MetricsRecord,
  RunFolderError,
  run,
  taskName,
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
  /**
   * Evaluate before the first step and after the last, on all held-out problems or as many as the configuration says.
   */
  readonly eval?: number | true;
  /** Serve the dashboard while it runs. */
  readonly ui?: boolean;
}

export async function trainCommand(
  file: string,
  options: TrainCommandOptions,
  version: string,
): Promise<void> {
  const config = withEvaluation(loadConfig(file, options), options.eval);
  const out = options.out ?? defaultFolder(file, `-${config.method}-seed${config.seed}`);
  if (options.resume && !existsSync(out)) {
    throw new RunFolderError(
      `${out}: expected a run to continue, got none; give its folder with --out, or start without --resume`,
    );
  }
  const dashboard = options.ui ? await serveBeside(out, true, version) : null;
  const display = new TrainDisplay(ruleOf(config));
  const interrupt = onInterrupt(() => {
    display.clear();
    say('stopping; saving a checkpoint (Ctrl-C again: stop now) …');
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
    const evaluated = beforeAndAfter(metrics);
    if (evaluated !== null) print(evaluated);
    if (config.checkpoint.best) print(bestLine(metrics));
    print(`run folder: ${out}`);
    if (result.interrupted) {
      print(
        result.checkpoint
          ? `interrupted ${whereOf(result.checkpoint, result.step)}; continue with --resume --out ${out}`
          : `interrupted before the first step; restart with --resume --out ${out}`,
      );
      process.exitCode = INTERRUPTED;
    }
  } finally {
    interrupt.release();
    await dashboard?.close();
  }
}

/** Before the first and after the last step, if the configuration does not evaluate. */
function withEvaluation(config: Config, problems: number | true | undefined): Config {
  if (problems === undefined) return config;
  const { evaluation, train } = config;
  return {
    ...config,
    evaluation: {
      every: evaluation.every > 0 ? evaluation.every : Math.max(1, train.steps),
      problems: problems === true ? evaluation.problems : problems,
    },
  };
}

/** Held-out accuracy before and after training, each with Wilson's 95% interval over the problems. */
function beforeAndAfter(metrics: readonly MetricsLine[]): string | null {
  const lines = metrics.filter(
    ({ phase, eval_accuracy }) => phase === 'train' && eval_accuracy !== undefined,
  );
  const [first, last] = [lines[0], lines.at(-1)];
  if (!first || !last || first === last || first.step !== 0) return null;
  const shown = ({ eval_accuracy: accuracy = 0, eval_problems: problems = 1 }: MetricsLine): string => {
    const { value, low, high } = wilsonInterval(accuracy, problems);
    const [a, b, c] = [value, low, high].map((share) => (100 * share).toFixed(1));
    return `${a}% [${b}, ${c}]`;
  };
  return `held-out accuracy (greedy, ${last.eval_problems} problems): ${shown(first)} before, ${shown(last)} after ${last.step} steps`;
}

const whereOf = (checkpoint: string, step: number): string =>
  basename(checkpoint).startsWith('warmup') ? 'in the warm-up' : `after step ${step}`;

function bestLine(metrics: readonly MetricsLine[]): string {
  const best = bestEvaluated(metrics);
  if (best?.eval_accuracy === undefined) return 'no best checkpoint: the run had no evaluation';
  return `best evaluation: step ${best.step}, held-out accuracy ${best.eval_accuracy.toFixed(3)} (--checkpoint best)`;
}

/** The name of what weights the steps: the method, or the custom rule. */
const ruleOf = ({ method, objective: { credit } }: Config): string =>
  credit === null ? method : `credit ${basename(credit)}`;

function summary(config: Config, step: number, last: Partial<MetricsRecord> | undefined): string {
  const parts = [`${ruleOf(config)}, ${taskName(config)}, seed ${config.seed}: ${step} steps`];
  if (last?.reward_mean !== undefined) parts.push(`reward ${last.reward_mean.toFixed(3)}`);
  if (last?.success_rate !== undefined) parts.push(`success ${last.success_rate.toFixed(3)}`);
  if (last?.eval_accuracy !== undefined)
    parts.push(`held-out accuracy (greedy) ${last.eval_accuracy.toFixed(3)}`);
  return parts.join(', ');
}
