/** Changes to a configuration: collected, then checked once, so that their order never matters. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { methodVariants } from './compare.js';
import { type Config, ConfigError, contextLength, formatConfig } from './config.js';
import {
  type ConfigChanges,
  changeConfig,
  parseConfig,
  resolveConfig,
  withExponent,
  withMethod,
  withSeed,
} from './config-sources.js';

const TREE = { task: { name: 'binary-tree' } };
const tree = resolveConfig(TREE);
const grpo = resolveConfig({ ...TREE, method: 'grpo' });

/** The configuration, or the message of its error. */
function outcome(make: () => Config): Config | string {
  try {
    return make();
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
}

describe('changes', () => {
  test('are made key by key, and one of the method changes the exponent with it', () => {
    const changed = changeConfig(tree, {
      set: ['method=grpo', 'optimizer.learning_rate=1e-5', 'task.n=2'],
    });
    expect(changed.objective.lambda_exponent).toBe(0);
    expect([changed.optimizer.learning_rate, changed.task]).toEqual([1e-5, { ...tree.task, n: 2 }]);
    const byMethod = withMethod(tree, 'grpo');
    expect([byMethod.method, byMethod.objective.lambda_exponent]).toEqual(['grpo', 0]);
    expect(withMethod(byMethod, 'lambda-grpo')).toEqual(tree);
    expect(withSeed(tree, 7)).toEqual({ ...tree, seed: 7 });
    expect(() => withSeed(tree, -1)).toThrow('--seed: seed: expected a whole number ≥ 0, got -1');
  });

  test.each([
    ['seed', "--set: expected section.key=value, got 'seed'"],
    ['__proto__.x=1', "--set: expected section.key=value, got '__proto__.x=1'"],
    ['train..steps=1', "--set: expected section.key=value, got 'train..steps=1'"],
    ['train.step=3', '--set: train.step: unknown key; did you mean steps?'],
    ['train.steps=many', '--set: train.steps: expected a whole number ≥ 0, got "many"'],
    ['train.steps.x=1', '--set: train.steps: expected a whole number ≥ 0, got {"x":1}'],
    ['seed.x=1', '--set: seed: expected a whole number ≥ 0, got {"x":1}'],
    ['train=5', '--set: train: expected a section (a mapping of keys), got 5'],
    ['seed=[', '--set: seed: expected a value in YAML'],
    ['seed={a: 1, a: 2}', '--set: seed: expected a value in YAML'],
    [
      'objective.lambda_exponent=-0.5',
      '--set: objective.lambda_exponent: expected a number ≥ 0 or null, got -0.5',
    ],
    ['model.lora.rank=8', '--set: model.lora.rank: unknown key'],
    ['objective.loss=gspo', '--set: objective.loss: expected another loss with method lambda-grpo'],
    [
      'objective.rescale_to=lambda-grpo',
      '--set: objective.rescale_to: expected null with method lambda-grpo',
    ],
    [
      'objective.lambda_exponent=0',
      '--set: objective.lambda_exponent: expected more than 0 with method lambda-grpo, got 0',
    ],
  ])('--set %s is refused in one line that names the option', (change, message) => {
    const refused = outcome(() => changeConfig(tree, { set: [change] }));
    expect(refused).toContain(message);
    expect(refused).not.toContain('\n');
  });

  test('a key within a section that is null begins the section', () => {
    expect(changeConfig(tree, { set: ['model.lora.r=8'] }).model.lora).toEqual({
      r: 8,
      alpha: 128,
      dropout: 0,
      targets: 'all-linear',
    });
    const text = 'task: {name: binary-tree}\nmodel: {lora: null}\n';
    const change = { set: ['model.lora.targets=[q_proj]', 'model.lora.alpha=16'] };
    expect(parseConfig(text, 'run.yaml', change).model.lora).toMatchObject({
      alpha: 16,
      targets: ['q_proj'],
    });
    const files = resolveConfig({ task: { name: 'math', train: ['a.jsonl'] } });
    expect(
      changeConfig(files, { set: ['task.train.0=b.jsonl', 'task.columns.answer=gold'] }).task,
    ).toMatchObject({
      train: ['b.jsonl'],
      columns: { problem: null, answer: 'gold' },
    });
  });

  test('a fault is placed where the key was given: the file’s line, or the option', () => {
    const text = 'task: {name: binary-tree}\nmethod: grpo\nobjective:\n  loss: gspo\n';
    expect(outcome(() => parseConfig(text, 'run.yaml', { method: 'lambda-grpo' }))).toMatch(
      /^run\.yaml:4: objective\.loss: expected another loss with method lambda-grpo \(.*\), got gspo$/,
    );
    expect(outcome(() => parseConfig(text, 'run.yaml', { seed: -3 }))).toContain('--seed: seed: expected');
    expect(outcome(() => parseConfig(text, 'run.yaml', { model: '' }))).toContain(
      '--model: model.path: expected',
    );
  });

  test('what the file says for another method, loss or model goes with it; what an option says stays', () => {
    const rescaled = changeConfig(grpo, { set: ['objective.rescale_to=lambda-grpo'] });
    expect(withMethod(rescaled, 'lambda-grpo')).toEqual(tree);
    const half = changeConfig(tree, { set: ['objective.lambda_exponent=0.5'] });
    expect(withMethod(half, 'grpo')).toEqual(grpo);
    expect(withMethod(half, 'lambda-grpo')).toEqual(half);
    expect(() => changeConfig(tree, { method: 'grpo', set: ['objective.lambda_exponent=0.5'] })).toThrow(
      'expected 0 with method grpo, got 0.5',
    );
    const stored = parseConfig(formatConfig(tree), 'config.yaml');
    expect(changeConfig(stored, { set: ['objective.loss=dr_grpo'] }).objective.normalisation).toBe(
      'constant',
    );
    const pinned = resolveConfig({ ...TREE, model: { path: 'a/b', revision: 'abc' } });
    expect(changeConfig(pinned, { model: 'c/d' }).model).toMatchObject({ path: 'c/d', revision: null });
    expect(changeConfig(pinned, { model: 'a/b' }).model.revision).toBe('abc');
  });

  test('a key that is given twice with two values is refused, with one value taken', () => {
    const twice = (changes: ConfigChanges) => outcome(() => changeConfig(tree, changes));
    expect(twice({ set: ['train.steps=5', 'train.steps=6'] })).toContain(
      'train.steps: expected one value, got 5 and 6',
    );
    expect(twice({ set: ['method=grpo'], method: 'lambda-grpo' })).toContain('method: expected one value');
    expect(twice({ set: ['seed=3'], seed: 4 })).toContain('seed: expected one value, got 3 with --set and 4');
    expect(twice({ set: ['seed=3', 'seed=3'], seed: 3 })).toEqual(withSeed(tree, 3));
  });

  test('the λ exponent may be above 1, and is read back from a run’s folder', () => {
    const steep = withExponent(grpo, 1.25);
    expect(steep).toMatchObject({ method: 'lambda-grpo', objective: { lambda_exponent: 1.25 } });
    expect(parseConfig(formatConfig(steep), 'config.yaml')).toEqual(steep);
    expect(withExponent(grpo, 0)).toEqual(grpo);
    expect(withExponent(grpo, 1)).toEqual(tree);
  });
});

/** Options with and without contradictions, each as one change. */
const OPTIONS = [
  'method=grpo',
  'method=lambda-grpo',
  'objective.loss=gspo',
  'objective.loss=dr_grpo',
  'objective={loss: grpo, clip_high: 0.3}',
  'objective.rescale_to=lambda-grpo',
  'objective.lambda_exponent=0.5',
  'objective.lambda_exponent=0',
  'objective.normalisation=token',
  'objective.clip_bound=1.1',
  'objective.clip_high=0.05',
  'model.lora.r=4',
  'model.lora=null',
  'model.lora={alpha: 8}',
  'model.heads=3',
  'model.width=48',
  'model.path=x/y',
  'model.revision=abc',
  'task.n=3',
  'task.depth=2',
  'train.steps=5',
];
const FILES = [
  'task: {name: binary-tree}',
  'task: {name: binary-tree}\nmethod: grpo\nobjective: {loss: gspo}',
  'task: {name: binary-tree}\nobjective: {lambda_exponent: 0.5, loss: bnpo}',
  'task: {name: binary-tree}\nmethod: grpo\nobjective: {rescale_to: lambda-grpo}\nmodel: {path: a/b, revision: abc}',
];

test('options give the same run, or the same refusal, in every order', () => {
  const shuffled = fc
    .uniqueArray(fc.constantFrom(...OPTIONS), { maxLength: 6 })
    .chain((set) => fc.tuple(fc.constant(set), fc.shuffledSubarray(set, { minLength: set.length })));
  const method = fc.option(fc.constantFrom('grpo' as const, 'lambda-grpo' as const), { nil: undefined });
  fc.assert(
    fc.property(shuffled, method, fc.constantFrom(...FILES), ([set, other], chosen, text) => {
      const outcomeOf = (list: string[]) =>
        outcome(() => parseConfig(text, 'f', { set: list, method: chosen }));
      const [first, second] = [outcomeOf(set), outcomeOf(other)];
      // A duplicate key is reported with its values in the order in which they were given.
      const sorted = (result: Config | string) =>
        typeof result === 'string' ? [...result].sort().join('') : result;
      if (typeof first === 'string' && /expected one value/.test(first)) {
        expect(second).toContain('expected one value');
      } else expect(sorted(second)).toEqual(sorted(first));
    }),
    { numRuns: 400 },
  );
});

test('every accepted configuration computes its method: gspo never runs as λ-GRPO', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.constantFrom(...OPTIONS), { maxLength: 6 }),
      fc.constantFrom('grpo' as const, 'lambda-grpo' as const),
      fc.constantFrom(...FILES),
      (set, method, text) => {
        const config = outcome(() => parseConfig(text, 'f', { set, method }));
        if (typeof config === 'string') return;
        expect(config.method).toBe(method);
        expect(config.objective.lambda_exponent > 0).toBe(method === 'lambda-grpo');
        if (config.objective.loss === 'gspo') expect(method).toBe('grpo');
        expect(parseConfig(formatConfig(config), 'again')).toEqual(config);
      },
    ),
    { numRuns: 400 },
  );
});

