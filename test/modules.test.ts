/**
 * Custom tasks: the worked examples learn, an error in a module is one line, and multi-turn completions are continued
 * exactly.
 */
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UserError } from '../src/errors.js';
import type { Group } from '../src/rollouts/index.js';
import { readOwnRollouts } from '../src/rollouts/own-files.js';
import { type ChatMessage, definedTask, pieceVocabulary, userCode } from '../src/task/index.js';
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
    let calls = 0;
    for await (const { completions } of readOwnRollouts(out.rolloutsFile(60))) {
      for (const { mask, tokens } of completions) {
        expect(mask).toHaveLength(tokens.length);
        // One character a token (^ is the opening one, which text leaves out): those between ] and ; are the calculator's.
        const written = Array.from(tokens, (token) => '^0123456789*?[]=;{}'[token]);
        const masked = written.filter((_, t) => mask?.[t] === 0).join('');
        const answers = [...written.join('').matchAll(/\](=[^;]*;)/g)].map(([, answer]) => answer);
        expect(masked).toBe(answers.join(''));
        calls += answers.length;
      }
    }
    expect(calls).toBeGreaterThan(30);
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

/** A definition's text, with some parts of its own. */
const definition = (parts: string): string => `{
  name: 'x', vocabulary: { pieces: ['<bos>', 'a', 'b'], bos: '<bos>' }, problems: ['a'], heldOut: ['a'],
  prompt: (p) => p, maxCompletionTokens: 2, reward: () => 1, ${parts} }`;

/** Short only where an answer never comes: on a busy machine any other call may take a while. */
const secondsFor = (text: string | null): number => (text?.includes('new Promise(() => {})') ? 0.3 : 30);

/** What running a module says: its one error, with nothing written. */
async function refusal(name: string, text: string | null, changes: object = {}): Promise<string> {
  const path = join(folder, `${name.replace(/\W+/g, '-')}.mjs`);
  if (text !== null) await writeFile(path, text);
  const config = resolveConfig({
    task: { name: 'module', path, call_seconds: secondsFor(text) },
    sampling: { group_size: 2 },
    model: { layers: 1, width: 8, heads: 1 },
    train: { steps: 1 },
    evaluation: { every: 0 },
    ...changes,
  });
  const out = join(folder, `run of ${name}`);
  const error = (await run({ config, out, threads: 1 }).catch((e: unknown) => e)) as Error;
  expect(error).toBeInstanceOf(UserError);
  expect(error.message).not.toContain('\n');
  expect(error.message.replaceAll('\\', '/')).toContain(path.split('/').at(-1));
  expect(await readdir(join(out, 'rollouts')).catch(() => [])).toEqual([]);
  return error.message;
}

