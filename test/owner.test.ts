/**
 * Whole processes that use one run folder: two writers, a full disk, a folder that is removed, a parent that is killed.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { remains, start } from './crash.js';

const folder = mkdtempSync(join(tmpdir(), 'lambda-grpo-owner-'));
afterAll(() => rmSync(folder, { recursive: true }));

const config = (changes: string): string => {
  const file = join(folder, `${Math.random()}.yaml`);
  const base =
    'task: { name: binary-tree }\nmodel: { layers: 1, width: 32, heads: 2 }\nevaluation: { every: 10 }\n';
  writeFileSync(file, base + changes);
  return file;
};
const steps = (out: string): number => {
  const file = join(out, 'metrics.jsonl');
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').length : 0;
};
async function until(what: () => boolean): Promise<void> {
  const limit = performance.now() + 60_000;
  while (!what()) {
    if (performance.now() > limit) throw new Error('waited for a minute');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
const leftovers = (out: string): string[] =>
  (readdirSync(out, { recursive: true }) as string[]).filter((name) => /\.tmp|lock/.test(name));

it('of two that continue a run one is refused by the name of the other; readers are not; a killed one is followed at once', async () => {
  const file = config('train: { steps: 4000 }\ncheckpoint: { every: 10 }\n');
  const out = join(folder, 'two');
  const args = ['train', file, '--out', out, '--threads', '1'];
  const first = start(args);
  await until(() => steps(out) > 30);
  const results = await Promise.all([start([...args, '--resume']).ended, start(args).ended]);
  expect(results.map(({ code }) => code)).toEqual([1, 1]);
  expect(results[0].stderr).toMatch(
    new RegExp(`^error: ${out}: process ${first.child.pid} on \\S+ has been writing to it since [^\\n]*\\n$`),
  );
  expect(results[1].stderr).toContain('expected a folder without a run');
  expect(await start(['export', out, join(folder, 'two-exported')]).ended).toMatchObject({
    code: 0,
    stderr: '',
  });
  first.child.kill('SIGKILL');
  await first.ended;
  const before = steps(out);
  const next = start([...args, '--resume']);
  await until(() => steps(out) > before + 5);
  next.child.kill('SIGINT');
  expect((await next.ended).code).toBe(130);
  const numbers = readFileSync(join(out, 'metrics.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as { step: number }).step);
  expect(numbers).toEqual(numbers.map((_, i) => i));
  expect(leftovers(out)).toEqual([]);
});

it('a folder that is removed under a run stops it with one line, and is not made again', async () => {
  const out = join(folder, 'removed');
  const run = start(['train', config('train: { steps: 4000 }\n'), '--out', out, '--threads', '1']);
  await until(() => steps(out) > 10);
  // The run goes on writing while its files are removed, so that a folder may be full again when its turn comes.
  await until(() => {
    try {
      rmSync(out, { recursive: true, force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOTEMPTY') throw error;
    }
    return !existsSync(out);
  });
  const { code, stderr } = await run.ended;
  expect(code).toBe(1);
  expect(stderr).toMatch(/^error: [^\n]*removed[^\n]*\n$/);
  expect(existsSync(out)).toBe(false);
});

const disk = mkdtempSync(join(tmpdir(), 'lambda-grpo-owner-disk-'));
const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=900k', 'tmpfs', disk]).status === 0;
afterAll(() => {
  if (mounted) spawnSync('umount', ['-l', disk]);
  rmSync(disk, { recursive: true, force: true });
});

it.skipIf(!mounted)(
  'a disk that fills up stops a run with one line; with room again it ends as if nothing had been',
  async () => {
    const file = config('train: { steps: 40 }\ncheckpoint: { every: 5, keep: 1 }\n');
    const [out, whole] = [join(disk, 'run'), join(folder, 'roomy')];
    expect((await start(['train', file, '--out', whole, '--threads', '1']).ended).code).toBe(0);
    const args = ['train', file, '--out', out, '--threads', '1'];
    const filler = join(disk, 'filler');
    // What is left runs out in the checkpoints, the rollouts or the metrics, wherever each attempt comes to.
    for (const size of [600, 450]) {
      execFileSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=1k', `count=${size}`], { stdio: 'ignore' });
      const { code, stderr } = await start([...args, ...(existsSync(out) ? ['--resume'] : [])]).ended;
      expect(code).toBe(1);
      expect(stderr).toMatch(/^error: [^\n]*no space is left on the disk \(ENOSPC\)\n$/);
      expect(existsSync(out) ? leftovers(out) : []).toEqual([]);
      rmSync(filler);
    }
    execFileSync('mount', ['-o', 'remount,ro', disk]);
    const refused = await start([...args, '--resume']).ended;
    expect(refused).toMatchObject({ code: 1 });
    expect(refused.stderr).toMatch(/^error: [^\n]*the file system is read-only \(EROFS\)\n$/);
    execFileSync('mount', ['-o', 'remount,rw,size=8m', disk]);
    expect((await start([...args, '--resume']).ended).code).toBe(0);
    expect(remains(out)).toEqual(remains(whole));
  },
);

it.skipIf(!mounted)('analyze on a full disk is one line for every output, and leaves nothing', async () => {
  const room = join(disk, 'analysis');
  mkdirSync(room);
  const log = join(folder, 'two', 'rollouts');
  execFileSync('mount', ['-o', 'remount,rw,size=900k', disk]);
  spawnSync('dd', ['if=/dev/zero', `of=${join(disk, 'filler')}`, 'bs=1k', 'count=9000']);
  const outputs = { '--csv': 'a.csv', '--weights': 'w.parquet', '--report': 'r.html' };
  for (const output of [...Object.entries(outputs), ['--weights', 'w.jsonl']]) {
    const others = output[0] === '--report' ? [] : ['--no-report'];
    const { code, stderr } = await start(['analyze', log, output[0], join(room, output[1]), ...others]).ended;
    expect(code).toBe(1);
    const errors = stderr.split('\n').filter((line) => line.startsWith('error: '));
    expect(errors).toHaveLength(1);
    expect(errors[0]).toContain(`${output[1]}: cannot be written: no space is left on the disk (ENOSPC)`);
    expect(readdirSync(room)).toEqual([]);
  }
});

it('children of compare end with a checkpoint when their parent is killed; what is continued is as if nothing had been', async () => {
  const file = config('train: { steps: 90 }\ncheckpoint: { every: 0 }\n');
  const [out, whole] = [join(folder, 'compare'), join(folder, 'compare-whole')];
  const args = ['compare', file, '--seeds', '1', '--jobs', '2'];
  const runs = ['grpo', 'lambda-grpo'].map((method) => join(out, method, 'seed_0'));
  const parent = start([...args, '--out', out]);
  await until(() => runs.every((run) => steps(run) > 10));
  parent.child.kill('SIGKILL');
  // Its standard error is the children's too: it closes with the last of them.
  const { stderr } = await parent.ended;
  expect(stderr).toBe('');
  for (const run of runs) {
    expect(steps(run)).toBeLessThan(90);
    expect(leftovers(run)).toEqual([]);
    expect(readdirSync(join(run, 'checkpoints')).some((name) => name > 'step_000005')).toBe(true);
  }
  expect((await start([...args, '--out', out, '--resume']).ended).code).toBe(0);
  expect((await start([...args, '--out', whole]).ended).code).toBe(0);
  for (const run of runs) expect(remains(run)).toEqual(remains(run.replace(out, whole)));
});
