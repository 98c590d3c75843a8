/**
 * LoRA adapters against peft: its files, logits, gradients and merged weights (scripts/python/make_lora_fixtures.py).
 */
import { readFileSync } from 'node:fs';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LocalEngine } from '../src/engine/index.js';
import * as g from '../src/graph/index.js';
import { readAdapter, readSafetensors, withCheckpoint, writeAdapter } from '../src/model/files.js';
import {
  loadParameters,
  type ModelConfig,
  mergeAdapter,
  type ParameterSet,
  type Parameters,
  updateProgram,
} from '../src/model/index.js';
import { groupAdvantages, lossCoefficients, sequenceWeights } from '../src/objective/index.js';
import { Session } from '../src/runtime/index.js';
import { nodeBackend } from '../src/runtime/node.js';
import { exportRun, openTrained, RunFolder, resolveConfig, run } from '../src/train/index.js';
import { ProcessTree } from '../src/tree/index.js';
import { logitsOf } from './logits.js';
import { largest } from './numbers.js';
import { hasPython, runPython } from './python.js';

const models = join(import.meta.dirname, 'models');
const NAMES = ['qwen2', 'gpt2', 'qwen3'] as const;
const groups = JSON.parse(readFileSync(join(models, 'groups.json'), 'utf8')) as {
  prompt: number[];
  completions: number[][];
  rewards: number[];
  sequences: number[][];
};
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lambda-grpo-lora-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function base(name: string): Promise<{ config: ModelConfig; parameters: Parameters }> {
  const parameters = await withCheckpoint(join(models, name), loadParameters);
  return { config: parameters.config, parameters };
}

async function fixture(name: string) {
  const { config: plain, parameters } = await base(name);
  const at = join(models, 'lora', name);
  const { config, adapter } = await readAdapter(at, plain);
  const { tensors } = await readSafetensors(join(at, 'expected.safetensors'));
  return {
    plain,
    config,
    adapter,
    parameters,
    expectedOf: (key: string) => tensors.get(key)?.data as Float32Array,
  };
}

const logits = async (config: ModelConfig, ...sets: readonly ParameterSet[]): Promise<Float32Array> =>
  (await logitsOf(config, sets, [groups.sequences[1]]))[0];

describe.each(NAMES)('an adapter of peft on %s', (name) => {
  it('gives its logits, and merged those of the merged model', async () => {
    const { plain, config, adapter, parameters, expectedOf } = await fixture(name);
    const before = await logits(plain, parameters);
    expect(largest(await logits(config, parameters, adapter), expectedOf('logits'))).toBeLessThan(1e-4);
    expect(largest(before, expectedOf('logits'))).toBeGreaterThan(0.1);
    mergeAdapter(parameters, config, adapter);
    expect(largest(await logits(plain, parameters), expectedOf('merged'))).toBeLessThan(1e-4);
  });

  it('has its gradients of the GRPO and the λ-GRPO loss, and no others', async () => {
    const { config, adapter, parameters, expectedOf } = await fixture(name);
    const engine = new LocalEngine({
      model: config,
      parameters,
      adapter,
      optimizer: { name: 'sgd', momentum: 0, weightDecay: 0 },
      seed: 0,
      backend: nodeBackend(),
      threads: 1,
      rowLength: 8,
    });
    const tree = ProcessTree.build(groups.completions.map((tokens) => Int32Array.from(tokens)));
    const totals = { tokens: tree.tokenCount, sequences: tree.groupSize, maxTokens: 16 };
    const prefix = `base_model.model.${name === 'gpt2' ? 'transformer.' : ''}`;
    for (const [method, lambdaExponent] of [
      ['grpo', 0],
      ['lambda-grpo', 1],
    ] as const) {
      const weights = sequenceWeights(tree.lengths, 'token', totals);
      const coefficients = lossCoefficients(tree, groupAdvantages(groups.rewards), weights, {
        lambdaExponent,
      });
      const { gradients } = await engine.gradients(
        [{ prompt: Int32Array.from(groups.prompt), tree, coefficients }],
        {
          temperature: 1,
          learningRate: 0,
          maxGradNorm: null,
          clipLow: 0.2,
          clipHigh: 0.2,
          klBeta: 0,
        },
      );
      expect(gradients).toHaveLength(adapter.specs.length);
      adapter.specs.forEach(({ name: key }, i) => {
        const expected = expectedOf(`${method}.${prefix}${key}`);
        const scale = Math.sqrt(expected.reduce((n, x) => n + x * x, 0));
        expect(largest(gradients[i], expected) / scale, key).toBeLessThan(1e-3);
      });
    }
    await engine.dispose();
    // Maps that read the same input have one gradient together, named after all of them.
    const gradientsOf = (model: ModelConfig): string[] =>
      Object.keys(
        updateProgram(model, {
          context: 'none',
          chunks: 1,
          checkpointing: false,
          clipped: false,
          kl: false,
          form: 'ppo',
          entropy: false,
          corrected: false,
        }).outputs,
      ).flatMap((key) => (key.startsWith('grad:') ? key.slice(5).split('+') : []));
    expect(gradientsOf(config).sort()).toEqual(adapter.specs.map(({ name: key }) => key).sort());
  });

  it('is written as it was read', async () => {
    const { config, adapter, plain } = await fixture(name);
    const to = join(folder, `written-${name}`);
    await writeAdapter(to, config, adapter, 'some/base');
    const again = await readAdapter(to, plain);
    expect(again.adapter.flat).toEqual(adapter.flat);
    expect(again.config.adapter).toMatchObject({ r: 3, alpha: 5, dropout: 0 });
    await expect(writeAdapter(to, config, adapter, null)).rejects.toThrow(
      'expected a new folder, got one that exists',
    );
  });
});

