/**
 * Runs the commands of each entry point ("door") of the README in a fresh clone that has only its files, an
 * installation and a build. The one with a model downloads it from the Hub, so it runs only if DOORS_WITH_NETWORK is
 * set.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const doors = new Map(
  [...readme.matchAll(/<!-- door:(\w+) -->\n```sh\n([\s\S]*?)```/g)].map(([, name, commands]) => [
    name,
    commands,
  ]),
);

let base: string;
let clone: string;
/** Without what npm hands down to the programs it runs: this test may be one. */
const outside = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)));

beforeAll(() => {
  base = mkdtempSync(join(tmpdir(), 'lambda-grpo-doors-'));
  clone = join(base, 'lambda-grpo');
  const files = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 1e8,
  });
  for (const file of files.split('\0').filter((name) => name !== '' && existsSync(join(root, name)))) {
    mkdirSync(dirname(join(clone, file)), { recursive: true });
    cpSync(join(root, file), join(clone, file));
  }
  cpSync(join(root, 'dist'), join(clone, 'dist'), { recursive: true });
  // Hard links where the system has them: the packages are 700 MB.
  const linked = spawnSync('cp', ['-al', join(root, 'node_modules'), join(clone, 'node_modules')]);
  if (linked.status !== 0)
    cpSync(join(root, 'node_modules'), join(clone, 'node_modules'), { recursive: true });
}, 300_000);
afterAll(() => rmSync(base, { recursive: true, force: true }));

/** Runs a door's commands one after the other, as a shell would, and stops at the first that fails. */
function walk(name: string): string {
  const { status, stdout, stderr } = spawnSync('sh', ['-e', '-c', doors.get(name) as string], {
    cwd: clone,
    encoding: 'utf8',
    env: { ...outside, NO_COLOR: '1' },
    maxBuffer: 1e8,
  });
  expect({ name, status, stderr: status === 0 ? '' : stderr }).toEqual({ name, status: 0, stderr: '' });
  return stdout;
}

describe.skipIf(process.platform === 'win32')('in a fresh clone', () => {
  it('there is a door for each kind of visitor', () => {
    expect([...doors.keys()]).toEqual(['logs', 'python', 'model', 'typescript', 'paper']);
  });

  it('logs: figures, a report and a tree', () => {
    const printed = walk('logs');
    for (const part of ['Groups and their trees', '|λ|', 'R̂']) expect(printed).toContain(part);
    expect(statSync(join(clone, 'report.html')).size).toBeGreaterThan(10_000);
  });

  it('python: a file of weights', () => {
    walk('python');
    expect(readFileSync(join(clone, 'weights.parquet')).subarray(0, 4).toString()).toBe('PAR1');
  });

  it('typescript: a project that trains to the end', () => {
    expect(walk('typescript')).toMatch(/100 steps, .*held-out accuracy \(greedy\) 1\.000/);
    expect(existsSync(join(base, 'my-task', 'runs'))).toBe(true);
    // npm left the packages of the clone as they were.
    expect(existsSync(join(clone, 'node_modules', 'vitest', 'package.json'))).toBe(true);
  });

  it('paper: a claim and its verdict', () => {
    expect(walk('paper')).toContain('holds');
  });

  it.skipIf(!process.env.DOORS_WITH_NETWORK)(
    'model: accuracy before and after',
    { timeout: 1_800_000 },
    () => {
      expect(walk('model')).toMatch(/before, .* after 30 steps/);
    },
  );
});
