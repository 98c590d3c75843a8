/**
 * The theorem (PAPER.md §2) through a real transformer: the packed tree, the PRM objective and GRPO on padded
 * sequences give one loss and one gradient. The padded side is test/padded.ts.
 */
import { describe, expect, it } from 'vitest';
import { LocalEngine, type TrainExample, type UpdateOptions } from '../src/engine/index.js';
import { Parameters } from '../src/model/index.js';
import {
  groupAdvantages,
  lambdaWeights,
  lossCoefficients,
  type Normalisation,
  sequenceWeights,
  stepAdvantages,
  tokenValues,
} from '../src/objective/index.js';
import { Stream } from '../src/random/stream.js';
import { ProcessTree } from '../src/tree/index.js';
import { type PaddedBatch, paddedUpdate, relativeDeviation } from './padded.js';

const model = { vocabularySize: 11, contextLength: 32, width: 16, layers: 2, heads: 2 };
const TOLERANCE = 1e-4;

interface Sample {
  readonly prompt: Int32Array;
  readonly tree: ProcessTree;
  readonly rewards: readonly number[];
}

/** k completions that often share prefixes: each continues an earlier one from a random place. */
function randomGroup(stream: Stream): Sample {
  const k = 2 + stream.int(7);
  const completions: number[][] = [];
  for (let i = 0; i < k; i++) {
    const base = i > 0 && stream.uniform() < 0.8 ? completions[stream.int(i)] : [];
    const kept = base.slice(0, stream.int(base.length + 1));
    const extra = stream.int(9) + (kept.length === 0 ? 1 : 0);
    completions.push(
      [...kept, ...Array.from({ length: extra }, () => stream.int(model.vocabularySize))].slice(0, 24),
    );
  }
  // All completions alike: the terms cancel and any difference is rounding against zero.
  if (completions.every((c) => c.join() === completions[0].join())) return randomGroup(stream);
  return {
    prompt: Int32Array.from({ length: 1 + stream.int(4) }, () => stream.int(model.vocabularySize)),
    tree: ProcessTree.build(completions.map((c) => Int32Array.from(c))),
    rewards: completions.map(() => Math.round(stream.normal() * 100) / 100),
  };
}

/** An engine whose weights are far from zero, so that attention and every gradient matter. */
function makeEngine(rowLength?: number): LocalEngine {
  const engine = new LocalEngine({
    model,
    seed: 1,
    optimizer: { name: 'sgd', momentum: 0, weightDecay: 0 },
    runtime: { threads: 1 },
    rowLength,
  });
  const stream = new Stream('weights');
  engine.parameters.flat.forEach((value, i) => {
    engine.parameters.flat[i] = value + 0.25 * stream.normal();
  });
  return engine;
}

interface Setting {
  readonly normalisation: Normalisation;
  readonly klBeta: number;
  readonly clipped: boolean;
}

const settings: Setting[] = [];
for (const normalisation of ['token', 'sequence', 'constant'] as const) {
  for (const klBeta of [0, 0.3])
    for (const clipped of [false, true]) settings.push({ normalisation, klBeta, clipped });
}

interface Built {
  readonly sample: Sample;
  readonly advantages: Float64Array;
  readonly sequence: Float64Array;
  /** A⁺, A⁻ on the packed tree for exponent p. */
  example(lambdaExponent: number): TrainExample;
  /** k padded sequences, GRPO's form; `scale` multiplies each node's terms. */
  padded(advantage: 'trajectory' | 'step', scale?: Float64Array): PaddedBatch;
}