describe('a run with an adapter', () => {
  const config = (steps: number, dropout = 0) =>
    resolveConfig({
      task: { name: 'binary-tree' },
      model: {
        layers: 1,
        heads: 2,
        width: 16,
        lora: { r: 2, alpha: 4, dropout, targets: ['c_attn', 'c_fc'] },
      },
      objective: { kl_beta: 0.05, updates_per_batch: 2 },
      optimizer: { learning_rate: 0.01 },
      train: { steps },
      checkpoint: { every: 1, keep: 9 },
      evaluation: { every: 0 },
    });
  const timeless = (all: readonly object[]) =>
    all.map((record) =>
      Object.fromEntries(Object.entries(record).filter(([key]) => !key.endsWith('seconds'))),
    );

  it.each([0, 0.3])(
    'dropout %d: the base stays as it is, the KL begins at 0, a continued run gives the same numbers',
    async (dropout) => {
      const out = (name: string): string => join(folder, `${name}-${dropout}`);
      await run({ config: config(2, dropout), out: out('cut'), threads: 1 });
      await run({ config: config(5, dropout), out: out('cut'), resume: true, threads: 1 });
      const { folder: whole } = await run({ config: config(5, dropout), out: out('whole'), threads: 1 });
      const metrics = await whole.readMetrics();
      expect(timeless(await new RunFolder(out('cut')).readMetrics())).toEqual(timeless(metrics));
      expect(metrics[0].kl).toBeLessThan(dropout > 0 ? 1 : 1e-12);
      const [first, last] = [await openTrained(out('whole'), 1), await openTrained(out('whole'), 5)];
      const [start, end] = [first, last].map(({ engine }) => engine as LocalEngine);
      expect(end.parameters.flat).toEqual(start.parameters.flat);
      expect(end.adapter?.flat).not.toEqual(start.adapter?.flat);
      await Promise.all([first, last].map(({ engine }) => engine.dispose()));
      const files = await readdir(join(out('whole'), 'checkpoints', 'step_000005'));
      expect(files.sort()).toEqual([
        'adapter_config.json',
        'adapter_model.safetensors',
        'model.json',
        'optimizer.safetensors',
        'reference.safetensors',
        'state.json',
      ]);
      expect(await exportRun(out('whole'), out('adapter'))).toMatchObject({
        step: 5,
        dtype: 'F32',
        adapter: true,
      });
      expect(await exportRun(out('whole'), out('merged'), { merged: true })).toMatchObject({
        adapter: false,
      });
      expect((await readdir(out('merged'))).sort()).toEqual(['config.json', 'model.safetensors']);
    },
  );

  it('leaves out about the share of dropout, other values at another token, module and update', async () => {
    const { dropoutOf } = await import('../src/model/dropout.js');
    const scope = new g.InputList<{ dropoutSeed: number; dropoutIndex: Int32Array }>();
    const x = scope.graph.input('x', 'float32', ['B*L', 64]);
    const drop = dropoutOf(scope, 0.3, 'B*L');
    const program = await Session.open(nodeBackend(), { a: drop(x, 'a'), b: drop(x, 'b') }, { threads: 1 });
    const n = 500;
    const feeds = (seed: number) => ({
      dropout_index: { data: Int32Array.from({ length: n }, (_, i) => i), dims: [n] },
      x: { data: new Float32Array(n * 64).fill(1), dims: [n, 64] },
      dropout_seed: { data: Float32Array.of(seed), dims: [] },
    });
    const [first, second] = [await program.run(feeds(12.5)), await program.run(feeds(700.1))];
    const kept = (values: Float32Array) =>
      values.reduce((count, v) => count + Number(v > 0), 0) / values.length;
    const keptTogether = (a: Float32Array, b: Float32Array) =>
      a.reduce((count, v, i) => count + Number(v > 0 && b[i] > 0), 0) / a.length;
    for (const values of [first.a.data, first.b.data, second.a.data]) {
      expect(kept(values)).toBeGreaterThan(0.68);
      expect(kept(values)).toBeLessThan(0.72);
      expect(Math.max(...values)).toBeCloseTo(1 / 0.7, 5);
    }
    // Independent: both are kept as often as the product says; so with the neighbour in each direction.
    const a = first.a.data;
    for (const pair of [
      keptTogether(a, first.b.data),
      keptTogether(a, second.a.data),
      keptTogether(a.subarray(64), a.subarray(0, a.length - 64)),
      keptTogether(a.subarray(1), a.subarray(0, a.length - 1)),
    ]) {
      expect(pair).toBeGreaterThan(0.46);
      expect(pair).toBeLessThan(0.52);
    }
    await program.dispose();
  });
});

