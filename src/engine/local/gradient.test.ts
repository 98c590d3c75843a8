/**
 * The whole update against central differences of its own loss, along random directions of all trained weights:
 * contexts of rows, grouped heads, stacked adapters, and adapter dropout.
 */
import { describe, expect, it } from 'vitest';
import type { LoraConfig, ModelConfig } from '../../model/index.js';
import { groupAdvantages, lossCoefficients, sequenceWeights } from '../../objective/index.js';
import { Stream } from '../../random/stream.js';
import { nodeBackend } from '../../runtime/node.js';
import { ProcessTree } from '../../tree/index.js';
import type { TrainExample } from '../engine.js';
import { LocalEngine } from './local-engine.js';

/** The shape of Llama with three query heads per key head, and biases as in Qwen2. */
const llama: ModelConfig = {
  vocabularySize: 11,
  contextLength: 64,
  layers: 2,
  width: 24,
  heads: 6,
  architecture: {
    family: 'qwen2',
    norm: 'rms',
    normEpsilon: 1e-5,
    rotary: { theta: 100, scaling: null },
    keyValueHeads: 2,
    headWidth: 4,
    intermediate: 20,
    activation: 'swiglu',
    bias: { qkv: true, output: false, mlp: false },
    qkNorm: false,
    tiedHead: true,
  },
};
const adapter = (targets: LoraConfig['targets'], dropout = 0): ModelConfig => ({
  ...llama,
  adapter: { r: 3, alpha: 6, dropout, targets },
});

const cases: Record<string, ModelConfig> = {
  "GPT-2's weights": { vocabularySize: 11, contextLength: 64, layers: 2, width: 16, heads: 2 },
  'grouped heads, all weights': llama,
  'an adapter of queries and values alone': adapter(['q_proj', 'v_proj']),
  'an adapter of all maps': adapter('all-linear'),
  'an adapter of all maps with dropout': adapter('all-linear', 0.3),
};

/** Rows of 5 tokens: most have earlier ancestors. Off-policy, so that the loss depends on the weights. */
const batch: TrainExample[] = [0, 1].map((group) => {
  const completions = Array.from({ length: 5 }, (_, i) =>
    Int32Array.from({ length: 5 + i }, (__, t) => (t < 3 ? (t + group) % 11 : (7 * i + t * t) % 11)),
  );
  const tree = ProcessTree.build(completions);
  const weights = sequenceWeights(tree.lengths, 'token', { tokens: 70, sequences: 10, maxTokens: 16 });
  return {
    prompt: Int32Array.from([1, 2, 3 + group, 5, 7, 4]),
    tree,
    coefficients: lossCoefficients(tree, groupAdvantages([1, 0, 0, 1, 1]), weights, { lambdaExponent: 1 }),
    oldLogprobs: Float32Array.from(
      { length: tree.distinctTokenCount },
      (_, t) => -2.4 + 0.3 * Math.sin(5 * t),
    ),
  };
});

describe('gradients of an update are those of its loss', () => {
  for (const [name, model] of Object.entries(cases)) {
    it(name, async () => {
      const engine = new LocalEngine({
        backend: nodeBackend(),
        model,
        optimizer: { name: 'sgd', momentum: 0, weightDecay: 0 },
        seed: 3,
        rowLength: 5,
        threads: 1,
      });
      const weights = engine.trainable.flat;
      // B of a fresh adapter is 0, so A would have no gradient.
      for (let i = 0; i < weights.length; i++) weights[i] += 0.05 * Math.sin(i);
      const options = {
        temperature: 0.9,
        learningRate: 0,
        maxGradNorm: null,
        clipLow: 0.999,
        clipHigh: 1e4,
        klBeta: 0,
      };
      const { gradients } = await engine.gradients(batch, options);
      const start = weights.slice();
      for (let direction = 0; direction < 4; direction++) {
        const stream = new Stream(direction, 'test');
        // Each direction mixes weights of every kind differently.
        const along = Float32Array.from(start, () => stream.normal());
        let expected = 0;
        engine.trainable.specs.forEach(({ offset }, k) => {
          gradients[k].forEach((value, i) => {
            expected += value * along[offset + i];
          });
        });
        const lossAt = async (step: number): Promise<number> => {
          for (let i = 0; i < weights.length; i++) weights[i] = start[i] + step * along[i];
          return (await engine.gradients(batch, options)).loss;
        };
        const central = async (h: number): Promise<number> =>
          ((await lossAt(h)) - (await lossAt(-h))) / (2 * h);
        // Richardson's extrapolation: the remaining error is of fourth order.
        const difference = (4 * (await central(1e-3)) - (await central(2e-3))) / 3;
        expect(Math.abs(difference - expected)).toBeLessThan(1e-2 * Math.max(0.1, Math.abs(expected)));
      }
      await engine.dispose();
    });
  }
});
