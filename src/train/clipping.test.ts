/** Clip fractions against the objective written out for separate sequences, and against the engine's gradient. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LocalEngine } from '../engine/index.js';
import type { Group } from '../rollouts/index.js';
import { nodeBackend } from '../runtime/node.js';
import { trainExamples } from './batch.js';
import { countClipped } from './clipping.js';
import { resolveConfig } from './index.js';
import { learn } from './learner.js';
import { scoreGroup } from './scored-groups.js';

const LOSSES = ['dapo', 'grpo', 'cispo', 'gspo'] as const;
type Loss = (typeof LOSSES)[number];
const formOf = (loss: Loss): 'ppo' | 'cispo' | 'gspo' => (loss === 'cispo' || loss === 'gspo' ? loss : 'ppo');

const objectiveOf = (loss: Loss, changes: object = {}) =>
  resolveConfig({ task: { name: 'binary-tree' }, method: 'grpo', objective: { loss, ...changes } }).objective;

function groupOf(completions: readonly { tokens: readonly number[]; reward: number }[]): Group {
  return {
    id: 'g',
    step: 1,
    prompt: { tokens: Int32Array.of(0) },
    completions: completions.map(({ tokens, reward }) => ({ tokens: Int32Array.from(tokens), reward })),
    tokens: 'exact',
    groups: 'explicit',
  };
}

const exampleOf = (group: Group, loss: Loss) => {
  const objective = objectiveOf(loss);
  const scored = scoreGroup(group, objective);
  return { scored, example: trainExamples([scored], objective, 8)[0] };
};

const completions = fc.array(
  fc.record({
    tokens: fc.array(fc.nat(1), { minLength: 1, maxLength: 5 }),
    reward: fc.constantFrom(0, 0.5, 1),
  }),
  { minLength: 2, maxLength: 7 },
);
/** ln ρ of a token, by its prefix. */
const logRatios = fc.array(fc.double({ min: -0.6, max: 0.6, noNaN: true }), { minLength: 64, maxLength: 64 });
const range = { clipLow: 0.2, clipHigh: 0.3, clipBound: 1.5 };

/** A number below 64 for each prefix of up to 5 bits. */
const placeOf = (prefix: readonly number[]): number => prefix.reduce((n, bit) => 2 * n + bit, 1);

/** Terms that the formula of the loss changes, computed from the completions alone. */
function bruteForce(
  group: readonly { tokens: readonly number[] }[],
  advantages: ArrayLike<number>,
  ratio: (prefix: readonly number[]) => number,
  loss: Loss,
) {
  const term = (a: number, rho: number): number => {
    if (loss === 'cispo') return a * Math.min(rho, 1 + range.clipHigh);
    return a > 0
      ? a * Math.min(rho, 1 + range.clipHigh)
      : a * Math.min(Math.max(rho, 1 - range.clipLow), range.clipBound);
  };
  let [clipped, terms] = [0, 0];
  const count = (a: number, rho: number) => {
    if (Math.abs(a) < 1e-12) return;
    terms++;
    if (term(a, rho) !== a * rho) clipped++;
  };
  if (loss === 'gspo') {
    group.forEach(({ tokens }, i) => {
      const logs = tokens.map((_, t) => Math.log(ratio(tokens.slice(0, t + 1))));
      count(advantages[i], Math.exp(logs.reduce((a, b) => a + b, 0) / logs.length));
    });
    return { clipped, terms };
  }
  const sums = new Map<string, { prefix: readonly number[]; up: number; down: number }>();
  group.forEach(({ tokens }, i) => {
    tokens.forEach((_, t) => {
      const prefix = tokens.slice(0, t + 1);
      const sum = sums.get(prefix.join()) ?? { prefix, up: 0, down: 0 };
      const weight = loss === 'grpo' ? 1 / tokens.length : 1;
      sum.up += weight * Math.max(advantages[i], 0);
      sum.down += weight * Math.min(advantages[i], 0);
      sums.set(prefix.join(), sum);
    });
  });
  for (const { prefix, up, down } of sums.values()) {
    if (loss === 'cispo') count(up + down, ratio(prefix));
    else {
      count(up, ratio(prefix));
      count(down, ratio(prefix));
    }
  }
  return { clipped, terms };
}

