/** Sampling with frozen weights in int8, and the importance weights that correct an update for it. */
import { describe, expect, it } from 'vitest';
import { smallLlama } from '../../../test/small-llama.js';
import type { ModelConfig } from '../../model/index.js';
import { groupAdvantages, lossCoefficients, sequenceWeights } from '../../objective/index.js';
import { nodeBackend } from '../../runtime/node.js';
import { ProcessTree, packedIndices, packTree } from '../../tree/index.js';
import type { SamplingOptions, TrainExample, UpdateOptions } from '../engine.js';
import { LocalEngine, type LocalEngineOptions } from './local-engine.js';

const model: ModelConfig = {
  vocabularySize: 40,
  contextLength: 400,
  layers: 2,
  width: 64,
  heads: 4,
  architecture: smallLlama(16, 96, 1000),
  adapter: { r: 4, alpha: 8, dropout: 0, targets: ['q_proj', 'v_proj'] },
};

function engineOf(change: Partial<LocalEngineOptions> = {}): LocalEngine {
  const engine = new LocalEngine({
    backend: nodeBackend(),
    model,
    optimizer: { name: 'sgd', momentum: 0, weightDecay: 0 },
    seed: 3,
    threads: 1,
    ...change,
  });
  const { adapter } = engine;
  if (adapter) for (let i = 0; i < adapter.flat.length; i++) adapter.flat[i] += 0.05 * Math.sin(i);
  return engine;
}

const prompts = [0, 1, 2].map((p) => Int32Array.from({ length: 9 + p }, (_, t) => (7 * t + p) % 40));
const sampling: SamplingOptions = {
  maxTokens: 20,
  temperature: 1,
  topK: 0,
  topP: 1,
  stopTokens: [],
  seed: 1,
};
const requests = prompts.map((prompt, i) => ({ prompt, count: 6, key: [i] }));
const update: UpdateOptions = {
  temperature: 1,
  learningRate: 0.1,
  maxGradNorm: null,
  clipLow: 0.2,
  clipHigh: 0.2,
  klBeta: 0,
};

/** Sampled groups, and the policy's log-probability of each sampled token beside the sampler's. */
async function sampled(engine: LocalEngine, options: SamplingOptions) {
  const { completions } = await engine.sample(requests, options);
  const trees = completions.map((group) => ProcessTree.build(group.map(({ tokens }) => tokens)));
  const examples = trees.map((tree, i) => ({ prompt: prompts[i], tree }));
  const { logprobs } = await engine.score(examples, 'current', options);
  const differences = trees.flatMap((tree, i) => {
    const packed = packTree(tree, new Int32Array());
    return completions[i].flatMap(({ logprobs: sampled }, k) =>
      [...packedIndices(tree, packed, k)].map((token, t) => logprobs[i][token] - sampled[t]),
    );
  });
  return { completions, examples, logprobs, differences };
}

describe('sampling in int8', () => {
  it.each([20, 300])(
    'up to %d tokens: log-probabilities are near the policy’s and not its own',
    async (maxTokens) => {
      const engine = engineOf();
      const exact = await sampled(engine, { ...sampling, maxTokens });
      const rounded = await sampled(engine, { ...sampling, maxTokens, precision: 'int8' });
      const size = (values: readonly number[]) =>
        values.reduce((sum, value) => sum + Math.abs(value), 0) / values.length;
      expect(size(exact.differences)).toBeLessThan(1e-5);
      expect(size(rounded.differences)).toBeGreaterThan(1e-4);
      expect(size(rounded.differences)).toBeLessThan(0.05);
      // The first token comes from the prompt, which is read as float32.
      const first = rounded.completions.flatMap((group, i) =>
        group.map(({ tokens, logprobs }, k) => {
          const { tree } = rounded.examples[i];
          const [token] = packedIndices(tree, packTree(tree, new Int32Array()), k);
          expect(tokens[0]).toBeDefined();
          return rounded.logprobs[i][token] - logprobs[0];
        }),
      );
      expect(size(first)).toBeLessThan(1e-5);
      // The policy itself is sampled as before, and so is the same call again.
      expect((await sampled(engine, { ...sampling, maxTokens })).completions).toEqual(exact.completions);
      const again = await sampled(engine, { ...sampling, maxTokens, precision: 'int8' });
      expect(again.completions).toEqual(rounded.completions);
      await engine.dispose();
    },
  );

  it('reads the adapter as it is now', async () => {
    const engine = engineOf();
    const before = await engine.sample(requests, { ...sampling, precision: 'int8' });
    for (let i = 0; i < engine.trainable.flat.length; i++) engine.trainable.flat[i] *= 1.5;
    const after = await sampled(engine, { ...sampling, precision: 'int8' });
    expect(after.completions).not.toEqual(before.completions);
    const mean =
      after.differences.reduce((sum, value) => sum + Math.abs(value), 0) / after.differences.length;
    expect(mean).toBeLessThan(0.05);
    await engine.dispose();
  });

  it('is refused in one line for weights that are trained, and without the memory', async () => {
    const whole = engineOf({ model: { ...model, adapter: undefined } });
    expect(whole.capabilities.int8Sampling).toBe(false);
    await expect(whole.sample(requests, { ...sampling, precision: 'int8' })).rejects.toThrow(
      'sample: int8 needs frozen weights',
    );
    await whole.dispose();
    const small = engineOf({ memory: 900_000 });
    await expect(small.sample(requests, { ...sampling, precision: 'int8' })).rejects.toThrow(
      /^sample: weights in int8 need \d+ MiB, but runtime\.memory of 1 MiB has \d+ MiB for them/,
    );
    await small.dispose();
  });
});

