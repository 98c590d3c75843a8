/**
 * Techniques that save memory change nothing else: head and attention in chunks, layers that recompute, trees in
 * pieces.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { architectureOf, type ModelConfig } from '../../model/index.js';
import { groupAdvantages, lossCoefficients, sequenceWeights } from '../../objective/index.js';
import { nodeBackend } from '../../runtime/node.js';
import { ProcessTree } from '../../tree/index.js';
import type { TrainExample, UpdateOptions } from '../engine.js';
import { LocalEngine, type LocalEngineOptions } from './local-engine.js';

const gpt2: ModelConfig = { vocabularySize: 11, contextLength: 64, layers: 3, width: 16, heads: 2 };
const untied: ModelConfig = {
  ...gpt2,
  architecture: {
    ...architectureOf(gpt2),
    family: 'qwen3',
    norm: 'rms',
    rotary: { theta: 10_000, scaling: null },
    keyValueHeads: 1,
    intermediate: 24,
    activation: 'swiglu',
    bias: { qkv: false, output: false, mlp: false },
    qkNorm: true,
    tiedHead: false,
  },
};
const models: Record<string, ModelConfig> = {
  'GPT-2, tied head': gpt2,
  'Qwen3, untied head': untied,
  'Qwen3 under an adapter with dropout': {
    ...untied,
    adapter: { r: 2, alpha: 4, dropout: 0.2, targets: 'all-linear' },
  },
};

const options: UpdateOptions = {
  temperature: 0.9,
  learningRate: 0.01,
  maxGradNorm: null,
  clipLow: 0.2,
  clipHigh: 0.2,
  klBeta: 0,
};

/** Two groups; rows of 8 tokens make contexts, and some tokens are not trained. */
const batch = (clipped: boolean): TrainExample[] =>
  [0, 1].map((group) => {
    const completions = Array.from({ length: 6 }, (_, i) =>
      Int32Array.from({ length: 5 + i }, (__, t) => (t < 3 ? (t + group) % 11 : (7 * i + t * t) % 11)),
    );
    const tree = ProcessTree.build(completions);
    const weights = sequenceWeights(tree.lengths, 'token', { tokens: 90, sequences: 12, maxTokens: 16 });
    const advantages = groupAdvantages([1, 0, 0, 1, 1, 0]);
    const count = tree.distinctTokenCount;
    const values = (scale: number): Float32Array =>
      Float32Array.from({ length: count }, (_, t) => -2.4 + scale * Math.sin(5 * t));
    return {
      prompt: Int32Array.from([1, 2, 3 + group]),
      tree,
      coefficients: lossCoefficients(tree, advantages, weights, { lambdaExponent: 1 }),
      sequenceAdvantages: Float64Array.from(advantages, (a, i) => (a * weights[i] * tree.lengths[i]) / 2),
      mask: Float32Array.from({ length: count }, (_, t) => (t % 7 === 3 ? 0 : 1)),
      ...(clipped ? { oldLogprobs: values(0.3), referenceLogprobs: values(0.5) } : {}),
    };
  });

async function gradientsOf(
  model: ModelConfig,
  change: Partial<LocalEngineOptions>,
  clipped: boolean,
  update: UpdateOptions,
) {
  const engine = new LocalEngine({
    backend: nodeBackend(),
    model,
    optimizer: { name: 'sgd', momentum: 0, weightDecay: 0 },
    seed: 3,
    rowLength: 8,
    ...change,
  });
  const adapter = engine.adapter?.flat ?? [];
  for (let i = 0; i < adapter.length; i++) adapter[i] += 0.05 * Math.sin(i);
  const result = await engine.gradients(batch(clipped), update);
  const scores = await engine.score(batch(clipped), 'current', update);
  await engine.dispose();
  return { ...result, scores };
}

const distance = (a: Float32Array, b: Float32Array): number =>
  Math.sqrt(a.reduce((sum, v, i) => sum + (v - b[i]) ** 2, 0));
const length = (a: Float32Array): number => Math.sqrt(a.reduce((sum, v) => sum + v * v, 0));

describe('head and attention in chunks, checkpointing and trees in pieces', () => {
  for (const [name, model] of Object.entries(models)) {
    for (const form of ['ppo', 'cispo', 'gspo'] as const) {
      for (const clipped of [false, true]) {
        it(`${name}, ${form}${clipped ? ', clipped, with KL and entropy bonus' : ''}: loss, scores and gradients are the same`, async () => {
          const update: UpdateOptions = clipped
            ? { ...options, form, klBeta: 0.1, entropyBonus: 0.02 }
            : { ...options, form };
          const plain = await gradientsOf(model, {}, clipped, update);
          expect(plain.gradNorm).toBeGreaterThan(1e-3);
          for (const change of [
            { checkpointing: true, maxSeen: 70 },
            // Attention one row at a time.
            { maxLogits: 50, maxTokensPerRun: 20, maxSeen: 1 },
            // Trees of more than 25 tokens are cut into pieces, most with one completion.
            { checkpointing: true, maxLogits: 90, maxTokensPerRun: 14 },
          ]) {
            const other = await gradientsOf(model, change, clipped, update);
            expect(Math.abs(other.loss - plain.loss)).toBeLessThan(1e-5);
            plain.gradients.forEach((gradient, i) => {
              expect(distance(other.gradients[i], gradient)).toBeLessThan(
                1e-5 * Math.max(length(gradient), plain.gradNorm / 10),
              );
            });
            for (const key of ['logprobs', 'entropies'] as const) {
              plain[key].forEach((values, i) => {
                expect(distance(other[key][i], values)).toBeLessThan(1e-5);
                expect(distance(other.scores[key][i], plain.scores[key][i])).toBeLessThan(1e-5);
              });
            }
          }
        });
      }
    }
  }
});

