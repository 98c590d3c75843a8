/**
 * `analyze` from the command line: the built program in its own process, on small logs written here, on TRL's own
 * (test/readers/fixtures), and on real logs if they are available. (Real logs are not part of this project; without
 * them those tests are skipped.) Tests of each format's reader are beside the reader.
 */
import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { generateRollouts } from '../bench/generate-rollouts.js';
import type { LogFigures } from '../src/analysis/index.js';

const root = dirname(import.meta.dirname);
const program = join(root, 'dist', 'cli', 'main.js');
const DATA = join(root, '../shared/data');
const LOGS = join(DATA, 'rollouts');
const present = existsSync(LOGS);
if (!present) console.warn(`real logs: skipped, there is no ${LOGS}`);

let folder: string;
let count = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lambda-grpo-analyze-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Writes logs below a new folder `logs`, beside which outputs may go. */
async function put(files: Record<string, string | Uint8Array>): Promise<{ logs: string; out: string }> {
  const out = join(folder, String(count++));
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(out, 'logs', name)), { recursive: true });
    await writeFile(join(out, 'logs', name), content);
  }
  await mkdir(out, { recursive: true });
  return { logs: join(out, 'logs'), out };
}

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `analyze` in a folder. */
function analyze(cwd: string, ...args: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const options = { cwd, env: { ...process.env, NO_COLOR: '1' }, maxBuffer: 1 << 28 };
    execFile(process.execPath, [program, 'analyze', ...args], options, (error, stdout, stderr) => {
      resolve({ code: error ? (error.code as unknown as number) : 0, stdout, stderr });
    });
  });
}

type Figures = LogFigures & {
  readonly steps: readonly (LogFigures & { readonly step: number })[];
  readonly formats: Record<string, number>;
  readonly notes: string[];
  readonly badRows: string[];
  readonly badRowCount: number;
  readonly written: Record<string, string>;
};

/** The object that `--json` prints, and that it prints nothing else. */
async function figures(cwd: string, ...args: string[]): Promise<Figures> {
  const { code, stdout, stderr } = await analyze(cwd, '--json', '--no-report', ...args);
  expect(stderr.split('\n').filter((line) => !/^(note: |warning: |skipped: |$)/.test(line))).toEqual([]);
  expect(code).toBe(0);
  expect(stdout.endsWith('}\n') && stdout.split('\n').length === 2).toBe(true);
  return JSON.parse(stdout) as Figures;
}

