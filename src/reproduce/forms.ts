/**
 * One random group in every form that the theorem says is equal (PAPER.md §2): the packed tree, GRPO on k padded
 * sequences, and the PRM objective on k padded sequences, with shared old and reference log-probabilities. Used by the
 * `theorem` experiment and by tests.
 */
import { LocalEngine, type TrainExample, type UpdateOptions } from '../engine/index.js';
import type { ModelConfig } from '../model/index.js';
import {
  groupAdvantages,
  lossCoefficients,
  type Normalisation,
  sequenceWeights,
  stepAdvantages,
  tokenValues,
} from '../objective/index.js';
import { Stream } from '../random/stream.js';
import { nodeBackend } from '../runtime/node.js';
import { ProcessTree } from '../tree/index.js';
import type { PaddedBatch } from './padded.js';

export const FORMS_MODEL: ModelConfig = {
  vocabularySize: 11,
  contextLength: 32,
  width: 16,
  layers: 2,
  heads: 2,
};
const LONGEST = 24;

export interface Setting {
  readonly normalisation: Normalisation;
  readonly klBeta: number;
  /** μ > 1: ratios far from 1, some of them clipped. */
  readonly clipped: boolean;
}

export interface Sample {
  readonly prompt: Int32Array;
  readonly tree: ProcessTree;
  readonly rewards: readonly number[];
}

/** 2 to 8 completions that often share prefixes: each continues an earlier one from a random position. */
export function randomGroup(stream: Stream): Sample {
  const k = 2 + stream.int(7);
  const token = (): number => stream.int(FORMS_MODEL.vocabularySize);
  const completions: number[][] = [];
  for (let i = 0; i < k; i++) {
    const base = i > 0 && stream.uniform() < 0.8 ? completions[stream.int(i)] : [];
    const kept = base.slice(0, stream.int(base.length + 1));
    const extra = stream.int(9) + (kept.length === 0 ? 1 : 0);
    completions.push([...kept, ...Array.from({ length: extra }, token)].slice(0, LONGEST));
  }
  // If all completions are equal, the terms cancel and the relative deviation would compare rounding with zero.
  if (completions.every((c) => c.join() === completions[0].join())) return randomGroup(stream);
  return {
    prompt: Int32Array.from({ length: 1 + stream.int(4) }, token),
    tree: ProcessTree.build(completions.map((c) => Int32Array.from(c))),
    rewards: completions.map(() => Math.round(stream.normal() * 100) / 100),
  };
}

/** An engine with large random weights, so that attention and every gradient matter. */
export function formsEngine(rowLength?: number): LocalEngine {
  const engine = new LocalEngine({
    model: FORMS_MODEL,
    seed: 1,
    optimizer: { name: 'sgd', momentum: 0, weightDecay: 0 },
    backend: nodeBackend(),
    threads: 1,
    rowLength,
  });
  const stream = new Stream('weights');
  engine.parameters.flat.forEach((value, i) => {
    engine.parameters.flat[i] = value + 0.25 * stream.normal();
  });
  return engine;
}

export interface Forms {
  readonly sample: Sample;
  /** aᵢ, [k]. */
  readonly advantages: Float64Array;
  /** Weight of each completion's tokens under the normalisation, [k]. */
  readonly sequence: Float64Array;
  /** A⁺, A⁻ on the packed tree for exponent p. */
  example(lambdaExponent: number): TrainExample;
  /**
   * k padded sequences.
   * @param advantage aᵢ (GRPO), or one value for each node: a step advantage (PRM)
   * @param scale multiplies the terms of each node
   */
  padded(advantage: 'trajectory' | Float64Array, scale?: Float64Array): PaddedBatch;
}

export function forms(stream: Stream, { normalisation, klBeta, clipped }: Setting): Forms {
  const sample = randomGroup(stream);
  const { tree, rewards, prompt } = sample;
  const advantages = groupAdvantages(rewards);
  const sequence = sequenceWeights(tree.lengths, normalisation, {
    tokens: tree.tokenCount,
    sequences: tree.groupSize,
    maxTokens: LONGEST,
  });
  const perTreeToken = (): Float32Array =>
    Float32Array.from({ length: tree.distinctTokenCount }, () => -1.5 - 1.5 * stream.uniform());
  const old = clipped ? perTreeToken() : undefined;
  const reference = klBeta > 0 ? perTreeToken() : undefined;
  const firstToken = new Int32Array(tree.nodeCount);
  for (let node = 1; node < tree.nodeCount; node++) {
    firstToken[node] = firstToken[node - 1] + tree.end[node - 1] - tree.start[node - 1];
  }
  const spread = (values: Float32Array | undefined): Float64Array[] | undefined =>
    values &&
    tree.tokens.map((_, i) =>
      Float64Array.from(tree.tokenNodes(i), (node, t) => values[firstToken[node] + t - tree.start[node]]),
    );
  return {
    sample,
    advantages,
    sequence,
    example: (lambdaExponent) => ({
      prompt,
      tree,
      coefficients: lossCoefficients(tree, advantages, sequence, { lambdaExponent }),
      oldLogprobs: old,
      referenceLogprobs: reference,
    }),
    padded: (advantage, scale) => ({
      prompt,
      completions: tree.tokens,
      advantages: tree.tokens.map((tokens, i) =>
        advantage === 'trajectory'
          ? new Float64Array(tokens.length).fill(advantages[i])
          : tokenValues(tree, i, advantage),
      ),
      weights: tree.tokens.map((tokens, i) =>
        scale
          ? tokenValues(tree, i, scale).map((value) => value * sequence[i])
          : new Float64Array(tokens.length).fill(sequence[i]),
      ),
      oldLogprobs: spread(old),
      referenceLogprobs: spread(reference),
      klBeta,
      ...CLIP,
    }),
  };
}

/** Â(λ) of each node: the mean of its members' advantages. */
export function plainStepAdvantages({ sample, advantages }: Forms): Float64Array {
  return stepAdvantages(sample.tree, advantages);
}

/** The mean weighted by the normalisation's weights of the members, which 'sequence' normalisation needs. */
export function weightedStepAdvantages({ sample: { tree }, advantages, sequence }: Forms): Float64Array {
  return Float64Array.from({ length: tree.nodeCount }, (_, node) => {
    let sum = 0;
    let total = 0;
    for (const i of tree.membersOf(node)) {
      sum += sequence[i] * advantages[i];
      total += sequence[i];
    }
    return total > 0 ? sum / total : 0;
  });
}

const CLIP = { clipLow: 0.15, clipHigh: 0.25 };

export interface LossAndGradients {
  readonly loss: number;
  readonly gradients: ReadonlyMap<string, Float32Array>;
}

/** Loss and gradients from the engine, on packed trees. */
export async function packedUpdate(
  engine: LocalEngine,
  examples: readonly TrainExample[],
  klBeta: number,
): Promise<LossAndGradients> {
  const options: UpdateOptions = { learningRate: 0, maxGradNorm: null, ...CLIP, klBeta, temperature: 1 };
  const { loss, gradients } = await engine.gradients(examples, options);
  return {
    loss,
    gradients: new Map(engine.parameters.specs.map(({ name }, i) => [name, gradients[i]])),
  };
}
