/** The README is true: its generated parts are up to date, the files it names exist, and its example runs. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { PAGE_NAMES, renderPage } from '../scripts/readme.js';
import { parseConfig, SECTIONS } from '../src/train/index.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const readme = readFileSync(join(root, 'README.md'), 'utf8');

it('tables and examples are those of their sources (npx tsx scripts/readme.ts)', () => {
  expect(PAGE_NAMES).toContain('README.md');
  for (const page of PAGE_NAMES) {
    const text = readFileSync(join(root, page), 'utf8');
    expect(renderPage(page, text), page).toBe(text);
    expect(text, page).not.toMatch(/@@|^(<<<<<<<|=======|>>>>>>>)/m);
  }
});

const hasJq = spawnSync('jq', ['--version']).status === 0;
it.skipIf(!hasJq)('the jq line of docs/metrics.md makes a table with every figure of every step', () => {
  const [, line] = /^(jq .*) > sums\.csv$/m.exec(
    readFileSync(join(root, 'docs/metrics.md'), 'utf8'),
  ) as RegExpExecArray;
  const folder = mkdtempSync(join(tmpdir(), 'lambda-grpo-jq-'));
  mkdirSync(join(folder, 'runs', 'sums'), { recursive: true });
  const lines = [
    '{"phase":"warmup","step":1,"loss":2}',
    '{"phase":"train","step":0,"eval_accuracy":0.5}',
    '{"phase":"train","step":1,"loss":-0.25,"kl":1e-9}',
  ];
  writeFileSync(join(folder, 'runs', 'sums', 'metrics.jsonl'), `${lines.join('\n')}\n`);
  const csv = execFileSync('sh', ['-c', line], { cwd: folder, encoding: 'utf8' });
  rmSync(folder, { recursive: true });
  const [header, ...rows] = csv
    .trim()
    .split('\n')
    .map((row) => row.split(','));
  expect(header).toEqual(['"eval_accuracy"', '"kl"', '"loss"', '"phase"', '"step"']);
  expect(rows.map((row) => row.map((cell) => (cell === '' ? null : JSON.parse(cell))))).toEqual([
    [0.5, null, null, 'train', 0],
    [null, 1e-9, -0.25, 'train', 1],
  ]);
});

it('files it links to are there', () => {
  const links = [...readme.matchAll(/\]\(([^)#]+)\)/g)]
    .map((match) => match[1])
    .filter((link) => !link.includes(':'));
  expect(links.length).toBeGreaterThan(5);
  for (const link of links) expect(existsSync(join(root, link)), link).toBe(true);
});

it('the example of a task of one’s own runs and learns', () => {
  const out = execFileSync(process.execPath, ['recipes/counting.mjs'], { cwd: root, encoding: 'utf8' });
  const rewards = [...out.matchAll(/reward ([\d.]+)/g)].map((match) => Number(match[1]));
  expect(rewards).toHaveLength(5);
  expect(rewards[4]).toBeGreaterThan(rewards[0] + 0.3);
});

it('the library example of the README runs', () => {
  const code = /```ts\n(import \{ analyzeGroup[\s\S]*?)```/.exec(readme)?.[1] as string;
  const out = execFileSync(process.execPath, ['--input-type=module', '-e', code], {
    cwd: root,
    encoding: 'utf8',
  });
  expect(out.trim().split('\n')).toEqual([
    '[] 3 0.5 0',
    '[ 1, 2 ] 2 0.5 0',
    expect.stringMatching(/^\[ 3 \] 1 1 0\.9998/),
    expect.stringMatching(/^\[ 4 \] 1 0 -0\.9998/),
    '[ 5 ] 1 0.5 0',
  ]);
});

it('is at most 200 lines', () => {
  expect(readme.split('\n').length).toBeLessThanOrEqual(201);
});

describe('the configuration reference', () => {
  const page = readFileSync(join(root, 'docs/configuration.md'), 'utf8');

  it('has every section of the schema once, and an example for each that parses', () => {
    const keys = [...page.matchAll(/^\| \*{0,2}`?([a-z_]+)`?\*{0,2} \|/gm)].map(([, key]) => key);
    expect(keys.filter((key) => key !== 'key')).toEqual(SECTIONS.filter((key) => keys.includes(key)));
    expect([...keys].filter((key) => key !== 'key').sort()).toEqual([...SECTIONS].sort());
    const parts = page.split('\n## ').slice(1);
    expect(parts.length).toBeGreaterThan(6);
    for (const part of parts) {
      const [, yaml = ''] = /```yaml\n([\s\S]*?)```/.exec(part) ?? [];
      expect(yaml, part.slice(0, 30)).not.toBe('');
      const task = /^task:/m.test(yaml) ? '' : 'task: { name: arithmetic }\n';
      const config = parseConfig(task + yaml, 'example.yaml');
      for (const key of Object.keys(parse(yaml))) expect(Object.keys(config), key).toContain(key);
    }
  });

  it('has the keys of sections within sections, those of model.lora among them', () => {
    for (const key of ['model.lora.r', 'model.lora.targets', 'task.columns.answer', 'engine.lora.rank'])
      expect(page).toContain(`| \`${key}\` |`);
    expect(page).toContain('a list of strings');
    expect(page).not.toMatch(/\| array( or null)? \|/);
  });
});
