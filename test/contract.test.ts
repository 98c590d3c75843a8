/**
 * The training loop needs only the engine's interface. A configuration that an engine cannot serve is refused in one
 * line.
 */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTask, type Task } from '../src/task/index.js';
import { checkCapabilities } from '../src/train/capabilities.js';
import { type Config, createRunFolder, resolveConfig, train } from '../src/train/index.js';
import { StandInEngine } from './stand-in-engine.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lambda-grpo-contract-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const config = (changes: Record<string, unknown> = {}): Config =>
  resolveConfig({
    task: { name: 'binary-tree', depth: 3, n: 1, negative_reward: 0, other_reward: 0 },
    optimizer: { name: 'sgd', learning_rate: 2, max_grad_norm: null },
    sampling: { group_size: 32 },
    train: { steps: 25 },
    evaluation: { every: 25, problems: 1 },
    ...changes,
  });

async function trained(name: string, settings: Config, from?: string) {
  const task = createTask(settings.task, settings.seed);
  const engine = new StandInEngine(task.vocabulary.size);
  const run = await createRunFolder(join(folder, name), settings);
  const result = await train({ config: settings, task, engine, folder: run, from });
  await run.close();
  return { result, metrics: await run.readMetrics() };
}

describe('an engine without a model', () => {
  it('runs the loop: it learns, writes checkpoints, and continues from them as if uninterrupted', async () => {
    const whole = await trained('whole', config());
    const rewards = whole.metrics.flatMap((record) =>
      'reward_mean' in record ? [Number(record.reward_mean)] : [],
    );
    expect(rewards).toHaveLength(25);
    const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
    // A table of one distribution for all turns: it can learn how many turns go right, not at which depth.
    expect(mean(rewards.slice(-5))).toBeGreaterThan(mean(rewards.slice(0, 5)));
    const first = await trained('first', config({ train: { steps: 10 } }));
    const second = await trained('second', config(), first.result.checkpoint);
    const steps = (records: typeof whole.metrics) =>
      records.flatMap((record) =>
        'reward_mean' in record ? [[record.step, record.reward_mean, record.grad_norm]] : [],
      );
    expect(steps(second.metrics)).toEqual(steps(whole.metrics).slice(10));
  });

  it('is no more than 100 lines, without the runtime', () => {
    const source = readFileSync(join(import.meta.dirname, 'stand-in-engine.ts'), 'utf8');
    expect(source).not.toMatch(/onnx|runtime\//);
    expect(source.split('\n').length).toBeLessThan(105);
  });
});

describe('what an engine cannot do', () => {
  const plain = createTask(config().task, 0);
  const refusal = (changes: Record<string, unknown>, task: Task = plain, can = {}): string => {
    try {
      checkCapabilities(config(changes), task, new StandInEngine(3, can));
    } catch (error) {
      return (error as Error).message;
    }
    return 'accepted';
  };

  it.each([
    [{ objective: { kl_beta: 0.1 } }, 'objective.kl_beta: expected 0 for engine stand-in, got 0.1'],
    [
      { objective: { loss: 'cispo' } },
      'objective.loss: expected a loss that the engine supports for engine stand-in, got cispo',
    ],
    [
      { objective: { entropy_bonus: 0.01 } },
      'objective.entropy_bonus: expected 0 for engine stand-in, got 0.01',
    ],
    [{ objective: { clip_bound: 3 } }, 'objective.clip_bound: expected null for engine stand-in, got 3'],
    [
      { objective: { clip_high: 0.3, updates_per_batch: 2 } },
      'objective.clip_high: expected clip_low, 0.2 for engine stand-in, got 0.3',
    ],
    [
      { method: 'grpo', objective: { rescale_to: 'lambda-grpo' } },
      'objective.rescale_to: expected null for engine stand-in, got lambda-grpo',
    ],
    [
      { objective: { importance_cap: 2 } },
      'objective.importance_cap: expected null (its sampler is the policy itself) for engine stand-in, got 2',
    ],
    [{ sampling: { top_k: 4 } }, 'sampling.top_k: expected 0 for engine stand-in, got 4'],
    [{ sampling: { top_p: 0.9 } }, 'sampling.top_p: expected 1 for engine stand-in, got 0.9'],
    [
      { optimizer: { name: 'sgd', momentum: 0.9 } },
      'optimizer.momentum: expected 0 for engine stand-in, got 0.9',
    ],
  ])('%j: one line that names engine and key', (changes, line) => {
    expect(refusal(changes)).toBe(line);
  });

  it('is not asked for where it is not wanted', () => {
    expect(refusal({})).toBe('accepted');
    // The bounds differ, but nothing is clipped on-policy.
    expect(refusal({ objective: { clip_high: 0.3 } })).toBe('accepted');
    expect(refusal({ objective: { kl_beta: 0.1 } }, plain, { kl: true })).toBe('accepted');
  });

  it('may be what the task wants', () => {
    const watched = { ...plain, watch: () => () => false };
    expect(refusal({}, watched)).toContain('which ends completions by their text');
    expect(refusal({}, plain, { allowedTokens: false })).toContain('which allows only some tokens');
    expect(refusal({}, plain, { contextLength: 3 })).toMatch(
      /^task: expected at most the context length in total/,
    );
  });
});
