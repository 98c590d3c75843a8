/**
 * Our λ-GRPO gradient against TRL's own GRPOTrainer with docs/python/trl_lambda_grpo.py: one optimizer step of the real
 * training loop on the same tiny GPT-2 and the same groups (scripts/python/check_trl.py made test/trl).
 * TRL computes k padded sequences in shuffled micro-batches and weights their tokens; ours is one packed tree a group.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LocalEngine, type TrainExample } from '../src/engine/index.js';
import { readSafetensors } from '../src/model/index.js';
import {
  groupAdvantages,
  lossCoefficients,
  type Normalisation,
  sequenceWeights,
} from '../src/objective/index.js';
import { ProcessTree } from '../src/tree/index.js';
import { relativeDeviation } from './padded.js';

interface Facts {
  readonly beta: number;
  readonly longest: number;
  /** λ-GRPO's loss by TRL, beta = 0. */
  readonly losses: Readonly<Record<'grpo' | 'dapo', number>>;
  readonly groups: readonly {
    readonly promptTokens: readonly number[];
    readonly completions: readonly (readonly number[])[];
    readonly rewards: readonly number[];
    readonly referenceLogprobs: readonly (readonly number[])[];
  }[];
}

const folder = fileURLToPath(new URL('trl/', import.meta.url));
const { beta, longest, losses, groups }: Facts = JSON.parse(readFileSync(`${folder}groups.json`, 'utf8'));
/** Measured: at most 1.3e-6. */
const TOLERANCE = 1e-5;

async function tensorsOf(name: string): Promise<Map<string, Float32Array>> {
  const { tensors } = await readSafetensors(`${folder}${name}.safetensors`);
  return new Map([...tensors].map(([key, { data }]) => [key, data]));
}

/** ln π_ref of each distinct token, depth-first, from those of each completion. */
function onTree(tree: ProcessTree, values: readonly (readonly number[])[]): Float32Array {
  const out: number[] = [];
  for (let node = 0; node < tree.nodeCount; node++) {
    out.push(...values[tree.representative(node)].slice(tree.start[node], tree.end[node]));
  }
  return Float32Array.from(out);
}

describe('TRL’s λ-GRPO gradient is ours', () => {
  const engine = new LocalEngine({
    model: { vocabularySize: 16, contextLength: 32, width: 32, layers: 2, heads: 2 },
    seed: 1,
    optimizer: { name: 'sgd', momentum: 0, weightDecay: 0 },
    runtime: { threads: 1 },
  });
  beforeAll(async () => {
    const weights = await tensorsOf('model');
    // Names and layouts are transformers' own, without the prefix `transformer.`.
    expect([...weights.keys()].sort()).toEqual([...engine.parameters.views.keys()].sort());
    for (const [name, view] of engine.parameters.views) view.set(weights.get(name) as Float32Array);
  });
  afterAll(() => engine.dispose());

  async function ours(normalisation: Normalisation, lambdaExponent: number, klBeta: number) {
    const trees = groups.map(({ completions }) => ProcessTree.build(completions));
    const totals = {
      tokens: trees.reduce((n, tree) => n + tree.tokenCount, 0),
      sequences: trees.reduce((n, tree) => n + tree.groupSize, 0),
      maxTokens: longest,
    };
    const batch = trees.map((tree, g): TrainExample => {
      const { promptTokens, rewards, referenceLogprobs } = groups[g];
      const weights = sequenceWeights(tree.lengths, normalisation, totals);
      return {
        prompt: Int32Array.from(promptTokens),
        tree,
        coefficients: lossCoefficients(tree, groupAdvantages(rewards), weights, { lambdaExponent }),
        ...(klBeta > 0 && { referenceLogprobs: onTree(tree, referenceLogprobs) }),
      };
    });
    const { loss, gradients } = await engine.gradients(batch, {
      learningRate: 0,
      maxGradNorm: null,
      clipLow: 0.2,
      clipHigh: 0.2,
      klBeta,
      temperature: 1,
    });
    return { loss, gradients: new Map(engine.parameters.specs.map(({ name }, i) => [name, gradients[i]])) };
  }

  for (const [lossType, normalisation] of [
    ['grpo', 'sequence'],
    ['dapo', 'token'],
  ] as const) {
    it(`loss_type '${lossType}' is ${normalisation} normalisation`, async () => {
      const theirs = await tensorsOf(lossType);
      expect(theirs.size).toBe(engine.parameters.specs.length);
      const { loss, gradients } = await ours(normalisation, 1, 0);
      expect(relativeDeviation(gradients, theirs)).toBeLessThan(TOLERANCE);
      expect(Math.abs(loss - losses[lossType])).toBeLessThan(1e-6);
      // The comparison can tell: plain GRPO, or the other normalisation, is far away.
      expect(relativeDeviation((await ours(normalisation, 0, 0)).gradients, theirs)).toBeGreaterThan(0.1);
      const other = normalisation === 'token' ? 'sequence' : 'token';
      expect(relativeDeviation((await ours(other, 1, 0)).gradients, theirs)).toBeGreaterThan(0.1);
    });
  }

  it(`with a KL term, β = ${beta}, its part of a token is scaled too`, async () => {
    const theirs = await tensorsOf('dapo-kl');
    expect(theirs.size).toBeGreaterThan(5);
    const { gradients } = await ours('token', 1, beta);
    expect(relativeDeviation(gradients, theirs)).toBeLessThan(TOLERANCE);
    expect(relativeDeviation((await ours('token', 1, 0)).gradients, theirs)).toBeGreaterThan(0.01);
  });
});
