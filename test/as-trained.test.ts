/** The displayed tree uses the run's own advantages, weights and exponent, and says so. */
import { execFile } from 'node:child_process';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { analyzeGroup, asTrained, describeTrained, runObjective } from '../src/analysis/index.js';
import type { Group } from '../src/rollouts/index.js';
import { readOwnRollouts } from '../src/rollouts/own-files.js';
import { trainExamples } from '../src/train/batch.js';
import { type Config, resolveConfig, run } from '../src/train/index.js';
import { scoreGroups } from '../src/train/scored-groups.js';

const cli = (...args: string[]) =>
  promisify(execFile)(process.execPath, [join(import.meta.dirname, '../dist/cli/main.js'), ...args]);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lambda-grpo-as-trained-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const configOf = (objective: object, method = 'lambda-grpo'): Config =>
  resolveConfig({
    method,
    task: { name: 'arithmetic', digits: 1, held_out: 5 },
    model: { layers: 1, heads: 2, width: 16 },
    sampling: { group_size: 8, prompts_per_step: 3 },
    // Rewards that differ without a solution: by length.
    objective: { length_penalty_tokens: 8, ...objective },
    warmup: { steps: 20 },
    evaluation: { every: 0 },
    train: { steps: 1 },
    log: { rollouts_every: 1 },
  });

async function groupsOf(config: Config, name: string): Promise<{ groups: Group[]; file: string }> {
  const out = join(folder, name);
  const { folder: runFolder } = await run({ config, out, threads: 1 });
  const groups: Group[] = [];
  const file = runFolder.rolloutsFile(1);
  for await (const group of readOwnRollouts(file)) groups.push(group);
  return { groups, file };
}

describe.each([
  ['dapo', { loss: 'dapo' }, 'lambda-grpo'],
  ['grpo, batch scale', { loss: 'grpo', advantage_scale: 'batch' }, 'grpo'],
  ['dr_grpo, no scale', { loss: 'dr_grpo', advantage_scale: 'none' }, 'lambda-grpo'],
  ['grpo, cut-off ones masked', { loss: 'grpo', truncated: 'mask', lambda_exponent: 0.5 }, 'lambda-grpo'],
])('%s', (name, objective, method) => {
  it('Â(λ)·Σw·|λ|^−p over the members is the coefficient that training gave the step', async () => {
    const config = configOf(objective, method);
    const { groups } = await groupsOf(config, name.replaceAll(/\W+/g, '-'));
    // As the trainer does it, from the rewards and lengths alone.
    const bare = groups.map((group) => ({
      ...group,
      completions: group.completions.map(({ advantage: _, ...rest }) => rest),
    }));
    const scored = scoreGroups(bare, config.objective);
    const examples = trainExamples(scored, config.objective, 24);
    let [steps, cutOff] = [0, 0];
    groups.forEach((group, g) => {
      const view = runObjective(config.objective);
      const trained = asTrained(group, view);
      if (!trained) throw new Error('the rollouts have advantages');
      const { tree, stepAdvantages } = analyzeGroup(group, { asTrained: trained });
      const { plus, minus } = examples[g].coefficients;
      // The weights are known up to a factor that all of a group have: take it from the first that counts.
      const factors = new Set<string>();
      for (let node = 0; node < tree.nodeCount; node++) {
        const total = tree.membersOf(node).reduce((sum, i) => sum + trained.weights[i], 0);
        if (total === 0) {
          expect(stepAdvantages[node]).toBe(0);
          cutOff++;
          continue;
        }
        const ours = stepAdvantages[node] * total * tree.size[node] ** -view.lambdaExponent;
        const theirs = plus[node] + minus[node];
        if (Math.abs(theirs) < 1e-12) continue;
        factors.add((theirs / ours).toPrecision(6));
        steps++;
      }
      expect(factors.size).toBeLessThanOrEqual(1);
    });
    expect(steps).toBeGreaterThan(3);
    if (config.objective.truncated === 'mask') expect(cutOff).toBeGreaterThan(0);
  });
});

describe('tree and analyze', () => {
  it('name the settings of the run and show its figures; without a run they are the paper’s, without a note', async () => {
    const config = configOf({ loss: 'dr_grpo', advantage_scale: 'none' });
    const { groups, file } = await groupsOf(config, 'said');
    const line = describeTrained(runObjective(config.objective));
    expect(line).toBe(
      'as this run trained: advantages not divided (advantage_scale none); completions have equal weights in a step (normalisation constant); ' +
        'a step counts once (lambda_exponent 1)',
    );
    const { stdout: shown } = await cli('tree', file);
    expect(shown.replaceAll(/\s+/g, ' ')).toContain(line);
    const away = join(folder, 'step.jsonl');
    await cp(file, away);
    const { stdout: elsewhere } = await cli('tree', away);
    expect(elsewhere).not.toContain('as this run trained');
    expect(elsewhere.split('\n').slice(2)).not.toEqual(shown.split('\n').slice(4));

    const json = async (...args: string[]) =>
      JSON.parse((await cli('analyze', '--json', '--no-report', ...args)).stdout) as {
        asTrained: string[];
        mass: { up: number };
      };
    const [byConfig, std, none, foreign] = [
      await json(file),
      await json(file, '--scale', 'std'),
      await json(file, '--scale', 'none'),
      await json(away),
    ];
    expect([byConfig.asTrained, std.asTrained, foreign.asTrained]).toEqual([[line], [], []]);
    expect(byConfig.mass.up).toBeCloseTo(none.mass.up, 9);
    expect(foreign.mass).toEqual(std.mass);
    if (groups.some(({ completions }) => new Set(completions.map(({ reward }) => reward)).size > 1))
      expect(byConfig.mass.up).not.toBeCloseTo(std.mass.up, 3);
  });
});
