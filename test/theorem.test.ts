/**
 * The theorem (PAPER.md §2) on a real transformer: the packed tree, the PRM objective and GRPO on padded sequences give
 * the same loss and gradient. The padded side is src/reproduce/padded.ts.
 */
import { describe, expect, it } from 'vitest';
import { Parameters } from '../src/model/index.js';
import { lambdaWeights } from '../src/objective/index.js';
import { Stream } from '../src/random/stream.js';
import {
  FORMS_MODEL,
  forms,
  formsEngine,
  type LossAndGradients,
  packedUpdate,
  plainStepAdvantages,
  type Setting,
  weightedStepAdvantages,
} from '../src/reproduce/forms.js';
import { paddedUpdate, relativeDeviation } from '../src/reproduce/padded.js';

const TOLERANCE = 1e-4;

const settings: Setting[] = [];
for (const normalisation of ['token', 'sequence', 'constant'] as const) {
  for (const klBeta of [0, 0.3])
    for (const clipped of [false, true]) settings.push({ normalisation, klBeta, clipped });
}

function expectSame(a: LossAndGradients, b: LossAndGradients): void {
  expect(Math.abs(a.loss - b.loss)).toBeLessThan(TOLERANCE * Math.max(0.1, Math.abs(b.loss)));
  expect(relativeDeviation(a.gradients, b.gradients)).toBeLessThan(TOLERANCE);
}

describe('GRPO on k padded sequences, the PRM objective and the packed tree have one loss and one gradient', () => {
  for (const setting of settings) {
    const { normalisation, klBeta, clipped } = setting;
    it(`${normalisation} normalisation, β = ${klBeta}, ${clipped ? 'clipping at μ > 1' : 'μ = 1'}`, async () => {
      const engine = formsEngine();
      const stream = new Stream('theorem', JSON.stringify(setting));
      for (let trial = 0; trial < 6; trial++) {
        const built = forms(stream, setting);
        const grpo = await paddedUpdate(
          engine.parameters,
          clipped ? 'clipped' : 'grpo',
          built.padded('trajectory'),
        );
        const tree = await packedUpdate(engine, [built.example(0)], klBeta);
        expectSame(tree, grpo);
        // The PRM form needs one weight for all members of a step: token and constant normalisation, no clipping.
        if (!clipped && normalisation !== 'sequence') {
          expectSame(
            await paddedUpdate(engine.parameters, 'grpo', built.padded(plainStepAdvantages(built))),
            grpo,
          );
        }
      }
      await engine.dispose();
    });
  }

  it('sequence normalisation: the PRM form holds with the weighted mean of the members as step advantage', async () => {
    const engine = formsEngine();
    const stream = new Stream('theorem', 'weighted');
    for (let trial = 0; trial < 6; trial++) {
      const built = forms(stream, { normalisation: 'sequence', klBeta: 0, clipped: false });
      const batch = built.padded('trajectory');
      const prm = built.padded(weightedStepAdvantages(built));
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
      forms(stream, { normalisation: 'token', klBeta: 0.3, clipped: true }),
    );
    const reference = formsEngine();
    const sum = new Map<string, Float32Array>();
    let loss = 0;
    for (const built of builts) {
      const update = await paddedUpdate(reference.parameters, 'clipped', built.padded('trajectory'));
      loss += update.loss;
      for (const [name, gradient] of update.gradients) {
        const total = sum.get(name);
        if (total) for (let i = 0; i < total.length; i++) total[i] += gradient[i];
        else sum.set(name, gradient.slice());
      }
    }
    for (const rowLength of [4, 7, 16, 1000]) {
      const engine = formsEngine(rowLength);
      expectSame(
        await packedUpdate(
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
      const engine = formsEngine();
      const stream = new Stream('lambda', exponent);
      let apart = 0;
      for (let trial = 0; trial < 6; trial++) {
        const setting: Setting = { normalisation: 'token', klBeta: 0.3, clipped: trial % 2 === 1 };
        const built = forms(stream, setting);
        const form = setting.clipped ? 'clipped' : 'grpo';
        const tree = await packedUpdate(engine, [built.example(exponent)], 0.3);
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
    const engine = formsEngine();
    const stream = new Stream('gspo');
    let apart = 0;
    for (let trial = 0; trial < 6; trial++) {
      const built = forms(stream, { normalisation: 'token', klBeta: 0, clipped: false });
      const grpo = await paddedUpdate(engine.parameters, 'gspo', built.padded('trajectory'));
      const prm = await paddedUpdate(engine.parameters, 'gspo', built.padded(plainStepAdvantages(built)));
      apart = Math.max(apart, relativeDeviation(prm.gradients, grpo.gradients));
    }
    expect(apart).toBeGreaterThan(0.05);
    await engine.dispose();
  });
});

it('scores of the packed tree are the log-probabilities of the padded sequences', async () => {
  const engine = formsEngine(8);
  const stream = new Stream('scores');
  for (let trial = 0; trial < 6; trial++) {
    const built = forms(stream, { normalisation: 'token', klBeta: 0, clipped: false });
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
  expect(Parameters.initialize(FORMS_MODEL, 3).flat).toEqual(Parameters.initialize(FORMS_MODEL, 3).flat);
  expect(Parameters.initialize(FORMS_MODEL, 3).flat).not.toEqual(Parameters.initialize(FORMS_MODEL, 4).flat);
});
