/** Paths on the command line: an existing path is used as it is, and not as a pattern. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findFiles } from './files.js';
import { RolloutError } from './values.js';

let folder: string;
let before: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'find-files-'));
  before = process.cwd();
  process.chdir(folder);
});
afterAll(async () => {
  process.chdir(before);
  await rm(folder, { recursive: true });
});

let count = 0;
/** Creates empty files with these names in a new folder; returns the names that the source matches. */
async function meant(names: readonly string[], source: string): Promise<string[]> {
  const root = join(folder, String(count++));
  for (const name of names) {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await writeFile(join(root, name), '');
  }
  process.chdir(root);
  return (await findFiles([source])).map(({ path }) => path);
}

describe.skipIf(process.platform === 'win32')('a source', () => {
  const B = ['a,b1.jsonl', 'a,b2.jsonl', 'zz-b1.jsonl', 'a', 'b1.jsonl', 'a,b3.jsonl'];
  const L = ['log1.jsonl', 'log2.jsonl', 'log3.jsonl', 'xlog1.jsonl'];
  // Expected: the names that bash matches (extglob, globstar), sorted by number.
  test.each<[string, string[], string[]]>([
    ['a,b{1,2}.jsonl', B, ['a,b1.jsonl', 'a,b2.jsonl']],
    ['log[12].jsonl', L, ['log1.jsonl', 'log2.jsonl']],
    ['log[!1].jsonl', L, ['log2.jsonl', 'log3.jsonl']],
    ['log{1..2}.jsonl', L, ['log1.jsonl', 'log2.jsonl']],
    ['./log?.jsonl', L, ['log1.jsonl', 'log2.jsonl', 'log3.jsonl']],
    ['log+(1|3).jsonl', L, ['log1.jsonl', 'log3.jsonl']],
    ['log[12].jsonl', [...L, 'log[12].jsonl'], ['log[12].jsonl']],
    ['*', ['*', 'a.jsonl'], ['*']],
    ['{a,b}.jsonl', ['{a,b}.jsonl', 'a.jsonl'], ['{a,b}.jsonl']],
    ['run[1]/*.jsonl', ['run[1]/x.jsonl', 'run1/y.jsonl'], ['run[1]/x.jsonl']],
    ['run[1]/*.jsonl', ['run1/y.jsonl'], ['run1/y.jsonl']],
    ['run*/[xy].jsonl', ['run*/x.jsonl', 'run1/y.jsonl'], ['run*/x.jsonl']],
    [
      '**/x.jsonl',
      ['x.jsonl', 'a/x.jsonl', 'a/b/x.jsonl', 'a/xx.jsonl'],
      ['a/b/x.jsonl', 'a/x.jsonl', 'x.jsonl'],
    ],
    ['a/*/x.jsonl', ['a/x.jsonl', 'a/b/x.jsonl', 'a/b/c/x.jsonl'], ['a/b/x.jsonl']],
    ['{a/x,b/**/x}.jsonl', ['a/x.jsonl', 'b/c/x.jsonl', 'c/x.jsonl'], ['a/x.jsonl', 'b/c/x.jsonl']],
    ['a.b*.jsonl', ['a.b1.jsonl', 'axb1.jsonl'], ['a.b1.jsonl']],
    ['a(1)+$^|*.jsonl', ['a(1)+$^|2.jsonl', 'a1.jsonl'], ['a(1)+$^|2.jsonl']],
    ['!*.jsonl', ['!a.jsonl', 'b.jsonl'], ['!a.jsonl']],
    ['#*.jsonl', ['#a.jsonl', 'b.jsonl'], ['#a.jsonl']],
    ['../*/only-here.jsonl', ['only-here.jsonl'], ['../<root>/only-here.jsonl']],
  ])('%s', async (source, names, expected) => {
    const files = await meant(names, source);
    expect(files).toEqual(expected.map((path) => path.replace('<root>', String(count - 1))));
  });

  test('that is nothing is one error with its name', async () => {
    for (const source of ['none.jsonl', 'none*.jsonl', 'none/x{1,2}.jsonl', 'log[', '', '/none/*'])
      await expect(meant(['log1.jsonl'], source), source).rejects.toThrow(RolloutError);
  });
});
