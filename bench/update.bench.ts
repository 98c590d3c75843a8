/**
 * One training update of the real engine on one group: forward, loss, backward and optimizer. The group is computed as
 * its packed tree and, as the peer, as k padded sequences (one row each, dense causal attention), on the same kernels.
 * The arithmetic rate is compared with the machine's peak for matrix products, measured in the same process.
 */
import { LocalEngine, type TrainExample, type UpdateOptions } from '../src/engine/index.js';
import * as g from '../src/graph/index.js';
import type { ModelConfig } from '../src/model/index.js';
import { groupAdvantages, lossCoefficients, sequenceWeights } from '../src/objective/index.js';
import { Stream } from '../src/random/stream.js';
import { Session } from '../src/runtime/index.js';
import { nodeBackend } from '../src/runtime/node.js';
import { ProcessTree } from '../src/tree/index.js';
import { isMain, median, printRows, type Row } from './measure.js';

/** A 1024³ float32 product, the fastest that the runtime reaches here. Each call gives one sample in GFLOP/s. */
export async function matrixPeak(): Promise<{ sample(): Promise<number>; dispose(): Promise<void> }> {
  const size = 1024;
  const graph = new g.Graph();
  const [a, b] = ['a', 'b'].map((name) => graph.input(name, 'float32', [size, size]));
  const program = await Session.open(nodeBackend(), { sum: g.reduceSum(g.matmul(a, b), [0, 1]) });
  const data = new Float32Array(size * size).fill(0.5);
  const feeds = { a: { data, dims: [size, size] }, b: { data, dims: [size, size] } };
  return {
    async sample() {
      const from = performance.now();
      await program.run(feeds);
      return (2 * size ** 3) / (performance.now() - from) / 1e6;
    },
    dispose: () => program.dispose(),
  };
}

/** Floating-point operations of forward and backward for one token that attends to `seen` other tokens. */
function flopsPerToken({ layers, width, vocabularySize }: ModelConfig, seen: number): number {
  const matrices = 12 * width * width * layers + vocabularySize * width;
  return 6 * matrices + 12 * layers * width * seen;
}

/**
 * k completions of about n tokens; each continues an earlier completion from a random place, so that they form a tree.
 */
export function syntheticGroup(
  k: number,
  n: number,
  sharing: number,
  vocabulary: number,
  seed = 0,
): Int32Array[] {
  const stream = new Stream(seed, 'group', k, n, Math.round(100 * sharing));
  const group: Int32Array[] = [];
  for (let i = 0; i < k; i++) {
    const completion = Int32Array.from({ length: n }, () => stream.int(vocabulary));
    if (i > 0) {
      const from = group[stream.int(i)];
      completion.set(from.subarray(0, Math.floor(2 * sharing * n * stream.uniform())));
    }
    group.push(completion);
  }
  return group;
}

const PROMPT = 16;
const ROUNDS = 11;

const OPTIONS: UpdateOptions = {
  learningRate: 1e-5,
  maxGradNorm: 1,
  clipLow: 0.2,
  clipHigh: 0.2,
  klBeta: 0,
  temperature: 1,
};

function examplesOf(completions: readonly Int32Array[], packed: boolean): TrainExample[] {
  const prompt = Int32Array.from({ length: PROMPT }, (_, i) => i);
  const advantages = groupAdvantages(completions.map((_, i) => i % 3));
  const totals = {
    tokens: completions.reduce((sum, c) => sum + c.length, 0),
    sequences: completions.length,
    maxTokens: 512,
  };
  const parts = packed ? [completions.map((_, i) => i)] : completions.map((_, i) => [i]);
  return parts.map((members) => {
    const tree = ProcessTree.build(members.map((i) => completions[i]));
    const weights = sequenceWeights(tree.lengths, 'token', totals);
    const memberAdvantages = members.map((i) => advantages[i]);
    return {
      prompt,
      tree,
      coefficients: lossCoefficients(tree, memberAdvantages, weights, { lambdaExponent: 0 }),
    };
  });
}

export async function runUpdateBench(): Promise<Row[]> {
  const rows: Row[] = [];
  const product = await matrixPeak();
  const vocabularySize = 256;
  for (const [layers, width, heads] of [
    [4, 128, 4],
    [6, 384, 6],
  ]) {
    for (const [groups, k, n, sharing] of [
      [1, 16, 128, 0.2],
      [1, 16, 128, 0.4],
      [8, 16, 32, 0.4],
      [8, 16, 32, 1.2], // about what the arithmetic task shares
    ]) {
      const model = { vocabularySize, contextLength: 512, layers, width, heads };
      const adamw = { name: 'adamw', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 } as const;
      const engine = new LocalEngine({ backend: nodeBackend(), model, seed: 0, optimizer: adamw });
      const padding = new LocalEngine({
        backend: nodeBackend(),
        model,
        seed: 0,
        optimizer: adamw,
        rowLength: PROMPT + n,
      });
      const all = Array.from({ length: groups }, (_, i) => syntheticGroup(k, n, sharing, vocabularySize, i));
      const tree = all.flatMap((completions) => examplesOf(completions, true));
      const sequences = all.flatMap((completions) => examplesOf(completions, false));
      const times: [number[], number[]] = [[], []];
      const peaks: number[] = [];
      let treeTokens = 0;
      // The three alternate, so that other load on the machine affects them equally.
      for (let i = 0; i < 3 + ROUNDS; i++) {
        peaks.push(await product.sample());
        for (const [side, [on, batch]] of (
          [
            [engine, tree],
            [padding, sequences],
          ] as const
        ).entries()) {
          const from = performance.now();
          const result = await on.update(batch, OPTIONS);
          times[side].push(performance.now() - from);
          if (side === 0) treeTokens = result.treeTokens;
        }
      }
      await engine.dispose();
      await padding.dispose();
      const [packed, padded] = times.map((list) => median(list.slice(3)));
      const peak = median(peaks.slice(3));
      const total = groups * k * n;
      const flops = treeTokens * flopsPerToken(model, PROMPT + n / 2);
      rows.push({
        model: `${layers} × ${width}`,
        'groups × k × n': `${groups} × ${k} × ${n}`,
        'tree tokens / all': (treeTokens / (total + PROMPT * groups * k)).toFixed(2),
        'update ms': packed.toFixed(0),
        'tree tokens/s': Math.round((1000 * treeTokens) / packed),
        'sequence tokens/s': Math.round((1000 * total) / packed),
        'GFLOP/s': (flops / packed / 1e6).toFixed(0),
        'share of peak': `${((100 * flops) / packed / 1e6 / peak).toFixed(0)}% of ${peak.toFixed(0)}`,
        'padded ms': padded.toFixed(0),
        'padded / tree': (padded / packed).toFixed(2),
      });
    }
  }
  await product.dispose();
  return rows;
}

if (isMain(import.meta.url)) printRows('Training update', await runUpdateBench());