describe('what a form clips', () => {
  it.each(LOSSES)('%s: the terms that its formula changes, written out for separate sequences', (loss) => {
    fc.assert(
      fc.property(completions, logRatios, (list, logs) => {
        const { scored, example } = exampleOf(groupOf(list), loss);
        const { tree, advantages } = scored;
        const now = new Float32Array(tree.distinctTokenCount);
        let token = 0;
        for (let node = 0; node < tree.nodeCount; node++) {
          const [member] = tree.membersOf(node);
          for (let t = tree.start[node]; t < tree.end[node]; t++)
            now[token++] = logs[placeOf(list[member].tokens.slice(0, t + 1))];
        }
        const old = new Float32Array(now.length);
        const expected = bruteForce(
          list,
          advantages,
          (prefix) => Math.exp(Math.fround(logs[placeOf(prefix)])),
          loss,
        );
        const counted = countClipped(example, old, now, { form: formOf(loss), ...range });
        // CISPO's A⁺ + A⁻ may cancel up to rounding: then it has no term in exact arithmetic.
        if (loss === 'cispo' && counted.terms !== expected.terms) fc.pre(false);
        expect(counted).toEqual(expected);
      }),
      { numRuns: 300 },
    );
  });

  it('gspo: a token far off in a long sequence that stays near is not clipped; cispo has no lower bound; δ is one', () => {
    const group = groupOf([
      { tokens: [0, 0, 0, 0], reward: 1 },
      { tokens: [1, 1, 1, 1], reward: 0 },
    ]);
    const [high, low] = [
      Float32Array.of(0.5, 0, 0, 0, 0.5, 0, 0, 0),
      Float32Array.of(-1, -1, -1, -1, -1, -1, -1, -1),
    ];
    const old = new Float32Array(8);
    const count = (loss: Loss, now: Float32Array, clipBound?: number) =>
      countClipped(exampleOf(group, loss).example, old, now, {
        form: formOf(loss),
        clipLow: 0.2,
        clipHigh: 0.2,
        clipBound,
      });
    expect(count('dapo', high)).toEqual({ clipped: 1, terms: 8 });
    expect(count('dapo', high, 1.4)).toEqual({ clipped: 2, terms: 8 });
    expect(count('cispo', high)).toEqual({ clipped: 2, terms: 8 });
    expect(count('gspo', high)).toEqual({ clipped: 0, terms: 2 });
    expect(count('dapo', low)).toEqual({ clipped: 4, terms: 8 });
    expect(count('cispo', low)).toEqual({ clipped: 0, terms: 8 });
    expect(count('gspo', low)).toEqual({ clipped: 1, terms: 2 });
  });

  it('all terms cut off: the engine’s gradient is 0; none: it is not (ppo, gspo, δ)', async () => {
    const group = groupOf([
      { tokens: [1, 2, 1], reward: 1 },
      { tokens: [2, 1], reward: 0 },
    ]);
    const engine = engineOf();
    // ln π is about −ln 3 everywhere, far from these values.
    const olds = { far: [-3, -3, -3, 3, 3], inside: null, beyond: [-3, -3, -3, -3, -3] } as const;
    for (const loss of ['dapo', 'gspo'] as const) {
      const { example } = exampleOf(group, loss);
      const options = {
        ...{ learningRate: 0, maxGradNorm: null, temperature: 1, klBeta: 0 },
        ...{ clipLow: 0.2, clipHigh: 0.2, form: formOf(loss) },
      };
      const { logprobs } = await engine.score([example], 'current', options);
      const gradient = async (old: Float32Array, clipBound?: number) => {
        const all = { ...options, clipBound };
        const { gradNorm } = await engine.gradients([{ ...example, oldLogprobs: old }], all);
        return { gradNorm, ...countClipped(example, old, logprobs[0], all) };
      };
      const far = await gradient(Float32Array.from(olds.far));
      expect([far.gradNorm, far.clipped]).toEqual([0, far.terms]);
      const inside = await gradient(logprobs[0]);
      expect(inside.clipped).toBe(0);
      expect(inside.gradNorm).toBeGreaterThan(0);
      const unbounded = await gradient(Float32Array.from(olds.beyond));
      expect(unbounded.gradNorm).toBeGreaterThan(0);
      expect(unbounded.clipped).toBeLessThan(unbounded.terms);
      const bounded = await gradient(Float32Array.from(olds.beyond), 1.5);
      expect([bounded.gradNorm, bounded.clipped]).toEqual([0, bounded.terms]);
    }
    await engine.dispose();
  });
});

function engineOf(): LocalEngine {
  return new LocalEngine({
    model: { vocabularySize: 3, contextLength: 8, width: 16, layers: 1, heads: 2 },
    optimizer: { name: 'sgd', momentum: 0, weightDecay: 0 },
    seed: 0,
    backend: nodeBackend(),
    threads: 1,
  });
}

describe('a step of several updates', () => {
  it.each(LOSSES)(
    '%s: its clip_fraction is that of its own ratios; a wide range clips nothing',
    async (loss) => {
      const group = groupOf([
        { tokens: [1, 2, 1], reward: 1 },
        { tokens: [1, 1], reward: 0 },
        { tokens: [2, 1, 1], reward: 0.5 },
      ]);
      const fraction = async (clip: number) => {
        const engine = engineOf();
        const objective = objectiveOf(loss, { updates_per_batch: 3, clip_low: clip, clip_high: clip });
        const examples = trainExamples([scoreGroup(group, objective)], objective, 8);
        const options = { objective, learningRate: 0.05, maxGradNorm: null, temperature: 1 };
        const { clipFraction } = await learn(engine, { examples }, options);
        await engine.dispose();
        return clipFraction;
      };
      expect(await fraction(0.9)).toBe(0);
      const narrow = await fraction(1e-6);
      expect(narrow).toBeGreaterThan(0.1);
      expect(narrow).toBeLessThanOrEqual(1);
      // Terms of the two later updates, from the two sequences with an advantage: four tree tokens. The shared one has
      // both signs, which cancel in cispo.
      const terms = { dapo: 10, grpo: 10, cispo: 6, gspo: 4 }[loss];
      expect(narrow * terms).toBeCloseTo(Math.round(narrow * terms), 9);
      expect(narrow).not.toBe(1);
    },
  );
});
