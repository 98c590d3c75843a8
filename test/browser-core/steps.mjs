/**
 * A few training steps of the binary tree with `lambda-grpo/core` alone, on the given runtime: sample → reward → tree →
 * coefficients → update. Returns all numbers of the steps and the files that the engine saved.
 */
import {
  analyzeGroup,
  createTask,
  LocalEngine,
  learn,
  learningRateAt,
  memoryStore,
  optimizerConfig,
  randomModel,
  resolveConfig,
  sampleStep,
  scoreGroups,
  stepBatch,
} from 'lambda-grpo/core';

/** @param backend a runtime and its provider @param changes of the configuration @param steps how many */
export async function trainingSteps(backend, changes, steps) {
  const config = resolveConfig({
    task: { name: 'binary-tree', depth: 4 },
    model: { width: 32, layers: 2, heads: 2 },
    sampling: { group_size: 16, prompts_per_step: 2 },
    seed: 7,
    ...changes,
  });
  const task = createTask(config.task, config.seed);
  const options = {
    backend,
    model: { ...randomModel(config, task), ...(config.model.lora ? { adapter: config.model.lora } : {}) },
    optimizer: optimizerConfig(config.optimizer),
    seed: config.seed,
    threads: 1,
  };
  const engine = new LocalEngine(options);
  const { objective, optimizer, sampling } = config;
  const policy = { temperature: sampling.temperature, allowedTokens: task.allowedTokens };
  if (objective.kl_beta > 0) await engine.freezeReference();
  const initial = [...engine.trainable.flat];
  const records = [];
  let nextProblem = 0;
  for (let step = 1; step <= steps; step++) {
    const sampled = await sampleStep({ config, task, engine }, step, nextProblem);
    nextProblem = sampled.nextProblem;
    const groups = scoreGroups(sampled.groups, objective);
    const batch = await stepBatch(engine, groups, objective, task.maxCompletionTokens, policy);
    const { first, gradNorm, kl } = await learn(engine, batch, {
      ...policy,
      objective,
      learningRate: learningRateAt(config, step),
      maxGradNorm: optimizer.max_grad_norm,
    });
    records.push({
      tokens: sampled.groups.map(({ completions }) => completions.map(({ tokens }) => [...tokens])),
      rewards: sampled.groups.map(({ completions }) => completions.map(({ reward }) => reward)),
      sampledLogprobs: sampled.groups.flatMap(({ completions }) =>
        completions.flatMap(({ logprobs }) => [...logprobs]),
      ),
      logprobs: first.logprobs.flatMap((values) => [...values]),
      entropies: first.entropies.flatMap((values) => [...values]),
      loss: first.loss,
      gradNorm,
      kl: kl ?? 0,
      stepAdvantages: sampled.groups.flatMap((group) => [...analyzeGroup(group).stepAdvantages]),
    });
  }
  const content = new Map();
  await engine.save(memoryStore(content));
  const weights = [...engine.trainable.flat];
  await engine.dispose();
  // What was stored is enough to go on elsewhere.
  const again = new LocalEngine({ ...options, seed: config.seed + 1 });
  if (objective.kl_beta > 0) await again.freezeReference();
  await again.load(memoryStore(content));
  const restored = [...again.trainable.flat];
  await again.dispose();
  return { records, initial, weights, restored, stored: [...content.keys()].sort() };
}
