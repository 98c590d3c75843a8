/**
 * Supervised warm-up: maximum likelihood on solutions from the task or the user, so that reinforcement learning starts
 * from a policy that is sometimes right. It is the same update with every completion as a separate group, advantage 1
 * and token normalisation: the gradient of the mean ln π of a token.
 */
import type { Engine, TrainExample } from '../engine/index.js';
import { type Task, TaskError } from '../task/index.js';
import { ProcessTree } from '../tree/index.js';
import type { Config } from './config.js';

export interface WarmupStep {
  /** Steps taken. */
  readonly step: number;
  /** Mean −ln π of a solution's token before the step, nats. */
  readonly loss: number;
}

/** One supervised step on examples [step·batch, (step + 1)·batch). */
export async function warmupStep(
  engine: Engine,
  task: Task,
  step: number,
  warmup: Config['warmup'],
  maxGradNorm: number | null,
  signal?: AbortSignal,
): Promise<WarmupStep> {
  const { warmupExample } = task;
  if (!warmupExample) {
    throw new TaskError(
      `warmup.steps: expected 0, got ${warmup.steps}: task ${task.name} has no solutions to learn from`,
    );
  }
  const solutions = await Promise.all(
    Array.from({ length: warmup.batch_size }, (_, i) => warmupExample(step * warmup.batch_size + i)),
  );
  const tokens = solutions.reduce((n, { completionTokens }) => n + completionTokens.length, 0);
  const weight = Float64Array.of(1 / tokens);
  const batch: TrainExample[] = solutions.map(({ promptTokens, completionTokens }) => ({
    prompt: promptTokens,
    tree: ProcessTree.build([completionTokens]),
    coefficients: { plus: weight, minus: new Float64Array(1), kl: new Float64Array(1) },
  }));
  // Cosine decay to a tenth, so that the policy has settled before reinforcement learning begins.
  const progress = step / warmup.steps;
  const learningRate = warmup.learning_rate * (0.1 + 0.9 * 0.5 * (1 + Math.cos(Math.PI * progress)));
  const { logprobs } = await engine.update(batch, {
    learningRate,
    maxGradNorm,
    temperature: 1,
    allowedTokens: task.allowedTokens,
    clipLow: 0.2,
    clipHigh: 0.2,
    klBeta: 0,
    signal,
  });
  let sum = 0;
  for (const values of logprobs) for (const value of values) sum += value;
  return { step: step + 1, loss: -sum / tokens };
}
