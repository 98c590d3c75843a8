/**
 * Custom credit rules: GRPO and λ-GRPO written as custom rules equal the built-in ones to the bit; results that are not
 * coefficients are refused with their place.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UserError } from '../src/errors.js';
import {
  askRule,
  CREDIT_NAMES,
  CreditError,
  type CreditRule,
  lambdaWeights,
  memberSums,
} from '../src/objective/index.js';
import type { Group } from '../src/rollouts/index.js';
import { createTask } from '../src/task/index.js';
import { stepBatch, trainExamples } from '../src/train/batch.js';
import {
  type Config,
  compare,
  createRunFolder,
  loadConfig,
  methodVariants,
  openCredit,
  RunFolder,
  resolveConfig,
  run,
  train,
} from '../src/train/index.js';
import { scoreGroups } from '../src/train/scored-groups.js';
import { ProcessTree } from '../src/tree/index.js';
import { StandInEngine } from './stand-in-engine.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lambda-grpo-credit-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const grpo: CreditRule = (tree, _, { advantages, weights }) => ({
  plus: memberSums(tree, (i) => weights[i] * Math.max(advantages[i], 0)),
  minus: memberSums(tree, (i) => weights[i] * Math.min(advantages[i], 0)),
});
const lambdaGrpo: CreditRule = async (tree, rewards, context) => {
  const { plus, minus } = await grpo(tree, rewards, context);
  const scale = lambdaWeights(tree);
  return {
    plus: Array.from(plus, (a, node) => a * scale[node]),
    minus: Array.from(minus, (a, node) => a * scale[node]),
  };
};

/** The same without any of the library: over each completion's way from its leaf to the root. */
const literal: CreditRule = (tree, _, { advantages, weights }) => {
  const plus = new Array<number>(tree.nodeCount).fill(0);
  const minus = [...plus];
  for (let i = 0; i < tree.groupSize; i++) {
    for (let node = tree.leaf[i]; node >= 0; node = tree.parent[node]) {
      const share = (weights[i] * advantages[i]) / tree.size[node];
      if (share > 0) plus[node] += share;
      else minus[node] += share;
    }
  }
  return { plus, minus };
};

const groups = fc.array(
  fc.array(
    fc.record({
      tokens: fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 6 }),
      reward: fc.double({ min: -5, max: 5, noNaN: true }),
      stop: fc.constantFrom('stop' as const, 'length' as const),
    }),
    { minLength: 2, maxLength: 8 },
  ),
  { minLength: 1, maxLength: 3 },
);
const groupsOf = (lists: readonly (readonly object[])[]): Group[] =>
  lists.map((completions, g) => ({
    id: `g${g}`,
    step: 7,
    prompt: { tokens: Int32Array.of(0), text: '' },
    completions: (completions as { tokens: number[]; reward: number }[]).map((completion) => ({
      ...completion,
      tokens: Int32Array.from(completion.tokens),
    })),
    tokens: 'exact',
    groups: 'explicit',
  })) as unknown as Group[];

const objectives = fc.record({
  loss: fc.constantFrom('dapo', 'grpo', 'dr_grpo', 'bnpo', 'cispo'),
  advantage_scale: fc.constantFrom('std', 'batch', 'none'),
  truncated: fc.constantFrom('train', 'mask'),
  kl_beta: fc.constantFrom(0, 0.1),
});
const engine = new StandInEngine(4);
const configured = (method: string, objective: object): Config['objective'] =>
  resolveConfig({ task: { name: 'binary-tree' }, method, objective }).objective;

