/** Tasks of the user's own: the worked examples learn, what is wrong with a module is one line, turns are continued exactly. */
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readOwnRollouts } from '../src/rollouts/index.js';
import { definedTask } from '../src/task/index.js';
import { type Config, loadConfig, RunFolder, resolveConfig, run } from '../src/train/index.js';

const root = join(import.meta.dirname, '..');
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lambda-grpo-modules-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const recipe = (name: string, changes: { train?: object } = {}): Config => {
  const config = loadConfig(join(root, 'recipes', `${name}.yaml`));
  if (config.task.name !== 'module') throw new Error('not a module');
  return { ...config, ...changes, task: { ...config.task, path: join(root, config.task.path) } } as Config;
};

// The examples import the built package, as a user's would.
describe.skipIf(!existsSync(join(root, 'dist', 'index.js')))('the worked examples', () => {
  it('one turn: the letters after a letter are learnt', async () => {
    const { folder: out } = await run({
      config: recipe('alphabet'),
      out: join(folder, 'alphabet'),
      threads: 2,
    });
    const [first, ...rest] = (await out.readMetrics()).filter(({ eval_accuracy: a }) => a !== undefined);
    expect(first.eval_accuracy).toBeLessThan(0.3);
    expect(rest.at(-1)?.eval_accuracy).toBeGreaterThan(0.8);
    for await (const { completions } of readOwnRollouts(out.rolloutsFile(50))) {
      for (const { reward, rewards } of completions) {
        expect(reward).toBeCloseTo((rewards?.right ?? 0) + 0.1 * (rewards?.variety ?? 0), 12);
      }
    }
  });

  it('several turns: the calculator is learnt; what it says is marked, and a continued run gives the same numbers', async () => {
    const { folder: out } = await run({
      config: recipe('calculator'),
      out: join(folder, 'calculator'),
      threads: 1,
    });
    const metrics = await out.readMetrics();
    const evaluated = metrics.filter(({ eval_accuracy: a }) => a !== undefined);
    expect(evaluated[0].eval_accuracy).toBeLessThan(0.75);
    expect(evaluated.at(-1)?.eval_accuracy).toBeGreaterThan(0.9);
    let asked = 0;
    for await (const { completions } of readOwnRollouts(out.rolloutsFile(60))) {
      for (const { mask, tokens } of completions) {
        expect(mask).toHaveLength(tokens.length);
        // One character a token (^ is the opening one, which text leaves out): those between ] and ; are the calculator's.
        const written = Array.from(tokens, (token) => '^0123456789*?[]=;{}'[token]);
        const said = written.filter((_, t) => mask?.[t] === 0).join('');
        const answers = [...written.join('').matchAll(/\](=[^;]*;)/g)].map(([, answer]) => answer);
        expect(said).toBe(answers.join(''));
        asked += answers.length;
      }
    }
    expect(asked).toBeGreaterThan(30);
    const cut = join(folder, 'cut');
    await run({
      config: recipe('calculator', { train: { ...recipe('calculator').train, steps: 10 } }),
      out: cut,
      threads: 1,
    });
    const more = recipe('calculator', { train: { ...recipe('calculator').train, steps: 20 } });
    await run({ config: more, out: cut, resume: true, threads: 1 });
    const figures = (all: readonly object[]) =>
      all.map((record) =>
        Object.fromEntries(Object.entries(record).filter(([key]) => !/seconds$|^eval/.test(key))),
      );
    const upTo20 = metrics.filter(({ phase, step }) => phase === 'warmup' || step <= 20);
    expect(figures(await new RunFolder(cut).readMetrics())).toEqual(figures(upTo20));
  });
});

describe('a module that is none', () => {
  const good = `export default {
    name: 'x', vocabulary: { pieces: ['<bos>', 'a', 'b'], bos: '<bos>' }, problems: ['a'], heldOut: ['a'],
    prompt: (p) => p, maxCompletionTokens: 2, reward: () => 1, PLACE };`;

  it.each([
    ['no such file', null, 'no such module; task.path is taken from'],
    [
      'no default export',
      'export const x = 1;',
      'has no default export; needed is export default defineTask',
    ],
    ['a mistake in it', 'export default {;', 'cannot be loaded: '],
    ['a throw in it', 'throw new Error("no network");', 'cannot be loaded: no network'],
    ['no name', good.replace("name: 'x',", '').replace('PLACE', ''), 'name: found nothing; needed is a text'],
    [
      'no problems',
      good.replace('PLACE', 'problems: []'),
      'problems: found object; needed is a list of problems',
    ],
    [
      'a reward that is text',
      good.replace('PLACE', "reward: () => 'good'"),
      'reward of problem train-0: found "good"; needed is a number',
    ],
    [
      'a named reward that is null',
      good.replace('PLACE', 'reward: () => ({ a: null })'),
      'reward a of problem train-0: found null',
    ],
    [
      'a reward that is NaN',
      good.replace('PLACE', 'reward: () => NaN'),
      'is NaN; allowed is a finite number',
    ],
    ['a stop of two tokens', good.replace('PLACE', "stop: ['ab']"), 'stop: "ab" is 2 tokens; needed is one'],
    ['a prompt it cannot spell', good.replace('PLACE', "prompt: () => 'z'"), 'cannot spell "z"'],
  ])('%s', async (name, text, line) => {
    const path = join(folder, `${name.replaceAll(' ', '-')}.mjs`);
    if (text !== null) await writeFile(path, text);
    const config = resolveConfig({
      task: { name: 'module', path },
      train: { steps: 1 },
      evaluation: { every: 0 },
    });
    const out = join(folder, `run of ${name}`);
    const error = (await run({ config, out, threads: 1 }).catch((e: Error) => e)) as Error;
    expect(error.message).toContain(line);
    expect(error.message).not.toContain('\n');
    const written = await readdir(join(out, 'rollouts')).catch(() => []);
    expect(written).toEqual([]);
  });

  it('a default export that is a function gets the options', async () => {
    const path = join(folder, 'made.mjs');
    await writeFile(
      path,
      `export default ({ reward, seed }) => ({ ...${good.slice(15, -1).replace('PLACE', '')}, reward: () => reward + seed });`,
    );
    const config = resolveConfig({
      seed: 3,
      task: { name: 'module', path, options: { reward: 0.5 } },
      sampling: { group_size: 2 },
      train: { steps: 1 },
      evaluation: { every: 0 },
    });
    const { folder: out } = await run({ config, out: join(folder, 'made'), threads: 1 });
    expect((await out.readMetrics())[0].reward_mean).toBe(3.5);
  });

  it('asynchronous rewards and verdicts are waited for', async () => {
    const later = <T>(value: T) => new Promise<T>((resolve) => setTimeout(() => resolve(value), 5));
    const task = definedTask(
      {
        name: 'x',
        vocabulary: { pieces: ['<bos>', 'a'], bos: '<bos>' },
        problems: ['a'],
        heldOut: ['a'],
        prompt: (p: string) => p,
        maxCompletionTokens: 1,
        reward: () => later({ good: 2, bad: 1 }),
        weights: { bad: -0.5 },
      },
      'here',
      null,
    );
    expect(await task.reward(task.heldOut[0], [1])).toEqual({ reward: 1.5, rewards: { good: 2, bad: 1 } });
    expect(await task.success(task.heldOut[0], [1])).toBe(true);
  });
});
