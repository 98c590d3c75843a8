/** `lambda-grpo eval`: evaluates a policy on a benchmark, greedy or by pass@k, with 95% intervals. */
import { WholeFile } from '../files/index.js';

import type { Share } from '../statistics/index.js';
import {
  type BenchmarkResult,
  benchmark,
  type Config,
  ConfigError,
  isRunFolder,
  openRun,
  openTrained,
  type ProblemRecord,
  resolveConfig,
} from '../train/index.js';
import { fetchBar } from './fetching.js';
import { onInterrupt } from './interrupt.js';
import { Progress } from './progress.js';
import { formatTable } from './table.js';
import { INTERRUPTED, print, printJson, say } from './terminal.js';

export interface EvalCommandOptions {
  readonly dataset?: readonly string[];
  readonly problemColumn?: string;
  readonly answerColumn?: string;
  readonly systemPrompt?: string;
  readonly prompt?: 'chat' | 'plain';
  readonly maxTokens?: number;
  readonly stopAtBox?: boolean;
  readonly problems?: number;
  readonly checkpoint?: number | 'best';
  readonly revision?: string;
  readonly samples: number;
  /** Print each completion with its reward. */
  readonly show?: boolean;
  readonly passAt?: readonly number[];
  readonly temperature: number;
  readonly topP: number;
  readonly topK: number;
  readonly seed: number;
  readonly batch: number;
  readonly threads?: number;
  readonly json?: boolean;
  readonly out?: string;
}

export async function evalCommand(model: string, options: EvalCommandOptions): Promise<void> {
  if (options.show && options.json) {
    throw new ConfigError(
      '--show: expected --show without --json (which prints a single JSON object), got both',
    );
  }
  const passAt =
    options.passAt ??
    (options.samples > 0 ? [1, options.samples].filter((k, i, all) => all.indexOf(k) === i) : []);
  for (const k of passAt) {
    if (k > Math.max(1, options.samples)) {
      throw new ConfigError(`--pass-at: expected at most ${options.samples} (--samples), got ${k}`);
    }
  }
  const { engine, task, from } = await open(model, options);
  let out: WholeFile | null = null;
  const interrupt = onInterrupt(() => say('stopping; nothing is saved …'));
  try {
    const problems = task.heldOut.slice(0, options.problems);
    out = options.out === undefined ? null : await WholeFile.open(options.out);
    const bar = new Progress({ label: 'problems', total: problems.length });
    const result = await benchmark(engine, task, problems, {
      ...options,
      passAt,
      signal: interrupt.signal,
      onProblems: (done) => {
        bar.update(done, '');
      },
      onRecord: async (record) => {
        await out?.write(`${JSON.stringify(record)}\n`);
        if (options.show) print(formatCompletions(record));
      },
    });
    bar.end();
    await out?.complete();
    await out?.publish();
    if (options.json) printJson({ model: from, task: task.name, ...result });
    else print(report(from, task.name, result, options.samples));
  } catch (error) {
    await out?.abort();
    if (!interrupt.signal.aborted || error !== interrupt.signal.reason) throw error;
    process.exitCode = INTERRUPTED;
  } finally {
    interrupt.release();
    await engine.dispose();
  }
}

/** The policy, and the task whose held-out problems are evaluated. */
async function open(model: string, options: EvalCommandOptions) {
  const { dataset = [] } = options;
  if (isRunFolder(model)) {
    const { engine, task, step, skipped } = await openTrained(model, options.checkpoint, {
      threads: options.threads,
      change: (config) =>
        dataset.length === 0 ? withStop(config, options) : withDataset(config, model, options),
    });
    for (const line of skipped) say(`note: ${line}`);
    return { engine, task, from: `${model}, step ${step}` };
  }
  if (dataset.length === 0) {
    throw new ConfigError(`--dataset: expected a file of problems (${model} is not a run folder), got none`);
  }
  const config = resolveConfig({
    task: mathTaskOf(options),
    model: { path: model, revision: options.revision ?? null },
  });
  const { engine, task } = await openRun(config, {
    threads: options.threads,
    frozen: true,
    onFetch: fetchBar(),
  });
  return { engine, task, from: model };
}

/** Training may end a completion at a box. By default a model is evaluated on its final answer. */
function withStop(config: Config, { stopAtBox = false }: EvalCommandOptions): Config {
  const { task } = config;
  return task.name === 'math' ? { ...config, task: { ...task, stop_at_box: stopAtBox } } : config;
}

/** The run's prompt format with other problems; the run's data and module are not needed. */
function withDataset(config: Config, model: string, options: EvalCommandOptions): Config {
  const { task } = config;
  if (config.model.path === null && config.model.tokenizer === null) {
    throw new ConfigError(
      `--dataset: expected none (${model} was trained on the task ${task.name}; its model does not read text), got ${options.dataset?.join(', ')}`,
    );
  }
  const taskKeys = task.name === 'math' ? task : {};
  return resolveConfig({ ...config, task: { ...taskKeys, ...mathTaskOf(options) } });
}

/** Keys of the math task that the command line sets. */
function mathTaskOf(options: EvalCommandOptions): Record<string, unknown> {
  const { dataset = [] } = options;
  const keys = {
    system_prompt: options.systemPrompt,
    prompt: options.prompt,
    max_completion_tokens: options.maxTokens,
    stop_at_box: options.stopAtBox === true,
  };
  return {
    name: 'math',
    train: dataset,
    held_out_files: dataset,
    columns: { problem: options.problemColumn ?? null, answer: options.answerColumn ?? null },
    max_prompt_tokens: 1_000_000,
    ...Object.fromEntries(Object.entries(keys).filter(([, value]) => value !== undefined)),
  };
}

/** A problem with its completions, each below its reward and verdict. */
function formatCompletions({ id, prompt, answer, completions }: ProblemRecord): string {
  const lines = [`problem ${id}${answer === '' ? '' : `, answer ${answer}`}`, indented(prompt)];
  completions.forEach(({ text, tokens, reward, success, stop, note }, i) => {
    const end = stop === 'length' ? ', cut off' : '';
    const why = note === undefined ? '' : `: ${note}`;
    lines.push(
      `  completion ${i + 1}: reward ${Number(reward.toPrecision(6))}, ${success ? 'solved' : 'not solved'}, ${tokens} tokens${end}${why}`,
      indented(text),
    );
  });
  return `${lines.join('\n')}\n`;
}

const indented = (text: string): string => text.replace(/^/gm, '  | ');

const percent = (value: number): string => `${(100 * value).toFixed(1)}%`;
const withInterval = ({ value, low, high }: Share): string =>
  `${percent(value)}  [${percent(low)}, ${percent(high)}]`;

function report(from: string, task: string, result: BenchmarkResult, samples: number): string {
  const rows = [
    [
      samples === 0 ? 'accuracy, greedy' : `accuracy, mean of ${result.samples}`,
      withInterval(result.accuracy),
    ],
    ...Object.entries(result.passAt).map(([k, share]) => [`pass@${k}`, withInterval(share)]),
    ['tokens of a completion', result.tokens.toFixed(1)],
    ['cut off at the length limit', percent(result.truncated)],
  ];
  return `${from}: ${task}, ${result.problems} problems (95% intervals: Wilson)\n\n${formatTable(['figure', 'value'], rows)}`;
}
