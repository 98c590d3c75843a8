/**
 * Prompts of a batch that begin alike: their beginning is computed once, and everything that comes out is what each
 * example gives alone.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ModelConfig } from '../../model/index.js';
import { groupAdvantages, lossCoefficients, sequenceWeights } from '../../objective/index.js';
import { nodeBackend } from '../../runtime/node.js';
import { ProcessTree } from '../../tree/index.js';
import type { TrainExample, UpdateOptions } from '../engine.js';
import { LocalEngine, type LocalEngineOptions } from './local-engine.js';
import { packBatch } from './pack.js';

const model = (dropout = 0): ModelConfig => ({
  vocabularySize: 7,
  contextLength: 128,
  layers: 2,
  width: 16,
  heads: 2,
  adapter: { r: 3, alpha: 6, dropout, targets: 'all-linear' },
});

interface Drawn {
  readonly prompt: readonly number[];
  readonly completions: readonly (readonly number[])[];
}

/** Prompts are cut from two long texts and go on with a few tokens of their own, or none: often they are equal. */
const drawn = fc.array(
  fc.record({
    prompt: fc
      .tuple(fc.constantFrom(0, 3), fc.integer({ min: 1, max: 40 }), fc.array(fc.nat(2), { maxLength: 3 }))
      .map(([text, length, ending]) => [
        ...Array.from({ length }, (_, t) => (text + t * t + (t >> 2)) % 7),
        ...ending,
      ]),
    completions: fc.array(fc.array(fc.nat(1), { minLength: 1, maxLength: 7 }), {
      minLength: 2,
      maxLength: 4,
    }),
  }),
  { minLength: 1, maxLength: 5 },
);

function examples(all: readonly Drawn[], clipped: boolean): TrainExample[] {
  return all.map(({ prompt, completions }, group) => {
    const tree = ProcessTree.build(completions.map((tokens) => Int32Array.from(tokens)));
    const weights = sequenceWeights(tree.lengths, 'token', { tokens: 30, sequences: 8, maxTokens: 16 });
    const advantages = groupAdvantages(completions.map((_, i) => ((i + group) % 3) / 2));
    const values = (scale: number): Float32Array =>
      Float32Array.from({ length: tree.distinctTokenCount }, (_, t) => -2 + scale * Math.sin(5 * t + group));
    return {
      prompt: Int32Array.from(prompt),
      tree,
      coefficients: lossCoefficients(tree, advantages, weights, { lambdaExponent: 1 }),
      sequenceAdvantages: Float64Array.from(advantages, (a, i) => a * weights[i] * tree.lengths[i]),
      ...(clipped ? { oldLogprobs: values(0.3), referenceLogprobs: values(0.5) } : {}),
    };
  });
}

type Gradients = Awaited<ReturnType<LocalEngine['gradients']>>;

function engineOf(change: Partial<LocalEngineOptions>, dropout = 0): LocalEngine {
  const engine = new LocalEngine({
    backend: nodeBackend(),
    model: model(dropout),
    optimizer: { name: 'sgd', momentum: 0, weightDecay: 0 },
    seed: 3,
    threads: 1,
    ...change,
  });
  const weights = engine.trainable.flat;
  for (let i = 0; i < weights.length; i++) weights[i] += 0.05 * Math.sin(i);
  return engine;
}

const options: UpdateOptions = {
  temperature: 0.9,
  learningRate: 0,
  maxGradNorm: null,
  clipLow: 0.2,
  clipHigh: 0.2,
  klBeta: 0,
};
const largest = (values: Iterable<number>): number => {
  let most = 0;
  for (const value of values) most = Math.max(most, Math.abs(value));
  return most;
};
const apart = (a: Float32Array, b: Float32Array): number => largest(a.map((value, i) => value - b[i]));

