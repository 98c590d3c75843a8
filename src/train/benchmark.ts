/**
 * Evaluates how well a policy solves problems: greedily, or by pass@k over several samples of each, with intervals. A
 * figure is a share of the benchmark's problems; its interval is over draws of as many problems.
 */
import type { Engine } from '../engine/index.js';
import { type Share, wilsonInterval } from '../statistics/index.js';
import type { Problem, Task } from '../task/index.js';
import { judge } from './judge.js';
import { sampleTrajectories } from './trajectories.js';

/**
 * Unbiased estimate of pass@k from n samples of a problem, c of them right: 1 − C(n−c, k) / C(n, k), the probability
 * that at least one of k samples, drawn without replacement, is right (Chen et al. 2021, arXiv:2107.03374).
 * @throws RangeError unless 0 ≤ c ≤ n and 1 ≤ k ≤ n
 */
export function passAtK(n: number, c: number, k: number): number {
  if (!(k >= 1 && k <= n && c >= 0 && c <= n)) throw new RangeError(`pass@${k} of ${c} right among ${n}`);
  let none = 1;
  for (let i = 0; i < k; i++) none *= Math.max(0, n - c - i) / (n - i);
  return 1 - none;
}

export interface BenchmarkOptions {
  /** Samples of each problem; 0: one greedy completion. */
  readonly samples: number;
  /** k of each pass@k, at most `samples`. */
  readonly passAt: readonly number[];
  readonly temperature: number;
  readonly topP: number;
  readonly topK: number;
  readonly seed: number;
  /** Problems sampled at the same time. */
  readonly batch: number;
  /** Once aborted, the benchmark ends by throwing the signal's reason. */
  readonly signal?: AbortSignal;
  readonly onProblems?: (done: number, total: number) => void;
  readonly onRecord?: (record: ProblemRecord) => void | Promise<void>;
}

/** The result of one problem. */
export interface ProblemRecord {
  readonly id: string;
  readonly prompt: string;
  readonly answer: string;
  readonly right: number;
  readonly completions: readonly {
    readonly text: string;
    readonly tokens: number;
    readonly success: boolean;
    readonly reward: number;
    readonly note?: string;
    readonly stop: 'stop' | 'length' | 'turns';
  }[];
}

export interface BenchmarkResult {
  readonly problems: number;
  /** Completions of each problem. */
  readonly samples: number;
  /** Share of right completions: the accuracy of greedy ones, or the mean of several (pass@1). */
  readonly accuracy: Share;
  /** By k. */
  readonly passAt: Readonly<Record<number, Share>>;
  /** Mean length of a completion, tokens. */
  readonly tokens: number;
  /** Share of completions that were cut off at the maximum length. */
  readonly truncated: number;
}

/** Runs a benchmark; the same seed gives the same figures, whatever the batch size. */
export async function benchmark(
  engine: Engine,
  task: Task,
  problems: readonly Problem[],
  options: BenchmarkOptions,
): Promise<BenchmarkResult> {
  const count = Math.max(1, options.samples);
  const passes = options.passAt.map(() => 0);
  let [right, tokens, truncated] = [0, 0, 0];
  for (let from = 0; from < problems.length; from += options.batch) {
    const part = problems.slice(from, from + options.batch);
    const { temperature, topK, topP, seed, signal } = options;
    const { completions } = await sampleTrajectories(
      engine,
      task,
      part.map((problem) => ({ problem, count, key: ['benchmark', problem.id], at: 'eval' })),
      { temperature: options.samples === 0 ? 0 : temperature, topK, topP, seed, signal },
    );
    for (const [i, problem] of part.entries()) {
      const judged = await Promise.all(
        completions[i].map(async (completion, j) => {
          const at = `eval, completion ${j + 1} of ${count}`;
          const { reward, note, success } = await judge(task, problem, completion.tokens, at);
          return {
            text: task.vocabulary.decode(completion.tokens),
            tokens: completion.tokens.length,
            success,
            reward,
            note,
            stop: completion.stop,
          };
        }),
      );
      const solved = judged.filter(({ success }) => success).length;
      right += solved;
      for (const [j, k] of options.passAt.entries()) passes[j] += passAtK(count, solved, k);
      for (const { tokens: length, stop } of judged) {
        tokens += length;
        if (stop === 'length') truncated++;
      }
      const { id, promptText: prompt, answer } = problem;
      await options.onRecord?.({ id, prompt, answer, right: solved, completions: judged });
    }
    options.onProblems?.(Math.min(from + options.batch, problems.length), problems.length);
  }
  const all = problems.length * count;
  return {
    problems: problems.length,
    samples: count,
    accuracy: wilsonInterval(right / all, problems.length),
    passAt: Object.fromEntries(
      options.passAt.map((k, j) => [k, wilsonInterval(passes[j] / problems.length, problems.length)]),
    ),
    tokens: tokens / all,
    truncated: truncated / all,
  };
}