describe('a method as a hook', () => {
  it.each([
    ['grpo', grpo],
    ['lambda-grpo', lambdaGrpo],
  ] as const)(
    '%s has the coefficients of the built-in one, to the bit, under every setting',
    async (method, rule) => {
      await fc.assert(
        fc.asyncProperty(groups, objectives, async (lists, settings) => {
          const objective = configured(method, settings);
          const scored = scoreGroups(groupsOf(lists), objective);
          const { examples } = await stepBatch(engine, scored, objective, 6, { temperature: 1 }, rule);
          expect(examples).toEqual(trainExamples(scored, objective, 6));
        }),
        { numRuns: 200 },
      );
    },
  );

  it('is the literal sum over completions', async () => {
    await fc.assert(
      fc.asyncProperty(groups, objectives, async (lists, settings) => {
        const objective = configured('lambda-grpo', settings);
        const scored = scoreGroups(groupsOf(lists), objective);
        const { examples } = await stepBatch(engine, scored, objective, 6, { temperature: 1 }, literal);
        trainExamples(scored, objective, 6).forEach(({ coefficients: { plus, minus } }, g) => {
          const largest = Math.max(...plus, ...minus.map(Math.abs), 1e-300);
          plus.forEach((a, node) => {
            expect(Math.abs(examples[g].coefficients.plus[node] - a)).toBeLessThan(1e-12 * largest);
            expect(Math.abs(examples[g].coefficients.minus[node] - minus[node])).toBeLessThan(
              1e-12 * largest,
            );
          });
        });
      }),
      { numRuns: 100 },
    );
  });

  it('cannot change what the trainer holds, and may use its arrays again', async () => {
    const shared = { plus: new Float64Array(3).fill(0), minus: new Float64Array(3).fill(0) };
    let calls = 0;
    const greedy: CreditRule = (_, rewards, { advantages, weights }) => {
      shared.plus.fill(++calls);
      for (const values of [rewards, advantages, weights]) values.fill(9);
      return shared;
    };
    const objective = configured('grpo', {});
    const pair = [
      { tokens: [1], reward: 1 },
      { tokens: [2], reward: 0 },
    ];
    const scored = scoreGroups(groupsOf([pair, pair]), objective);
    const before = structuredClone(scored.map(({ advantages }) => advantages));
    const { examples } = await stepBatch(engine, scored, objective, 6, { temperature: 1 }, greedy);
    expect(examples.map(({ coefficients }) => [...coefficients.plus])).toEqual([
      [1, 1, 1],
      [2, 2, 2],
    ]);
    expect(scored.map(({ advantages }) => advantages)).toEqual(before);
    expect(scored[0].group.completions.map(({ reward }) => reward)).toEqual([1, 0]);
  });
});

const walk = (changes: Record<string, unknown> = {}): Config =>
  resolveConfig({
    task: { name: 'binary-tree', depth: 3 },
    model: { layers: 1, width: 16, heads: 1 },
    sampling: { group_size: 8, prompts_per_step: 2 },
    train: { steps: 4 },
    evaluation: { every: 2, problems: 1 },
    ...changes,
  });

async function module(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
}

/** Figures of a run but for its times, and the weights it ended with. */
async function outcome(out: string) {
  const metrics = await new RunFolder(out).readMetrics();
  const figures = metrics.map((record) =>
    Object.fromEntries(Object.entries(record).filter(([key]) => !key.endsWith('seconds'))),
  );
  const weights = await readFile(join(out, 'checkpoints', 'step_000004', 'model.safetensors'));
  return { figures, weights: weights.toString('base64') };
}

const LITERAL = `export function coefficients(tree, rewards, { advantages, weights }) {
  const sums = [1, -1].map((sign) => {
    const values = new Float64Array(tree.nodeCount);
    for (let i = 0; i < tree.groupSize; i++) values[tree.leaf[i]] += weights[i] * sign * Math.max(sign * advantages[i], 0);
    for (let node = tree.nodeCount - 1; node > 0; node--) values[tree.parent[node]] += values[node];
    return values.map((value, node) => value EACH);
  });
  return { plus: sums[0], minus: sums[1] };
}`;

