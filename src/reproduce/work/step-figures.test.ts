import { describe, expect, it } from 'vitest';
import { Stream } from '../../random/stream.js';
import {
  CLASSES,
  drawSteps,
  firstKey,
  groupSteps,
  type Measured,
  rankCorrelation,
  type SizeSums,
  type Step,
  sizeSums,
  type Value,
} from './step-figures.js';

const DEPTH = 3;
const PATHS = Array.from({ length: 2 ** DEPTH }, (_, path) =>
  Int32Array.from({ length: DEPTH }, (_turn, t) => (path >> (DEPTH - 1 - t)) & 1),
);
/** A policy far from uniform, with rewards that depend little on the first turn. */
const PROBABILITIES = [0.3, 0.05, 0.1, 0.02, 0.13, 0.2, 0.15, 0.05];
const REWARDS = [1, 0, 0, -1, 0.5, 1, -1, 0];

/** Mean and variance of the reward of a completion of a prefix, by definition. */
function exactValue(prefix: ArrayLike<number>): Value {
  const members = PATHS.map((_, i) => i).filter((i) =>
    Array.from(prefix).every((turn, t) => PATHS[i][t] === turn),
  );
  const total = members.reduce((sum, i) => sum + PROBABILITIES[i], 0);
  const average = (value: (reward: number) => number): number =>
    members.reduce((sum, i) => sum + PROBABILITIES[i] * value(REWARDS[i]), 0) / total;
  const mean = average((reward) => reward);
  return { mean, variance: average((reward) => (reward - mean) ** 2), uncertainty: 0 };
}

const measured = (steps: readonly (Step & { readonly weight?: number })[]): Measured[] =>
  steps.map((step) => ({
    weight: 1,
    ...step,
    first: exactValue(step.path.subarray(0, step.start + 1)),
    last: exactValue(step.path),
    prompt: exactValue([]),
  }));

const groupOf = (members: readonly number[], problem = 0): Step[] =>
  groupSteps(
    problem,
    members.map((i) => PATHS[i]),
    members.map((i) => REWARDS[i]),
  );

/** All sums of one group size as a list in a fixed order. */
function sumsOf({ classes, mass }: SizeSums): number[] {
  return [
    ...CLASSES.flatMap((_, size) => {
      const row = classes.find((sums) => sums.size === size);
      if (!row) return new Array<number>(7).fill(0);
      const { weight, bias, error, limit, biasAtEnd, signed, wrong } = row;
      return [weight, bias, error, limit, biasAtEnd ?? Number.NaN, signed, wrong];
    }),
    ...[mass.grpo, mass['lambda-grpo']].flatMap(({ all, decided, wrong }) => [all, decided, wrong]),
  ];
}

const addTo = (total: number[], values: readonly number[], factor: number): void => {
  values.forEach((value, i) => {
    total[i] = (total[i] ?? 0) + factor * value;
  });
};

/** All subsets of this size. */
function choices<T>(values: readonly T[], count: number): T[][] {
  if (count === 0) return [[]];
  return values.flatMap((value, i) =>
    choices(values.slice(i + 1), count - 1).map((rest) => [value, ...rest]),
  );
}

describe('R̂ of all groups that a policy can sample (exact enumeration)', () => {
  const k = 4;
  const expected: number[] = [];
  for (let group = 0; group < PATHS.length ** k; group++) {
    const members = Array.from({ length: k }, (_, i) => Math.floor(group / PATHS.length ** i) % PATHS.length);
    const probability = members.reduce((product, i) => product * PROBABILITIES[i], 1);
    const steps = groupOf(members);
    addTo(expected, sumsOf(sizeSums(k, steps, measured(steps))), probability);
  }
  const classes = [0, 1, 2].map((size) => expected.slice(7 * size, 7 * size + 7));

  it('has no bias at the first token of a step and the error of |λ| completions, in every class', () => {
    for (const [weight, bias, error, limit] of classes) {
      expect(weight).toBeGreaterThan(0.1);
      expect(bias).toBeCloseTo(0, 6);
      expect(error).toBeCloseTo(limit, 6);
      expect(limit).toBeGreaterThan(0.01);
    }
  });

  it('has a bias after the last token of a shared step, where members are known to part', () => {
    const [, pairs] = classes;
    expect(Math.abs(pairs[4] / pairs[0])).toBeGreaterThan(0.02);
  });
});