/** One group in both forms, with shared old and reference log-probabilities (equal on shared tokens). */
function build(stream: Stream, { normalisation, klBeta, clipped }: Setting): Built {
  const sample = randomGroup(stream);
  const { tree, rewards, prompt } = sample;
  const advantages = groupAdvantages(rewards);
  const sequence = sequenceWeights(tree.lengths, normalisation, {
    tokens: tree.tokenCount,
    sequences: tree.groupSize,
    maxTokens: 24,
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
    padded: (advantage, scale) => {
      const steps = stepAdvantages(tree, advantages);
      return {
        prompt,
        completions: tree.tokens,
        advantages: tree.tokens.map((tokens, i) =>
          advantage === 'step'
            ? tokenValues(tree, i, steps)
            : new Float64Array(tokens.length).fill(advantages[i]),
        ),
        weights: tree.tokens.map((tokens, i) =>
          scale
            ? tokenValues(tree, i, scale).map((value) => value * sequence[i])
            : new Float64Array(tokens.length).fill(sequence[i]),
        ),
        oldLogprobs: spread(old),
        referenceLogprobs: spread(reference),
        klBeta,
        clipLow: 0.15,
        clipHigh: 0.25,
      };
    },
  };
}

function options(klBeta: number): UpdateOptions {
  return { learningRate: 0, maxGradNorm: null, clipLow: 0.15, clipHigh: 0.25, klBeta, temperature: 1 };
}

async function packed(engine: LocalEngine, examples: readonly TrainExample[], klBeta: number) {
  const { loss, gradients, logprobs } = await engine.gradients(examples, options(klBeta));
  return {
    loss,
    logprobs,
    gradients: new Map(engine.parameters.specs.map(({ name }, i) => [name, gradients[i]])),
  };
}

function expectSame(
  a: { loss: number; gradients: ReadonlyMap<string, Float32Array> },
  b: { loss: number; gradients: ReadonlyMap<string, Float32Array> },
): void {
  expect(Math.abs(a.loss - b.loss)).toBeLessThan(TOLERANCE * Math.max(0.1, Math.abs(b.loss)));
  expect(relativeDeviation(a.gradients, b.gradients)).toBeLessThan(TOLERANCE);
}

describe('GRPO on k padded sequences, the PRM objective and the packed tree have one loss and one gradient', () => {
  for (const setting of settings) {
    const { normalisation, klBeta, clipped } = setting;
    it(`${normalisation} normalisation, β = ${klBeta}, ${clipped ? 'clipping at μ > 1' : 'μ = 1'}`, async () => {
      const engine = makeEngine();
      const stream = new Stream('theorem', JSON.stringify(setting));
      for (let trial = 0; trial < 6; trial++) {
        const built = build(stream, setting);
        const grpo = await paddedUpdate(
          engine.parameters,
          clipped ? 'clipped' : 'grpo',
          built.padded('trajectory'),
        );
        const tree = await packed(engine, [built.example(0)], klBeta);
        expectSame(tree, grpo);
        // The PRM form needs one weight for all members of a step: token and constant normalisation, no clipping.
        if (!clipped && normalisation !== 'sequence') {
          expectSame(await paddedUpdate(engine.parameters, 'grpo', built.padded('step')), grpo);
        }
      }
      await engine.dispose();
    });
  }

  it('sequence normalisation: the PRM form holds with the weighted mean of the members as step advantage', async () => {
    const engine = makeEngine();
    const stream = new Stream('theorem', 'weighted');
    for (let trial = 0; trial < 6; trial++) {
      const built = build(stream, { normalisation: 'sequence', klBeta: 0, clipped: false });
      const { tree } = built.sample;
      const weighted = new Float64Array(tree.nodeCount);
      for (let node = 0; node < tree.nodeCount; node++) {
        let sum = 0;
        let total = 0;
        for (const i of tree.membersOf(node)) {
          sum += built.sequence[i] * built.advantages[i];
          total += built.sequence[i];
        }
        weighted[node] = total > 0 ? sum / total : 0;
      }
      const batch = built.padded('trajectory');
      const prm = { ...batch, advantages: tree.tokens.map((_, i) => tokenValues(tree, i, weighted)) };
      expectSame(
        await paddedUpdate(engine.parameters, 'grpo', prm),
        await paddedUpdate(engine.parameters, 'grpo', batch),
      );
    }
    await engine.dispose();
  });

  it('a batch of several groups, cut into rows shorter than a tree, gives the sum of their gradients', async () => {
    const stream = new Stream('rows');
    const builts = Array.from({ length: 5 }, () =>
      build(stream, { normalisation: 'token', klBeta: 0.3, clipped: true }),
    );
    const reference = makeEngine();
    const sum = new Map<string, Float32Array>();
    let loss = 0;
    for (const built of builts) {
      const one = await paddedUpdate(reference.parameters, 'clipped', built.padded('trajectory'));
      loss += one.loss;
      for (const [name, gradient] of one.gradients) {
        const total = sum.get(name);
        if (total) for (let i = 0; i < total.length; i++) total[i] += gradient[i];
        else sum.set(name, gradient.slice());
      }
    }
    for (const rowLength of [4, 7, 16, 1000]) {
      const engine = makeEngine(rowLength);
      expectSame(
        await packed(
          engine,
          builts.map((b) => b.example(0)),
          0.3,
        ),
        { loss, gradients: sum },
      );
      await engine.dispose();
    }
    await reference.dispose();
  });
});

describe('λ-GRPO', () => {
  for (const exponent of [0.5, 1]) {
    it(`differs from GRPO exactly by 1/|λ|^${exponent} on every token's whole term`, async () => {
      const engine = makeEngine();
      const stream = new Stream('lambda', exponent);
      let apart = 0;
      for (let trial = 0; trial < 6; trial++) {
        const setting: Setting = { normalisation: 'token', klBeta: 0.3, clipped: trial % 2 === 1 };
        const built = build(stream, setting);
        const form = setting.clipped ? 'clipped' : 'grpo';
        const tree = await packed(engine, [built.example(exponent)], 0.3);
        const scale = lambdaWeights(built.sample.tree, exponent);
        expectSame(tree, await paddedUpdate(engine.parameters, form, built.padded('trajectory', scale)));
        const plain = await paddedUpdate(engine.parameters, form, built.padded('trajectory'));
        apart = Math.max(apart, relativeDeviation(tree.gradients, plain.gradients));
      }
      expect(apart).toBeGreaterThan(0.05);
      await engine.dispose();
    });
  }
});

describe('where the identity ends', () => {
  it('a sequence-level ratio (GSPO) is not a function of the prefix: GRPO and PRM form part', async () => {
    const engine = makeEngine();
    const stream = new Stream('gspo');
    let apart = 0;
    for (let trial = 0; trial < 6; trial++) {
      const built = build(stream, { normalisation: 'token', klBeta: 0, clipped: false });
      const grpo = await paddedUpdate(engine.parameters, 'gspo', built.padded('trajectory'));
      const prm = await paddedUpdate(engine.parameters, 'gspo', built.padded('step'));
      apart = Math.max(apart, relativeDeviation(prm.gradients, grpo.gradients));
    }
    expect(apart).toBeGreaterThan(0.05);
    await engine.dispose();
  });
});

it('scores of the packed tree are the log-probabilities of the padded sequences', async () => {
  const engine = makeEngine(8);
  const stream = new Stream('scores');
  for (let trial = 0; trial < 6; trial++) {
    const built = build(stream, { normalisation: 'token', klBeta: 0, clipped: false });
    const { tree, prompt } = built.sample;
    const padded = await paddedUpdate(engine.parameters, 'grpo', built.padded('trajectory'));
    const { logprobs } = await engine.score([{ prompt, tree }], 'current', { temperature: 1 });
    let token = 0;
    for (let node = 0; node < tree.nodeCount; node++) {
      for (let t = tree.start[node]; t < tree.end[node]; t++) {
        expect(Math.abs(logprobs[0][token++] - padded.logprobs[tree.representative(node)][t])).toBeLessThan(
          TOLERANCE,
        );
      }
    }
  }
  await engine.dispose();
});

it('initial weights repeat for a seed and differ between seeds', () => {
  expect(Parameters.initialize(model, 3).flat).toEqual(Parameters.initialize(model, 3).flat);
  expect(Parameters.initialize(model, 3).flat).not.toEqual(Parameters.initialize(model, 4).flat);
});