describe('attention in chunks', () => {
  /** A few different tokens, so that completions share prefixes. */
  const completions = fc.array(fc.array(fc.nat(1), { minLength: 1, maxLength: 14 }), {
    minLength: 2,
    maxLength: 6,
  });
  const groups = fc.array(fc.record({ prompt: fc.integer({ min: 1, max: 9 }), completions }), {
    minLength: 1,
    maxLength: 3,
  });
  const engineOf = (model: ModelConfig, change: Partial<LocalEngineOptions>): LocalEngine => {
    const engine = new LocalEngine({
      backend: nodeBackend(),
      model,
      optimizer: { name: 'sgd', momentum: 0, weightDecay: 0 },
      seed: 5,
      threads: 1,
      ...change,
    });
    const adapter = engine.adapter?.flat ?? [];
    for (let i = 0; i < adapter.length; i++) adapter[i] += 0.05 * Math.sin(i);
    return engine;
  };

  it.each([
    ['all weights, rows of 3', untied, { rowLength: 3, maxSeen: 40 }],
    [
      'an adapter, rows of 2, layers computed again',
      models['Qwen3 under an adapter with dropout'],
      {
        rowLength: 2,
        maxSeen: 60,
        checkpointing: true,
      },
    ],
  ] as const)(
    'gives the scores and gradients of all rows at once, for any trees: %s',
    async (_, model, change) => {
      const { rowLength } = change;
      const [plain, chunked] = [engineOf(model, { rowLength }), engineOf(model, change)];
      let padded = 0;
      await fc.assert(
        fc.asyncProperty(groups, async (all) => {
          const examples = all.map(({ prompt, completions }): TrainExample => {
            const tree = ProcessTree.build(completions.map((tokens) => Int32Array.from(tokens)));
            const batch = { tokens: tree.tokenCount, sequences: tree.groupSize, maxTokens: 16 };
            const weights = sequenceWeights(tree.lengths, 'token', batch);
            const advantages = groupAdvantages(completions.map((tokens, i) => (i + tokens.length) % 3));
            return {
              prompt: Int32Array.from({ length: prompt }, (__, t) => t % 5),
              tree,
              coefficients: lossCoefficients(tree, advantages, weights, { lambdaExponent: 1 }),
            };
          });
          const [expected, got] = [
            await plain.gradients(examples, options),
            await chunked.gradients(examples, options),
          ];
          padded += Number(got.computedTokens > expected.computedTokens);
          expect(Math.abs(got.loss - expected.loss)).toBeLessThan(1e-5);
          const scale = Math.max(1, expected.gradNorm);
          expected.gradients.forEach((gradient, i) => {
            expect(distance(got.gradients[i], gradient)).toBeLessThan(1e-5 * scale);
          });
          const scores = await Promise.all(
            [plain, chunked].map((engine) => engine.score(examples, 'current', options)),
          );
          expected.logprobs.forEach((values, i) => {
            expect(distance(got.logprobs[i], values)).toBeLessThan(1e-5);
            expect(distance(scores[1].logprobs[i], scores[0].logprobs[i])).toBeLessThan(1e-5);
          });
        }),
        { numRuns: 25 },
      );
      // All chunks have the same number of rows, so some batches need one more row.
      expect(padded).toBeGreaterThan(1);
      await Promise.all([plain.dispose(), chunked.dispose()]);
    },
  );

  it('gradients of one long path are central differences', async () => {
    const engine = engineOf(gpt2, { rowLength: 4, maxSeen: 30 });
    const tree = ProcessTree.build([Int32Array.from({ length: 40 }, (_, t) => (3 * t + t * t) % 11)]);
    const weights = sequenceWeights(tree.lengths, 'token', { tokens: 40, sequences: 1, maxTokens: 40 });
    const coefficients = lossCoefficients(tree, Float64Array.of(1), weights, { lambdaExponent: 1 });
    const example: TrainExample = { prompt: Int32Array.of(4, 2), tree, coefficients };
    const { gradients } = await engine.gradients([example], options);
    // The mean of ln π, whose gradient is that of the loss −J up to the sign.
    const mean = async (): Promise<number> => {
      const { logprobs } = await engine.score([example], 'current', options);
      return logprobs[0].reduce((sum, value) => sum + value, 0) / 40;
    };
    const { specs, views } = engine.parameters;
    for (const [i, { name }] of specs.entries()) {
      const values = views.get(name) as Float32Array;
      // Along the gradient, because the difference is largest there.
      const length = Math.sqrt(gradients[i].reduce((sum, v) => sum + v * v, 0));
      if (length < 1e-2) continue;
      const kept = values.slice();
      const side = async (step: number): Promise<number> => {
        values.set(kept.map((value, k) => value + (step * gradients[i][k]) / length));
        return mean();
      };
      const difference = ((await side(0.002)) - (await side(-0.002))) / 0.004;
      values.set(kept);
      expect(Math.abs(difference + length), name).toBeLessThan(0.02 * length + 1e-3);
    }
    await engine.dispose();
  });
});
