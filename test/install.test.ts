/** `npm start` and `npm test` install missing packages first, also after an interrupted installation. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
let project: string;
/** Without what npm hands down to the programs it runs: this test may be one. */
const outside = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)));

/** A project with our scripts and a few of our packages, optional and platform-bound ones among them. */
beforeAll(() => {
  project = mkdtempSync(join(tmpdir(), 'lambda-grpo-install-'));
  mkdirSync(join(project, 'scripts'));
  cpSync(join(root, 'scripts', 'ensure.mjs'), join(project, 'scripts', 'ensure.mjs'));
  cpSync(join(root, '.npmrc'), join(project, '.npmrc'));
  const { dependencies, devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  writeFileSync(
    join(project, 'package.json'),
    JSON.stringify({
      name: 'installed',
      version: '1.0.0',
      dependencies: { commander: dependencies.commander, yaml: dependencies.yaml },
      devDependencies: { 'fast-check': devDependencies['fast-check'], tsx: devDependencies.tsx },
    }),
  );
  writeFileSync(
    join(project, 'scripts', 'start.mjs'),
    "import { bin, ensureInstalled, run } from './ensure.mjs';\nensureInstalled();\nrun(bin('tsx'), ['-e', \"import 'yaml'; import 'commander'; import 'fast-check'; console.log('all there')\"]);\n",
  );
  execFileSync('npm', ['install', '--package-lock-only', '--loglevel=error'], { cwd: project });
}, 120_000);
afterAll(() => rmSync(project, { recursive: true, force: true }));

interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<{ code: number | null; stdout: string; stderr: string }>;
}

/** In a process group of its own, so that Ctrl-C can be sent to all of it, as a terminal does. */
function start(): Started {
  const child = spawn(process.execPath, ['scripts/start.mjs'], {
    cwd: project,
    detached: true,
    env: outside,
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (data) => {
    stdout += data;
  });
  child.stderr.on('data', (data) => {
    stderr += data;
  });
  const ended = new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) =>
    child.on('close', (code) => resolve({ code, stdout, stderr })),
  );
  return { child, ended };
}

const modules = (...names: string[]): string => join(project, 'node_modules', ...names);

describe('installing', () => {
  it('that was stopped at any moment, by Ctrl-C or for good, is done again by the next start', async () => {
    const started = performance.now();
    expect(await start().ended).toMatchObject({
      code: 0,
      stdout: 'all there\n',
      stderr: expect.stringMatching(/installing packages/),
    });
    const whole = performance.now() - started;
    expect((await start().ended).stderr, 'nothing to do').toBe('');
    for (const [i, signal] of (['SIGINT', 'SIGKILL'] as const).entries()) {
      if (i % 2 === 0) rmSync(modules(), { recursive: true, force: true });
      else rmSync(modules('.package-lock.json'));
      const { child, ended } = start();
      await new Promise((resolve) => setTimeout(resolve, (whole * (i + 1)) / 3));
      try {
        process.kill(-(child.pid as number), signal);
      } catch {
        // It was quicker than thought.
      }
      await ended;
      expect(await start().ended, `${signal} ${i}`).toMatchObject({ code: 0, stdout: 'all there\n' });
    }
  });

  it('is repeated if a package is missing, incomplete or different, whatever npm recorded', async () => {
    const breaks: (() => void)[] = [
      () => rmSync(modules('pure-rand'), { recursive: true }),
      () => writeFileSync(modules('yaml', 'package.json'), '{"name":"ya'),
    ];
    for (const [i, broken] of breaks.entries()) {
      broken();
      expect(await start().ended, String(i)).toMatchObject({
        code: 0,
        stdout: 'all there\n',
        stderr: expect.stringMatching(/installing/),
      });
    }
    expect(existsSync(modules('pure-rand', 'package.json'))).toBe(true);
    expect(readdirSync(modules()).filter((name) => /^\.[a-z-]+-\w{8}$/i.test(name))).toEqual([]);
  });

  it('that cannot be done says to run the same command again, and what to remove', async () => {
    rmSync(modules(), { recursive: true });
    const packageFile = join(project, 'package.json');
    const text = readFileSync(packageFile, 'utf8');
    writeFileSync(packageFile, text.replace('"commander"', '"zod":"4.0.0","commander"'));
    const { code, stdout, stderr } = await start().ended;
    writeFileSync(packageFile, text);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(
      /error: the packages could not be installed; run the same command again\. If it fails again, remove .*node_modules\n$/,
    );
  });
});
