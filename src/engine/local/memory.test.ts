/** What saves memory changes nothing else: the head in chunks, layers that compute again, trees in pieces. */
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

/** Two groups; rows of 8 make contexts, and some tokens are not trained. */
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

describe('the head in chunks, checkpointing and trees in pieces', () => {
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
            { checkpointing: true },
            { maxLogits: 50, maxTokensPerRun: 20 },
            // Trees of more than 25 tokens in pieces, most with one completion.
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