describe('what is wrong with an adapter is one line', () => {
  it.each([
    [{ r: 4 }, "lora_A.weight' has shape [3, 32], expected [4, 32]"],
    [{ r: 0 }, 'r: expected a number above 0, got 0'],
    [{ use_dora: true }, 'use_dora: expected false or null, got true'],
    [{ bias: 'all' }, 'bias: expected "none" or null, got "all"'],
    [{ peft_type: 'IA3' }, 'peft_type: expected "LORA", got "IA3"'],
    [{ target_modules: 'q.*' }, 'target_modules: expected a list of names, or all-linear, got "q.*"'],
    [
      { target_modules: ['x_proj'] },
      "expected all-linear, or names among q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj, got 'x_proj'",
    ],
    [{ target_modules: ['q_proj', 'v_proj'] }, 'belongs to no module of the adapter'],
    [{ target_modules: ['q_proj', 'v_proj', 'k_proj', 'down_proj'] }, 'is missing'],
  ])('%j', async (changes, line) => {
    const { config } = await base('qwen2');
    const at = join(folder, 'bad');
    await rm(at, { recursive: true, force: true });
    await cp(join(models, 'lora', 'qwen2'), at, { recursive: true });
    const file = join(at, 'adapter_config.json');
    await writeFile(file, JSON.stringify({ ...JSON.parse(await readFile(file, 'utf8')), ...changes }));
    const error = (await readAdapter(at, config).catch((e: Error) => e)) as Error;
    expect(error.message).toContain(line);
    expect(error.message).not.toContain('\n');
  });
});

describe.skipIf(!hasPython)('with Python', () => {
  it('peft loads what we save, and gives the same logits', { timeout: 120_000 }, async () => {
    const args: string[] = [];
    for (const name of NAMES) {
      const { config, adapter } = await fixture(name);
      const to = join(folder, `peft-${name}`);
      await writeAdapter(to, config, adapter, null);
      args.push(join(models, name), to, join(models, 'lora', name));
    }
    const out = runPython('check_adapters.py', [join(models, 'groups.json'), ...args]);
    const pairs = JSON.parse(out.trim().split('\n').at(-1) as string) as [number, number][];
    expect(pairs).toHaveLength(NAMES.length);
    for (const [deviation, without] of pairs) {
      expect(deviation).toBeLessThan(1e-6);
      expect(without).toBeGreaterThan(0.1);
    }
  });
});