describe('a module that is none is one line', () => {
  it.each([
    ['no such file', null, 'task.path: expected a module, got '],
    [
      'no default export',
      'export const x = 1;',
      'expected defineTask({ … }), or a function that returns it, got none',
    ],
    ['null', 'export default null;', 'got null'],
    ['a list', 'export default [1];', 'got [1]'],
    ['a text', 'export default "x";', 'got "x"'],
    ['a function of nothing', 'export default () => {};', 'got none'],
    [
      'a class',
      'export default class A {};',
      "threw TypeError: Class constructor A cannot be invoked without 'new'",
    ],
    [
      'a rejected promise',
      'export default Promise.reject(new Error("later"));',
      ':1: default export: threw Error: later',
    ],
    ['a mistake in it', 'export default {;', 'loading: threw '],
    ['a throw in it', 'throw new Error("no network");', ':1: loading: threw Error: no network'],
    [
      'a package that is not there',
      'import "no-such-package-here";',
      "loading: threw Error: Cannot find package 'no-such-package-here'",
    ],
    [
      'a promise that is never kept',
      'await new Promise(() => {});',
      'loading: expected an answer within 0.3 s (task.call_seconds), got none',
    ],
    ['an exit', 'process.exit(0);', 'loading: called process.exit(0)'],
    [
      'a getter that throws',
      'export default { get name() { throw new RangeError("no name"); } };',
      'default export: threw RangeError: no name',
    ],
    ['no name', `export default ${definition('name: undefined')}`, 'name: expected a string, got nothing'],
    [
      'no problems',
      `export default ${definition('problems: []')}`,
      'problems: expected a list of problems, or a function of their number, got []',
    ],
    [
      'weights that are none',
      `export default ${definition('weights: { a: NaN }')}`,
      'weights: expected finite numbers by name, got {"a":null}',
    ],
    [
      'an empty piece',
      `export default ${definition("vocabulary: { pieces: ['<', ''], bos: '<' }")}`,
      'vocabulary.pieces: expected a list of non-empty strings',
    ],
    [
      'a bos that is no piece',
      `export default ${definition("vocabulary: { pieces: ['a'], bos: '<' }")}`,
      'vocabulary.bos: expected one of the pieces, got "<"',
    ],
    [
      'half an environment',
      `export default ${definition('environment: { maxTurns: 0 }')}`,
      'environment.maxTurns: expected a whole number of at least 1, got 0',
    ],
    [
      'a stop of two tokens',
      `export default ${definition("stop: ['ab']")}`,
      'stop: expected strings of one token, got "ab" of 2',
    ],
    [
      'a prompt it cannot spell',
      `export default ${definition("prompt: () => 'z'")}`,
      'prompt of problem train-0: cannot spell "z"',
    ],
    [
      'a prompt that throws',
      `export default ${definition("prompt: () => { throw new Error('no prompt'); }")}`,
      'prompt of problem train-0: threw Error: no prompt',
    ],
    [
      'a prompt that is null',
      `export default ${definition('prompt: () => null')}`,
      'prompt of problem train-0: expected a string, or messages [{ role, content }], got null',
    ],
    [
      'messages without a template',
      `export default ${definition("prompt: () => [{ role: 'user', content: 'a' }]")}`,
      'expected a string, got messages: the model has no chat template',
    ],
    [
      'messages without content',
      `export default ${definition("prompt: () => [{ role: 'user' }]")}`,
      'expected a string, or messages [{ role, content }], got [{"role":"user"}]',
    ],
    [
      'an answer that is a number',
      `export default ${definition('answer: () => 7')}`,
      'answer of problem train-0: expected a string, got 7',
    ],
    [
      'a generator that ends',
      `export default ${definition('problems: (i) => (i < 5 ? "a" : undefined)')}`,
      'problem 5: expected a problem, got undefined',
    ],
    [
      'a held-out problem that fails',
      `export default ${definition("heldOut: ['a', null], prompt: (p) => p.trim()")}`,
      'prompt of problem held-out-1: threw TypeError: Cannot read properties of null',
    ],
  ])('%s', async (name, text, line) => {
    expect(await refusal(name, text)).toContain(line);
  });
});

