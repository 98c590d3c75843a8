/**
 * Training on sums, from the supervised warm-up to right answers by rewards alone, in a small version for every test
 * run: two digits, 2 layers × 64. The recipe itself (three digits, both methods) runs in test/long/arithmetic.test.ts.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { changeConfig, finalAccuracy, loadConfig, RunFolder, run } from '../src/train/index.js';

it('a model that starts below one half reaches 80% greedy accuracy on held-out sums', async () => {
  const out = join(await mkdtemp(join(tmpdir(), 'lambda-grpo-arithmetic-')), 'run');
  const config = changeConfig(loadConfig('recipes/arithmetic.yaml'), {
    set: [
      'task.digits=2',
      'task.held_out=100',
      'task.carry_error_rate=0.7',
      'task.slip_rate=0.15',
      'model.width=64',
      'warmup.steps=600',
      'warmup.batch_size=32',
      'warmup.learning_rate=2e-3',
      'optimizer.learning_rate=3e-4',
      'train.steps=60',
      'evaluation.every=20',
      'evaluation.problems=100',
      'log.rollouts_every=0',
    ],
  });
  await run({ config, out, threads: 1 });
  const metrics = await new RunFolder(out).readMetrics();
  const train = metrics.filter(({ phase }) => phase === 'train');
  const first = train.find(({ success_rate }) => success_rate !== undefined)?.success_rate as number;
  const accuracy = finalAccuracy(metrics) as number;
  console.log(`sampled at the start ${first.toFixed(2)}, greedy at the end ${accuracy.toFixed(2)}`);
  expect(first).toBeGreaterThanOrEqual(0.2);
  expect(first).toBeLessThanOrEqual(0.5);
  expect(accuracy).toBeGreaterThanOrEqual(0.8);
  await rm(out, { recursive: true, force: true });
});
