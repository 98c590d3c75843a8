/** The command line: the built program in its own process. */
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const program = join(root, 'dist', 'cli', 'main.js');

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function cli(...args: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const env = { ...process.env, NO_COLOR: '1' };
    execFile(process.execPath, [program, ...args], { cwd: root, env }, (error, stdout, stderr) => {
      resolve({ code: error ? (error.code as unknown as number) : 0, stdout, stderr });
    });
  });
}

let folder: string;
const inFolder = (...names: string[]): string => join(folder, ...names);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lambda-grpo-cli-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const small = ['--set', 'model.width=16', '--set', 'checkpoint.every=3', '--set', 'checkpoint.keep=2'];
const quick = [...small, '--set', 'train.steps=6'];

/** One line on stderr, exit code 1, nothing on stdout. */
function expectRefusal(ended: Ended, ...parts: string[]): void {
  expect(ended.code).toBe(1);
  expect(ended.stderr.trimEnd().split('\n')).toHaveLength(1);
  for (const part of parts) expect(ended.stderr).toContain(part);
  expect(ended.stdout).toBe('');
}

describe('train, tree and compare', () => {
  it('train writes a whole run folder, is quiet without a terminal, and tree prints its groups', async () => {
    const out = inFolder('run');
    const trained = await cli('train', 'recipes/binary-tree.yaml', '--out', out, ...quick);
    expect(trained).toMatchObject({ code: 0, stderr: '' });
    expect(trained.stdout).toContain('lambda-grpo, binary-tree, seed 0: 6 steps');
    expect((await readdir(out)).sort()).toEqual(['checkpoints', 'config.yaml', 'metrics.jsonl', 'rollouts']);
    expect(await readdir(join(out, 'rollouts'))).toHaveLength(6);
    const tree = await cli('tree', join(out, 'rollouts', 'step_000006.jsonl'));
    expect(tree.code).toBe(0);
    for (const part of ['|λ|', 'R̂', 'Â', 'path depth', '16 completions']) expect(tree.stdout).toContain(part);
    const missing = await cli('tree', join(out, 'rollouts', 'step_000006.jsonl'), '--group', '7');
    expectRefusal(missing, "got '7'", 'from 1 to 1');
  });

  it('tree opens any log that analyze reads: Parquet, a folder, rows whose keys are named, standard input', async () => {
    const trl = 'test/readers/fixtures/trl/chat';
    const parquet = await cli('tree', `${trl}/completions_00001.parquet`);
    expect(parquet).toMatchObject({ code: 0, stderr: '' });
    expect(parquet.stdout).toContain('group 1 of 2, id "0", step 1');
    expect((await cli('tree', trl, '--group', '8')).stdout).toContain('group 8 of 8');
    const rows = [1, 0].map((s) => `${JSON.stringify({ q: 'why', a: { text: `so ${s}` }, s, g: 1 })}\n`);
    const file = inFolder('rows.jsonl');
    await writeFile(file, rows.join(''));
    const keys = ['--prompt-key', 'q', '--completion-key', 'a.text', '--reward-key', 's', '--group-key', 'g'];
    const named = await cli('tree', file, ...keys);
    expect(named).toMatchObject({ code: 0, stderr: '' });
    expect(named.stdout).toMatch(/so +2 +0\.50 +0\.00/);
    expectRefusal(await cli('tree', file), 'rows.jsonl: expected a known format', 'with the keys q, a, s, g');
    await writeFile(file, `${rows.join('')}{"q": 1\n`);
    expectRefusal(await cli('tree', file, ...keys), 'rows.jsonl:3', '--skip-bad skips it');
    expect((await cli('tree', file, ...keys, '--skip-bad')).stdout).toContain('group 1 of 1');
  });

  it('an existing run folder is refused, and --resume continues it', async () => {
    const out = inFolder('run');
    const before = await readFile(join(out, 'metrics.jsonl'), 'utf8');
    expectRefusal(
      await cli('train', 'recipes/binary-tree.yaml', '--out', out, ...quick),
      out,
      '--resume',
      '--out',
    );
    expect(await readFile(join(out, 'metrics.jsonl'), 'utf8')).toBe(before);
    const more = [...small, '--set', 'train.steps=8'];
    const resumed = await cli('train', 'recipes/binary-tree.yaml', '--out', out, '--resume', ...more);
    expect(resumed).toMatchObject({ code: 0 });
    expect(resumed.stdout).toContain('8 steps');
    const changed = [...more, '--set', 'sampling.group_size=4'];
    expectRefusal(
      await cli('train', 'recipes/binary-tree.yaml', '--out', out, '--resume', ...changed),
      'sampling.group_size',
      '16',
    );
    expectRefusal(
      await cli('train', 'recipes/binary-tree.yaml', '--out', inFolder('none'), '--resume'),
      'expected a run to continue',
    );
  });

  it('compare runs both methods in processes of their own and ends with table, tree and files', async () => {
    const out = inFolder('compare');
    const ended = await cli('compare', 'recipes/binary-tree.yaml', '--seeds', '2', '--out', out, ...quick);
    expect(ended).toMatchObject({ code: 0, stderr: '' });
    for (const part of [
      'GRPO',
      'λ-GRPO',
      'target frequency, last 6 steps',
      '95% interval',
      'process tree',
      out,
    ]) {
      expect(ended.stdout).toContain(part);
    }
    expect((await readdir(out)).sort()).toEqual(['comparison.json', 'curves.svg', 'grpo', 'lambda-grpo']);
    const results = JSON.parse(await readFile(join(out, 'comparison.json'), 'utf8'));
    expect(results.runs).toHaveLength(4);
    expect(results.runs.every((r: { success_rate: number[] }) => r.success_rate.length === 6)).toBe(true);
    expectRefusal(await cli('compare', 'recipes/binary-tree.yaml', '--out', out), out, '--resume');
    // What is missing is run again, what is finished is kept: the figures are those of the first time.
    await rm(join(out, 'lambda-grpo', 'seed_1'), { recursive: true });
    const again = ['--seeds', '2', '--out', out, '--resume', ...quick];
    expect(await cli('compare', 'recipes/binary-tree.yaml', ...again)).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(await readFile(join(out, 'comparison.json'), 'utf8'))).toEqual(results);
  });

  it('dashboard serves a folder of runs and ends with Ctrl-C; --ui serves a run while it goes on', async () => {
    const out = inFolder('served');
    const serving = spawn(
      process.execPath,
      [program, 'train', 'recipes/binary-tree.yaml', '--out', out, '--ui', '--set', 'train.steps=3000'],
      { cwd: root },
    );
    const addressOf = (stream: NodeJS.ReadableStream): Promise<string> =>
      new Promise((resolve) => {
        let text = '';
        stream.on('data', (data) => {
          text += data;
          const [address] = /http:\/\/127\.0\.0\.1:\d+\//.exec(text) ?? [];
          if (address) resolve(address);
        });
      });
    const ended = (child: typeof serving) => new Promise<number | null>((done) => child.on('exit', done));
    const trained = ended(serving);
    const runs = async (address: string): Promise<{ run: string }[]> =>
      ((await (await fetch(`${address}api/runs`)).json()) as { runs: { run: string }[] }).runs;
    const address = await addressOf(serving.stderr);
    await expect
      .poll(() => runs(address).then((list) => list.map(({ run }) => run)), { timeout: 20_000 })
      .toEqual(['served']);
    serving.kill('SIGINT');
    expect(await trained).toBe(130);
    await expect(fetch(address)).rejects.toThrow();

    const dashboard = spawn(process.execPath, [program, 'dashboard', out, '--port', '0'], { cwd: root });
    const closed = ended(dashboard);
    const page = await fetch(await addressOf(dashboard.stdout));
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(await page.text()).toContain('λ-GRPO');
    dashboard.kill('SIGINT');
    expect(await closed).toBe(0);
    expectRefusal(
      await cli('dashboard', inFolder('nowhere')),
      'nowhere',
      'expected a folder with runs or logs',
    );
  });

  it('--help shows examples for every command', async () => {
    for (const command of [
      [],
      ['train'],
      ['compare'],
      ['tree'],
      ['analyze'],
      ['dashboard'],
      ['site'],
      ['reproduce'],
    ]) {
      const help = await cli(...command, '--help');
      expect(help.code).toBe(0);
      expect(help.stdout).toMatch(/^Examples.*:$/m);
    }
  });

  it('Ctrl-C ends after the step, with a checkpoint to continue from; a resumed run is as if nothing had been', async () => {
    const [out, whole] = [inFolder('interrupted'), inFolder('uninterrupted')];
    const args = ['--set', 'train.steps=400', '--set', 'model.width=16', '--threads', '1'];
    const child = spawn(
      process.execPath,
      [program, 'train', 'recipes/binary-tree.yaml', '--out', out, ...args],
      { cwd: root },
    );
    let stdout = '';
    child.stdout.on('data', (data) => {
      stdout += data;
    });
    const ended = new Promise<number | null>((resolve) => child.on('exit', resolve));
    for (;;) {
      const metrics = await readFile(join(out, 'metrics.jsonl'), 'utf8').catch(() => '');
      if (metrics.split('\n').length > 20) break;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    child.kill('SIGINT');
    expect(await ended).toBe(130);
    expect(stdout).toMatch(/interrupted after step \d+; continue with --resume/);
    expect((await readdir(join(out, 'checkpoints'))).some((name) => name.endsWith('.tmp'))).toBe(false);
    expect((await cli('train', 'recipes/binary-tree.yaml', '--out', out, '--resume', ...args)).code).toBe(0);
    expect((await cli('train', 'recipes/binary-tree.yaml', '--out', whole, ...args)).code).toBe(0);
    const weights = (path: string) => readFile(join(path, 'checkpoints', 'step_000400', 'model.safetensors'));
    expect(await weights(out)).toEqual(await weights(whole));
  });
});

