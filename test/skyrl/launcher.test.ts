/**
 * The launcher of a real server: both of its processes end with the process that started them, even if that is killed.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { version } from './facts.js';

const root = join(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'skyrl-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Ids of the processes that serve from this test's folder. */
const serving = (): string[] =>
  execFileSync('ps', ['-eo', 'pid,args', '-ww'], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.includes('skyrl_server.py') && line.includes(folder))
    .map((line) => line.trim().split(' ')[0]);

async function started(): Promise<ChildProcess> {
  const args = ['scripts/skyrl.mjs', '--port', '0', '--folder', folder, '--version', version];
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (data) => {
      output += data;
    });
  for (let i = 0; i < 900 && !output.includes('Ctrl-C ends it'); i++) {
    if (child.exitCode !== null) throw new Error(output);
    await sleep(100);
  }
  return child;
}

describe(`the launcher of SkyRL ${version}`, () => {
  it.each(['SIGINT', 'SIGKILL'] as const)('leaves neither API nor engine behind after %s', async (signal) => {
    const child = await started();
    expect(serving()).toHaveLength(2);
    child.kill(signal);
    for (let i = 0; i < 100 && serving().length > 0; i++) await sleep(100);
    expect(serving()).toEqual([]);
  });

  it('ends with one line when the API is gone, and leaves no engine behind', async () => {
    const child = await started();
    let output = '';
    child.stderr?.on('data', (data) => {
      output += data;
    });
    const code = new Promise((resolve) => child.once('close', resolve));
    // The launcher's own child.
    process.kill(Number(serving().sort((a, b) => Number(a) - Number(b))[0]), 'SIGKILL');
    expect(await code).toBe(1);
    expect(output).toMatch(/^error: the server ended: SIGKILL \(log: .*server\.log\)\n$/);
    expect(serving()).toEqual([]);
  });

  it('names what it expects instead of a version that it does not have', () => {
    const args = ['scripts/skyrl.mjs', '--version', '0.2.0'];
    const run = () => execFileSync(process.execPath, args, { cwd: root, encoding: 'utf8', stdio: 'pipe' });
    expect(run).toThrow('error: --version: expected 0.3.0 or 0.4.0, got 0.2.0');
  });
});
