/** Sources of the repository and their syntax trees, for tests of how code is written. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** A node of the tree that `parseSync` of Vite gives. */
export interface Node {
  readonly type: string;
  readonly start: number;
  readonly [key: string]: unknown;
}

export const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && typeof (value as Node).type === 'string';

/** Text of each source in these folders, tests among them. */
export function sources(...folders: string[]): Map<string, string> {
  const files = execFileSync('git', ['ls-files', ...folders], { cwd: root, encoding: 'utf8' })
    .split('\n')
    .filter((file) => /(?<!\.d)\.m?(ts|js)$/.test(file));
  return new Map(files.map((file) => [file, readFileSync(join(root, file), 'utf8')]));
}

/** `file:line` of an offset. */
export const placeOf = (file: string, text: string, at: number): string =>
  `${file}:${text.slice(0, at).split('\n').length}`;