describe('bad input is one clear line and exit code 1', () => {
  const rollout = (change: (group: Record<string, unknown>) => void): string => {
    const group = {
      id: 'g',
      step: 1,
      tokens: 'exact',
      groups: 'explicit',
      prompt: { tokens: [0] },
      completions: [
        { tokens: [1, 2], reward: 1, logprobs: [-0.5, -0.5] },
        { tokens: [1, 1], reward: 0, logprobs: [-0.5, -0.5] },
      ],
    };
    change(group);
    return `${JSON.stringify(group)}\n`;
  };
  type Completions = { completions: Record<string, unknown>[] };
  const rollouts: [string, string, string[]][] = [
    [
      'a reward that JSON wrote for NaN',
      rollout((g) => {
        (g as unknown as Completions).completions[1].reward = null;
      }),
      [':1', 'reward'],
    ],
    [
      'a reward that is text',
      rollout((g) => {
        (g as unknown as Completions).completions[1].reward = 'good';
      }),
      [':1', 'reward', 'good'],
    ],
    ['an infinite reward', rollout(() => {}).replace('"reward":0', '"reward":1e999'), [':1', 'reward']],
    [
      'a missing field',
      rollout((g) => {
        delete (g as unknown as Completions).completions[0].tokens;
      }),
      [':1', 'tokens'],
    ],
    [
      'ragged fields',
      rollout((g) => {
        (g as unknown as Completions).completions[0].logprobs = [-1];
      }),
      [':1', 'logprobs'],
    ],
    [
      'a negative token id',
      rollout((g) => {
        (g as unknown as Completions).completions[0].tokens = [1, -2];
      }),
      [':1', 'tokens', '-2'],
    ],
    ['a broken line after a good one', `${rollout(() => {})}{"id": "x", `, [':2']],
    ['an empty file', '', ['empty']],
  ];
  for (const [name, text, parts] of rollouts) {
    it(`rollouts: ${name}`, async () => {
      const file = inFolder('bad.jsonl');
      await writeFile(file, text);
      expectRefusal(await cli('tree', file), file, ...parts);
    });
  }

  const configs: [string, string, string[]][] = [
    [
      'an unknown key',
      'task: { name: binary-tree }\noptimizer: { learning_rat: 1 }\n',
      [':2', 'learning_rat', 'learning_rate'],
    ],
    [
      'a value out of range',
      'task: { name: binary-tree }\nsampling:\n  top_p: 2\n',
      [':3', 'sampling.top_p', '2'],
    ],
    ['no task', 'seed: 1\n', ['task']],
    ['broken YAML', 'task: {\n', [':']],
  ];
  for (const [name, text, parts] of configs) {
    it(`configuration: ${name}`, async () => {
      const file = inFolder('bad.yaml');
      await writeFile(file, text);
      const out = inFolder('never');
      expectRefusal(await cli('train', file, '--out', out), file, ...parts);
      expect(await readdir(folder)).not.toContain('never');
    });
  }

  it('files that are not there, and options that cannot be', async () => {
    expectRefusal(await cli('train', inFolder('none.yaml')), 'none.yaml');
    expectRefusal(await cli('tree', inFolder('none.jsonl')), 'none.jsonl');
    expectRefusal(await cli('train', 'recipes/binary-tree.yaml', '--seed', 'x'), '--seed', "'x'");
    expectRefusal(await cli('train', 'recipes/binary-tree.yaml', '--set', 'steps'), '--set', 'steps');
    expectRefusal(
      await cli('train', 'recipes/binary-tree.yaml', '--set', 'train.step=3'),
      'train.step',
      'steps',
    );
  });

  it('a checkpoint cut short, or changed, through the program', async () => {
    const out = inFolder('cut');
    const args = ['train', 'recipes/binary-tree.yaml', '--out', out];
    expect((await cli(...args, ...quick)).code).toBe(0);
    const more = [...small, '--set', 'train.steps=9', '--resume'];
    const file = join(out, 'checkpoints', 'step_000006', 'model.safetensors');
    const bytes = await readFile(file);
    const metrics = await readFile(join(out, 'metrics.jsonl'), 'utf8');
    await writeFile(file, Uint8Array.from(bytes).fill(7, 1000, 1001));
    expectRefusal(await cli(...args, ...more), file, 'has changed since it was saved: expected SHA-256');
    expectRefusal(await cli('export', out, inFolder('exported')), file, 'has changed since it was saved');
    expect(await readFile(join(out, 'metrics.jsonl'), 'utf8')).toBe(metrics);
    // One that is not whole is skipped with a note.
    await writeFile(file, bytes.subarray(0, 1000));
    const resumed = await cli(...args, ...more);
    expect(resumed.code).toBe(0);
    expect(resumed.stderr).toMatch(
      /^note: [^\n]*step_000006[^\n]*cut short[^\n]*continues from [^\n]*step_000003\n$/,
    );
    expect(resumed.stdout).toContain('9 steps');
  });
});
