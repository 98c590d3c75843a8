/** Started by memory.test.ts: one update of a model of the shape it is told; prints the process's peak resident memory, MiB. */
import { LocalEngine } from '../src/engine/index.js';
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
const completions = Array.from({ length: k }, (_, i) =>
  Int32Array.from({ length }, (__, t) => (7 * i + 3 * t) % vocabulary),
);
const tree = ProcessTree.build(completions);
const weights = sequenceWeights(tree.lengths, 'token', {
  tokens: tree.tokenCount,
  sequences: k,
  maxTokens: length,
});
const coefficients = lossCoefficients(tree, groupAdvantages(completions.map((_, i) => i % 2)), weights, {
  lambdaExponent: 1,
});
if (sample) {
  const prompt = Int32Array.of(1);
  await engine.sample([{ prompt, count: k, key: [0] }], {
    maxTokens: length,
    temperature: 1,
    topK: 0,
    topP: 1,
    stopTokens: [],
    seed: 0,
  });
}
const { treeTokens } = await engine.update(sample ? [] : [{ prompt: Int32Array.of(1), tree, coefficients }], {
  temperature: 1,
  learningRate: 1e-3,
  maxGradNorm: 1,
  clipLow: 0.2,
  clipHigh: 0.2,
  klBeta: 0,
});
console.log(JSON.stringify({ treeTokens, peak: process.resourceUsage().maxRSS / 1024 }));
