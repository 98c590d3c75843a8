import { readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { createTask } from '../task/index.js';
import {
  ConfigError,
  contextLength,
  describeConfig,
  formatConfig,
  loadConfig,
  overrideConfig,
  parseConfig,
  resolveConfig,
  withExponent,
  withMethod,
} from './config.js';

const TREE = { task: { name: 'binary-tree' } };
/** The message of the ConfigError that a text causes. */
function faults(text: string): string {
  try {
    parseConfig(text, 'run.yaml');
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return 'no fault';
}

describe('a configuration', () => {
  test('needs no more than a task; all else has defaults', () => {
    const config = resolveConfig(TREE);
    expect(config).toMatchObject({
      seed: 0,
      method: 'lambda-grpo',
      task: { depth: 4, n: 1, negative_reward: -1, other_reward: 0.7, target_reward: 1 },
      model: { layers: 2, heads: 2, width: 64, context: null },
      objective: { normalisation: 'token', advantage_scale: 'std', lambda_exponent: 1, updates_per_batch: 1 },
      sampling: { group_size: 16, prompts_per_step: 1 },
      train: { steps: 250 },
    });
  });

  test('takes its λ exponent from the method unless it is given', () => {
    expect(resolveConfig({ ...TREE, method: 'grpo' }).objective.lambda_exponent).toBe(0);
    expect(resolveConfig({ ...TREE, objective: { lambda_exponent: 0.5 } }).objective.lambda_exponent).toBe(
      0.5,
    );
    const grpo = withMethod(resolveConfig(TREE), 'grpo');
    expect([grpo.method, grpo.objective.lambda_exponent]).toEqual(['grpo', 0]);
    expect(withMethod(grpo, 'lambda-grpo')).toEqual(resolveConfig(TREE));
  });

  test('is changed key by key, and a change of the method changes a derived exponent', () => {
    const config = resolveConfig(TREE);
    const changed = overrideConfig(config, ['method=grpo', 'optimizer.learning_rate=1e-5', 'task.n=2']);
    expect(changed.objective.lambda_exponent).toBe(0);
    expect([changed.optimizer.learning_rate, changed.task]).toEqual([1e-5, { ...config.task, n: 2 }]);
    const refused = (change: string) => expect(() => overrideConfig(config, [change]));
    refused('seed').toThrow("--set: found 'seed'; allowed is section.key=value");
    refused('train.step=3').toThrow('--set: train.step: unknown key; did you mean steps?');
    refused('train.steps=many').toThrow('--set: train.steps: found "many"; allowed is a whole number ≥ 0');
    for (const change of ['seed.x=1', 'seed=[', 'seed={a: 1, a: 2}']) refused(change).toThrow(ConfigError);
  });

  test('reads back what it writes', () => {
    for (const task of [TREE.task, { name: 'arithmetic', digits: 2 }]) {
      const config = resolveConfig({
        task,
        method: 'grpo',
        optimizer: { learning_rate: 1e-5, max_grad_norm: null },
      });
      expect(parseConfig(formatConfig(config), 'config.yaml')).toEqual(config);
    }
  });

  test('every recipe is one', () => {
    const recipes = readdirSync('recipes').filter((name) => name.endsWith('.yaml'));
    expect(recipes.length).toBeGreaterThanOrEqual(2);
    for (const name of recipes) {
      const config = loadConfig(`recipes/${name}`);
      // Tasks of a module or of files are opened where they are tested (test/modules, test/pretrained).
      if (config.task.name === 'module' || config.task.name === 'math') continue;
      expect(contextLength(config, createTask(config.task, config.seed))).toBeGreaterThan(1);
    }
  });

  test.each([
    [
      'sede: 3\ntask: {name: binary-tree}',
      'run.yaml:1: sede: unknown key; did you mean seed? allowed are seed, method, task,',
    ],
    [
      'task:\n  name: arithmetic\n  digit: 3',
      'run.yaml:3: task.digit: unknown key; did you mean digits? allowed are name, digits,',
    ],
    [
      'task: {name: binary-tree}\nmodel:\n  foobar: 3',
      'run.yaml:3: model.foobar: unknown key; allowed are path, revision, lora, tokenizer, layers, heads,',
    ],
    ['task: {name: maze}', 'run.yaml:1: task.name: found "maze"; allowed is binary-tree or arithmetic'],
    ['seed: 1', 'run.yaml: task: found nothing; allowed is a section with name binary-tree or arithmetic'],
    ['', 'run.yaml: task: found nothing'],
    ['- a', 'run.yaml: the configuration: found ["a"]; allowed is a section'],
    ['task: {name: binary-tree}\nseed: -1', 'run.yaml:2: seed: found -1; allowed is a whole number ≥ 0'],
    [
      'task: {name: binary-tree, depth: 2.5}',
      'run.yaml:1: task.depth: found 2.5; allowed is a whole number ≥ 1, ≤ 30',
    ],
    ['task: {name: binary-tree, n: 5}', 'run.yaml:1: task.n: found 5; allowed is at most depth, 4'],
    [
      'task: {name: binary-tree}\noptimizer:\n  learning_rate: fast',
      'run.yaml:3: optimizer.learning_rate: found "fast"; allowed is a number > 0',
    ],
    [
      'task: {name: binary-tree}\noptimizer:\n  learning_rate: .nan',
      'run.yaml:3: optimizer.learning_rate: found NaN; allowed is a number > 0',
    ],
    [
      'task: {name: binary-tree}\noptimizer:\n  max_grad_norm: 0',
      'run.yaml:3: optimizer.max_grad_norm: found 0; allowed is a number > 0 or null',
    ],
    [
      'task: {name: binary-tree}\nobjective: {normalisation: dapo}',
      'run.yaml:2: objective.normalisation: found "dapo"; allowed is token or group or sequence or constant or null',
    ],
    [
      'task: {name: binary-tree}\nmodel:',
      'run.yaml:2: model: found null; allowed is a section (a mapping of keys)',
    ],
    [
      'task: {name: binary-tree}\nmodel: {heads: 3}',
      'run.yaml:2: model.width: found 64; allowed is a multiple of heads, 3',
    ],
    [
      'task: {name: binary-tree}\nwarmup: {steps: 5}',
      'run.yaml:2: warmup.steps: found 5; allowed is 0: task binary-tree',
    ],
    [
      'method: grpo\ntask: {name: binary-tree}\nobjective: {lambda_exponent: 1}',
      'run.yaml:3: objective.lambda_exponent: found 1; allowed is 0 with method grpo',
    ],
    ['seed: 1\nseed: 2', 'run.yaml:2: Map keys must be unique'],
    ['task: {name: [}', 'run.yaml:1: '],
  ])('%j is refused, naming line, key, value and what is allowed', (text, expected) => {
    const message = faults(text);
    expect(message).toContain(expected);
  });

  test('gets one line for each fault', () => {
    const lines = faults(
      'task: {name: binary-tree}\nmodel: {layers: 0}\nsampling: {top_p: 0, top_q: 1}',
    ).split('\n');
    expect(lines).toHaveLength(3);
  });

  test('a missing file is one line', () => {
    expect(() => loadConfig('no/such.yaml')).toThrow(/^no\/such\.yaml: cannot be read: [^\n]*$/);
  });

  test('a context too short for the task is refused', () => {
    const config = resolveConfig({ task: { name: 'arithmetic' }, model: { context: 20 } });
    expect(() => contextLength(config, createTask(config.task, 0))).toThrow(
      'model.context: found 20; allowed is at least 40',
    );
    expect(contextLength(resolveConfig(TREE), createTask(resolveConfig(TREE).task, 0))).toBe(5);
  });

  test('describes every key', () => {
    const table = describeConfig();
    for (const [section, keys] of Object.entries(resolveConfig(TREE))) {
      for (const key of typeof keys === 'object' ? Object.keys(keys) : [])
        expect(table).toContain(`\`${section}.${key}\``);
    }
    expect(table).toContain('| `task.digits` | `3` | a whole number ≥ 1, ≤ 8 | Digits of each summand |');
    expect(table).toContain('| `optimizer.max_grad_norm` | `1` | a number > 0 or null |');
    expect(
      table.split('\n').every((line) => line.split(/(?<!\\)\|/).length === 6 && !/\|\s*\|$/.test(line)),
    ).toBe(true);
  });
});

describe('controls', () => {
  const grpo = resolveConfig({ method: 'grpo', task: { name: 'binary-tree' } });

  test('rescale_to goes with grpo alone, and another method drops it', () => {
    const rescaled = overrideConfig(grpo, ['objective.rescale_to=lambda-grpo']);
    expect(rescaled.objective.rescale_to).toBe('lambda-grpo');
    expect(withMethod(rescaled, 'lambda-grpo').objective.rescale_to).toBeNull();
    expect(() => overrideConfig(rescaled, ['method=lambda-grpo'])).toThrow(
      'objective.rescale_to: found lambda-grpo; allowed is null with method lambda-grpo',
    );
  });

  test('an experiment may go beyond p = 1, a file may not', () => {
    expect(withExponent(grpo, 1.25)).toMatchObject({
      method: 'lambda-grpo',
      objective: { lambda_exponent: 1.25 },
    });
    expect(withExponent(grpo, 0)).toEqual(grpo);
    expect(withExponent(grpo, 1)).toEqual(withMethod(grpo, 'lambda-grpo'));
    expect(() => resolveConfig(withExponent(grpo, 1.25))).toThrow('objective.lambda_exponent');
  });
});