const lines = (rows: readonly unknown[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
const KEYS = ['--prompt-key', 'q', '--completion-key', 'a', '--reward-key', 'r', '--group-key', 'g'];
const row = (g: number, a: string, r: unknown) => ({ g, q: `question ${g}`, a, r });
const GOOD = lines([row(1, 'yes it is', 1), row(1, 'yes it was', 0), row(2, 'no', 0), row(2, 'no', 0)]);
/** All files an analysis can write. */
const OUTPUTS = ['--csv', 'g.csv', '--weights', 'w.jsonl', '--report', 'r.html'];

describe('analyze', () => {
  test('the report is called by what was read, not by where it lies; what turns the order of reading around is an escape', async () => {
    const rows = [1, 0].map(
      (reward) => `${JSON.stringify({ prompt: 'p', completion: `a ${reward}`, reward })}\n`,
    );
    const { logs, out } = await put({
      'a\u202eb<i>.jsonl': rows.join(''),
      'run/rollouts/x.jsonl': rows.join(''),
    });
    const title = async (...paths: string[]) => {
      const size = ['--group-size', '2', '--report', join(out, 't.html')];
      expect(await analyze(out, ...paths, ...size)).toMatchObject({ code: 0 });
      const page = await readFile(join(out, 't.html'), 'utf8');
      expect(page).toContain('<title>Process rewards: ');
      return /<h1>The process rewards hidden in <span class="source">(.*?)<\/span><\/h1>/.exec(page)?.[1];
    };
    expect(await title(join(logs, 'a\u202eb<i>.jsonl'))).toBe('a\\u202eb&#60;i&#62;.jsonl');
    expect(await title(join(logs, 'run', 'rollouts'))).toBe('run/rollouts');
    expect(await title(logs)).toBe(logs.split('/').at(-1));
  });

  test('prints figures, names the text units, and is quiet without a terminal', async () => {
    const { out } = await put({ 'a.jsonl': GOOD });
    const { code, stdout, stderr } = await analyze(out, 'logs', ...KEYS, '--no-report');
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toContain('1 file: generic, 2 groups');
    expect(stdout).toContain('TEXT UNITS');
    expect(stdout).toMatch(
      /zero-variance groups +1 +50\.0%: 0 all right, 1 all wrong, 0 other\nmixed groups +1 +50\.0%/,
    );
    expect(stdout).not.toContain('By training step');
    expect(await readdir(out)).toEqual(['logs']);
  });

  test('--json is one object with the figures at its top', async () => {
    const { out } = await put({ 'a.jsonl': GOOD });
    expect(await figures(out, 'logs', ...KEYS)).toMatchObject({
      zeroVariance: { right: 0, wrong: 1, other: 0 },
      ...{ groups: 2, completions: 4, tokens: 8, flatGroups: 2, zeroVarianceGroups: 1, singletonGroups: 0 },
      ...{
        distinctTokens: 5,
        meanReward: 0.25,
        meanPathDepth: 0,
        sharedTokenShare: 0.75,
        tokensSaved: 3 / 8,
      },
      bySize: [
        { size: 1, steps: 2, tokens: 2, mass: expect.closeTo(2 * Math.SQRT1_2, 3) },
        { size: 2, steps: 2, tokens: 6, mass: 0 },
      ],
      good: { completions: 1, pushedDown: 0 },
      tokenSources: { 'text-units': 2 },
      groupSources: { explicit: 2 },
      ...{ steps: [], formats: { generic: 2 }, badRows: [], badRowCount: 0, notes: [], written: {} },
    });
  });

  test('rewards that are equal but for rounding are a zero-variance group', async () => {
    const rewards = [0.7, 0.1 + 0.6, 0.7, 1, 1, 1, 0, 0.1 + 0.2 - 0.3, 0, 0.5, 0.5001, 0.5];
    const rows = rewards.map((reward, i) => row(Math.floor(i / 3), `answer ${i}`, reward));
    const { out } = await put({ 'a.jsonl': lines(rows) });
    expect(await figures(out, 'logs', ...KEYS)).toMatchObject({
      groups: 4,
      zeroVarianceGroups: 3,
      zeroVariance: { right: 1, wrong: 1, other: 1 },
    });
  });

  test('every training step has its figures; TRL’s own log by its own writer', async () => {
    const log = join(root, 'test/readers/fixtures/trl/plain');
    const args = [log, '--reward-weight', 'animals=1', '--reward-weight', 'length=2'];
    const all = await figures(folder, ...args);
    expect(all.formats).toEqual({ trl: all.groups });
    expect(all.notes.length).toBeGreaterThan(0); // rows that TRL wrote twice
    expect(all.notes[0]).toMatch(/completions_\d+\.parquet/);
    expect(all.steps.length).toBeGreaterThan(1);
    expect(all.steps.map(({ step }) => step)).toEqual(
      all.steps.map(({ step }) => step).sort((a, b) => a - b),
    );
    for (const key of ['groups', 'completions', 'tokens', 'distinctTokens', 'flatGroups'] as const)
      expect(all.steps.reduce((sum, step) => sum + step[key], 0)).toBe(all[key]);
    expect((await analyze(folder, ...args, '--no-report')).stdout).toContain('By training step');
  });

  test('--scale none gives advantages without the deviation', async () => {
    const { out } = await put({ 'a.jsonl': GOOD });
    const { mass } = await figures(out, 'logs', ...KEYS, '--scale', 'none');
    expect(mass).toEqual({ up: 0.5, down: 0.5 });
  });

  test('--reward-weight, --format and --group-size reach the readers', async () => {
    const rows = ['a', 'a', 'b', 'b'].map((prompt, i) => ({ prompt, completion: `x ${i}`, reward: i % 2 }));
    const { out } = await put({
      'rows/a.jsonl': lines(rows),
      'qwen/a.jsonl': lines([
        { question: 'q', response: ['a', 'b'], score: [true, true], pred_score: [[1], [3]] },
      ]),
    });
    expect(
      await figures(out, 'logs/rows', '--format', 'generic', '--group-size', '4').catch(() => null),
    ).toBeNull();
    const two = await figures(out, 'logs/rows', '--format', 'generic', '--group-size', '2');
    expect([two.groups, two.groupSources]).toEqual([2, { consecutive: 2 }]);
    expect((await figures(out, 'logs/qwen')).zeroVarianceGroups).toBe(1);
    const weighted = await figures(
      out,
      'logs/qwen',
      '--reward-weight',
      'score=0',
      '--reward-weight',
      'pred_score=2',
    );
    expect([weighted.zeroVarianceGroups, weighted.meanReward]).toEqual([0, 4]);
  });

  test('--csv has a row for each group, and texts in it stay cells', async () => {
    const prompts = ['=1+1, "x"\n<script>alert(1)</script>', 'plain'];
    const { out } = await put({
      'a.jsonl': lines(prompts.flatMap((q, g) => [0, 1].map((r) => ({ ...row(g, `x ${r}`, r), q })))),
    });
    const all = await figures(out, 'logs', ...KEYS, '--csv', 'g.csv');
    expect(all.written).toMatchObject({ csv: 'g.csv' });
    const [header, first, second, end] = (await readFile(join(out, 'g.csv'), 'utf8')).split('\r\n');
    expect(header.split(',').slice(0, 8)).toEqual([
      'step',
      'group_id',
      'file',
      'line',
      'prompt',
      'completions',
      'tokens',
      'distinct_tokens',
    ]);
    expect(first).toBe(
      `,0,logs/a.jsonl,1,"'=1+1, ""x""⏎<script>alert(1)</script>",2,4,3,text-units,explicit,true,false,,0,0,0.5,0.5,0,0,0,`,
    );
    expect(second).toContain(',1,logs/a.jsonl,3,plain,2,4,');
    expect(end).toBe('');
  });

  test('several runs and formats have a label each, in figures, table, weights and report', async () => {
    const group = (id: string, step: number, reward: number) => ({
      ...{ id, step, tokens: 'exact', groups: 'explicit', prompt: { tokens: [1] } },
      completions: [
        { tokens: [2, 3], reward },
        { tokens: [2, 4], reward: 0 },
      ],
    });
    const { out } = await put({
      'grpo/rollouts/step_000001.jsonl': lines([group('p', 1, 1)]),
      'lambda/rollouts/step_000001.jsonl': lines([group('p', 1, 1), group('q', 1, 0)]),
      'lambda/rollouts/step_000002.jsonl': lines([group('p', 2, 1)]),
      'answers.jsonl': lines([{ question: 'q', response: ['a', 'b'], score: [true, false], idx: 0 }]),
      'stray.jsonl': lines([{ note: 'not a log' }]),
    });
    const refusal = await analyze(out, 'logs', '--no-report');
    expect([refusal.code, refusal.stdout]).toEqual([1, '']);
    expect(refusal.stderr).toMatch(/stray\.jsonl: expected a known format/);
    const all = (await figures(
      out,
      'logs',
      '--skip-bad',
      '--csv',
      'g.csv',
      '--weights',
      'w.jsonl',
    )) as Figures & {
      readonly bySource: readonly (LogFigures & {
        readonly source: string;
        readonly steps: readonly unknown[];
      })[];
    };
    expect(all.bySource.map(({ source, groups, steps }) => [source, groups, steps.length])).toEqual([
      ['answers', 1, 0],
      ['grpo', 1, 1],
      ['lambda', 3, 2],
    ]);
    expect([all.groups, all.steps, all.badRowCount]).toEqual([5, [], 1]);
    for (const key of ['groups', 'completions', 'tokens', 'zeroVarianceGroups'] as const)
      expect(all.bySource.reduce((sum, source) => sum + source[key], 0)).toBe(all[key]);
    const [header, ...rows] = (await readFile(join(out, 'g.csv'), 'utf8')).trim().split('\r\n');
    expect(header.split(',').at(-1)).toBe('source');
    expect(rows.map((line) => [line.split(',')[1], line.split(',').at(-1)])).toEqual([
      ['answers:0', 'answers'],
      ['grpo:p', 'grpo'],
      ['lambda:p', 'lambda'],
      ['lambda:q', 'lambda'],
      ['lambda:p', 'lambda'],
    ]);
    const keys = (await readFile(join(out, 'w.jsonl'), 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
      .map((item) => `${item.step} ${item.group_id} ${item.completion}`);
    expect(new Set(keys).size).toBe(keys.length);
    const { stdout } = await analyze(out, 'logs', '--skip-bad', '--report', 'r.html');
    expect(stdout).toMatch(/^5 files, 1 skipped: qwen-math, 1 group; own, 4 groups\n/);
    expect(stdout).toMatch(/By source\n.*\ngrpo +1 .*\nlambda +3 /s);
    const page = await readFile(join(out, 'r.html'), 'utf8');
    expect(page).toContain('<td>lambda</td><td>own</td><td>3</td>');
    expect(page).toContain('"source":"lambda"');
    // One run alone has no labels.
    const single = (await figures(out, 'logs/lambda')) as typeof all;
    expect([single.bySource, single.steps.length]).toEqual([[], 2]);
  });

  test('what may be wrong with the figures stands in the summary, the report and --json', async () => {
    const padded = [
      [5, 2, 0, 0],
      [5, 6, 2, 0],
      [6, 2, 0, 0],
    ].map((ids, i) => ({
      ...{ q: 'p', ids, m: ids.map((id) => Number(id !== 0)), r: i % 2, g: 0 },
    }));
    const { out } = await put({ 'a.jsonl': lines(padded) });
    const keys = ['--prompt-key', 'q', '--tokens-key', 'ids', '--reward-key', 'r', '--group-key', 'g'];
    const plain = await analyze(out, 'logs', ...keys, '--report', 'r.html', '--reward-weight', 'r=1');
    expect([plain.code, plain.stderr]).toEqual([0, '']);
    for (const text of [plain.stdout, await readFile(join(out, 'r.html'), 'utf8')]) {
      expect(text).toMatch(/logs\/a\.jsonl:1: 2 of 3 completions end with a run of token id 0/);
      expect(text).toContain('--reward-weight: has no effect on logs of format generic');
    }
    const { stdout } = await analyze(out, 'logs', ...keys, '--json', '--no-report');
    expect(JSON.parse(stdout)).toMatchObject({ warningCount: 1, tokens: 12, notes: [] });
    const masked = await figures(out, 'logs', ...keys, '--mask-key', 'm');
    expect([masked.tokens, (masked as unknown as { warnings: string[] }).warnings]).toEqual([7, []]);
  });

  test('- is standard input, packed or not, under that name; nothing of it stays behind', async () => {
    const { out } = await put({ 'a.jsonl': GOOD });
    const expected = await figures(out, 'logs', ...KEYS);
    const piped = (input: Uint8Array | string, ...args: string[]) =>
      new Promise<Ended>((resolve) => {
        const env = { ...process.env, NO_COLOR: '1', TMPDIR: out };
        const child = execFile(
          process.execPath,
          [program, ...args],
          { cwd: out, env },
          (error, stdout, stderr) =>
            resolve({ code: error ? (error.code as unknown as number) : 0, stdout, stderr }),
        );
        child.stdin?.end(input);
      });
    for (const input of [GOOD, gzipSync(GOOD)]) {
      const { code, stdout } = await piped(
        input,
        'analyze',
        '-',
        ...KEYS,
        '--json',
        '--csv',
        'g.csv',
        '--no-report',
      );
      expect(code).toBe(0);
      const read = JSON.parse(stdout);
      expect(read).toMatchObject({
        groups: expected.groups,
        tokens: expected.tokens,
        bySize: expected.bySize,
      });
      expect(read.sources).toEqual(['standard input']);
      expect(await readFile(join(out, 'g.csv'), 'utf8')).toContain(',1,standard input,1,');
    }
    const bad = await piped('{"x": 1}\n', 'analyze', '-', '--no-report');
    expect([bad.code, bad.stdout]).toEqual([1, '']);
    expect(bad.stderr).toMatch(/^error: standard input: expected a known format/);
    const group = {
      id: 'a',
      step: 1,
      tokens: 'exact',
      groups: 'explicit',
      prompt: { tokens: [1] },
      completions: [{ tokens: [2], reward: 1 }],
    };
    const tree = await piped(gzipSync(`${JSON.stringify(group)}\n`), 'tree', '-');
    expect([tree.code, tree.stderr]).toEqual([0, '']);
    expect(tree.stdout).toMatch(/^standard input: group 1 of 1, id "a", step 1/);
    expect((await readdir(out)).sort()).toEqual(['g.csv', 'logs']);
  });

  test('--weights has a row for each completion, keyed by step, group and place', async () => {
    const { out } = await put({ 'a.jsonl': GOOD });
    await figures(out, 'logs', ...KEYS, '--weights', 'w.jsonl');
    const rows = (await readFile(join(out, 'w.jsonl'), 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(rows.map((r) => [r.step, r.group_id, r.completion, r.file, r.line, r.reward])).toEqual([
      [null, '1', 0, 'logs/a.jsonl', 1, 1],
      [null, '1', 1, 'logs/a.jsonl', 1, 0],
      [null, '2', 0, 'logs/a.jsonl', 3, 0],
      [null, '2', 1, 'logs/a.jsonl', 3, 0],
    ]);
    expect(rows.map((r) => r.lambda_weight)).toEqual([[0.5, 0.5, 1], [0.5, 0.5, 1], [0.5], [0.5]]);
    expect(rows.every((r) => r.token_source === 'text-units')).toBe(true);
  });

  test('--tokenizer gives token ids, named as made again', async () => {
    const { out } = await put({ 'a.jsonl': GOOD });
    const vocab = { '?': 0, yes: 1, it: 2, is: 3, was: 4, no: 5 };
    const tokenizer = {
      pre_tokenizer: { type: 'WhitespaceSplit' },
      ...{ version: '1.0', added_tokens: [], normalizer: null, post_processor: null, decoder: null },
      model: { type: 'WordPiece', vocab, unk_token: '?', continuing_subword_prefix: '##' },
    };
    await writeFile(join(out, 'tokenizer.json'), JSON.stringify(tokenizer));
    const args = ['logs', ...KEYS, '--tokenizer', 'tokenizer.json'];
    const all = await figures(out, ...args, '--weights', 'w.jsonl');
    expect([all.tokens, all.tokenSources]).toEqual([8, { retokenized: 2 }]);
    const [first] = (await readFile(join(out, 'w.jsonl'), 'utf8')).split('\n');
    expect(JSON.parse(first).tokens).toEqual([1, 2, 3]);
    expect((await analyze(out, ...args, '--no-report')).stdout).toContain('retokenized: ids computed');
  });

  test('the report is one page, report.html by default; texts of the log are not markup in it', async () => {
    const evil = '</script><script>alert(1)</script><img src=x onerror=alert(1)>';
    const { out } = await put({
      'a.jsonl': lines([0, 1].map((r) => ({ ...row(1, `${evil} ${r}`, r), q: evil }))),
    });
    const { code, stdout, stderr } = await analyze(out, 'logs', ...KEYS);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout.endsWith('\nreport: report.html\n')).toBe(true);
    expect((await readdir(out)).sort()).toEqual(['logs', 'report.html']);
    const page = await readFile(join(out, 'report.html'), 'utf8');
    expect(page).toMatch(/^<!doctype html>/);
    expect(page).not.toContain('<script>alert');
    expect(page).not.toContain('<img src=x');
    expect(page).toContain('TEXT UNITS');
    const named = await analyze(
      out,
      'logs',
      ...KEYS,
      '--json',
      '--report',
      'other.html',
      '--max-groups',
      '0',
    );
    expect(JSON.parse(named.stdout).written).toEqual({ report: 'other.html' });
    expect((await readFile(join(out, 'other.html'), 'utf8')).length).toBeLessThan(page.length);
  });

  test('Ctrl-C leaves no file', async () => {
    const { out, logs } = await put({ 'x/a.txt': '' });
    await generateRollouts({ file: join(logs, 'a.jsonl'), bytes: 6e7, shape: 'own' });
    const child = spawn(process.execPath, [program, 'analyze', 'logs/a.jsonl', ...OUTPUTS], { cwd: out });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (data) => {
      stdout += data;
    });
    child.stderr.on('data', (data) => {
      stderr += data;
    });
    const ended = new Promise<number | null>((resolve) => child.on('exit', resolve));
    while (!(await readdir(out)).some((name) => name.startsWith('w.jsonl')))
      await new Promise((resolve) => setTimeout(resolve, 10));
    child.kill('SIGINT');
    expect(await ended).toBe(130);
    expect([stdout, await readdir(out)]).toEqual(['', ['logs']]);
    expect(stderr).toContain('no file was written');
  });
});

describe('bad input: exit 1, by file and line, and no file; skipped if that is asked', () => {
  /** The analysis fails with these words and writes nothing; a file that was there stays as it was. */
  async function refused(
    out: string,
    args: readonly string[],
    ...words: (string | RegExp)[]
  ): Promise<string> {
    await writeFile(join(out, 'g.csv'), 'before');
    const { code, stdout, stderr } = await analyze(out, ...args, ...OUTPUTS);
    expect(code).toBe(1);
    expect(stdout).toBe('');
    for (const word of words) expect(stderr).toMatch(word);
    expect(stderr).not.toMatch(/^ +at /m);
    expect((await readdir(out)).filter((name) => name !== 'logs')).toEqual(['g.csv']);
    expect(await readFile(join(out, 'g.csv'), 'utf8')).toBe('before');
    await rm(join(out, 'g.csv'));
    return stderr;
  }

  test.each<[string, string]>([
    ['a broken line', '{"g":1,"q":"question 1","a":"no'],
    ['no reward', '{"g":1,"q":"question 1","a":"x"}'],
    ['a reward that is text', '{"g":1,"q":"question 1","a":"x","r":"1"}'],
    ['NaN', '{"g":1,"q":"question 1","a":"x","r":NaN}'],
    ['null', '{"g":1,"q":"question 1","a":"x","r":null}'],
    ['an infinite reward', '{"g":1,"q":"question 1","a":"x","r":1e999}'],
  ])('%s', async (_, text) => {
    const { out } = await put({ 'a.jsonl': GOOD.replace('\n', `\n${text}\n`) });
    await refused(out, ['logs', ...KEYS], /^error: logs\/a\.jsonl:2: .* \(--skip-bad skips it\)\n$/);
    const all = await figures(out, 'logs', ...KEYS, '--skip-bad');
    expect([all.groups, all.completions, all.badRowCount]).toEqual([2, 4, 1]);
    expect(all.badRows).toEqual([expect.stringMatching(/^logs\/a\.jsonl:2: /)]);
    expect((await analyze(out, 'logs', ...KEYS, '--skip-bad', '--no-report')).stderr).toMatch(
      /^skipped: logs\/a\.jsonl:2: .*\n$/,
    );
  });

  test('the first ten of many, and their number', async () => {
    const { out } = await put({
      'a.jsonl': GOOD + lines(Array.from({ length: 25 }, () => row(3, 'x', 'bad'))),
    });
    const stderr = await refused(
      out,
      ['logs', ...KEYS],
      'error: 25 bad rows:\n',
      'and 15 more',
      '--skip-bad',
    );
    expect(stderr.match(/logs\/a\.jsonl:\d+: /g)).toHaveLength(10);
    const skipped = await analyze(out, 'logs', ...KEYS, '--skip-bad', '--no-report');
    expect(skipped.stderr.match(/^skipped: logs\/a\.jsonl:\d+: /gm)).toHaveLength(10);
    expect(skipped.stderr).toContain('skipped: and 15 more');
  });

  test('text that is not UTF-8, an empty file, gzip and Parquet cut short', async () => {
    const latin = Buffer.from(GOOD.replace('yes it was', 'caf\u00e9'), 'latin1');
    const utf8 = await put({ 'a.jsonl': latin });
    await refused(
      utf8.out,
      ['logs', ...KEYS],
      /logs\/a\.jsonl:2: expected UTF-8 text, one JSON object per line, got bytes that are not UTF-8/,
    );
    const empty = await put({ 'a.jsonl': '', 'b.jsonl': GOOD });
    await refused(empty.out, ['logs', ...KEYS], /logs\/a\.jsonl: is empty/);
    expect((await figures(empty.out, 'logs', ...KEYS, '--skip-bad')).groups).toBe(2);
    const rows = lines(Array.from({ length: 3000 }, (_, i) => row(i, 'x', Math.sin(i))));
    const gzip = await put({ 'a.jsonl.gz': gzipSync(rows).subarray(0, -2000) });
    await refused(gzip.out, ['logs', ...KEYS], /logs\/a\.jsonl\.gz: cannot be read/);
    const parquet = await put({ 'x/a.txt': '' });
    const whole = join(parquet.out, 'whole.parquet');
    const db = await (await DuckDBInstance.create()).connect();
    await db.run(
      `COPY (SELECT 'p' AS q, 'x' AS a, 1.0 AS r, range AS g FROM range(9)) TO '${whole}' (FORMAT parquet)`,
    );
    await writeFile(join(parquet.logs, 'a.parquet'), (await readFile(whole)).subarray(0, -100));
    await rm(whole);
    await refused(parquet.out, ['logs', ...KEYS], /logs\/a\.parquet: cannot be read/);
    await refused(
      parquet.out,
      ['logs', ...KEYS, '--skip-bad'],
      /^skipped: logs\/a\.parquet: cannot be read/,
      'expected a log with groups, got none',
    );
  });

  test('groups of one are counted, and have no advantage', async () => {
    const { out } = await put({ 'a.jsonl': lines([row(1, 'x', 1), row(2, 'y', 0)]) });
    const all = await figures(out, 'logs', ...KEYS);
    expect([all.groups, all.singletonGroups, all.zeroVarianceGroups, all.flatGroups]).toEqual([2, 2, 2, 2]);
    expect(all.mass).toEqual({ up: 0, down: 0 });
    const { stdout } = await analyze(out, 'logs', ...KEYS, '--no-report');
    expect(stdout).toMatch(/groups of one completion +2/);
    expect(stdout).toContain('No gradient');
  });

  test('rows of no known format: what they have, and the options that read them', async () => {
    const unknown = await put({ 'a.jsonl': GOOD });
    const stderr = await refused(
      unknown.out,
      ['logs'],
      /expected a known format \(own, .*\), got rows of an unknown format, with the keys g, q, a, r; .*--prompt-key.*--reward-key/,
    );
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  });

  test('groups that cannot be known: one prompt throughout without ids, ids that mix prompts', async () => {
    const dump = (input: (i: number) => string) =>
      lines(
        Array.from({ length: 64 }, (_, i) => ({ input: input(i), output: `o ${i}`, score: i % 2, step: 1 })),
      );
    const same = await put({ '1.jsonl': dump(() => 'the same question') });
    const stderr = await refused(same.out, ['logs'], /logs\/1\.jsonl: /);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    const ids = [0, 0, 1, 1].map((id, i) => ({
      id,
      prompt: `p ${i % 2}`,
      completion: 'x',
      reward: i,
      task: 't',
    }));
    const mixed = await put({ 'results.jsonl': lines(ids) });
    await refused(
      mixed.out,
      ['logs', '--format', 'verifiers'],
      /results\.jsonl:2: group 0: expected one prompt and answer per group, got ones that differ from line 1/,
    );
  });

  test('rewards too large to square are one line with file and line, skipped if that is asked', async () => {
    const { out } = await put({ 'a.jsonl': GOOD + lines([row(7, 'x', 1e200), row(7, 'y', -1e200)]) });
    const stderr = await refused(
      out,
      ['logs', ...KEYS],
      /logs\/a\.jsonl:5: group 7: expected rewards up to ±1e\+\d+, got 1e\+200/,
    );
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    const all = await figures(out, 'logs', ...KEYS, '--skip-bad');
    expect([all.groups, all.badRowCount]).toEqual([2, 1]);
  });

  test('options that cannot be, and files that are not there', async () => {
    const { out } = await put({ 'a.jsonl': GOOD });
    const refused = async (words: RegExp, ...args: string[]) => {
      const { code, stdout, stderr } = await analyze(out, ...args, '--no-report');
      expect([code, stdout]).toEqual([1, '']);
      expect(stderr).toMatch(words);
      expect(await readdir(out)).toEqual(['logs']);
    };
    await refused(
      /none\.jsonl: expected a file, a folder or a pattern, got a path that does not exist/,
      'none.jsonl',
    );
    await refused(/missing required argument 'paths'/);
    await refused(
      /--reward-weight: expected a name with a finite number, e\.g\. format=0\.5, got 'x'/,
      'logs',
      '--reward-weight',
      'x',
    );
    await refused(
      /--group-size: expected a whole number of at least 1, got '0'/,
      'logs',
      '--group-size',
      '0',
    );
    await refused(/Allowed choices are own, /, 'logs', '--format', 'nonsense');
    await refused(
      /tokenizer none\.json: expected a tokenizer\.json, got a path that does not exist/,
      'logs',
      '--tokenizer',
      'none.json',
    );
    await refused(
      /weights file: expected a name that ends in \.jsonl or \.parquet, got w\.txt/,
      'logs',
      ...KEYS,
      '--weights',
      'w.txt',
      '--csv',
      'g.csv',
    );
    await refused(
      /none\/g\.csv: cannot be written/,
      'logs',
      ...KEYS,
      '--weights',
      'w.jsonl',
      '--csv',
      'none/g.csv',
    );
    await refused(
      /--csv logs\/a\.jsonl: expected a different file, got the same path as one of the logs/,
      'logs',
      ...KEYS,
      '--csv',
      'logs/a.jsonl',
    );
    await refused(
      /--weights w\.jsonl: expected a different file, got the same path as the file of --csv/,
      'logs',
      '--weights',
      'w.jsonl',
      '--csv',
      './w.jsonl',
    );
  });
});

describe.skipIf(!present)('real logs', () => {
  test.each<[string, number, number, number]>([
    ['reasoning-gym_step400_amc23.json', 40, 2000, 27],
    ['reasoning-gym_step800_amc23.json', 40, 2000, 26],
    ['qwen25-math_cot_100.jsonl', 100, 800, 10],
    ['verifiers/PrimeIntellect-ai__prml--gpt-4.1-mini__d8101182.jsonl', 5, 15, 5],
    ['verifiers/PrimeIntellect-ai__wordle--gpt-4.1-mini__816ec3b0.jsonl', 5, 15, 5],
    ['verifiers/PrimeIntellect-ai__tool-test--gpt-4.1-mini__5cde0948.jsonl', 5, 15, 0],
    ['verifiers/PrimeIntellect-ai__gsm8k--gpt-4.1-mini__0036a836.jsonl', 50, 150, 0],
    ['nemo-gym/resources_servers_blackjack_data_example_rollouts.jsonl', 1, 5, 1],
    ['nemo-gym/resources_servers_competitive_coding_challenges_data_example_rollouts.jsonl', 1, 5, 0],
    ['nemo-gym/responses_api_agents_anyswe_agent_data_example_rollouts_hermes.jsonl', 1, 5, 1],
    ['nemo-gym/resources_servers_newton_bench_data_example_rollouts.jsonl', 3, 5, 0],
    ['nemo-gym/resources_servers_aviary_data_example_rollouts.jsonl', 5, 5, 0],
  ])('%s: %i groups, %i completions, %i with mixed rewards', async (name, groups, completions, mixed) => {
    const all = await figures(folder, join(LOGS, name));
    expect([all.groups, all.completions]).toEqual([groups, completions]);
    if (!name.includes('newton')) expect(all.groups - all.zeroVarianceGroups).toBe(mixed);
    const step = /_step(\d+)_/.exec(name)?.[1];
    expect(all.steps.map(({ step }) => step)).toEqual(step === undefined ? [] : [Number(step)]);
  });

  test('gsm8k of verifiers: completions without a token are figures too', async () => {
    const log = join(LOGS, 'verifiers/PrimeIntellect-ai__gsm8k--gpt-4.1-mini__0036a836.jsonl');
    const all = await figures(folder, log);
    expect([all.tokens, all.tokensSaved, all.zeroVarianceGroups, all.flatGroups]).toEqual([0, 0, 50, 50]);
    expect((await analyze(folder, log, '--no-report')).code).toBe(0);
  });

  test('ids that mix prompts: refused by file and id, skipped only if that is asked', async () => {
    const refused = await analyze(folder, join(LOGS, 'verifiers'), '--no-report');
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toMatch(
      /^error: .*math-python.*:2: group 0: expected one prompt and answer per group, got ones that differ from line 1.*\n$/,
    );
    const all = await figures(folder, join(LOGS, 'verifiers'), '--skip-bad');
    expect([all.groups, all.completions, all.badRowCount]).toEqual([70, 210, 5]);
  });

  test('with a real tokenizer; the exact ids of a log stay as they are', async () => {
    const tokenizer = ['--tokenizer', join(DATA, 'tokenizers/gpt2/tokenizer.json')];
    const qwen = await figures(folder, join(LOGS, 'qwen25-math_cot_100.jsonl'), ...tokenizer);
    expect([qwen.tokens, qwen.tokenSources]).toEqual([314331, { retokenized: 100 }]);
    const name = 'nemo-gym/resources_servers_competitive_coding_challenges_data_example_rollouts.jsonl';
    const [asRows, asGroups] = [
      await figures(folder, join(LOGS, name)),
      await figures(folder, join(LOGS, name), ...tokenizer),
    ];
    expect(asGroups).toEqual(asRows);
    expect(asRows.tokenSources).toEqual({ exact: 1 });
  });
});
