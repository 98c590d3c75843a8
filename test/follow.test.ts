/** `analyze --follow` from the command line: the built program over a folder in which logs appear and grow. */
import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process';
import { appendFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';

const program = join(dirname(import.meta.dirname), 'dist', 'cli', 'main.js');
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lambda-grpo-follow-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const row = (group: number, completion: string, reward: number, step = 1) =>
  `${JSON.stringify({ prompt: `p${group}`, group: String(group), completion, reward, step })}\n`;
const group = (id: number, step = 1) => row(id, 'a b', 1, step) + row(id, 'a c', 0, step);

interface Following {
  readonly child: ChildProcessWithoutNullStreams;
  /** The figures of each round so far. */
  readonly rounds: { groups: number; steps: { step: number }[] }[];
  readonly stderr: () => string;
  until(done: (last: Following['rounds'][number] | undefined) => boolean): Promise<void>;
  end(): Promise<number | null>;
}

function following(...args: string[]): Following {
  const child = spawn(process.execPath, [program, 'analyze', '--follow', '--json', '--no-report', ...args]);
  const rounds: Following['rounds'] = [];
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk) => {
    out += chunk;
    const lines = out.split('\n');
    out = lines.pop() as string;
    rounds.push(...lines.map((line) => JSON.parse(line)));
  });
  child.stderr.on('data', (chunk) => {
    err += chunk;
  });
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  return {
    child,
    rounds,
    stderr: () => err,
    async until(done) {
      const before = performance.now();
      while (!done(rounds.at(-1))) {
        if (performance.now() - before > 30_000) throw new Error(`nothing came; said: ${err}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
    end() {
      child.kill('SIGINT');
      return ended;
    },
  };
}

it('a run that grows is read again: files that come, lines that are added, a last line that is not whole yet', {
  timeout: 60_000,
}, async () => {
  const logs = join(folder, 'logs');
  await mkdir(logs);
  await writeFile(join(logs, 'a.jsonl'), group(0));
  const csv = join(folder, 'groups.csv');
  const run = following(logs, '--csv', csv);
  try {
    await run.until((last) => last?.groups === 1);
    await appendFile(join(logs, 'a.jsonl'), `${group(1)}{"prompt": "p2", "gro`);
    await run.until((last) => last?.groups === 2);
    await appendFile(
      join(logs, 'a.jsonl'),
      `up": "2", "completion": "x", "reward": 1, "step": 2}\n${row(2, 'y', 0, 2)}`,
    );
    await run.until((last) => last?.groups === 3 && last.steps.length === 2);
    // One that holds nothing yet, and then something.
    await writeFile(join(logs, 'b.jsonl'), '');
    await writeFile(join(logs, 'b.jsonl'), group(9, 3));
    await run.until((last) => last?.groups === 4 && last.steps.length === 3);
    expect(run.stderr()).toContain('waiting for changes (Ctrl-C to stop)');
  } finally {
    expect(await run.end()).toBe(130);
  }
  // The figures are those of reading once, and so is the file.
  const once = JSON.parse(
    execFileSync(process.execPath, [program, 'analyze', '--json', '--no-report', logs, '--csv', `${csv}2`], {
      encoding: 'utf8',
    }),
  );
  const last = run.rounds.at(-1) as object;
  expect({ ...last, written: null, notes: [], noteCount: 0 }).toEqual({
    ...once,
    written: null,
    notes: [],
    noteCount: 0,
  });
  expect(execFileSync('diff', [csv, `${csv}2`], { encoding: 'utf8' })).toBe('');
});

it('an empty folder is watched; an unreadable log gives a message and is read as soon as possible', {
  timeout: 60_000,
}, async () => {
  const logs = join(folder, 'later');
  const run = following(logs);
  try {
    await run.until(() => run.stderr().includes('not yet: '));
    await mkdir(logs);
    await writeFile(join(logs, 'a.jsonl'), '{"what": 1}\n');
    await run.until(() => run.stderr().includes('expected a known format'));
    await writeFile(join(logs, 'a.jsonl'), group(0));
    await run.until((last) => last?.groups === 1);
  } finally {
    expect(await run.end()).toBe(130);
  }
});

it('standard input does not grow', () => {
  expect(() =>
    execFileSync(process.execPath, [program, 'analyze', '--follow', '-'], {
      input: group(0),
      encoding: 'utf8',
      stdio: 'pipe',
    }),
  ).toThrow('--follow: expected files or folders, got standard input');
});