describe('steps drawn by class', () => {
  const stream = new Stream('draws');
  const steps = [0, 1].flatMap((problem) =>
    Array.from({ length: 3 }, () =>
      groupOf(
        Array.from({ length: 3 }, () => stream.int(PATHS.length)),
        problem,
      ),
    ).flat(),
  );
  const counts = [3, 2, 1, 1, 1, 1];

  it('give sums whose mean over all draws is the sum over all steps (exact enumeration)', () => {
    const all = sumsOf(sizeSums(3, steps, measured(steps)));
    const total: number[] = [];
    let fewer = 0;
    const classes = CLASSES.map((most, size) =>
      steps.filter((step) => step.size <= most && step.size > (CLASSES[size - 1] ?? 0)),
    );
    // Classes are drawn independently.
    classes.forEach((list, size) => {
      const keys = [...new Set(list.map(firstKey))];
      const draws = choices(keys, Math.min(counts[size], keys.length));
      for (const chosen of draws) {
        const drawn = drawSteps(list, counts, (key) => (chosen.includes(key) ? 0 : 1));
        expect(new Set(drawn.map(firstKey)).size).toBe(chosen.length);
        if (drawn.length < list.length) fewer++;
        addTo(total, sumsOf(sizeSums(3, list, measured(drawn))), 1 / draws.length);
      }
    });
    expect(fewer).toBeGreaterThan(100);
    total.forEach((value, i) => {
      expect(value, `sum ${i}`).toBeCloseTo(all[i], 5);
    });
  });

  it('that begin with the same prefix are drawn together, and a class with few has all', () => {
    const drawn = drawSteps(steps, counts, (key) => new Stream(key).uniform());
    const keys = new Set(drawn.filter(({ size }) => size === 1).map(firstKey));
    expect(keys.size).toBe(3);
    const same = steps.filter((step) => step.size === 1 && keys.has(firstKey(step)));
    expect(drawn.filter(({ size }) => size === 1)).toHaveLength(same.length);
    expect(drawSteps(steps, [99, 99, 99, 99, 99, 99], () => 0).every(({ weight }) => weight === 1)).toBe(
      true,
    );
  });
});

it('the noise of a truth from few completions is taken out of the squared error (exact enumeration)', () => {
  const [step] = groupOf([0, 3, 5]).filter(({ size }) => size === 1);
  const share = 0.3;
  let error = 0;
  let limit = 0;
  for (const outcomes of Array.from({ length: 8 }, (_, bits) => [bits & 1, (bits >> 1) & 1, bits >> 2])) {
    const chance = outcomes.reduce((product, outcome) => product * (outcome ? share : 1 - share), 1);
    const mean = outcomes.reduce((sum, outcome) => sum + outcome, 0) / 3;
    const variance = outcomes.reduce((sum, outcome) => sum + (outcome - mean) ** 2, 0) / 2;
    const first = { mean, variance, uncertainty: variance / 3 };
    const [sums] = sizeSums(3, [step], [{ ...step, weight: 1, first, last: null, prompt: first }]).classes;
    error += chance * sums.error;
    limit += chance * sums.limit;
  }
  expect(error).toBeCloseTo((step.reward - share) ** 2, 5);
  expect(limit).toBeCloseTo(share * (1 - share), 5);
});

describe('rank correlation', () => {
  // scipy.stats.spearmanr of SciPy 1.17.
  it.each([
    [[1, 2, 3, 4, 5], [5, 6, 7, 8, 7], 0.82078],
    [[0.1, 0.1, 0.5, 0.9], [3, 1, 2, 2], 0],
    [[1, 2, 3], [9, 4, 1], -1],
  ])('of %j and %j', (a, b, expected) => {
    expect(rankCorrelation(a, b)).toBeCloseTo(expected, 4);
  });

  it('with weights is that of so many equal pairs', () => {
    const [a, b, weights] = [
      [1, 5, 2, 2],
      [3, 4, 4, 1],
      [2, 1, 3, 4],
    ];
    const repeated = (values: readonly number[]): number[] =>
      values.flatMap((value, i) => new Array<number>(weights[i]).fill(value));
    expect(rankCorrelation(a, b, weights)).toBeCloseTo(rankCorrelation(repeated(a), repeated(b)) ?? 9, 5);
  });

  it('is none where a side does not vary', () => {
    expect(rankCorrelation([1, 1, 1], [1, 2, 3])).toBeNull();
    expect(rankCorrelation([1, 2, 3], [0.1, 0.1, 0.1], [0.7, 1.3, 2.9])).toBeNull();
  });
});