describe('variants of a comparison', () => {
  test('differ in what they compute, or are refused before anything runs', () => {
    const methods = ['grpo', 'lambda-grpo'] as const;
    expect([...methodVariants(tree, methods).values()]).toEqual([grpo, tree]);
    const half = changeConfig(tree, { set: ['objective.lambda_exponent=0.5'] });
    expect([...methodVariants(half, methods).values()]).toEqual([grpo, half]);
    const gspo = changeConfig(grpo, { set: ['objective.loss=gspo'] });
    expect(() => methodVariants(gspo, methods)).toThrow('expected another loss with method lambda-grpo');
  });
});

test('model.context limits a pretrained model too, and is refused above what it can cover', () => {
  const task = { maxPromptTokens: 20, maxCompletionTokens: 30 };
  const config = (context: number | null) => resolveConfig({ ...TREE, model: { path: 'a/b', context } });
  expect(contextLength(config(null), task, 64)).toBe(64);
  expect(contextLength(config(50), task, 64)).toBe(50);
  expect(() => contextLength(config(49), task, 64)).toThrow('model.context: expected at least 50, got 49');
  expect(() => contextLength(config(65), task, 64)).toThrow(
    'model.context: expected at most 64, the context of a/b, got 65',
  );
  expect(() => contextLength(config(null), task, 49)).toThrow(
    'model.path: expected a model with a context of at least 50, got 49',
  );
});
