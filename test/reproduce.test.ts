/** `reproduce` as a whole: the smoke version of every experiment, interrupted runs, and what reports may say. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { EXPERIMENTS, reproduce } from '../src/reproduce/index.js';
import { treeRuns } from '../src/reproduce/tree-runs.js';
import { warmRuns, warmup } from '../src/reproduce/warm-runs.js';
import { Interrupted, runUnit, type UnitSpec } from '../src/reproduce/work/index.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = mkdtempSync(join(tmpdir(), 'lambda-grpo-reproduce-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const [work, out] = [join(folder, 'work'), join(folder, 'results')];

describe('reproduce all --quick', () => {
  it.each(EXPERIMENTS)('$name runs and says what it set out to say', async (experiment) => {
    const done: number[] = [];
    const result = await reproduce({
      experiment,
      quick: true,
      places: {},
      out,
      work,
      jobs: 1,
      progress: (now, total) => done.push(now / total),
    });
    expect(['holds', 'holds in part', 'does not hold here']).toContain(result?.verdict);
    expect(done).toEqual([...done].sort((a, b) => a - b));
    expect(done.at(-1)).toBe(1);
    const page = readFileSync(join(out, `${experiment.name}.md`), 'utf8');
    for (const part of [
      'smoke version',
      '**Claim.**',
      '**Prediction.**',
      '**Rule.**',
      '## Configuration',
      'Made by',
    ])
      expect(page).toContain(part);
    expect(page).toContain(`\`lambda-grpo reproduce ${experiment.name} --quick\``);
    for (const [, figure] of page.matchAll(/!\[[^\]]*\]\(([^)]+)\)/g))
      expect(readdirSync(out)).toContain(figure);
    expect(page).not.toMatch(/undefined|NaN|\[object/);
    const data = JSON.parse(readFileSync(join(out, `${experiment.name}.json`), 'utf8'));
    expect(data).toMatchObject({
      experiment: experiment.name,
      verdict: result?.verdict,
      making: { quick: true },
    });
  });

  it('one table links them all; no report names this machine or its folders', () => {
    const claims = readFileSync(join(out, 'claims.md'), 'utf8');
    for (const { name } of EXPERIMENTS) expect(claims).toContain(`](${name}.md)`);
    for (const name of readdirSync(out)) {
      const text = readFileSync(join(out, name), 'utf8');
      expect(text).not.toContain(folder);
      expect(text).not.toContain(root);
      expect(text).not.toContain(hostname());
    }
  });
});

/** What a unit gives when it is stopped after a share of its steps and asked again, and when it is not. */
async function cutAndWhole(spec: UnitSpec, id: string, at: number) {
  const whole = await runUnit(spec, { folder, id: `${id}-whole`, progress: () => {} });
  const controller = new AbortController();
  const first = runUnit(spec, {
    folder,
    id,
    signal: controller.signal,
    progress: (share) => {
      if (share >= at) controller.abort();
    },
  });
  await expect(first).rejects.toThrow(Interrupted);
  const shares: number[] = [];
  const cut = await runUnit(spec, { folder, id, progress: (share) => shares.push(share) });
  return { cut, whole, continuedAt: shares[0] };
}

describe('a run cut off in the middle and continued equals the uninterrupted one', () => {
  it('on the binary tree, with the rescaled gradient; the continued run does not start over', async () => {
    const settings = { n: 1, reward: -1, optimizer: 'adamw', learningRate: 1e-3, steps: 20 } as const;
    const [{ spec }] = treeRuns(settings, 'rescaled', 1);
    const { cut, whole, continuedAt } = await cutAndWhole(spec, 'tree', 0.5);
    expect(continuedAt).toBeGreaterThan(0.5);
    expect(cut).toEqual(whole);
    expect(whole).toMatchObject({ rescale: expect.arrayContaining([expect.any(Number)]) });
  });

  it('with p > 1', async () => {
    const settings = { n: 1, reward: -1, optimizer: 'adamw', learningRate: 1e-3, steps: 10 } as const;
    const [{ spec }] = treeRuns(settings, 1.25, 1);
    const { cut, whole, continuedAt } = await cutAndWhole(spec, 'exponent', 0.5);
    expect(continuedAt).toBeGreaterThan(0.5);
    expect(cut).toEqual(whole);
  });

  it('from a shared warm-up, with a KL term', async () => {
    const settings = {
      task: 'chain',
      groupSize: 4,
      promptsPerStep: 2,
      beta: 0.04,
      steps: 6,
      evaluateEvery: 3,
      quick: true,
    } as const;
    const start = warmup(settings, 0);
    await runUnit(start.spec, { folder, id: start.id, progress: () => {} });
    const [{ spec }] = warmRuns(settings, 'lambda-grpo', 1);
    const { cut, whole, continuedAt } = await cutAndWhole(spec, 'chain', 0.5);
    expect(continuedAt).toBeGreaterThan(0.5);
    expect(cut).toEqual(whole);
    expect(whole).toMatchObject({
      evaluations: [
        [0, expect.any(Number)],
        [3, expect.any(Number)],
        [6, expect.any(Number)],
      ],
    });
  });
});

describe('the command', () => {
  const cli = (...args: string[]): Promise<{ code: unknown; stdout: string; stderr: string }> =>
    new Promise((resolve) => {
      const program = join(root, 'dist', 'cli', 'main.js');
      execFile(process.execPath, [program, 'reproduce', ...args], { cwd: folder }, (error, stdout, stderr) =>
        resolve({ code: error?.code ?? 0, stdout, stderr }),
      );
    });

  it('runs from anywhere, several units at a time, and lists what there is', async () => {
    const ended = await cli('theorem', '--quick', '--jobs', '2');
    expect(ended).toMatchObject({ code: 0, stderr: '' });
    expect(ended.stdout).toContain('theorem: holds.');
    expect(readdirSync(join(folder, 'runs', 'reproduce-quick', 'results'))).toContain('theorem.md');
    const help = await cli('--help');
    for (const { name } of EXPERIMENTS) expect(help.stdout).toContain(name);
  });

  it('says in one line what it cannot do', async () => {
    const unknown = await cli('everything');
    expect(unknown.code).toBe(1);
    expect(unknown.stderr.trim()).toMatch(/^error: reproduce: expected all, theorem, .*, got 'everything'$/);
    const logs = await cli('structure', '--quick', '--logs', 'nowhere');
    expect(logs.code).toBe(1);
    expect(logs.stderr.trim()).toBe('error: --logs: nowhere: no such folder');
  });
});
