/** The README is true: what it takes from elsewhere is what stands there, what it names exists, its example runs. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { renderReadme } from '../scripts/readme.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const readme = readFileSync(join(root, 'README.md'), 'utf8');

it('tables and examples are those of their sources (npx tsx scripts/readme.ts)', () => {
  expect(renderReadme(readme)).toBe(readme);
  expect(readme).not.toContain('@@');
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
