import { readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { createTask } from '../task/index.js';
import { ConfigError, contextLength, describeConfig, formatConfig } from './config.js';
import { loadConfig } from './config-file.js';
import { parseConfig, resolveConfig } from './config-sources.js';

const TREE = { task: { name: 'binary-tree' } };
/** The message of the ConfigError for a text. */
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
      // Tasks from a module or files are tested elsewhere (test/modules, test/pretrained).
      if (config.task.name === 'module' || config.task.name === 'math') continue;
      expect(contextLength(config, createTask(config.task, config.seed))).toBeGreaterThan(1);
    }
  });

  test.each([
    [
      'sede: 3\ntask: {name: binary-tree}',
      'run.yaml:1: sede: unknown key; did you mean seed? expected seed, method, task,',
    ],
    [
      'task:\n  name: arithmetic\n  digit: 3',
      'run.yaml:3: task.digit: unknown key; did you mean digits? expected name, digits,',
    ],
    [
      'task: {name: binary-tree}\nmodel:\n  foobar: 3',
      'run.yaml:3: model.foobar: unknown key; expected path, revision, lora, tokenizer, layers, heads,',
    ],
    [
      'task: {name: maze}',
      'run.yaml:1: task.name: expected binary-tree or arithmetic or chain or math or module or custom, got "maze"',
    ],
    [
      'seed: 1',
      'run.yaml: task: expected a section with name binary-tree or arithmetic or chain or math or module or custom, got nothing',
    ],
    ['', 'run.yaml: task: expected a section with name'],
    ['- a', 'run.yaml: the configuration: expected a section (a mapping of keys), got ["a"]'],
    ['task: {name: binary-tree}\nseed: -1', 'run.yaml:2: seed: expected a whole number ≥ 0, got -1'],
    [
      'task: {name: binary-tree, depth: 2.5}',
      'run.yaml:1: task.depth: expected a whole number ≥ 1, ≤ 30, got 2.5',
    ],
    ['task: {name: binary-tree, n: 5}', 'run.yaml:1: task.n: expected at most depth, 4, got 5'],
    [
      'task: {name: binary-tree}\noptimizer:\n  learning_rate: fast',
      'run.yaml:3: optimizer.learning_rate: expected a number > 0, got "fast"',
    ],
    [
      'task: {name: binary-tree}\noptimizer:\n  learning_rate: .nan',
      'run.yaml:3: optimizer.learning_rate: expected a number > 0, got NaN',
    ],
    [
      'task: {name: binary-tree}\noptimizer:\n  max_grad_norm: 0',
      'run.yaml:3: optimizer.max_grad_norm: expected a number > 0 or null, got 0',
    ],
    [
      'task: {name: binary-tree}\nobjective: {normalisation: dapo}',
      'run.yaml:2: objective.normalisation: expected token or group or sequence or constant or null, got "dapo"',
    ],
    [
      'task: {name: binary-tree}\nmodel:',
      'run.yaml:2: model: expected a section (a mapping of keys), got null',
    ],
    [
      'task: {name: binary-tree}\nmodel: {heads: 3}',
      'run.yaml:2: model.width: expected a multiple of heads, 3, got 64',
    ],
    [
      'task: {name: binary-tree}\nwarmup: {steps: 5}',
      'run.yaml:2: warmup.steps: expected 0 (task binary-tree has no solutions to learn from), got 5',
    ],
    [
      'method: grpo\ntask: {name: binary-tree}\nobjective: {lambda_exponent: 1}',
      'run.yaml:3: objective.lambda_exponent: expected 0 with method grpo, got 1',
    ],
    ['seed: 1\nseed: 2', 'run.yaml:2: Map keys must be unique'],
    ['task: {name: [}', 'run.yaml:1: '],
    ['a: &a [*a]', 'run.yaml:1: expected an alias outside its anchor'],
    [
      `a: &a [x, x, x, x, x]\n${[...'bcdefgh'].map((key, i) => `${key}: &${key} [${Array(9).fill(`*${'abcdefgh'[i]}`)}]`).join('\n')}`,
      'run.yaml:1: expected aliases that expand to few values',
    ],
  ])('%j is refused, naming line, key, value and what is expected', (text, expected) => {
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
    expect(() => loadConfig('no/such.yaml')).toThrow(
      /^no\/such\.yaml: expected a configuration file, got a path that does not exist; [^\n]*binary-tree\.yaml[^\n]*$/,
    );
  });

  test('a context too short for the task is refused', () => {
    const config = resolveConfig({ task: { name: 'arithmetic' }, model: { context: 20 } });
    expect(() => contextLength(config, createTask(config.task, 0))).toThrow(
      'model.context: expected at least 40, got 20',
    );
    expect(contextLength(resolveConfig(TREE), createTask(resolveConfig(TREE).task, 0))).toBe(5);
  });

  test('describes every key', () => {
    const table = describeConfig();
    for (const [section, keys] of Object.entries(resolveConfig(TREE))) {
      for (const key of typeof keys === 'object' && keys !== null ? Object.keys(keys) : [])
        expect(table).toContain(`\`${section}.${key}\``);
    }
    expect(table).toContain('| `task.digits` | `3` | a whole number ≥ 1, ≤ 8 | Digits of each summand |');
    expect(table).toContain('| `optimizer.max_grad_norm` | `1` | a number > 0 or null |');
    expect(
      table.split('\n').every((line) => line.split(/(?<!\\)\|/).length === 6 && !/\|\s*\|$/.test(line)),
    ).toBe(true);
  });
});
