/**
 * Training on sums with a written chain of thought. The model has learnt the form in a supervised warm-up in which most
 * carries were forgotten; it continues with rewards for right answers alone. Before each step the same held-out sums
 * are sampled for display.
 */
import {
  type Backend,
  type Config,
  createTask,
  type Group,
  learn,
  learningRateAt,
  type Method,
  memoryStore,
  parseConfig,
  sampleStep,
  scoreGroups,
  stepBatch,
} from '../../src/core.js';
import { freshEngine } from './fresh-engine.js';

/**
 * Differences from recipes/arithmetic.yaml, so that a step takes a second: two digits, a smaller model, fewer prompts.
 */
const CHANGES = [
  'task.digits=2',
  'task.held_out=100',
  'task.carry_error_rate=0.7',
  'task.slip_rate=0.15',
  'model.width=64',
  'warmup.steps=600',
  'warmup.batch_size=32',
  'warmup.learning_rate=2e-3',
  'optimizer.learning_rate=3e-4',
  'sampling.prompts_per_step=16',
  'train.steps=60',
];
/** The name under which the engine stores its weights. */
export const WEIGHTS = 'model.safetensors';
/** Number of held-out sums that are shown, and completions of each. */
const SHOWN = 4;
const SAMPLES = 12;

/** @param recipe text of recipes/arithmetic.yaml */
export function sumsConfig(recipe: string, method: Method): Config {
  return parseConfig(recipe, 'recipe', { method, set: CHANGES });
}

export interface ShownSum {
  /** The prompt, as a person reads it. */
  readonly prompt: string;
  readonly answer: string;
  readonly completions: readonly { readonly tokens: readonly string[]; readonly reward: number }[];
}

export interface SumsRecord {
  /** From 1. */
  readonly step: number;
  /** Share of the step's samples that are right (before its update). */
  readonly success: number;
  readonly loss: number;
  readonly gradNorm: number;
  /** Sampled before the update; not trained on. */
  readonly shown: readonly ShownSum[];
}

export interface SumsTraining {
  next(): Promise<SumsRecord>;
  dispose(): Promise<void>;
}

/**
 * @param weights the file of weights that `Engine.save` wrote after the warm-up
 * @param onGroups called with the groups that each step is trained on
 */
export async function startSums(
  backend: Backend,
  config: Config,
  weights: Uint8Array,
  onGroups: (groups: readonly Group[]) => void = () => {},
): Promise<SumsTraining> {
  const { objective, optimizer, sampling, seed } = config;
  const task = createTask(config.task, seed);
  const engine = freshEngine(backend, config, task);
  // The optimizer starts afresh, as it does after a warm-up.
  const saved = new Map<string, Uint8Array>();
  await engine.save(memoryStore(saved));
  saved.set(WEIGHTS, weights);
  await engine.load(memoryStore(saved));
  const policy = { temperature: sampling.temperature, allowedTokens: task.allowedTokens };
  const problems = task.heldOut.slice(0, SHOWN);
  let step = 0;
  let nextProblem = 0;

  async function show(): Promise<ShownSum[]> {
    const { completions } = await engine.sample(
      problems.map(({ id, promptTokens }) => ({
        prompt: promptTokens,
        count: SAMPLES,
        key: ['shown', id, step],
      })),
      {
        ...policy,
        maxTokens: task.maxCompletionTokens,
        topK: sampling.top_k,
        topP: sampling.top_p,
        stopTokens: task.stopTokens,
        watch: task.watch,
        seed,
      },
    );
    return problems.map((problem, i) => ({
      prompt: problem.promptText,
      answer: problem.answer,
      completions: completions[i].map(({ tokens }) => ({
        tokens: Array.from(tokens, task.vocabulary.tokenText),
        reward: task.reward(problem, tokens).reward,
      })),
    }));
  }

  return {
    async next() {
      step++;
      const shown = await show();
      const sampled = await sampleStep({ config, task, engine }, step, nextProblem);
      nextProblem = sampled.nextProblem;
      onGroups(sampled.groups);
      const scored = scoreGroups(sampled.groups, objective);
      const batch = await stepBatch(engine, scored, objective, task.maxCompletionTokens, policy);
      const { first, gradNorm } = await learn(engine, batch, {
        ...policy,
        objective,
        learningRate: learningRateAt(config, step),
        maxGradNorm: optimizer.max_grad_norm,
      });
      const rewards = sampled.groups.flatMap(({ completions }) => completions.map(({ reward }) => reward));
      const success = rewards.filter((reward) => reward === 1).length / rewards.length;
      return { step, success, loss: first.loss, gradNorm: gradNorm ?? 0, shown };
    },
    dispose: () => engine.dispose(),
  };
}
