/**
 * CONTRIBUTING.md and similar files are correct: the files that its recipes name exist and contain its examples, and
 * the workflows call .ci/run.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const read = (...names: string[]): string => readFileSync(join(root, ...names), 'utf8');
const { version, license, engines } = JSON.parse(read('package.json'));

describe('CONTRIBUTING.md', () => {
  const text = read('CONTRIBUTING.md');
  const recipes = text
    .slice(text.indexOf('## Four recipes'), text.indexOf('## Conventions'))
    .split('\n### ')
    .slice(1)
    .map((part) => ({
      name: part.slice(0, part.indexOf('\n')),
      example: /^Example: `(\w+)`/m.exec(part)?.[1] ?? '',
      files: [...part.matchAll(/^\d+\. `([^`]+)`/gm)].map(([, file]) => file),
    }));

  it('has a recipe for a loss, a log format, an architecture and a metric', () => {
    expect(recipes.map(({ name }) => name)).toEqual([
      'A loss',
      'A log format',
      'An architecture',
      'A metric',
    ]);
  });

  it.each(recipes)('$name: its example is in every file that is named', ({ example, files }) => {
    expect(example).not.toBe('');
    expect(files.length).toBeGreaterThan(3);
    for (const file of files) {
      const holds = read(file).toLowerCase().includes(example);
      expect(holds, `${file} holds '${example}'`).toBe(true);
    }
  });

  it('names files and folders that are there', () => {
    const paths = [...text.matchAll(/`((?:src|test|docs|scripts|web|bench|recipes|\.ci)\/[\w./-]*)`/g)];
    expect(paths.length).toBeGreaterThan(25);
    for (const [, path] of paths) expect(existsSync(join(root, path)), path).toBe(true);
  });
});

it('the workflow runs .ci/run on Linux, macOS and Windows with Node.js 20 to 24', () => {
  const names = readdirSync(join(root, '.github', 'workflows'));
  expect(names).toEqual(['checks.yml']);
  const { jobs, permissions } = parse(read('.github', 'workflows', 'checks.yml'));
  const { matrix } = jobs.checks.strategy;
  expect(matrix.os.map((os: string) => os.split('-')[0]).sort()).toEqual(['macos', 'ubuntu', 'windows']);
  expect(matrix.node).toEqual([20, 22, 24]);
  expect(engines.node).toBe(`>=${matrix.node[0]}`);
  expect(jobs.checks.steps.map((step: { run?: string }) => step.run)).toContain('bash .ci/run');
  expect(permissions).toEqual({ contents: 'read' });
  expect(existsSync(join(root, '.ci', 'run'))).toBe(true);
});

it('issue templates ask for the output of doctor', () => {
  const folder = join(root, '.github', 'ISSUE_TEMPLATE');
  const templates = readdirSync(folder).filter((name) => name !== 'config.yml');
  expect(templates.length).toBeGreaterThan(1);
  for (const name of templates) {
    const { body } = parse(readFileSync(join(folder, name), 'utf8')) as {
      body: { id: string; attributes: { label: string } }[];
    };
    expect(body.find(({ id }) => id === 'doctor')?.attributes.label, name).toContain('lambda-grpo doctor');
  }
});

it('CITATION.cff names this version and the paper', () => {
  const citation = parse(read('CITATION.cff'));
  expect(citation).toMatchObject({ 'cff-version': '1.2.0', version, license, type: 'software' });
  // Required by the format.
  for (const key of ['title', 'message', 'authors']) expect(citation[key], key).toBeTruthy();
  expect(citation['preferred-citation'].url).toBe('https://arxiv.org/abs/2509.21154');
});

it('SECURITY.md says how to report, and names files that are there', () => {
  const text = read('SECURITY.md');
  expect(text).toContain('## Reporting');
  expect(text).toContain("## The dashboard's threat model");
  for (const [, path] of text.matchAll(/`(src\/[\w./-]+)`/g))
    expect(existsSync(join(root, path)), path).toBe(true);
});
