import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CREDIT_NAMES, type CreditName } from '../../objective/index.js';
import { treeConfig } from '../tree-runs.js';
import { runSigns } from './signs.js';
import { runPolicy } from './train.js';
import { runValues } from './values.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lambda-grpo-signs-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const config = treeConfig({ n: 1, reward: -1, optimizer: 'adamw', learningRate: 1e-3, steps: 2 });
const context = (id: string) => ({ folder, id, progress: () => {} });
const signs = (rules: readonly CreditName[], groups: number, id: string) =>
  runSigns({ kind: 'signs', config, rules, groups }, context(id));

it('against the prompt, wrong mass of GRPO and λ-GRPO is what the measurement of process rewards has on the same groups', async () => {
  const [grpo, lambda] = await signs(['grpo', 'lambda-grpo'], 20, 'signs');
  await runPolicy({ kind: 'policy', config, start: null }, context('policy'));
  const { sizes } = await runValues(
    {
      kind: 'values',
      policy: 'policy',
      seed: config.seed,
      sizes: [16],
      problems: 20,
      pool: 16,
      shared: false,
      prefixes: null,
      rollouts: 0,
      ends: false,
    },
    context('values'),
  );
  const { mass } = sizes[0];
  expect(mass.grpo.wrong / mass.grpo.decided).toBeCloseTo(grpo.prompt ?? Number.NaN, 5);
  expect(mass['lambda-grpo'].wrong / mass['lambda-grpo'].decided).toBeCloseTo(lambda.prompt ?? Number.NaN, 5);
});

it('rules with one gradient have the same signs; every rule has mass, and the same groups give the same shares', async () => {
  const figures = await signs(CREDIT_NAMES, 10, 'all');
  const ruleOf = (name: CreditName) => figures[CREDIT_NAMES.indexOf(name)];
  expect(ruleOf('treerl-root-1')).toEqual(ruleOf('grpo'));
  expect(ruleOf('treerl-root-n')).toEqual(ruleOf('lambda-grpo'));
  expect(ruleOf('treerl-root')).toEqual(ruleOf('lambda-0.5'));
  expect(ruleOf('spo-tree')).not.toEqual(ruleOf('lambda-grpo'));
  for (const { prompt, token } of figures) {
    for (const share of [prompt, token]) {
      expect(share).toBeGreaterThanOrEqual(0);
      expect(share).toBeLessThan(0.7);
    }
  }
  expect(await signs(CREDIT_NAMES, 10, 'again')).toEqual(figures);
});
