/** Checks before a run whether the engine supports what its configuration and task need. */
import type { Capabilities, Engine } from '../engine/index.js';
import type { Task } from '../task/index.js';
import { type Config, ConfigError } from './config.js';
import { lossForm } from './loss-form.js';

/**
 * A feature that an engine may lack: its key, whether the configuration needs it, whether the engine has it, and the
 * alternative.
 */
interface Wish {
  readonly key: string;
  readonly value: unknown;
  readonly wanted: boolean;
  readonly has: (capabilities: Capabilities) => boolean;
  readonly expected: string;
}

function wishes({ objective, sampling, optimizer, engine }: Config, task: Task): Wish[] {
  const { clip_low, clip_high, clip_bound, kl_beta, reference_sync_every, entropy_bonus } = objective;
  const clips = objective.updates_per_batch > 1;
  return [
    {
      key: 'objective.loss',
      value: objective.loss,
      wanted: true,
      has: ({ forms }) => forms.includes(lossForm(objective.loss)),
      expected: 'a loss that the engine supports',
    },
    {
      key: 'optimizer.name',
      value: optimizer.name,
      wanted: true,
      has: ({ optimizers }) => optimizers.includes(optimizer.name),
      expected: 'an optimizer that the engine supports',
    },
    {
      key: 'optimizer.max_grad_norm',
      value: optimizer.max_grad_norm,
      wanted: optimizer.max_grad_norm !== null,
      has: ({ gradientClipping }) => gradientClipping,
      expected: 'null (the engine does not clip gradients)',
    },
    {
      key: 'engine.ahead',
      value: 1,
      wanted: engine.name === 'tinker' && engine.ahead > 0,
      has: ({ sampleAhead }) => sampleAhead,
      expected: '0 (on this engine, sampling from an older snapshot changes the training)',
    },
    {
      key: 'engine.ahead',
      value: 1,
      wanted: engine.name === 'tinker' && engine.ahead > 0 && task.environment !== undefined,
      has: () => false,
      expected: '0 with a task of several turns (later turns would sample other weights)',
    },
    {
      key: 'sampling.temperature',
      value: sampling.temperature,
      wanted: sampling.temperature !== 1,
      has: ({ temperature }) => temperature,
      expected: '1 (the engine trains at no other temperature)',
    },
    {
      key: 'objective.clip_high',
      value: clip_high,
      wanted: clips && clip_low !== clip_high,
      has: ({ asymmetricClipping }) => asymmetricClipping,
      expected: `clip_low, ${clip_low}`,
    },
    {
      key: 'objective.clip_bound',
      value: clip_bound,
      wanted: clip_bound !== null,
      has: (can) => can.clipBound,
      expected: 'null',
    },
    { key: 'objective.kl_beta', value: kl_beta, wanted: kl_beta > 0, has: ({ kl }) => kl, expected: '0' },
    {
      key: 'objective.reference_sync_every',
      value: reference_sync_every,
      wanted: reference_sync_every > 0,
      has: ({ referenceSync }) => referenceSync,
      expected: '0',
    },
    {
      key: 'objective.entropy_bonus',
      value: entropy_bonus,
      wanted: entropy_bonus > 0,
      has: ({ entropyBonus }) => entropyBonus,
      expected: '0',
    },
    {
      key: 'objective.rescale_to',
      value: objective.rescale_to,
      wanted: objective.rescale_to !== null,
      has: ({ rescale }) => rescale,
      expected: 'null',
    },
    {
      key: 'objective.importance_cap',
      value: objective.importance_cap,
      wanted: objective.importance_cap !== null && sampling.precision === 'float32',
      has: ({ otherSampler }) => otherSampler,
      expected: 'null (its sampler is the policy itself)',
    },
    {
      key: 'sampling.precision',
      value: sampling.precision,
      wanted: sampling.precision === 'int8',
      has: ({ int8Sampling }) => int8Sampling,
      expected: 'float32 (the weights are trained; int8 needs model.lora)',
    },
    {
      key: 'sampling.top_k',
      value: sampling.top_k,
      wanted: sampling.top_k > 0,
      has: ({ topK }) => topK,
      expected: '0',
    },
    {
      key: 'sampling.top_p',
      value: sampling.top_p,
      wanted: sampling.top_p < 1,
      has: ({ topP }) => topP,
      expected: '1',
    },
    {
      key: 'optimizer.momentum',
      value: optimizer.momentum,
      wanted: optimizer.name === 'sgd' && optimizer.momentum > 0,
      has: ({ momentum }) => momentum,
      expected: '0',
    },
    {
      key: 'task',
      value: `${task.name}, whose environment writes tokens that are not trained`,
      wanted: task.environment !== undefined,
      has: ({ masks }) => masks,
      expected: 'a task without an environment',
    },
    {
      key: 'task',
      value: `${task.name}, which ends completions by their text`,
      wanted: task.watch !== undefined,
      has: ({ watchers }) => watchers,
      expected: 'a task that ends completions with a token',
    },
    {
      key: 'task',
      value: `${task.name}, which allows only some tokens`,
      wanted: task.allowedTokens !== undefined,
      has: ({ allowedTokens }) => allowedTokens,
      expected: 'a task that allows the whole vocabulary (binary-tree: task.vocabulary)',
    },
    {
      key: 'task',
      value: `prompts of up to ${task.maxPromptTokens} and completions of up to ${task.maxCompletionTokens} tokens`,
      wanted: true,
      has: ({ contextLength }) => task.maxPromptTokens + task.maxCompletionTokens <= contextLength,
      expected: 'at most the context length in total',
    },
  ];
}

/** @throws ConfigError, one line that names engine and key */
export function checkCapabilities(
  config: Config,
  task: Task,
  engine: Pick<Engine, 'name' | 'capabilities'>,
): void {
  const missing = wishes(config, task).find(({ wanted, has }) => wanted && !has(engine.capabilities));
  if (!missing) return;
  const { key, value, expected } = missing;
  throw new ConfigError(`${key}: expected ${expected} for engine ${engine.name}, got ${value}`);
}
