/** Greedy decoding on held-out problems: the share that succeeds. */
import type { Engine } from '../engine/index.js';
import type { Task } from '../task/index.js';

export interface Evaluation {
  /** Share of problems whose greedy completion succeeds, [0, 1]. */
  readonly accuracy: number;
  /** Mean reward of the greedy completions. */
  readonly reward: number;
  readonly problems: number;
}

export async function evaluate(
  engine: Engine,
  task: Task,
  problems: number,
  seed: number,
): Promise<Evaluation> {
  const chosen = task.heldOut.slice(0, problems);
  const { completions } = await engine.sample(
    chosen.map(({ promptTokens, id }) => ({ prompt: promptTokens, count: 1, key: ['evaluation', id] })),
    {
      maxTokens: task.maxCompletionTokens,
      temperature: 0,
      topK: 0,
      topP: 1,
      stopTokens: task.stopTokens,
      allowedTokens: task.allowedTokens,
      seed,
      watch: task.watch,
    },
  );
  let correct = 0;
  let reward = 0;
  for (const [i, problem] of chosen.entries()) {
    const [{ tokens }] = completions[i];
    if (await task.success(problem, tokens)) correct++;
    reward += (await task.reward(problem, tokens)).reward;
  }
  return { accuracy: correct / chosen.length, reward: reward / chosen.length, problems: chosen.length };
}