describe('a reward, a verdict, an answer that fails names problem, step and completion', () => {
  const place = 'of problem train-0, step 1, completion 1 of 2';
  it.each([
    ['throws', "() => { throw new Error('boom\\nsecond line'); }", 'threw Error: boom'],
    ['throws a text', "() => { throw 'a text'; }", 'threw "a text"'],
    ['throws nothing', '() => { throw undefined; }', 'threw undefined'],
    ['throws what cannot be shown', '() => { throw { get name() { throw 1; } }; }', 'threw '],
    ['rejects', "() => Promise.reject(new TypeError('rejected'))", 'threw TypeError: rejected'],
    ['never answers', '() => new Promise(() => {})', 'expected an answer within 0.3 s'],
    ['exits', '() => process.exit(0)', 'called process.exit(0)'],
    [
      'exits and hides it',
      'async () => { await null; try { process.exit(0); } catch { return 1; } }',
      'called process.exit(0)',
    ],
    ['NaN', '() => NaN', 'got NaN'],
    ['Infinity', '() => -Infinity', 'got -Infinity'],
    ['too large a number', '() => 1e308', 'expected a finite number of at most 1e+100 in size, got 1e+308'],
    ['undefined', '() => undefined', 'expected a finite number, or finite numbers by name, got undefined'],
    ['null', '() => null', 'got null'],
    ['a digit as text', "() => '1'", 'got "1"'],
    ['true', '() => true', 'got true'],
    ['a bigint', '() => 1n', 'got 1n'],
    ['a function', '() => () => 1', 'got a function'],
    ['a symbol', '() => Symbol("s")', 'got Symbol(s)'],
    ['a list', '() => [1]', 'got [1]'],
    ['typed numbers', '() => new Float32Array(2)', 'got an object of class Float32Array'],
    ['a date', '() => new Date(0)', 'got an object of class Date'],
    ['nothing by name', '() => ({})', 'got {}'],
    ['NaN by name', '() => ({ a: 1, b: NaN })', 'b: expected a finite number, got NaN'],
    ['text by name', "() => ({ a: '1' })", 'a: expected a finite number, got "1"'],
    [
      'a sum too large',
      '() => ({ a: 1e100, b: 1e100 })',
      'expected a finite number of at most 1e+100 in size, got 2e+100',
    ],
    [
      'a name that is none',
      '() => JSON.parse(\'{"__proto__": 1, "a": 1}\')',
      "expected names of rewards, got '__proto__'",
    ],
    [
      'a proxy that throws',
      "() => new Proxy({}, { ownKeys() { throw new Error('keys'); } })",
      'threw Error: keys',
    ],
    ['a promise that is none', "() => ({ then() { throw new Error('then'); } })", 'threw Error: then'],
  ])('reward: %s', async (name, reward, line) => {
    const message = await refusal(`reward ${name}`, `export default ${definition(`reward: ${reward}`)}`);
    expect(message).toContain(`reward ${place} "`);
    expect(message).toContain(line);
  });

  it.each([
    ['throws', "() => { throw new Error('boom'); }", 'threw Error: boom'],
    ['is no verdict', '() => 1', 'expected true or false, got 1'],
    ['is missing', 'async () => {}', 'expected true or false, got undefined'],
  ])('success %s', async (name, success, line) => {
    const message = await refusal(`success ${name}`, `export default ${definition(`success: ${success}`)}`);
    expect(message).toContain(`success ${place} "`);
    expect(message).toContain(line);
  });

  it.each([
    ['throws', "() => { throw new Error('boom'); }", 'threw Error: boom'],
    ['is missing', '() => undefined', 'expected a string or null, got undefined'],
    ['cannot be spelt', "() => 'z'", 'cannot spell "z"'],
    ['never comes', '() => new Promise(() => {})', 'expected an answer within 0.3 s'],
  ])('an answer of the environment %s', async (name, respond, line) => {
    const text = `export default ${definition(`stop: ['a', 'b'], maxCompletionTokens: 6, environment: { maxTurns: 3, respond: ${respond} }`)}`;
    const message = await refusal(`respond ${name}`, text);
    expect(message).toContain(`respond to a turn ${place}, turn 1 "`);
    expect(message).toContain(line);
  });

  it.each([
    ['throws', "() => { throw new Error('boom'); }", 'threw Error: boom'],
    ['is missing', '() => undefined', 'expected { problem, text }, got undefined'],
    [
      'is too long',
      "() => ({ problem: 'a', text: 'aaa' })",
      'expected a string of 1 to 2 tokens (maxCompletionTokens), got 3',
    ],
  ])('a solution that %s', async (name, solution, line) => {
    const text = `export default ${definition(`solution: ${solution}`)}`;
    const message = await refusal(`solution ${name}`, text, { warmup: { steps: 1, batch_size: 2 } });
    expect(message).toContain('solution 0: ');
    expect(message).toContain(line);
  });

  it('in an evaluation, and in a random place: the sampled text is named', async () => {
    const text = `export default ${definition("reward: ({ text }, p) => (p === 'a' ? 1 : nothing), heldOut: ['b']")}`;
    expect(await refusal('evaluation', text, { evaluation: { every: 1 } })).toMatch(
      /evaluation\.mjs:\d+: reward of problem held-out-0, evaluation at step 0 "[ab]*": threw ReferenceError: nothing is not defined$/,
    );
  });
});

