/** Evaluation: greedy decoding on held-out problems, and the share that is solved. */
import type { Engine } from '../engine/index.js';
import type { Task } from '../task/index.js';
import { judge } from './judge.js';
import type { MetricsLine } from './metrics.js';
import type { TrainOptions } from './training.js';
import { sampleTrajectories } from './trajectories.js';

export interface Evaluation {
  /** Share of problems whose greedy completion succeeds, [0, 1]. */
  readonly accuracy: number;
  /** Mean reward of the greedy completions. */
  readonly reward: number;
  readonly problems: number;
}

/** @throws the signal's reason once it is aborted */
export async function evaluate(
  engine: Engine,
  task: Task,
  problems: number,
  seed: number,
  { signal, at = 'evaluation' }: { readonly signal?: AbortSignal; readonly at?: string } = {},
): Promise<Evaluation> {
  const chosen = task.heldOut.slice(0, problems);
  const { completions } = await sampleTrajectories(
    engine,
    task,
    chosen.map((problem) => ({ problem, count: 1, key: ['evaluation', problem.id], at })),
    { temperature: 0, topK: 0, topP: 1, seed, signal },
  );
  let correct = 0;
  let reward = 0;
  for (const [i, problem] of chosen.entries()) {
    const [{ tokens }] = completions[i];
    const judgement = await judge(task, problem, tokens, at);
    if (judgement.success) correct++;
    reward += judgement.reward;
  }
  return { accuracy: correct / chosen.length, reward: reward / chosen.length, problems: chosen.length };
}

/** The figures of a step's evaluation. @throws the signal's reason once it is aborted */
export async function evaluateAt(
  { engine, task, config, observer, signal }: TrainOptions,
  step: number,
): Promise<Required<Pick<MetricsLine, 'eval_accuracy' | 'eval_reward' | 'eval_problems'>>> {
  observer?.stage?.('evaluating', step, config.train.steps);
  const { accuracy, reward, problems } = await evaluate(
    engine,
    task,
    config.evaluation.problems,
    config.seed,
    {
      signal,
      at: `evaluation at step ${step}`,
    },
  );
  return { eval_accuracy: accuracy, eval_reward: reward, eval_problems: problems };
}
