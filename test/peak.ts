/**
 * Started by memory.test.ts: one update of a model with the given shape. Prints the process's peak resident memory,
 * MiB.
 */
import { LocalEngine, type TrainExample } from '../src/engine/index.js';
import { groupAdvantages, lossCoefficients, sequenceWeights } from '../src/objective/index.js';
import { nodeBackend } from '../src/runtime/node.js';
import { ProcessTree } from '../src/tree/index.js';

export interface PeakJob {
  readonly vocabulary: number;
  readonly layers: number;
  readonly width: number;
  /** Completions, of this many tokens, which share nothing. */
  readonly completions: number;
  readonly length: number;
  readonly checkpointing: boolean;
  /** Bytes; absent: no budget. */
  readonly memory?: number;
  /** Instead of an update: samples of `length` tokens each. */
  readonly sample?: boolean;
  /** Besides: sampling, scores and updates of many sizes, as a run of training has. */
  readonly mixed?: boolean;
}

const {
  vocabulary,
  layers,
  width,
  completions: k,
  length,
  checkpointing,
  memory,
  sample,
  mixed,
} = JSON.parse(process.argv[2]) as PeakJob;
const engine = new LocalEngine({
  model: {
    vocabularySize: vocabulary,
    contextLength: length + 1,
    layers,
    width,
    heads: 2,
    adapter: { r: 2, alpha: 4, dropout: 0, targets: 'all-linear' },
  },
  optimizer: { name: 'sgd', momentum: 0, weightDecay: 0 },
  seed: 0,
  backend: nodeBackend(),
  threads: 1,
  checkpointing,
  memory,
});
/** One group of completions that share nothing. */
function example(count: number, tokens: number): TrainExample {
  const completions = Array.from({ length: count }, (_, i) =>
    Int32Array.from({ length: tokens }, (__, t) => (7 * i + 3 * t) % vocabulary),
  );
  const tree = ProcessTree.build(completions);
  const weights = sequenceWeights(tree.lengths, 'token', {
    tokens: tree.tokenCount,
    sequences: count,
    maxTokens: tokens,
  });
  const advantages = groupAdvantages(completions.map((_, i) => i % 2));
  const coefficients = lossCoefficients(tree, advantages, weights, { lambdaExponent: 1 });
  return { prompt: Int32Array.of(1), tree, coefficients };
}

const options = {
  temperature: 1,
  learningRate: 1e-3,
  maxGradNorm: 1,
  clipLow: 0.2,
  clipHigh: 0.2,
  klBeta: 0,
};

async function samples(count: number, tokens: number): Promise<void> {
  await engine.sample([{ prompt: Int32Array.of(1), count, key: [0] }], {
    maxTokens: tokens,
    temperature: 1,
    topK: 0,
    topP: 1,
    stopTokens: [],
    seed: 0,
  });
}

if (mixed) {
  // Each size wants programs of its own: with and without tokens before a row, more and fewer chunks of the head.
  for (const part of [1, 4, 16, 64]) {
    const tokens = Math.ceil(length / part);
    await samples(k, tokens);
    await engine.score([example(k, tokens)], 'current', options);
    for (const count of [k, 2]) await engine.update([example(count, tokens)], options);
  }
}
if (sample) await samples(k, length);
const { treeTokens } = await engine.update(sample ? [] : [example(k, length)], options);
console.log(JSON.stringify({ treeTokens, peak: process.resourceUsage().maxRSS / 1024 }));