describe('prompts that begin alike', () => {
  for (const form of ['ppo', 'gspo'] as const) {
    for (const clipped of [false, true]) {
      it(`${form}${clipped ? ', clipped, with KL and entropy bonus' : ''}: a batch is the sum of its examples`, async () => {
        const update = { ...options, form, ...(clipped ? { klBeta: 0.1, entropyBonus: 0.02 } : {}) };
        const engines = {
          'all rows at once': engineOf({ rowLength: 8 }),
          'rows in chunks': engineOf({ rowLength: 6, maxSeen: 60, maxLogits: 70 }),
          'trees in pieces': engineOf({ rowLength: 8, maxTokensPerRun: 48 }),
          'one row': engineOf({ rowLength: 1000 }),
        };
        const alone = engineOf({ rowLength: 1000 });
        let saved = 0;
        await fc.assert(
          fc.asyncProperty(drawn, async (all) => {
            const batch = examples(all, clipped);
            const each: Gradients[] = [];
            for (const example of batch) each.push(await alone.gradients([example], update));
            const sum = each[0].gradients.map((_, w) =>
              each.reduce(
                (total, { gradients }) => total.map((value, i) => value + gradients[w][i]),
                new Float32Array(each[0].gradients[w].length),
              ),
            );
            for (const engine of Object.values(engines)) {
              const together = await engine.gradients(batch, update);
              expect(Math.abs(together.loss - each.reduce((n, { loss }) => n + loss, 0))).toBeLessThan(2e-5);
              const scale = largest(sum.map((gradient) => largest(gradient)));
              together.gradients.forEach((gradient, w) => {
                expect(apart(gradient, sum[w])).toBeLessThan(2e-5 * Math.max(1, scale));
              });
              const scores = await engine.score(batch, 'current', update);
              each.forEach(({ logprobs, entropies }, i) => {
                for (const result of [together, scores]) {
                  expect(apart(result.logprobs[i], logprobs[0])).toBeLessThan(2e-5);
                  expect(apart(result.entropies[i], entropies[0])).toBeLessThan(2e-5);
                }
              });
              saved += each.reduce((n, { treeTokens }) => n + treeTokens, 0) - together.treeTokens;
            }
          }),
          { numRuns: 25 },
        );
        expect(saved).toBeGreaterThan(100);
        for (const engine of [alone, ...Object.values(engines)]) await engine.dispose();
      });
    }
  }

  it('dropout leaves out the same values however the batch is distributed over runs', async () => {
    const batch = examples(
      [5, 2, 5, 0, 2].map((last, i) => ({
        prompt: [...Array.from({ length: 20 + (last % 3) }, (_, t) => (t * t) % 7), last],
        completions: [[1, 2, i], [1, 3], [4]],
      })),
      false,
    );
    const results = [];
    for (const maxTokensPerRun of [1000, 60, 30]) {
      const engine = engineOf({ rowLength: 8, maxTokensPerRun }, 0.4);
      results.push(await engine.gradients(batch, options));
      await engine.dispose();
    }
    const [whole, ...others] = results;
    expect(others[1].treeTokens).toBeGreaterThan(whole.treeTokens);
    for (const other of others) {
      whole.gradients.forEach((gradient, w) => {
        expect(apart(gradient, other.gradients[w])).toBeLessThan(1e-5);
      });
      whole.logprobs.forEach((values, i) => {
        expect(apart(values, other.logprobs[i])).toBeLessThan(1e-5);
      });
    }
  });

  it('a system prompt is packed once; short beginnings and the order of the batch stay as they are', () => {
    const tree = ProcessTree.build([Int32Array.of(1, 2), Int32Array.of(1, 3)]);
    const limits = {
      rowLength: 64,
      maxTokens: 4096,
      vocabularySize: 100,
      contextLength: 1024,
      maxSeen: Number.POSITIVE_INFINITY,
    };
    const pack = (prompts: readonly (readonly number[])[], maxTokens = 4096) =>
      packBatch(
        prompts.map((prompt) => ({ prompt: Int32Array.from(prompt), tree })),
        { ...limits, maxTokens },
      );
    const system = Array.from({ length: 500 }, (_, i) => i % 97);
    const [run] = pack([30, 10, 20].map((last) => [...system, last]));
    expect(run.tokenCount).toBe(500 + 3 * (1 + 3));
    expect(run.edges.parts.map(({ example }) => example)).toEqual([1, 2, 0]);
    // Each of several runs has the beginning once.
    expect(
      pack(
        [30, 10, 20].map((last) => [...system, last]),
        510,
      ).map(({ tokenCount }) => tokenCount),
    ).toEqual([508, 504]);
    const [short] = pack([30, 10, 20].map((last) => [1, 2, 3, last]));
    expect(short.tokenCount).toBe(3 * (4 + 3));
    expect(short.edges.parts.map(({ example }) => example)).toEqual([0, 1, 2]);
  });
});
