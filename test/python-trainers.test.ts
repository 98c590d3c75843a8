/**
 * Our λ-GRPO gradient against Python trainers that use the files of docs/python, on the same tiny GPT-2 and the same
 * groups. They compute k padded sequences and weight their tokens; ours is one packed tree per group.
 * TRL: one optimizer step of its real training loop, in shuffled micro-batches (scripts/python/check_trl.py), and with
 * the weights of two credit rules from a file of `analyze --weights` (scripts/python/check_credit.py).
 * veRL: its advantages and policy loss (scripts/python/check_verl.py), but not its Ray trainer.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LocalEngine } from '../src/engine/index.js';
import { CREDIT_NAMES } from '../src/objective/index.js';
import { facts, ours, tensorsOf, tinyGpt2 } from './fixed-groups.js';
import { relativeDeviation } from './padded.js';

/** Of any tensor; measured: at most 1.3e-6. */
const TOLERANCE = 1e-5;
/** Another objective is at least this far away: the comparison can tell. */
const FAR = 0.1;

let engine: LocalEngine;
beforeAll(async () => {
  engine = await tinyGpt2();
});
afterAll(() => engine.dispose());

describe('TRL’s λ-GRPO gradient is ours', () => {
  for (const [lossType, normalisation, other] of [
    ['grpo', 'sequence', 'token'],
    ['dapo', 'token', 'sequence'],
  ] as const) {
    it(`loss_type '${lossType}' is ${normalisation} normalisation`, async () => {
      const theirs = await tensorsOf(`trl/${lossType}`);
      expect([...theirs.keys()].sort()).toEqual([...engine.parameters.views.keys()].sort());
      const { loss, gradients } = await ours(engine, { normalisation });
      expect(relativeDeviation(gradients, theirs)).toBeLessThan(TOLERANCE);
      expect(Math.abs(loss - facts.losses[lossType])).toBeLessThan(1e-6);
      const grpo = await ours(engine, { normalisation, lambdaExponent: 0 });
      expect(relativeDeviation(grpo.gradients, theirs)).toBeGreaterThan(FAR);
      const otherwise = await ours(engine, { normalisation: other });
      expect(relativeDeviation(otherwise.gradients, theirs)).toBeGreaterThan(FAR);
    });
  }

  it(`with a KL term, β = ${facts.beta}, its part of a token is scaled too`, async () => {
    const theirs = await tensorsOf('trl/dapo-kl');
    expect(theirs.size).toBeGreaterThan(5);
    const { gradients } = await ours(engine, { normalisation: 'token', klBeta: facts.beta });
    expect(relativeDeviation(gradients, theirs)).toBeLessThan(TOLERANCE);
    const without = await ours(engine, { normalisation: 'token' });
    expect(relativeDeviation(without.gradients, theirs)).toBeGreaterThan(FAR);
  });
});

describe('TRL’s gradient with the weights that analyze writes is that of the rule', () => {
  it.each(['tempo', 'spo-tree'] as const)('%s', async (credit) => {
    const theirs = await tensorsOf(`trl/credit-${credit}`);
    expect(theirs.size).toBeGreaterThan(5);
    const { gradients } = await ours(engine, { normalisation: 'token', credit });
    expect(relativeDeviation(gradients, theirs)).toBeLessThan(TOLERANCE);
    for (const other of CREDIT_NAMES) {
      if (other === credit) continue;
      const { gradients: far } = await ours(engine, { normalisation: 'token', credit: other });
      expect(relativeDeviation(far, theirs), other).toBeGreaterThan(FAR);
    }
  });
});

describe('veRL’s λ-GRPO gradient is ours', () => {
  for (const [mode, normalisation] of [
    ['token-mean', 'token'],
    ['seq-mean-token-mean', 'sequence'],
  ] as const) {
    it(`loss_agg_mode '${mode}' is ${normalisation} normalisation`, async () => {
      const theirs = await tensorsOf(`verl/${mode}`);
      expect(theirs.size).toBe(4);
      // veRL's ε is 1e-6.
      const { gradients } = await ours(engine, { normalisation, epsilon: 1e-6 });
      expect(relativeDeviation(gradients, theirs)).toBeLessThan(TOLERANCE);
      const grpo = await ours(engine, { normalisation, epsilon: 1e-6, lambdaExponent: 0 });
      expect(relativeDeviation(grpo.gradients, theirs)).toBeGreaterThan(FAR);
    });
  }
});
