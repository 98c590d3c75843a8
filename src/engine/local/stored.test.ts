/**
 * Weights that the runtime reads from their files give the same results as weights in memory, at any offset in a file.
 */
import { cp, mkdir, mkdtemp, open, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  readSafetensors,
  storedWeights,
  withCheckpoint,
  writeCheckpoint,
  writeSafetensors,
} from '../../model/files.js';
import {
  type LoraConfig,
  loadParameters,
  type ModelConfig,
  Parameters,
  type StoredWeights,
} from '../../model/index.js';
import { groupAdvantages, lossCoefficients, sequenceWeights } from '../../objective/index.js';
import { nodeBackend } from '../../runtime/node.js';
import { ProcessTree } from '../../tree/index.js';
import type { SamplingOptions, TrainExample, UpdateOptions } from '../engine.js';
import { LocalEngine, type LocalEngineOptions } from './local-engine.js';

const models = join(import.meta.dirname, '../../../test/models');
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lambda-grpo-stored-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function opened(from: string): Promise<{
  config: ModelConfig;
  parameters: Parameters;
  stored: StoredWeights | null;
}> {
  return withCheckpoint(from, async (checkpoint) => ({
    config: checkpoint.config,
    parameters: await loadParameters(checkpoint),
    stored: await storedWeights(checkpoint),
  }));
}

const lora: LoraConfig = { r: 2, alpha: 4, dropout: 0, targets: 'all-linear' };
const sampling: SamplingOptions = {
  maxTokens: 12,
  temperature: 1,
  topK: 0,
  topP: 1,
  stopTokens: [0],
  seed: 3,
};
const requests = [
  { prompt: Int32Array.of(1, 2), count: 4, key: ['a'] },
  { prompt: Int32Array.of(3, 4, 5), count: 3, key: ['b'] },
];
const policy = { temperature: 1 };
const update: UpdateOptions = {
  ...policy,
  learningRate: 0.1,
  maxGradNorm: null,
  clipLow: 0.2,
  clipHigh: 0.2,
  klBeta: 0,
};

function example(): TrainExample {
  const completions = Array.from({ length: 4 }, (_, i) =>
    Int32Array.from({ length: 4 + i }, (__, t) => (t < 2 ? t + 5 : 3 * i + t)),
  );
  const tree = ProcessTree.build(completions);
  const weights = sequenceWeights(tree.lengths, 'token', { tokens: 22, sequences: 4, maxTokens: 12 });
  return {
    prompt: Int32Array.of(1, 2),
    tree,
    coefficients: lossCoefficients(tree, groupAdvantages([1, 0, 0, 1]), weights, { lambdaExponent: 1 }),
  };
}

/** Completions, scores before and after an update, and the adapter's gradients. */
async function numbers(model: ModelConfig, weights: Pick<LocalEngineOptions, 'parameters' | 'stored'>) {
  const engine = new LocalEngine({
    backend: nodeBackend(),
    model,
    ...weights,
    optimizer: { name: 'sgd', momentum: 0, weightDecay: 0 },
    seed: 3,
    threads: 1,
  });
  try {
    const { completions } = await engine.sample(requests, sampling);
    const before = await engine.score([example()], 'current', policy);
    if (!model.adapter) return { completions, before };
    const { gradients } = await engine.gradients([example()], update);
    await engine.update([example()], update);
    return { completions, before, gradients, after: await engine.score([example()], 'current', policy) };
  } finally {
    await engine.dispose();
  }
}

function expectSame(a: Awaited<ReturnType<typeof numbers>>, b: Awaited<ReturnType<typeof numbers>>): void {
  const arrays = (result: typeof a): Float32Array[] => [
    ...result.completions.flat().map(({ logprobs }) => logprobs),
    ...result.before.logprobs,
    ...(result.gradients ?? []),
    ...(result.after?.logprobs ?? []),
  ];
  expect(a.completions.flat().map(({ tokens }) => [...tokens])).toEqual(
    b.completions.flat().map(({ tokens }) => [...tokens]),
  );
  const [left, right] = [arrays(a), arrays(b)];
  expect(left.length).toBe(right.length);
  left.forEach((values, i) => {
    values.forEach((value, j) => {
      expect(Math.abs(value - right[i][j])).toBeLessThan(1e-5);
    });
  });
}

