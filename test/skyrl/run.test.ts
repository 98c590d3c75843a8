/**
 * Whole runs on a real server: the binary tree is learnt, killing the trainer or the server costs only the steps since
 * the last checkpoint, and the exported adapter loads in peft.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensureSkyRL, type Server, startServer, TINY } from '../../scripts/skyrl.mjs';
import { program, start } from '../crash.js';
import { fact, version } from './facts.js';

const root = join(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'skyrl-'));
const STEPS = 30;
let server: Server;

const serve = (port?: number) =>
  startServer({ version, model: TINY, folder: join(folder, 'server'), ...(port ? { port } : {}) });

beforeAll(async () => {
  server = await serve();
});
afterAll(async () => {
  await server?.end();
  rmSync(folder, { recursive: true, force: true });
});

/** The recipe, for this test's server. */
function config(): string {
  const file = join(folder, 'run.yaml');
  const recipe = readFileSync(join(root, 'recipes/skyrl-cpu.yaml'), 'utf8');
  writeFileSync(file, recipe.replace('http://127.0.0.1:8000', server.url));
  return file;
}

type Line = Readonly<Record<string, unknown>>;

/** Metrics of the steps, without what depends on the clock. */
const metrics = (out: string): Line[] =>
  readFileSync(join(out, 'metrics.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter((line) => Number(line.step) > 0)
    .map((line) => Object.fromEntries(Object.entries(line).filter(([name]) => !name.endsWith('seconds'))));

/** What was written of the samples, file by file. */
const rollouts = (out: string): string[] =>
  readdirSync(join(out, 'rollouts'))
    .sort()
    .map((name) => readFileSync(join(out, 'rollouts', name), 'utf8'));

async function reached(out: string, step: number, running: () => boolean): Promise<void> {
  while (running()) {
    try {
      if (metrics(out).some((line) => Number(line.step) >= step)) return;
    } catch {
      // Not written yet, or half a line.
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
const rewards = (lines: readonly Line[]) => lines.map((line) => Number(line.reward_mean));

describe(`a run on SkyRL ${version}`, () => {
  const whole = join(folder, 'whole');

  it('learns the binary tree in 30 steps', async () => {
    const began = Date.now();
    const { code, stderr } = await start(['train', config(), '--out', whole]).ended;
    expect(stderr).not.toMatch(/error/i);
    expect(code).toBe(0);
    const values = rewards(metrics(whole));
    expect(values).toHaveLength(STEPS);
    const [first, last] = [mean(values.slice(0, 5)), mean(values.slice(-5))];
    fact(
      'reward of steps 1–5 → 26–30 (binary tree, λ-GRPO, 16 a step)',
      `${first.toFixed(2)} → ${last.toFixed(2)}`,
    );
    fact('time of the 30 steps, start and compiling included, s', ((Date.now() - began) / 1000).toFixed(0));
    expect(last).toBeGreaterThan(first + 0.3);
  });

  it('goes on after kill −9 of the trainer and of the server, to the records of an undisturbed run', async () => {
    const out = join(folder, 'cut');
    const args = ['train', config(), '--out', out];
    const trainer = start(args);
    await reached(out, 8, () => trainer.child.exitCode === null);
    trainer.child.kill('SIGKILL');
    expect((await trainer.ended).signal).toBe('SIGKILL');

    const second = start([...args, '--resume']);
    await reached(out, 17, () => second.child.exitCode === null);
    const port = Number(new URL(server.url).port);
    await server.kill();
    server = await serve(port);
    const { code, stderr } = await second.ended;
    fact('after the server was killed, the run', code === 0 ? 'goes on by itself' : 'ends with one line');
    if (code !== 0) {
      expect(code).toBe(1);
      expect(stderr.split('\n').filter((line) => line.startsWith('error:'))).toHaveLength(1);
      expect((await start([...args, '--resume']).ended).code).toBe(0);
    }

    const [disturbed, undisturbed] = [metrics(out), metrics(whole)];
    const equal = undisturbed.filter(
      (line, i) => JSON.stringify(line) === JSON.stringify(disturbed[i]),
    ).length;
    fact('records equal to an undisturbed run, after kill −9 of trainer and server', `${equal} of ${STEPS}`);
    expect(disturbed).toEqual(undisturbed);
    expect(rollouts(out)).toEqual(rollouts(whole));
  });

  it('exports an adapter that peft loads whole, and that is the policy of the server', async () => {
    const out = join(folder, 'adapter');
    const args = [program, 'export', whole, out, '--checkpoint', '25'];
    execFileSync(process.execPath, args, { cwd: root, stdio: 'pipe' });
    // What was sampled next.
    const sampled = join(whole, 'rollouts', 'step_000026.jsonl');
    const script = join(root, 'scripts/python/check_tinker_adapter.py');
    const printed = execFileSync(ensureSkyRL(version), [script, join(root, TINY), out, sampled], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const { modules, nonzero, deviation, without } = JSON.parse(printed) as Record<string, number>;
    fact('modules of the exported adapter in peft, of 2 layers × 7', `${nonzero} of ${modules}`);
    fact("ln π of the server's samples, peft − server, largest difference", deviation.toExponential(1));
    expect([modules, nonzero]).toEqual([14, 14]);
    expect(deviation).toBeLessThan(1e-3);
    expect(without).toBeGreaterThan(0.1);
  });
});
