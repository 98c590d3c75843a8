/**
 * Faults of user code from the command line: whatever the code does to the process, the result is one line and exit
 * code 1, wherever its file is.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const cli = join(import.meta.dirname, '..', 'dist', 'cli', 'main.js');
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lambda-grpo-user-code-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const definition = (parts = ''): string => `{
  name: 'x', vocabulary: { pieces: ['<bos>', 'a', 'b'], bos: '<bos>' }, problems: ['a'], heldOut: ['a'],
  prompt: (p) => p, maxCompletionTokens: 2, reward: ({ text }) => Number(text.startsWith('a')), ${parts} }`;

/** Trains a module from the folder it lies in, one step; what was said, and the exit code. */
async function trained(
  where: string,
  files: Readonly<Record<string, string>>,
  seconds = 30,
): Promise<{ code: number; stdout: string; stderr: string }> {
  const place = join(folder, where);
  await mkdir(place, { recursive: true });
  for (const [name, text] of Object.entries(files)) await writeFile(join(place, name), text);
  const settings = {
    task: { name: 'module', path: Object.keys(files)[0], call_seconds: seconds },
    model: { layers: 1, heads: 1, width: 8 },
    sampling: { group_size: 4 },
    train: { steps: 1 },
    evaluation: { every: 0 },
  };
  await writeFile(join(place, 'run.yaml'), JSON.stringify(settings));
  const args = [cli, 'train', 'run.yaml', '--out', 'run', '--threads', '1'];
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd: place, timeout: 60_000 }, (error, stdout, stderr) => {
      resolve({ code: Number(error?.code ?? 0), stdout, stderr });
    });
  });
}

const place = 'reward of problem train-0, step 1, completion 1 of 4 "[ab]*"';
const task = (parts: string): string =>
  `import { defineTask } from 'lambda-grpo';\nexport default defineTask(${definition(parts)});`;

describe.skipIf(!existsSync(cli))('one line that names the user’s file, and exit code 1', () => {
  it.each([
    [
      'a loop without end',
      task('reward: () => { for (;;) {} }'),
      `${place}: expected an answer within 1 s .*its code does not return`,
    ],
    [
      'a loop behind an await',
      task('reward: async () => { await null; for (;;) {} }'),
      `${place}: expected an answer within 1 s .*its code does not return`,
    ],
    [
      'a regular expression without end',
      task("reward: () => Number(/^(a+)+$/.test('a'.repeat(60) + 'b'))"),
      `${place}: .*its code does not return`,
    ],
    ['a loop at the top', 'for (;;) {}', 'loading: expected an answer within 1 s .*its code does not return'],
    [
      'a wait at the top',
      'await new Promise(() => {}); export default {};',
      'loading: expected an answer within 1 s',
    ],
    [
      'an exit at the top',
      "import { exit } from 'node:process'; exit(0);",
      String.raw`loading: called process\.exit\(0\)`,
    ],
    [
      'an exit in a reward',
      task('reward: () => process.exit(0)'),
      String.raw`${place}: called process\.exit\(0\)`,
    ],
    [
      'an exit from a timer',
      task(
        'reward: () => { setTimeout(() => process.exit(0), 1); return new Promise((r) => setTimeout(r, 50, 1)); }',
      ),
      String.raw`${place}: called process\.exit\(0\)`,
    ],
    [
      'a throw from a timer',
      task(
        "reward: () => { setTimeout(() => { throw new Error('late'); }, 1); return new Promise((r) => setTimeout(r, 50, 1)); }",
      ),
      `${place}: threw Error: late, after the call`,
    ],
    [
      'a rejection left to nobody',
      task(
        "reward: () => { Promise.reject(new Error('late')); return new Promise((r) => setTimeout(r, 50, 1)); }",
      ),
      `${place}: threw Error: late, after the call`,
    ],
    ['a mistake', 'export default {;', 'loading: threw SyntaxError: Unexpected token'],
  ])(
    '%s',
    async (name, text, line) => {
      const { code, stderr } = await trained(name.replaceAll(' ', '-'), { 'task.mjs': text }, 1);
      expect(stderr).toMatch(
        new RegExp(String.raw`^(?:note: no learning signal.*\n)?error: task\.mjs(:\d+)?: ${line}[^\n]*\n$`),
      );
      expect(stderr).not.toContain('fault of lambda-grpo');
      expect(code).toBe(1);
    },
    60_000,
  );

  it('what keeps the process alive after the run does not', async () => {
    const { code, stdout } = await trained('alive', {
      'task.mjs': `setInterval(() => {}, 1000);\n${task('')}`,
    });
    expect(stdout).toContain('run folder: run');
    expect(code).toBe(0);
  }, 60_000);

  it('groups with equal rewards give a note with the command that shows them', async () => {
    const { stderr, code } = await trained('flat', { 'task.mjs': task('reward: () => 0') });
    expect(stderr).toContain(
      'no learning signal: in step 1 all rewards of each group are equal (every reward is 0)',
    );
    expect(stderr).toContain('lambda-grpo eval run --samples 4 --problems 4 --show');
    expect(code).toBe(0);
    const shown = await new Promise<string>((resolve) => {
      const args = [cli, 'eval', 'run', '--samples', '4', '--problems', '4', '--show'];
      execFile(process.execPath, args, { cwd: join(folder, 'flat') }, (_, stdout) => resolve(stdout));
    });
    expect(shown.match(/completion \d: reward 0, not solved, 2 tokens/g)).toHaveLength(4);
  }, 60_000);
});

