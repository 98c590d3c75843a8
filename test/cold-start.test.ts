/**
 * A cold start from solutions in a file, accuracy before and after training, and a learning-rate schedule that ends
 * with the run, from the command line.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const cli = join(import.meta.dirname, '..', 'dist', 'cli', 'main.js');
const letters = [...'abcdefghij'];
const task = join(import.meta.dirname, '..', 'recipes', 'tasks', 'alphabet.ts');
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lambda-grpo-cold-start-'));
  const solutions = letters.map((letter, i) => ({
    prompt: letter,
    completion: [1, 2, 3].map((n) => letters[(i + n) % 10]).join(''),
  }));
  await writeFile(join(folder, 'sft.jsonl'), solutions.map((row) => `${JSON.stringify(row)}\n`).join(''));
  await writeFile(join(folder, 'bad.jsonl'), '{"prompt": "a", "completion": "bcd"}\n{"prompt": "b"}\n');
  await writeFile(
    join(folder, 'run.yaml'),
    JSON.stringify({
      task: { name: 'module', path: task },
      model: { layers: 1, heads: 2, width: 32 },
      warmup: { steps: 60, batch_size: 10, learning_rate: 0.01, data: ['sft.jsonl'] },
      optimizer: { schedule: 'cosine', learning_rate: 1e-4 },
      sampling: { group_size: 4 },
      train: { steps: 3 },
      evaluation: { every: 0, problems: 10 },
    }),
  );
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const train = (...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> =>
  new Promise((resolve) => {
    execFile(
      process.execPath,
      [cli, 'train', 'run.yaml', '--threads', '1', ...args],
      { cwd: folder, timeout: 120_000 },
      (error, stdout, stderr) => resolve({ code: Number(error?.code ?? 0), stdout, stderr }),
    );
  });

describe.skipIf(!existsSync(cli))('a cold start', () => {
  it('learns the solutions of a file, says the accuracy before and after, and lets the rate fall to the end', async () => {
    const { code, stdout } = await train('--out', 'run', '--eval');
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /held-out accuracy \(greedy, 10 problems\): 100\.0% \[72\.2, 100\.0\] before, 100\.0% \[72\.2, 100\.0\] after 3 steps/,
    );
    const lines = (await readFile(join(folder, 'run', 'metrics.jsonl'), 'utf8')).trim().split('\n');
    const steps = lines.map((line) => JSON.parse(line)).filter(({ phase }) => phase === 'train');
    expect(steps.map(({ step, eval_problems }) => [step, eval_problems])).toEqual([
      [0, 10],
      [1, undefined],
      [2, undefined],
      [3, 10],
    ]);
    expect(steps.slice(1).map(({ learning_rate }) => learning_rate)).toEqual([
      1e-4,
      expect.closeTo(7.5e-5, 10),
      expect.closeTo(2.5e-5, 10),
    ]);
    const longer = await train('--out', 'run', '--resume', '--set', 'train.steps=5');
    expect([longer.code, longer.stderr.trim()]).toEqual([
      1,
      'error: run: train.steps: expected 3, because the cosine schedule of the learning rate ends there, got 5',
    ]);
  });

  it('a row without completion is one line, before anything is written', async () => {
    const { code, stderr } = await train('--out', 'none', '--set', 'warmup.data=[bad.jsonl]');
    expect([code, stderr.trim()]).toEqual([
      1,
      'error: bad.jsonl:2: expected messages, or prompt and completion, got prompt',
    ]);
    expect(existsSync(join(folder, 'none'))).toBe(false);
  });

  it('solutions without steps do nothing, and are refused', async () => {
    const { code, stderr } = await train('--out', 'none', '--set', 'warmup.steps=0');
    expect([code, stderr.trim()]).toEqual([
      1,
      'error: --set: warmup.steps: expected at least 1 with warmup.data, got 0',
    ]);
  });
});
