/**
 * Our decoder against transformers: tiny random checkpoints of every architecture, written by transformers, and the
 * numbers that PyTorch computes with them (scripts/python/make_model_fixtures.py). We compute the packed tree; PyTorch
 * computes k separate sequences with autograd.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { LocalEngine } from '../src/engine/index.js';
import { readSafetensors, withCheckpoint, writeCheckpoint } from '../src/model/files.js';
import { loadParameters, readModelConfig, toHuggingFaceConfig } from '../src/model/index.js';
import { groupAdvantages, lossCoefficients, sequenceWeights } from '../src/objective/index.js';
import { nodeBackend } from '../src/runtime/node.js';
import { ProcessTree } from '../src/tree/index.js';
import { logitsOf } from './logits.js';
import { largest, norm } from './numbers.js';
import { hasPython, runPython } from './python.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const models = join(root, 'test', 'models');
const NAMES = ['gpt2', 'llama', 'qwen2', 'qwen2-untied', 'qwen3', 'smollm3'] as const;

interface Groups {
  readonly prompt: readonly number[];
  readonly completions: readonly (readonly number[])[];
  readonly rewards: readonly number[];
  readonly sequences: readonly (readonly number[])[];
}

async function fixture(name: string) {
  const folder = join(models, name);
  const parameters = await withCheckpoint(folder, loadParameters);
  const { config } = parameters;
  const { tensors: expected } = await readSafetensors(join(folder, 'expected.safetensors'));
  const groups = JSON.parse(await readFile(join(models, 'groups.json'), 'utf8')) as Groups;
  return { config, parameters, groups, expectedOf: (key: string) => expected.get(key)?.data as Float32Array };
}

describe.each(NAMES)('%s', (name) => {
  it('gives the logits of transformers', async () => {
    const { config, parameters, groups, expectedOf } = await fixture(name);
    const results = await logitsOf(config, [parameters], groups.sequences);
    results.forEach((logits, i) => {
      const expected = expectedOf(`logits.${i}`);
      expect(norm(expected) / Math.sqrt(expected.length)).toBeGreaterThan(0.5);
      expect(largest(logits, expected)).toBeLessThan(1e-4);
    });
  });

  it('gives its gradients of the GRPO and the λ-GRPO loss, and its log-probabilities', async () => {
    const { config, parameters, groups, expectedOf } = await fixture(name);
    const engine = new LocalEngine({
      model: config,
      parameters,
      optimizer: { name: 'sgd', momentum: 0, weightDecay: 0 },
      seed: 0,
      backend: nodeBackend(),
      threads: 1,
      // Shorter than the tree: later rows read their ancestors' keys and values.
      rowLength: 8,
    });
    const tree = ProcessTree.build(groups.completions.map((tokens) => Int32Array.from(tokens)));
    const prompt = Int32Array.from(groups.prompt);
    const totals = { tokens: tree.tokenCount, sequences: tree.groupSize, maxTokens: 16 };
    for (const [method, lambdaExponent] of [
      ['grpo', 0],
      ['lambda-grpo', 1],
    ] as const) {
      const coefficients = lossCoefficients(
        tree,
        groupAdvantages(groups.rewards),
        sequenceWeights(tree.lengths, 'token', totals),
        { lambdaExponent },
      );
      const result = await engine.gradients([{ prompt, tree, coefficients }], {
        temperature: 1,
        learningRate: 0,
        maxGradNorm: null,
        clipLow: 0.2,
        clipHigh: 0.2,
        klBeta: 0,
      });
      let squares = 0;
      parameters.specs.forEach(({ name: key }, i) => {
        const expected = expectedOf(`${method}.grad.${name === 'gpt2' ? 'transformer.' : ''}${key}`);
        const scale = norm(expected);
        squares += scale ** 2;
        expect(largest(result.gradients[i], expected) / scale, key).toBeLessThan(1e-3);
      });
      expect(Math.abs(result.gradNorm / Math.sqrt(squares) - 1)).toBeLessThan(1e-4);
      expect(result.loss).toBeCloseTo(expectedOf(`${method}.loss`)[0], 5);
      // The tree's log-probabilities, laid along each completion.
      const starts = new Map<number, number>();
      for (let node = 0, at = 0; node < tree.nodeCount; at += tree.end[node] - tree.start[node], node++) {
        starts.set(node, at);
      }
      const along = groups.completions.flatMap((_, i) =>
        [...tree.pathOf(i)].flatMap((node) =>
          Array.from(
            result.logprobs[0].subarray(
              starts.get(node),
              (starts.get(node) as number) + tree.end[node] - tree.start[node],
            ),
          ),
        ),
      );
      expect(largest(along, expectedOf('logprobs'))).toBeLessThan(1e-4);
    }
    await engine.dispose();
  });

  it('continues greedily with the same 64 tokens', async () => {
    const { config, parameters, groups, expectedOf } = await fixture(name);
    const engine = new LocalEngine({
      model: config,
      parameters,
      optimizer: { name: 'sgd', momentum: 0, weightDecay: 0 },
      seed: 0,
      backend: nodeBackend(),
      threads: 1,
    });
    const { completions } = await engine.sample(
      [{ prompt: Int32Array.from(groups.prompt), count: 2, key: ['greedy'] }],
      { maxTokens: 64, temperature: 0, topK: 0, topP: 1, stopTokens: [], seed: 0 },
    );
    for (const { tokens } of completions[0]) expect([...tokens]).toEqual([...expectedOf('greedy')]);
    await engine.dispose();
  });

  it('has the same shape after its configuration was written and read again', async () => {
    const { config } = await fixture(name);
    expect(readModelConfig(JSON.parse(JSON.stringify(toHuggingFaceConfig(config))), name)).toEqual(config);
  });
});

describe.skipIf(!hasPython)('with Python', () => {
  it('transformers loads what we save, whole or in shards, and gives the same logits', {
    timeout: 120_000,
  }, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'lambda-grpo-saved-'));
    try {
      const pairs: string[] = [];
      for (const [i, name] of NAMES.entries()) {
        const { parameters } = await fixture(name);
        const to = join(folder, name);
        await writeCheckpoint(to, parameters, {
          source: i % 2 ? join(models, name) : undefined,
          shardBytes: i % 2 ? 30_000 : undefined,
        });
        pairs.push(to, join(models, name));
      }
      const out = runPython('check_checkpoints.py', [join(models, 'groups.json'), ...pairs]);
      const deviations = JSON.parse(out.trim().split('\n').at(-1) as string) as number[];
      expect(deviations).toHaveLength(NAMES.length);
      for (const deviation of deviations) expect(deviation).toBeLessThan(1e-6);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
