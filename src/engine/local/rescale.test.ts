import { describe, expect, it } from 'vitest';
import { groupAdvantages, lossCoefficients, sequenceWeights } from '../../objective/index.js';
import { nodeBackend } from '../../runtime/node.js';
import { ProcessTree } from '../../tree/index.js';
import type { TrainExample, UpdateOptions } from '../engine.js';
import { LocalEngine } from './local-engine.js';

const model = { vocabularySize: 6, contextLength: 8, width: 8, layers: 1, heads: 2 };
const makeEngine = () =>
  new LocalEngine({
    model,
    seed: 3,
    optimizer: { name: 'sgd', momentum: 0, weightDecay: 0 },
    backend: nodeBackend(),
    threads: 1,
  });
const options: UpdateOptions = {
  learningRate: 0.5,
  maxGradNorm: null,
  clipLow: 0.2,
  clipHigh: 0.2,
  klBeta: 0,
  temperature: 1,
};

function example(lambdaExponent: number, rewards: readonly number[]): TrainExample {
  const tree = ProcessTree.build(
    [
      [1, 2, 3],
      [1, 2, 4],
      [1, 2, 3, 5],
      [2, 2],
    ].map((c) => Int32Array.from(c)),
  );
  const weights = sequenceWeights(tree.lengths, 'token', {
    tokens: tree.tokenCount,
    sequences: tree.groupSize,
    maxTokens: 4,
  });
  const coefficients = lossCoefficients(tree, groupAdvantages(rewards), weights, { lambdaExponent });
  return { prompt: Int32Array.of(0), tree, coefficients };
}

/** Change of the weights in one SGD step. */
async function stepOf(batch: readonly TrainExample[], changed: Partial<UpdateOptions>) {
  const engine = makeEngine();
  const before = engine.parameters.flat.slice();
  const result = await engine.update(batch, { ...options, ...changed });
  const step = engine.parameters.flat.map((value, i) => value - before[i]);
  await engine.dispose();
  return { result, step, norm: Math.sqrt(step.reduce((sum, v) => sum + v * v, 0)) };
}

const REWARDS = [1, 0, 0.5, 0.2];

describe('a step scaled to the norm of another batch’s gradient', () => {
  it('has the direction of its own gradient and the length of the other’s step', async () => {
    const [grpo, lambda] = [[example(0, REWARDS)], [example(1, REWARDS)]];
    const plain = await stepOf(grpo, {});
    const other = await stepOf(lambda, {});
    const scaled = await stepOf(grpo, { normOf: lambda });
    expect(plain.result.rescale).toBeUndefined();
    expect(other.norm / plain.norm).toBeLessThan(0.95);
    expect(scaled.norm / other.norm).toBeCloseTo(1, 4);
    expect(scaled.result.rescale).toBeCloseTo(other.norm / plain.norm, 4);
    expect(scaled.result.gradNorm).toBeCloseTo(plain.result.gradNorm, 6);
    const cosine = scaled.step.reduce((sum, v, i) => sum + v * plain.step[i], 0) / (scaled.norm * plain.norm);
    expect(cosine).toBeCloseTo(1, 5);
  });

  it('is clipped after it was scaled', async () => {
    const [grpo, lambda] = [[example(0, REWARDS)], [example(1, REWARDS)]];
    const scaled = await stepOf(grpo, { normOf: lambda, maxGradNorm: 0.01 });
    expect(scaled.norm).toBeCloseTo(options.learningRate * 0.01, 6);
  });

  it('stays nothing where there is no gradient', async () => {
    const equal = [1, 1, 1, 1];
    const { norm, result } = await stepOf([example(0, equal)], { normOf: [example(1, equal)] });
    expect(norm).toBe(0);
    expect(result.rescale).toBe(1);
  });
});