describe('an update of samples from another distribution', () => {
  const example = (samplerLogprobs?: Float32Array, change: Partial<TrainExample> = {}): TrainExample => {
    const tree = ProcessTree.build(
      [0, 1, 2, 3].map((i) => Int32Array.from({ length: 5 + i }, (_, t) => (t < 2 ? t : 3 * i + t))),
    );
    const weights = sequenceWeights(tree.lengths, 'token', { tokens: 26, sequences: 4, maxTokens: 8 });
    return {
      prompt: prompts[0],
      tree,
      coefficients: lossCoefficients(tree, groupAdvantages([1, 0, 0, 1]), weights, { lambdaExponent: 1 }),
      samplerLogprobs,
      ...change,
    };
  };
  const largest = (gradients: readonly Float32Array[], others: readonly Float32Array[]): number =>
    Math.max(
      ...gradients.map((gradient, w) =>
        gradient.reduce((n, v, i) => Math.max(n, Math.abs(v - others[w][i])), 0),
      ),
    );

  it.each(['ppo', 'cispo'] as const)(
    '%s: each term has the weight min(π_old/π_sampler, cap), on-policy and clipped, but not the KL term',
    async (form) => {
      const engine = engineOf({ maxLogits: 200 });
      const plain = await engine.gradients([example()], { ...update, form });
      const [now] = plain.logprobs;
      const sampler = now.map((value, t) => value + 1.2 * Math.sin(3 * t));
      const cap = 1.4;
      for (const old of [undefined, now.map((value, t) => value + 0.3 * Math.cos(t))]) {
        const weights = now.map((value, t) => Math.min(Math.exp((old?.[t] ?? value) - sampler[t]), cap));
        expect(weights.some((weight) => weight === Math.fround(cap))).toBe(true);
        const reference = { oldLogprobs: old, referenceLogprobs: now.map((value) => value - 0.2) };
        const options = { ...update, form, klBeta: 0.3, entropyBonus: 0.1 };
        const expected = await engine.gradients([example(undefined, { ...reference, weights })], options);
        const got = await engine.gradients([example(sampler, reference)], { ...options, importanceCap: cap });
        expect(Math.abs(got.loss - expected.loss)).toBeLessThan(1e-5);
        expect(largest(got.gradients, expected.gradients)).toBeLessThan(1e-5);
        expect(
          largest(
            got.gradients,
            (await engine.gradients([example(undefined, reference)], options)).gradients,
          ),
        ).toBeGreaterThan(1e-3);
      }
      await engine.dispose();
    },
  );

  it('is refused for gspo, and if some examples lack the sampler’s log-probabilities', async () => {
    const engine = engineOf();
    const sampler = new Float32Array(example().tree.distinctTokenCount);
    await expect(engine.gradients([example(sampler)], { ...update, form: 'gspo' })).rejects.toThrow(
      'update: samplerLogprobs: expected none with the form gspo',
    );
    await expect(engine.gradients([example(sampler), example()], update)).rejects.toThrow(
      'update: example 1 needs samplerLogprobs with',
    );
    await engine.dispose();
  });
});
