/** A new project: existing files stay unchanged to the byte, and package names are valid for npm. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { newProject, packageName } from './new-project.js';

let base: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'lambda-grpo-new-'));
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

const contents = (folder: string) =>
  readdirSync(folder)
    .sort()
    .map((name) => [name, readFileSync(join(folder, name), 'utf8')]);
const packageOf = (folder: string) => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));

it('a new folder, folders above it included, gets every file; npm start trains', async () => {
  const folder = join(base, 'a', 'My Task!');
  expect(await newProject(folder)).toEqual({
    written: ['task.ts', 'train.yaml', 'tsconfig.json', '.gitignore', '.npmrc', 'package.json'],
    starts: true,
    needsInstall: true,
  });
  expect(readdirSync(folder)).toHaveLength(6);
  expect(packageOf(folder)).toMatchObject({
    name: 'my-task',
    private: true,
    type: 'module',
    scripts: { start: 'lambda-grpo train train.yaml' },
    dependencies: { 'lambda-grpo': expect.stringMatching(/^file:/) },
  });
});

it('a package.json is completed: its values, their order and its indentation stay', async () => {
  const before = {
    name: 'x',
    version: '2.0.0',
    type: 'commonjs',
    scripts: { test: 'vitest' },
    devDependencies: { 'lambda-grpo': '1' },
    other: [1],
  };
  writeFileSync(join(base, 'package.json'), `\uFEFF${JSON.stringify(before, null, '\t')}`);
  writeFileSync(join(base, 'tsconfig.json'), 'mine');
  expect(await newProject(base)).toMatchObject({
    written: ['task.ts', 'train.yaml', '.gitignore', 'package.json'],
    starts: true,
  });
  const text = readFileSync(join(base, 'package.json'), 'utf8');
  expect(JSON.parse(text)).toEqual({
    ...before,
    scripts: { start: 'lambda-grpo train train.yaml', test: 'vitest' },
  });
  expect(Object.keys(JSON.parse(text))).toEqual(Object.keys(before));
  expect(text).toContain('\n\t"name": "x"');
  expect(readFileSync(join(base, 'tsconfig.json'), 'utf8')).toBe('mine');
});

it('a start script of another purpose stays, and the result says so', async () => {
  writeFileSync(join(base, 'package.json'), '{"scripts":{"start":"node server.js"}}');
  expect((await newProject(base)).starts).toBe(false);
  expect(packageOf(base).scripts.start).toBe('node server.js');
});

it('what cannot become a project is refused in one line, and nothing is written', async () => {
  const cases: [name: string, prepare: (folder: string) => void, message: RegExp][] = [
    ['task', (f) => writeFileSync(join(f, 'task.ts'), 'mine'), /task\.ts: already exists/],
    ['run', (f) => writeFileSync(join(f, 'train.yaml'), ''), /train\.yaml: already exists/],
    ['folder', (f) => mkdirSync(join(f, 'task.ts')), /task\.ts: already exists/],
    ['json', (f) => writeFileSync(join(f, 'package.json'), '{'), /package\.json: expected JSON, got some/],
    ['list', (f) => writeFileSync(join(f, 'package.json'), '[]'), /expected an object, got \[\]$/],
    ['null', (f) => writeFileSync(join(f, 'package.json'), 'null'), /expected an object, got null$/],
    [
      'scripts',
      (f) => writeFileSync(join(f, 'package.json'), '{"scripts":"x"}'),
      /package\.json: scripts: expected an object, got "x"$/,
    ],
  ];
  for (const [name, prepare, message] of cases) {
    const folder = join(base, name);
    mkdirSync(folder);
    prepare(folder);
    const names = readdirSync(folder);
    const before = names[0] === 'task.ts' && name === 'folder' ? null : contents(folder);
    await expect(newProject(folder), name).rejects.toThrow(message);
    expect(readdirSync(folder), name).toEqual(names);
    if (before) expect(contents(folder), name).toEqual(before);
  }
  writeFileSync(join(base, 'file'), '');
  await expect(newProject(join(base, 'file'))).rejects.toThrow(/file: expected a folder or a new name, got/);
});

it('every folder gives a name that npm takes', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string(), fc.constantFrom('node_modules', '.', '___', 'Ä', 'lambda-grpo')),
      (text) => {
        const name = packageName(`/projects/${text.replaceAll('/', '')}`);
        // npm's rules: 1 to 214 characters, lower case, safe in a URL, no leading dot or underscore, no reserved name.
        expect(name.length).toBeGreaterThan(0);
        expect(name.length).toBeLessThanOrEqual(214);
        expect(encodeURIComponent(name)).toBe(name);
        expect(name).toBe(name.toLowerCase());
        expect(name).not.toMatch(/^[._]/);
        expect(['node_modules', 'favicon.ico', 'lambda-grpo']).not.toContain(name);
      },
    ),
    { numRuns: 500, seed: 7 },
  );
});
