/** Configurations that are not plain data, or are too large: refused quickly with one line each. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseConfig } from './config-sources.js';
import { readYaml } from './yaml.js';

const BOMB = `a: &a [${'x,'.repeat(9)}x]\n${'bcdefgh'
  .split('')
  .map((name, i) => `${name}: &${name} [${`*${'abcdefg'[i]},`.repeat(10)}x]\n`)
  .join('')}`;

test.each<[string, string, number, RegExp]>([
  ['an alias of nothing', 'seed: 1\nmethod: *a', 2, /expected an alias of an earlier anchor, got \*a$/],
  ['a merge of nothing', '<<: *x', 1, /alias/],
  ['a list within itself', 'method: grpo\nseed: &a [*a]', 2, /got \*a inside it/],
  ['a section within itself', 'seed: &a\n  b: { c: *a }', 2, /got \*a inside it/],
  ['an alias bomb', BOMB, 1, /expected aliases that expand to few values/],
  ['many lists in lists', `seed: ${'['.repeat(100_000)}`, 1, /expected at most 100 levels/],
  ['many sections in sections', `seed: ${'{a: '.repeat(5000)}1${'}'.repeat(5000)}`, 1, /at most 100 levels/],
  ['150 levels', `seed: ${'['.repeat(150)}${']'.repeat(150)}`, 1, /at most 100 levels/],
  [
    'lines in lines',
    Array.from({ length: 300 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'),
    101,
    /at most 100 levels/,
  ],
  ['a large file', `# ${'x'.repeat(2_000_000)}`, 1, /expected at most 1048576 characters/],
  ['a whole number that no double holds', 'seed: 9007199254740993', 1, /at most 2\^53, got 9007199254740993/],
  ['one in base 16', 'seed: 0x20000000000001', 1, /got 0x20000000000001/],
  ['a number beyond all doubles', 'seed: 1e400', 1, /got 1e400/],
  ['a key that is a list', '? [a]\n: 1', 1, /keys that are text/],
  ['a tag of another program', 'seed: !!python/object:os.system x', 1, /Unresolved tag/],
  ['two documents', 'seed: 1\n---\nseed: 2', 2, /multiple documents/],
  ['one key twice', 'seed: 1\nseed: 2', 2, /unique/],
])('%s is one line, soon', (_, text, line, message) => {
  const begun = performance.now();
  const yaml = readYaml(text);
  expect(performance.now() - begun).toBeLessThan(5000);
  if (!('problems' in yaml)) expect.fail(`read as ${String(yaml.value)}`);
  expect(yaml.problems[0].line).toBe(line);
  expect(yaml.problems[0].message).toMatch(message);
  expect(yaml.problems.length).toBeLessThanOrEqual(10);
  for (const problem of yaml.problems) expect(problem.message).not.toContain('\n');
  expect(() => parseConfig(text, 'run.yaml')).toThrow(/^run\.yaml:\d+: [^\n]*$/m);
});

test('aliases, merges, anchors and deep but sensible sections are read', () => {
  const yaml = readYaml('a: &a {x: 1, y: [1.5, .inf, -.inf, 0x10]}\nb: *a\nc: { d: { e: { f: [[[*a]]] } } }');
  if ('problems' in yaml) expect.fail(yaml.problems[0].message);
  const a = { x: 1, y: [1.5, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 16] };
  expect(yaml.value).toEqual({ a, b: a, c: { d: { e: { f: [[[a]]] } } } });
  expect(yaml.lineOf(['b'])).toBe(2);
  expect(yaml.lineOf(['c', 'd', 'nothing'])).toBe(3);
});

test('the command prints it and ends with 1', { timeout: 30_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'yaml-'));
  try {
    const file = join(folder, 'run.yaml');
    await writeFile(file, 'method: grpo\nseed: &a [*a]\n');
    const main = join(import.meta.dirname, '../cli/main.ts');
    const { status, stderr } = spawnSync(process.execPath, ['--import', 'tsx', main, 'train', file], {
      encoding: 'utf8',
    });
    expect(stderr).toMatch(
      /^error: .*run\.yaml:2: expected an alias outside its anchor, got \*a inside it\n$/,
    );
    expect(status).toBe(1);
    expect(readFileSync(file, 'utf8')).toContain('seed');
  } finally {
    await rm(folder, { recursive: true });
  }
});