describe('a module', () => {
  it.each([
    ['grpo', '* 1'],
    ['lambda-grpo', '* (1 / tree.size[node])'],
  ])(
    '%s as a hook trains as the built-in one does, also when it goes on after a cut',
    async (method, each) => {
      const credit = await module(`${method}.mjs`, LITERAL.replace('EACH', each));
      const [plain, hooked] = [join(folder, `${method}-plain`), join(folder, `${method}-hook`)];
      await run({ config: walk({ method }), out: plain, threads: 1 });
      const config = (steps: number) => walk({ method, objective: { credit }, train: { steps } });
      await run({ config: config(2), out: hooked, threads: 1 });
      await run({ config: config(4), out: hooked, threads: 1, resume: true });
      expect(await outcome(hooked)).toEqual(await outcome(plain));
    },
  );

  it('may be a task’s own, in TypeScript, and asynchronous', async () => {
    const path = await module(
      'both.ts',
      `export const coefficients = async (tree: { nodeCount: number }): Promise<object> => ({
         plus: new Array(tree.nodeCount).fill(0.01), minus: new Float32Array(tree.nodeCount) });
       export default { name: 'both', vocabulary: { pieces: ['<bos>', 'a', 'b'], bos: '<bos>' }, problems: ['a'], heldOut: ['a'],
         prompt: (p: string) => p, maxCompletionTokens: 2, reward: ({ text }: { text: string }) => text.length };`,
    );
    const config = walk({ task: { name: 'module', path }, objective: { credit: path } });
    const { folder: out } = await run({ config, out: join(folder, 'both'), threads: 1 });
    // All rewards are equal, but the rule pushes all the same.
    const norms = (await out.readMetrics()).flatMap(({ grad_norm: norm }) => norm ?? []);
    expect(norms).toHaveLength(4);
    expect(Math.min(...norms)).toBeGreaterThan(0);
  });

  const returning = (value: string) => `export const coefficients = (tree) => (${value});`;
  const zeros = '{ plus: Array(tree.nodeCount).fill(0), minus: Array(tree.nodeCount).fill(0)';
  it.each([
    ['no file', null, /^objective\.credit: expected a module, got '.*', which does not exist in /],
    [
      'no export',
      'export default 1;',
      /no-export\.mjs: export: expected an exported function `coefficients`, got none$/,
    ],
    [
      'another export',
      'export const coefficients = 7;',
      /expected an exported function `coefficients`, got number$/,
    ],
    ['throws in it', 'throw new Error("early");', /throws-in-it\.mjs:1: loading: threw Error: early$/],
    [
      'throws',
      'export function coefficients() {\n  return nothing;\n}',
      /throws\.mjs:2: coefficients of problem binary-tree, step 1: threw ReferenceError: nothing is not defined$/,
    ],
    [
      'nothing',
      returning('undefined'),
      /step 1: expected \{ plus, minus \} with a number for each node, got undefined$/,
    ],
    ['a number', returning('3'), /got 3$/],
    [
      'no minus',
      returning('{ plus: Array(tree.nodeCount).fill(0) }'),
      /minus: expected \d+ numbers, one for each node, got undefined$/,
    ],
    [
      'too few',
      returning('{ plus: [0], minus: [0] }'),
      /plus: expected \d+ numbers, one for each node, got 1$/,
    ],
    [
      'NaN',
      returning(`${zeros}.map((_, n) => n === 2 ? NaN : 0) }`),
      /minus of node 2: expected a finite number of at most 0, got NaN$/,
    ],
    [
      'beyond float32',
      returning(`${zeros}.fill(-1e39) }`),
      /minus of node 0: expected a finite number of at most 0, got -1e\+39$/,
    ],
    [
      'another sign',
      returning(`${zeros}.fill(1) }`),
      /minus of node 0: expected a finite number of at most 0, got 1$/,
    ],
    [
      'text',
      returning(`${zeros}.fill('0') }`),
      /minus of node 0: expected a finite number of at most 0, got "0"$/,
    ],
    [
      'holes',
      returning(`${zeros}, kl: Array(tree.nodeCount) }`),
      /kl of node 0: expected a finite number of at least 0, got undefined$/,
    ],
    [
      'whole numbers without end',
      returning(`${zeros}, kl: new BigInt64Array(tree.nodeCount) }`),
      /kl of node 0: .* got a value of type bigint$/,
    ],
    [
      'a rejection',
      'export const coefficients = async () => { throw new TypeError("late"); };',
      /step 1: threw TypeError: late$/,
    ],
    ['an exit', 'export const coefficients = () => process.exit(0);', /step 1: called process\.exit\(0\)$/],
    [
      'no answer',
      'export const coefficients = () => new Promise(() => {});',
      /step 1: expected an answer within 0\.3 s \(objective\.credit_seconds\), got none$/,
    ],
  ])('that is wrong is one line: %s', async (name, text, line) => {
    const path = join(folder, `${name.replaceAll(' ', '-')}.mjs`);
    if (text !== null) await writeFile(path, text);
    const config = walk({
      objective: { credit: path, credit_seconds: name === 'no answer' ? 0.3 : 30 },
      evaluation: { every: 0 },
    });
    const out = join(folder, `wrong ${name}`);
    const error = (await run({ config, out, threads: 1 }).catch((e: unknown) => e)) as Error;
    expect(error).toBeInstanceOf(UserError);
    expect(error.message).toMatch(line);
    expect(error.message).not.toContain('\n');
    expect(existsSync(join(out, 'rollouts', 'step_000001.jsonl'))).toBe(false);
  });

  it.each([
    [{ method: 'grpo', objective: { loss: 'gspo' } }, 'objective.credit: expected null with loss gspo'],
    [
      { objective: { lambda_exponent: 0.5 } },
      'objective.lambda_exponent: expected null with objective.credit',
    ],
  ])('is refused where it makes no sense: %j', (changes, line) => {
    const objective = { ...changes.objective, credit: 'rule.ts' };
    expect(() => walk({ ...changes, objective })).toThrow(line);
  });

  it('is no method to compare others by', () => {
    expect(() => methodVariants(walk({ objective: { credit: 'rule.ts' } }), ['grpo', 'lambda-grpo'])).toThrow(
      /^objective\.credit: expected null .*, got rule\.ts$/,
    );
  });
});

