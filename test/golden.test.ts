/**
 * The λ weights against the paper's reference implementation: 200 groups with the scales that it computed itself
 * (scripts/fixtures/grpo_prm_scales.py, docs/golden.md). They are equal to the last bit, except for the rounding of
 * JSON and 1/x.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  groupAdvantages,
  lambdaWeights,
  lossCoefficients,
  sequenceWeights,
  tokenValues,
} from '../src/objective/index.js';
import { ProcessTree } from '../src/tree/index.js';

/** [scale, number of tokens], one list for each completion. */
type Scales = readonly (readonly (readonly [number, number])[])[];
interface Golden {
  readonly groups: readonly {
    readonly kind: string;
    readonly prompt: readonly number[];
    readonly completions: readonly (readonly number[])[];
    readonly scales: Scales;
  }[];
  /** Groups at which the reference ends with an IndexError. */
  readonly refused: readonly (readonly (readonly number[])[])[];
  /** Their nearest neighbours, at which it does not. */
  readonly taken: readonly {
    readonly completions: readonly (readonly number[])[];
    readonly scales: Scales;
  }[];
}

const golden: Golden = JSON.parse(readFileSync(new URL('golden/grpo-prm.json', import.meta.url), 'utf8'));
const TOLERANCE = 1e-15;

/** The reference's scale of every token, [k][|g|]. */
function flat(scales: Scales): number[][] {
  return scales.map((runs) => runs.flatMap(([scale, count]) => new Array<number>(count).fill(scale)));
}

/** Ours, [k][|g|]. */
function weightsOf(completions: readonly (readonly number[])[]): Float64Array[] {
  const tree = ProcessTree.build(completions);
  const weights = lambdaWeights(tree);
  return completions.map((_, i) => tokenValues(tree, i, weights));
}

function expectEqual(actual: readonly ArrayLike<number>[], expected: readonly number[][]): void {
  expect(actual.length).toBe(expected.length);
  actual.forEach((values, i) => {
    expect(values.length).toBe(expected[i].length);
    for (let t = 0; t < values.length; t++) {
      expect(Math.abs(values[t] - expected[i][t])).toBeLessThanOrEqual(TOLERANCE);
    }
  });
}

describe('λ weights are those of the reference implementation', () => {
  const kinds = [...new Set(golden.groups.map(({ kind }) => kind))];

  it('on 200 groups of 2 to 36 completions', () => {
    const sizes = golden.groups.map(({ completions }) => completions.length);
    expect([golden.groups.length, Math.min(...sizes), Math.max(...sizes)]).toEqual([200, 2, 36]);
    const lists = golden.groups.flatMap(({ completions }) => completions.map((c) => c.length));
    expect(lists.filter((length) => length === 0).length).toBeGreaterThan(50);
  });

  for (const kind of kinds) {
    const groups = golden.groups.filter((group) => group.kind === kind);
    it(`${kind}: ${groups.length} groups, trees over completions and over prompt + completion`, () => {
      for (const { prompt, completions, scales } of groups) {
        const expected = flat(scales);
        // The reference's tree holds the prompt too; the part of a completion does not depend on it.
        expectEqual(weightsOf(completions.map((c) => [...prompt, ...c])), expected);
        expectEqual(
          weightsOf(completions),
          expected.map((values) => values.slice(prompt.length)),
        );
      }
    });
  }

  it('and so are the loss coefficients: a token’s is its scale times the sum over all who share it', () => {
    golden.groups.forEach(({ prompt, completions, scales }, n) => {
      const tree = ProcessTree.build(completions);
      const advantages = groupAdvantages(completions.map((_, i) => ((7 * i + n) % 5) - 1.5));
      for (const normalisation of ['token', 'sequence'] as const) {
        const totals = { tokens: tree.tokenCount, sequences: tree.groupSize, maxTokens: 64 };
        const weights = sequenceWeights(tree.lengths, normalisation, totals);
        const { plus, minus, kl } = lossCoefficients(tree, advantages, weights, { lambdaExponent: 1 });
        flat(scales).forEach((values, i) => {
          completions[i].forEach((_, t) => {
            const scale = values[prompt.length + t];
            const shared = completions.flatMap((other, j) =>
              other.length > t && completions[i].slice(0, t + 1).every((token, u) => other[u] === token)
                ? [j]
                : [],
            );
            const node = tree.nodeAt(i, t);
            const policy = shared.reduce((sum, j) => sum + weights[j] * advantages[j], 0);
            expect(plus[node] + minus[node]).toBeCloseTo(scale * policy, 12);
            const mass = shared.reduce((sum, j) => sum + weights[j], 0);
            expect(kl[node]).toBeCloseTo(scale * mass, 12);
          });
        });
      }
    });
  });
});

/*
 * The one corner where the reference gives no number: it pads a sequence with (longest − 2) blanks, whatever the
 * sequence's own length, so sequences of fewer than two tokens end too soon. A prompt of two tokens hides it.
 */
describe('where the reference ends with an error', () => {
  it('it is a sequence of fewer than two tokens among short ones; ours gives the weights of the definition', () => {
    expect(golden.refused).toEqual([
      [[], [1]],
      [[1], [1, 2]],
      [[], [1, 2]],
    ]);
    expectEqual(weightsOf([[], [1]]), [[], [1]]);
    expectEqual(weightsOf([[1], [1, 2]]), [[1 / 2], [1 / 2, 1]]);
    expectEqual(weightsOf([[], [1, 2]]), [[], [1, 1]]);
  });

  it('among longer ones it is right, and equal to ours', () => {
    for (const { completions, scales } of golden.taken) expectEqual(weightsOf(completions), flat(scales));
  });
});