describe('task.on_error', () => {
  const failing = (when: string) =>
    `export default ${definition(`problems: ['a', 'b'], reward: ({ text }, p) => { if (${when}) throw new Error('judge is down'); return text.startsWith('a') ? 1 : 0; }`)}`;
  async function trained(name: string, text: string, on_error: string, resample_rounds = 0) {
    const path = join(folder, `${name}-${on_error}.mjs`);
    await writeFile(path, text);
    const config = resolveConfig({
      task: { name: 'module', path, on_error, call_seconds: secondsFor(text) },
      sampling: { group_size: 6, prompts_per_step: 2, resample_rounds },
      model: { layers: 1, width: 8, heads: 1 },
      train: { steps: 2 },
      evaluation: { every: 0 },
    });
    const { folder: out } = await run({ config, out: join(folder, `run ${name} ${on_error}`), threads: 1 });
    const groups: Group[] = [];
    for await (const group of readOwnRollouts(out.rolloutsFile(1))) groups.push(group);
    return { metrics: await out.readMetrics(), groups };
  }

  it('zero: a completion whose reward fails gets 0, is not solved, and says why', async () => {
    const { metrics, groups } = await trained('flaky', failing("text.endsWith('b')"), 'zero');
    const completions = groups.flatMap(({ completions: all }) => all);
    const failed = completions.filter(({ text }) => text?.endsWith('b'));
    expect(failed.length).toBeGreaterThan(0);
    expect(failed.length).toBeLessThan(completions.length);
    expect(metrics[0].failed_rewards).toBe(failed.length);
    for (const { reward, note, success } of failed) {
      expect([reward, success]).toEqual([0, false]);
      expect(note).toContain('threw Error: judge is down');
    }
    for (const { text, reward, note } of completions.filter(({ text }) => !text?.endsWith('b'))) {
      expect([reward, note]).toEqual([text?.startsWith('a') ? 1 : 0, undefined]);
    }
  });

  it('skip_group: a group with such a completion is left out of the step', async () => {
    const { metrics, groups } = await trained('half', failing("p === 'b'"), 'skip_group');
    expect(groups.map(({ id }) => id)).toEqual(['train-0']);
    expect(metrics[0].failed_rewards).toBe(6);
    expect(metrics[0].reward_mean).toBe(
      groups[0].completions.reduce((sum, { reward }) => sum + reward, 0) / 6,
    );
  });

  it('skip_group: dynamic sampling replaces it', async () => {
    const { groups } = await trained('resampled', failing("p === 'b'"), 'skip_group', 5);
    expect(groups.map(({ id }) => id)).toEqual(['train-0', 'train-0#2']);
  });

  it('skip_group: a reward that always fails ends the run', async () => {
    await expect(trained('always', failing('true'), 'skip_group')).rejects.toThrow(
      /threw Error: judge is down; the rewards of all 8 groups of step 1 fail like this$/,
    );
  });
});

