import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProcessTree } from '../tree/index.js';
import {
  groupAdvantages,
  lambdaWeights,
  lossCoefficients,
  type Normalisation,
  oppositeShare,
  rewardStatistics,
  sequenceWeights,
  stepAdvantages,
  stepFlaw,
  stepRewards,
  tokenValues,
} from './index.js';

/** Completions over two letters, each with a reward. */
const scored = fc.array(
  fc.record({
    tokens: fc.array(fc.nat(1), { maxLength: 6 }),
    reward: fc.oneof(fc.constantFrom(0, 1, 0.5), fc.double({ min: -5, max: 5, noNaN: true })),
  }),
  { minLength: 1, maxLength: 9 },
);

const letters = (text: string): number[] => [...text].map((c) => c.charCodeAt(0));

describe("the paper's worked example", () => {
  const group = ['ABCD', 'ABEFHI', 'JKLM', 'JKLNQST', 'JKLNQU', 'VWYZ'];
  const rewards = [0.5, 0.5, 1, 0, 0, 0.5];
  const tree = ProcessTree.build(group.map(letters));
  const advantages = groupAdvantages(rewards);
  const steps = stepAdvantages(tree, advantages);

  it('has mean 0.4167 and unbiased deviation 0.3764', () => {
    const { mean, std } = rewardStatistics(rewards);
    expect(mean).toBeCloseTo(0.4167, 4);
    expect(std).toBeCloseTo(0.3764, 4);
  });

  it('gives the step rewards and advantages of the figure', () => {
    const round = (values: Float64Array): string[] =>
      Array.from(values, (v) => v.toFixed(2).replace('-0.00', '0.00'));
    expect(round(stepRewards(tree, rewards))).toEqual([
      '0.42',
      '0.50',
      '0.50',
      '0.50',
      '0.33',
      '1.00',
      '0.00',
      '0.00',
      '0.00',
      '0.50',
    ]);
    expect(round(steps)).toEqual([
      '0.00',
      '0.22',
      '0.22',
      '0.22',
      '-0.22',
      '1.55',
      '-1.11',
      '-1.11',
      '-1.11',
      '0.22',
    ]);
  });

  it('JKLM is the best completion, and three of its four tokens are pushed down, three times over', () => {
    expect(oppositeShare(tree, advantages, steps)[2]).toBe(0.75);
    const jkl = 4;
    expect(tree.size[jkl]).toBe(3);
    expect(stepFlaw(tree, steps)[jkl]).toBeCloseTo(2 * 0.2213, 3);
  });
});

describe('advantages', () => {
  it('are the formula, and exact zeros without variance', () => {
    fc.assert(
      fc.property(scored, (group) => {
        const rewards = group.map(({ reward }) => reward);
        const advantages = groupAdvantages(rewards);
        if (Math.max(...rewards) - Math.min(...rewards) <= 1e-12) {
          expect([...advantages]).toEqual(rewards.map(() => 0));
          return;
        }
        const mean = rewards.reduce((a, b) => a + b, 0) / rewards.length;
        const std = Math.sqrt(rewards.reduce((s, r) => s + (r - mean) ** 2, 0) / (rewards.length - 1));
        rewards.forEach((r, i) => {
          expect(advantages[i]).toBeCloseTo((r - mean) / (std + 1e-4), 8);
          expect(groupAdvantages(rewards, { scale: 'none' })[i]).toBeCloseTo(r - mean, 8);
        });
      }),
      { numRuns: 1000 },
    );
  });

  it('rewards like 0.1, whose mean is not exact, still give zeros', () => {
    expect([...groupAdvantages([0.1, 0.1, 0.1])]).toEqual([0, 0, 0]);
    expect([...groupAdvantages([7])]).toEqual([0]);
  });

  it('are never NaN, and do not change with a common offset', () => {
    const rewards = fc.array(fc.double({ min: -1e100, max: 1e100, noNaN: true }), { maxLength: 20 });
    fc.assert(fc.property(rewards, (r) => groupAdvantages(r).every(Number.isFinite)));
    const plain = groupAdvantages([0, 1, 1, 0, 1]);
    groupAdvantages([0, 1, 1, 0, 1].map((r) => r + 1e6)).forEach((a, i) => {
      expect(a).toBeCloseTo(plain[i], 8);
    });
  });

  it('a reward that is not finite is named', () => {
    expect(() => groupAdvantages([1, Number.NaN])).toThrow(
      'reward of completion 1: expected a finite number, got NaN',
    );
    expect(() => groupAdvantages([Number.POSITIVE_INFINITY, 0])).toThrow(
      'reward of completion 0: expected a finite number, got Infinity',
    );
  });
});

