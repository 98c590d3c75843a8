/**
 * The arithmetic recipe as committed (three digits), both methods, from warm-up to right answers, within ten minutes on
 * two cores. `npm run test:long`.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { compare, loadConfig } from '../../src/train/index.js';

it('starts between 20% and 50%, and reaches 80% greedy accuracy on held-out sums', {
  timeout: 600_000,
}, async () => {
  const out = join(await mkdtemp(join(tmpdir(), 'lambda-grpo-long-')), 'runs');
  const { runs } = await compare({
    config: loadConfig('recipes/arithmetic.yaml'),
    methods: ['grpo', 'lambda-grpo'],
    seeds: [0],
    out,
  });
  for (const { method, metrics } of runs) {
    const evaluations = metrics.flatMap(({ eval_accuracy }) => eval_accuracy ?? []);
    const first = metrics.find(({ phase, step }) => phase === 'train' && step > 0)?.success_rate as number;
    console.log(`${method}: sampled at the start ${first}, greedy ${evaluations.join(' ')}`);
    expect(first, method).toBeGreaterThanOrEqual(0.2);
    expect(first, method).toBeLessThanOrEqual(0.5);
    expect(Math.max(...evaluations), method).toBeGreaterThanOrEqual(0.8);
  }
  await rm(out, { recursive: true, force: true });
});