describe('a module', () => {
  it('a default export that is a function gets the options', async () => {
    const path = join(folder, 'made.mjs');
    await writeFile(
      path,
      `export default ({ reward, seed }) => (${definition('reward: () => reward + seed')});`,
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

  it('the configuration’s longest completion replaces that of the module, also above it', async () => {
    const path = join(folder, 'length.mjs');
    await writeFile(path, `export default ${definition('reward: ({ tokens }) => tokens.length')}`);
    const longest = async (max_completion_tokens: number | null) => {
      const config = resolveConfig({
        task: { name: 'module', path, max_completion_tokens },
        sampling: { group_size: 2 },
        model: { layers: 1, width: 8, heads: 1 },
        train: { steps: 1 },
        evaluation: { every: 0 },
      });
      const { folder: out } = await run({
        config,
        out: join(folder, `length-${max_completion_tokens}`),
        threads: 1,
      });
      return (await out.readMetrics())[0].reward_mean;
    };
    expect(await Promise.all([null, 1, 5].map(longest))).toEqual([2, 1, 5]);
    expect(() => resolveConfig({ task: { name: 'module', path, max_completion_tokens: 0 } })).toThrow(
      'task.max_completion_tokens',
    );
  });

  it('asynchronous rewards and verdicts are waited for', async () => {
    const later = <T>(value: T) => new Promise<T>((resolve) => setTimeout(() => resolve(value), 5));
    const task = await definedTask(
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
      { call: userCode({ file: 'here', seconds: 1 }), vocabulary: null },
    );
    expect(await task.reward(task.heldOut[0], [1])).toEqual({ reward: 1.5, rewards: { good: 2, bad: 1 } });
    expect(await task.success(task.heldOut[0], [1])).toBe(true);
  });
});

describe('prompts', () => {
  const call = userCode({ file: 'here', seconds: 1 });
  const vocabulary = pieceVocabulary({ pieces: ['^', ...'ab<>:'], bos: '^' });
  const parts = {
    name: 'x',
    heldOut: ['a'],
    maxCompletionTokens: 3,
    reward: () => 1,
  };
  const render = (messages: readonly ChatMessage[]): string =>
    `${messages.map(({ role, content }) => `<${role}:${content}>`).join('')}<b:`;

  it('that are messages are rendered by the model’s template, which opens them itself', async () => {
    const definition = {
      ...parts,
      problems: ['a', 'b'],
      prompt: (p: string) => [
        { role: 'a', content: 'bb' },
        { role: 'b', content: p },
      ],
    };
    const warnings: string[] = [];
    const task = await definedTask(definition, {
      call,
      vocabulary,
      render,
      warn: (line) => warnings.push(line),
    });
    const { promptText, promptTokens } = await task.trainProblem(1);
    expect(promptText).toBe('<a:bb><b:b><b:');
    expect(promptTokens).toEqual(vocabulary.encode('<a:bb><b:b><b:'));
    expect(warnings).toEqual([]);
  });

  it('that are texts are used unchanged, with one note for a model with a template', async () => {
    const definition = { ...parts, problems: ['a', 'b', 'ab'], prompt: async (p: string) => p };
    const warnings: string[] = [];
    const task = await definedTask(definition, {
      call,
      vocabulary,
      render,
      warn: (line) => warnings.push(line),
    });
    expect((await task.trainProblem(2)).promptTokens).toEqual(vocabulary.encodePrompt('ab'));
    expect(warnings).toEqual([expect.stringContaining("the model's chat template is not applied")]);
    await definedTask(definition, { call, vocabulary, warn: (line) => warnings.push(line) });
    expect(warnings).toHaveLength(1);
  });

  it('that do not fit are found before training, wherever they stand in the list', async () => {
    const problems = Array.from({ length: 200 }, (_, i) => (i === 150 || i === 180 ? 'a'.repeat(9) : 'a'));
    const definition = { ...parts, problems, prompt: (p: string) => p };
    await expect(definedTask(definition, { call, vocabulary, context: 12 })).rejects.toThrow(
      "here: prompt of problem train-150: expected at most 9 tokens (the model's context of 12 less maxCompletionTokens, 3), got 10; 2 of 201 prompts are too long",
    );
    expect((await definedTask(definition, { call, vocabulary, context: 13 })).maxPromptTokens).toBe(10);
    expect((await definedTask(definition, { call, vocabulary })).maxPromptTokens).toBe(10);
    await expect(definedTask(definition, { call, vocabulary, context: 3 })).rejects.toThrow(
      "maxCompletionTokens: expected less than the model's context of 3, got 3",
    );
    const longer = definedTask(definition, { call, vocabulary, context: 8, maxCompletionTokens: 8 });
    await expect(longer).rejects.toThrow(
      "task.max_completion_tokens: expected less than the model's context of 8, got 8",
    );
  });

  it('of an endless task that do not fit are passed over and counted; a resumed run passes over the same', async () => {
    const path = join(folder, 'endless.mjs');
    const odd =
      "problems: (i) => (i % 3 === 1 ? 'aaaaaa' : i % 2 ? 'a' : 'b'), reward: ({ text }, p) => Number(text[0] === p)";
    await writeFile(path, `export default ${definition(odd)}`);
    const config = (steps: number) =>
      resolveConfig({
        task: { name: 'module', path },
        sampling: { group_size: 2, prompts_per_step: 2 },
        model: { layers: 1, width: 8, heads: 1, context: 6 },
        train: { steps },
        evaluation: { every: 0 },
      });
    const ids = async (out: RunFolder, step: number) => {
      const ids: string[] = [];
      for await (const { id } of readOwnRollouts(out.rolloutsFile(step))) ids.push(id);
      return ids;
    };
    const whole = await run({ config: config(3), out: join(folder, 'endless'), threads: 1 });
    expect([await ids(whole.folder, 1), await ids(whole.folder, 2), await ids(whole.folder, 3)]).toEqual([
      ['train-0', 'train-2'],
      ['train-3', 'train-5'],
      ['train-6', 'train-8'],
    ]);
    expect((await whole.folder.readMetrics()).map(({ passed_over }) => passed_over)).toEqual([1, 1, 1]);
    await run({ config: config(1), out: join(folder, 'endless cut'), threads: 1 });
    const more = await run({ config: config(3), out: join(folder, 'endless cut'), resume: true, threads: 1 });
    expect(await ids(more.folder, 3)).toEqual(['train-6', 'train-8']);
    await writeFile(
      path.replace('endless', 'too-long'),
      `export default ${definition("problems: () => 'aaaaaa'")}`,
    );
    const changed = config(1);
    const task = { ...changed.task, path: path.replace('endless', 'too-long') } as Config['task'];
    await expect(
      run({ config: { ...changed, task }, out: join(folder, 'too long'), threads: 1 }),
    ).rejects.toThrow(/^task x: expected prompts of at most 4 tokens, got 1000 longer ones in a row; /);
  });
});