describe('weights that stay in their files', () => {
  it.each(['gpt2', 'llama', 'qwen2', 'qwen2-untied', 'qwen3', 'smollm3'])(
    '%s: the same completions, scores and gradients, with and without an adapter',
    async (name) => {
      const { config, parameters, stored } = await opened(join(models, name));
      if (!stored) throw new Error('not stored');
      expectSame(await numbers(config, { stored }), await numbers(config, { parameters }));
      const model = { ...config, adapter: lora };
      expectSame(await numbers(model, { stored }), await numbers(model, { parameters }));
    },
  );

  it('in shards, and behind links as in the Hub’s cache', async () => {
    const { config, parameters } = await opened(join(models, 'qwen3'));
    const shards = join(folder, 'shards');
    await writeCheckpoint(shards, parameters, { shardBytes: 20_000 });
    const linked = join(folder, 'linked');
    const blobs = join(folder, 'blobs');
    for (const to of [linked, blobs]) await mkdir(to);
    const names = (await readdir(shards)).filter((name) => name.endsWith('.safetensors'));
    expect(names.length).toBeGreaterThan(3);
    for (const name of await readdir(shards)) {
      await cp(join(shards, name), join(blobs, `blob-of-${name}`));
      await symlink(join('..', 'blobs', `blob-of-${name}`), join(linked, name));
    }
    const held = await numbers(config, { parameters });
    for (const from of [shards, linked]) {
      const { stored } = await opened(from);
      if (!stored) throw new Error('not stored');
      expect(new Set([...stored.values.values()].map(({ file }) => file)).size).toBe(names.length);
      expectSame(await numbers(config, { stored }), held);
    }
  });

  it('GPT-2’s names with and without their prefix', async () => {
    const { config, parameters } = await opened(join(models, 'gpt2'));
    const file = join(models, 'gpt2', 'model.safetensors');
    const { tensors } = await readSafetensors(file);
    const prefixed = [...tensors.keys()].some((name) => name.startsWith('transformer.'));
    const other = new Map(
      [...tensors].map(([name, tensor]) => [
        prefixed ? name.replace(/^transformer\./, '') : `transformer.${name}`,
        tensor,
      ]),
    );
    await cp(join(models, 'gpt2', 'config.json'), join(folder, 'config.json'));
    await writeSafetensors(join(folder, 'model.safetensors'), other);
    const { stored } = await opened(folder);
    if (!stored) throw new Error('not stored');
    expectSame(await numbers(config, { stored }), await numbers(config, { parameters }));
  });

  it('beyond 4 GiB of a file', async () => {
    // Many more positions than are used, so that the file is large and only a small part of it is read.
    const small: ModelConfig = { vocabularySize: 32, contextLength: 64, width: 16, layers: 2, heads: 2 };
    const config = { ...small, contextLength: 2 ** 26 };
    const parameters = Parameters.initialize(small, 7);
    const sizes = parameters.specs.map(({ name, shape }) =>
      name === 'wpe.weight' ? [config.contextLength, small.width] : shape,
    );
    const bytes = sizes.map((shape) => 4 * shape.reduce((n, dim) => n * dim, 1));
    const header: Record<string, unknown> = {};
    let end = 0;
    parameters.specs.forEach(({ name }, i) => {
      header[name] = { dtype: 'F32', shape: sizes[i], data_offsets: [end, end + bytes[i]] };
      end += bytes[i];
    });
    expect(end).toBeGreaterThan(2 ** 32);
    const json = Buffer.from(JSON.stringify(header));
    const start = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, ' ');
    start.writeBigUInt64LE(BigInt(start.length - 8));
    json.copy(start, 8);
    const handle = await open(join(folder, 'model.safetensors'), 'w');
    await handle.write(start, 0, undefined, 0);
    await handle.truncate(start.length + end);
    let at = start.length;
    for (const [i, { name }] of parameters.specs.entries()) {
      const view = parameters.views.get(name) as Float32Array;
      await handle.write(new Uint8Array(view.buffer, view.byteOffset, view.byteLength), 0, undefined, at);
      at += bytes[i];
    }
    await handle.close();
    await writeFile(
      join(folder, 'config.json'),
      JSON.stringify({
        model_type: 'gpt2',
        vocab_size: 32,
        n_positions: config.contextLength,
        n_embd: 16,
        n_layer: 2,
        n_head: 2,
      }),
    );
    const { config: read, stored } = await withCheckpoint(folder, async (checkpoint) => ({
      config: checkpoint.config,
      stored: await storedWeights(checkpoint),
    }));
    if (!stored) throw new Error('not stored');
    expect(Math.max(...[...stored.values.values()].map(({ offset }) => offset))).toBeGreaterThan(2 ** 32);
    expectSame(await numbers(read, { stored }), await numbers(small, { parameters }));
    const adapter = { adapter: lora };
    expectSame(
      await numbers({ ...read, ...adapter }, { stored }),
      await numbers({ ...small, ...adapter }, { parameters }),
    );
  });

  it('are loaded instead where the runtime could not read them', async () => {
    const { parameters } = await opened(join(models, 'qwen2'));
    await writeCheckpoint(join(folder, 'half'), parameters, { dtype: 'BF16' });
    expect((await opened(join(folder, 'half'))).stored).toBeNull();
  });

  it('are not trained', async () => {
    const { config, stored } = await opened(join(models, 'qwen2'));
    const engine = new LocalEngine({
      backend: nodeBackend(),
      model: config,
      stored: stored as StoredWeights,
      optimizer: { name: 'sgd', momentum: 0, weightDecay: 0 },
      seed: 1,
    });
    await expect(engine.update([example()], update)).rejects.toThrow('update: expected an adapter, got none');
    expect(() => engine.parameters).toThrow('read from their files');
    await engine.dispose();
  });
});