describe('a published rule', () => {
  it.each(CREDIT_NAMES)(
    '%s goes with every loss, normalisation and mask; K is the rule’s own',
    async (name) => {
      await fc.assert(
        fc.asyncProperty(groups, objectives, async (lists, settings) => {
          const objective = { ...configured('grpo', settings), credit: name };
          const scored = scoreGroups(groupsOf(lists), objective);
          const rule = (await openCredit({ objective })) as CreditRule;
          const { examples } = await stepBatch(engine, scored, objective, 6, { temperature: 1 }, rule);
          const plain = trainExamples(scored, objective, 6);
          examples.forEach(({ coefficients }, g) => {
            const { plus, minus, kl, first } = coefficients;
            for (const values of [plus, minus, kl, first?.plus ?? [], first?.minus ?? []]) {
              expect(values.every(Number.isFinite)).toBe(true);
            }
            if (name === 'grpo') expect(coefficients).toEqual(plain[g].coefficients);
          });
        }),
        { numRuns: 60 },
      );
    },
  );

  it.each(['grpo', 'lambda-grpo'] as const)(
    '%s by name trains to the weights of the method',
    async (method) => {
      const [plain, named] = ['plain', 'named'].map((name) => join(folder, `published-${name}-${method}`));
      await run({ config: walk({ method }), out: plain, threads: 1 });
      const config = walk({ method: 'grpo', objective: { credit: method } });
      await run({ config, out: named, threads: 1 });
      expect(await outcome(named)).toEqual(await outcome(plain));
    },
  );

  it('with other credit within a step trains to other weights, and resumes to the same', async () => {
    const outcomes = [];
    for (const credit of ['grpo', 'tempo']) {
      const out = join(folder, `first-tokens-${credit}`);
      await run({ config: walk({ objective: { credit } }), out, threads: 1 });
      outcomes.push(await outcome(out));
    }
    expect(outcomes[0]).not.toEqual(outcomes[1]);
    const out = join(folder, 'first-tokens-resumed');
    const config = (steps: number) => walk({ objective: { credit: 'tempo' }, train: { steps } });
    await run({ config: config(2), out, threads: 1 });
    await run({ config: config(4), out, threads: 1, resume: true });
    expect(await outcome(out)).toEqual(outcomes[1]);
  });

  it('is needed by no argument of train', async () => {
    const config = walk({ objective: { credit: 'treepo' }, evaluation: { every: 0 } });
    const task = createTask(config.task, 0);
    const out = await createRunFolder(join(folder, 'published-in-a-program'), config);
    const stand = new StandInEngine(task.vocabulary.size);
    expect(await train({ config, task, engine: stand, folder: out })).toMatchObject({ step: 4 });
  });

  it('is compared with methods and modules by name: each has its folder and its credit', async () => {
    const mine = await module('mine.mjs', LITERAL.replace('EACH', '* 1'));
    const out = join(folder, 'compared');
    const names = ['grpo', 'lambda-grpo', 'spo-tree', mine];
    const { runs } = await compare({ config: walk(), methods: names, seeds: [0, 1], out, jobs: 1 });
    expect(runs.map(({ method, seed }) => `${method} ${seed}`)).toEqual(
      [0, 1].flatMap((seed) => ['grpo', 'lambda-grpo', 'spo-tree', 'mine'].map((name) => `${name} ${seed}`)),
    );
    const rules = runs.slice(0, 4).map(({ folder: path }) => {
      const { method, objective } = loadConfig(join(path, 'config.yaml'));
      return [method, objective.credit, objective.lambda_exponent];
    });
    expect(rules).toEqual([
      ['grpo', null, 0],
      ['lambda-grpo', null, 1],
      ['grpo', 'spo-tree', 0],
      ['grpo', mine, 0],
    ]);
    // A module that is GRPO, literally: the same weights.
    expect(await outcome(runs[3].folder)).toEqual(await outcome(runs[0].folder));
    expect(await outcome(runs[2].folder)).not.toEqual(await outcome(runs[0].folder));
  });

  it.each([
    [['tempo', 'grpo', 'tempo'], /^--credit: expected each rule once, got 'tempo'$/],
    [['a/rule.mjs', 'b/rule.ts'], /^--credit: expected each rule once, got 'b\/rule\.ts' as 'rule'$/],
    [
      ['warmup.mjs'],
      /^--credit: expected a different name \(this folder holds warm-ups\), got 'warmup\.mjs' as 'warmup'$/,
    ],
    [['grpo', 'temppo'], /^objective\.credit: expected a rule \(grpo, .*, got 'temppo'$/],
  ])('is no comparison, and nothing is written: %j', async (names, line) => {
    const out = join(folder, `compared ${names.join(' ').replaceAll('/', ' ')}`);
    await expect(compare({ config: walk(), methods: names, seeds: [0], out, jobs: 1 })).rejects.toThrow(line);
    expect(existsSync(out)).toBe(false);
  });

  it('goes with no ratio of sequences', () => {
    const config = walk({ method: 'grpo', objective: { loss: 'gspo' } });
    expect(() => methodVariants(config, ['grpo', 'treepo'])).toThrow(
      'objective.credit: expected null with loss gspo (it has one ratio per sequence, so steps have no coefficients), got treepo',
    );
  });

  it('of an unknown name is a one-line error with the known names', async () => {
    const objective = { credit: 'temppo', credit_seconds: 1 } as Config['objective'];
    await expect(openCredit({ objective })).rejects.toThrow(
      /^objective\.credit: expected a rule \(grpo, lambda-grpo, .*tempo\) or a module's file, got 'temppo'$/,
    );
  });
});

describe('in a program', () => {
  const task = createTask(walk().task, 0);
  const trained = async (name: string, config: Config, credit?: CreditRule) =>
    train({
      config,
      task,
      engine: new StandInEngine(task.vocabulary.size),
      folder: await createRunFolder(join(folder, name), config),
      credit,
    });
  const quiet = walk({ evaluation: { every: 0 } });

  it('train takes a rule; what it returns is checked, and what it throws comes through', async () => {
    expect(await trained('program', quiet, lambdaGrpo)).toMatchObject({ step: 4 });
    await expect(trained('short', quiet, () => ({ plus: [], minus: [] }))).rejects.toThrow(
      /^coefficients of problem binary-tree, step 1: plus: expected \d+ numbers, one for each node, got 0$/,
    );
    const boom = new RangeError('boom');
    const throwing = () => {
      throw boom;
    };
    await expect(trained('boom', quiet, throwing)).rejects.toBe(boom);
  });

  it('train does not pass over a rule that the configuration names', async () => {
    const config = walk({ objective: { credit: 'rule.ts' } });
    await expect(trained('unopened', config)).rejects.toThrow(/^objective\.credit: expected the rule/);
  });

  it('askRule names the node', () => {
    const tree = ProcessTree.build([[1], [2]]);
    const context = { advantages: Float64Array.of(1, -1), weights: Float64Array.of(1, 1) };
    const wrong: CreditRule = () => ({ plus: [0, -1, 0], minus: [0, 0, 0] });
    expect(() => askRule(wrong, tree, Float64Array.of(1, 0), context, new Float64Array(3))).toThrow(
      new CreditError('plus of node 1: expected a finite number of at least 0, got -1'),
    );
  });
});

const root = join(import.meta.dirname, '..');
describe.skipIf(!existsSync(join(root, 'dist', 'index.js')))('recipes/loop.ts', () => {
  it('is at most 80 lines, learns, and takes the steps that the trainer takes', async () => {
    const recipe = join(root, 'recipes', 'loop.ts');
    const text = await readFile(recipe, 'utf8');
    expect(text.trimEnd().split('\n').length).toBeLessThanOrEqual(80);
    const printed = execFileSync(process.execPath, ['--import', 'tsx', recipe], {
      cwd: root,
      encoding: 'utf8',
    });
    const rows = [
      ...printed.matchAll(/^step (\d+): reward (\S+), target (\S+), steps (\d+), gradient (\S+)$/gm),
    ];
    expect(rows).toHaveLength(100);
    const rewards = rows.map(([, , reward]) => Number(reward));
    const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
    expect(mean(rewards.slice(-10))).toBeGreaterThan(mean(rewards.slice(0, 10)) + 0.3);
    const config = resolveConfig({
      task: { name: 'binary-tree' },
      optimizer: { learning_rate: 1e-3, epsilon: 1e-3, max_grad_norm: null },
      train: { steps: 30 },
      evaluation: { every: 0 },
    });
    const { folder: out } = await run({ config, out: join(folder, 'as-the-recipe') });
    const metrics = (await out.readMetrics()).flatMap(({ step, reward_mean: reward, success_rate: hits }) =>
      reward === undefined || hits === undefined ? [] : [[step, reward.toFixed(3), hits.toFixed(3)]],
    );
    expect(rows.slice(0, 30).map(([, step, reward, hits]) => [Number(step), reward, hits])).toEqual(metrics);
  }, 60_000);
});