const TYPED = `import { defineTask, type TaskDefinition } from 'lambda-grpo';
import { start, Kind } from './helper';
import data from './data.json';
class Named { constructor(private readonly kind: Kind) {} is(): boolean { return this.kind === Kind.B; } }
if (!new Named(Kind.B).is() || data.k !== 1) throw new Error('helpers');
const definition: TaskDefinition<string> = defineTask<string>(${definition('reward: ({ text }) => Number(text.startsWith(start))')});
export default definition;`;
const HELPERS = {
  'helper.ts': "export const start: string = 'a';\nexport enum Kind { A = 1, B = 3 }",
  'plain.cjs': "exports.start = 'a';",
  'data.json': '{ "k": 1 }',
};
const FORMS: Record<string, string> = {
  'task.ts': TYPED,
  'task.js': `import { defineTask } from 'lambda-grpo';\nimport { start } from './helper.js';\nawait null;\nexport default () => defineTask(${definition()});`,
  'common.js': `const { defineTask } = require('lambda-grpo');\nconst { start } = require('./plain.cjs');\nmodule.exports = defineTask(${definition()});`,
};

describe.skipIf(!existsSync(cli))(
  'a module is loaded wherever it lies, where lambda-grpo is not installed',
  () => {
    for (const type of [null, 'commonjs', 'module']) {
      for (const [file, text] of Object.entries(FORMS)) {
        it(`${file}, ${type === null ? 'no package.json' : `"type": "${type}"`}`, async () => {
          const { code, stderr, stdout } = await trained(`${type}-${file}`, {
            [file]: text,
            ...HELPERS,
            ...(type === null ? {} : { 'package.json': JSON.stringify({ type }) }),
          });
          expect(stderr).not.toMatch(/error|warning/i);
          expect(stdout).toContain('1 steps, reward');
          expect(code).toBe(0);
        }, 60_000);
      }
    }

    it('errors name the line of the TypeScript that was written', async () => {
      const text = `interface Unused {\n  a: number;\n}\n${task("\n\n  reward: (completion: { text: string }): number => {\n    throw new Error('typed');\n  }")}`;
      const { stderr } = await trained('typed-line', { 'task.ts': text });
      const line = text.split('\n').findIndex((row) => row.includes('throw')) + 1;
      expect(stderr).toContain(`task.ts:${line}: reward of problem train-0, step 1`);
    }, 60_000);
  },
);