describe('steps', () => {
  it('Σ aᵢ over λ = |λ|·Â(λ), and Â(λ) = (R̂(λ) − mean) / (std + ε)', () => {
    fc.assert(
      fc.property(scored, (group) => {
        const tree = ProcessTree.build(group.map(({ tokens }) => tokens));
        const rewards = group.map(({ reward }) => reward);
        const advantages = groupAdvantages(rewards);
        const steps = stepAdvantages(tree, advantages);
        const means = stepRewards(tree, rewards);
        const { mean, std, zeroVariance } = rewardStatistics(rewards);
        for (let node = 0; node < tree.nodeCount; node++) {
          const sum = tree.membersOf(node).reduce((s, i) => s + advantages[i], 0);
          expect(sum).toBeCloseTo(tree.size[node] * steps[node], 8);
          if (!zeroVariance) expect(steps[node]).toBeCloseTo((means[node] - mean) / (std + 1e-4), 6);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe('the flaw', () => {
  it("figures are those of the definition; the root's tokens are never against anyone", () => {
    fc.assert(
      fc.property(scored, (group) => {
        // All completions share the first token: the root's step is not empty.
        const completions = group.map(({ tokens }) => [9, ...tokens]);
        const tree = ProcessTree.build(completions);
        // In thousandths: rewards that differ only by rounding have no meaningful sign.
        const advantages = groupAdvantages(group.map(({ reward }) => Math.round(1000 * reward) / 1000));
        const steps = stepAdvantages(tree, advantages);
        expect(steps[0]).toBe(0);
        const flaw = stepFlaw(tree, steps);
        for (let node = 0; node < tree.nodeCount; node++) {
          expect(flaw[node]).toBe((tree.size[node] - 1) * Math.abs(steps[node]));
        }
        const against = completions.map((tokens, i) => {
          const signs = tokens.map((_, t) => {
            const sharing = completions.flatMap((other, j) =>
              tokens.slice(0, t + 1).every((token, at) => other[at] === token) ? [advantages[j]] : [],
            );
            const mean = sharing.reduce((a, b) => a + b, 0) / sharing.length;
            const size = sharing.reduce((a, b) => a + Math.abs(b), 0) / sharing.length;
            return Math.abs(mean) <= 1e-9 * size ? 0 : Math.sign(mean);
          });
          return signs.filter((sign) => sign * Math.sign(advantages[i]) < 0).length / tokens.length;
        });
        expect([...oppositeShare(tree, advantages, steps)]).toEqual(against);
      }),
      { numRuns: 1000 },
    );
  });

  it('an empty completion has no token against it', () => {
    const tree = ProcessTree.build([[], [1]]);
    const advantages = groupAdvantages([0, 1]);
    expect([...oppositeShare(tree, advantages, stepAdvantages(tree, advantages))]).toEqual([0, 0]);
  });
});

describe('coefficients', () => {
  it('the clipped terms of k sequences are those of the tree, for every normalisation and exponent', () => {
    fc.assert(
      fc.property(
        scored,
        fc.constantFrom<Normalisation>('token', 'sequence', 'constant'),
        fc.constantFrom(0, 0.5, 1),
        fc.infiniteStream(fc.double({ min: 0.3, max: 2.5, noNaN: true })),
        (group, normalisation, lambdaExponent, ratios) => {
          const tree = ProcessTree.build(group.map(({ tokens }) => tokens));
          const advantages = groupAdvantages(group.map(({ reward }) => reward));
          const batch = { tokens: tree.tokenCount + 3, sequences: tree.groupSize + 1, maxTokens: 7 };
          const w = sequenceWeights(tree.lengths, normalisation, batch);
          const { plus, minus, kl } = lossCoefficients(tree, advantages, w, { lambdaExponent });
          const [low, high] = [0.15, 0.3];
          let onTree = 0;
          let weight = 0;
          const ratio = new Map<string, number>();
          for (let node = 0; node < tree.nodeCount; node++) {
            for (let t = tree.start[node]; t < tree.end[node]; t++) {
              const rho = ratios.next().value as number;
              ratio.set(`${node} ${t}`, rho);
              onTree += plus[node] * Math.min(rho, 1 + high) + minus[node] * Math.max(rho, 1 - low);
              weight += kl[node];
            }
          }
          let onSequences = 0;
          let sequenceWeight = 0;
          group.forEach(({ tokens }, i) => {
            const lambda = tokenValues(tree, i, lambdaWeights(tree, lambdaExponent));
            tokens.forEach((_, t) => {
              const rho = ratio.get(`${tree.nodeAt(i, t)} ${t}`) as number;
              const clipped = Math.min(Math.max(rho, 1 - low), 1 + high);
              onSequences += w[i] * lambda[t] * Math.min(rho * advantages[i], clipped * advantages[i]);
              sequenceWeight += w[i] * lambda[t];
            });
          });
          expect(onTree).toBeCloseTo(onSequences, 8);
          expect(weight).toBeCloseTo(sequenceWeight, 8);
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('on-policy and token-normalised they are |λ|^(1−p)·Â(λ)/Σ|g|: the theorem, step by step', () => {
    fc.assert(
      fc.property(scored, fc.double({ min: 0, max: 1.25, noNaN: true }), (group, lambdaExponent) => {
        const tree = ProcessTree.build(group.map(({ tokens }) => tokens));
        const advantages = groupAdvantages(group.map(({ reward }) => reward));
        const steps = stepAdvantages(tree, advantages);
        const totals = { tokens: 1, sequences: 1, maxTokens: 1 };
        const weights = sequenceWeights(
          tree.lengths.map((length) => Math.max(length, 1)),
          'token',
          totals,
        );
        const { plus, minus, kl } = lossCoefficients(tree, advantages, weights, { lambdaExponent });
        for (let node = 0; node < tree.nodeCount; node++) {
          const size = tree.size[node];
          expect(plus[node] + minus[node]).toBeCloseTo(size ** (1 - lambdaExponent) * steps[node], 8);
          expect(kl[node]).toBeCloseTo(size ** (1 - lambdaExponent), 10);
          expect(plus[node]).toBeGreaterThanOrEqual(0);
          expect(minus[node]).toBeLessThanOrEqual(0);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('with exponent p are those of GRPO times |λ|^−p, to the last bit', () => {
    fc.assert(
      fc.property(scored, fc.constantFrom(0.25, 0.5, 1, 1.25), (group, lambdaExponent) => {
        const tree = ProcessTree.build(group.map(({ tokens }) => tokens));
        const advantages = groupAdvantages(group.map(({ reward }) => reward));
        const totals = { tokens: 11, sequences: 5, maxTokens: 7 };
        const weights = sequenceWeights(tree.lengths, 'sequence', totals);
        const grpo = lossCoefficients(tree, advantages, weights, { lambdaExponent: 0 });
        const lambda = lossCoefficients(tree, advantages, weights, { lambdaExponent });
        for (const part of ['plus', 'minus', 'kl'] as const) {
          expect([...lambda[part]]).toEqual(
            Array.from(grpo[part], (value, node) => value * tree.size[node] ** -lambdaExponent),
          );
        }
      }),
      { numRuns: 500 },
    );
  });

  it('values that do not belong to the group are refused', () => {
    const tree = ProcessTree.build([[1, 2], [1, 3], [4]]);
    expect(() => stepRewards(tree, [1, 0])).toThrow('rewards of a group: expected 3 values, got 2');
    expect(() => stepAdvantages(tree, [1])).toThrow('advantages of a group: expected 3 values, got 1');
    expect(() => oppositeShare(tree, [1, 0, -1], [0])).toThrow('step advantages of a tree: expected 5');
    expect(() => lossCoefficients(tree, [1, 0, -1], [1], { lambdaExponent: 1 })).toThrow('sequence weights');
  });

  it('weights of the normalisations are their formulae', () => {
    const batch = { tokens: 40, sequences: 8, maxTokens: 16 };
    expect([...sequenceWeights([4, 0, 10], 'token', batch)]).toEqual([1 / 40, 0, 1 / 40]);
    expect([...sequenceWeights([4, 0, 10], 'sequence', batch)]).toEqual([1 / 32, 0, 1 / 80]);
    expect([...sequenceWeights([4, 0, 10], 'constant', batch)]).toEqual([1 / 128, 0, 1 / 128]);
  });

  it('λ weights are |λ|^−p, and an exponent that is none is refused', () => {
    const tree = ProcessTree.build([[1, 2], [1, 3], [4]]);
    expect([...lambdaWeights(tree)]).toEqual([1 / 3, 1 / 2, 1, 1, 1]);
    expect([...lambdaWeights(tree, 0)]).toEqual([1, 1, 1, 1, 1]);
    expect(() => lambdaWeights(tree, -1)).toThrow('expected a finite number of at least 0, got -1');
  });
});

it('a reward that is the mean has no advantage, whatever rounding makes of the mean', () => {
  for (const rewards of [
    [0.1, 0.2, 0.3],
    [0, 0.7, 0.35, 0.7, 0],
    Array.from({ length: 999 }, (_, i) => 0.1 * i),
  ]) {
    const mean = rewards.reduce((a, b) => a + b, 0) / rewards.length;
    const middle = rewards.findIndex((r) => Math.abs(r - mean) < 1e-9);
    expect(groupAdvantages(rewards)[middle]).toBe(0);
    expect(groupAdvantages(rewards, { scale: 'none' })[middle]).toBe(0);
  }
});
