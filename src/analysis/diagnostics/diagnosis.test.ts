/**
 * The diagnosis of a run equals what `LogGatherer` says of the same groups, however the groups are divided into parts.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Group } from '../../rollouts/index.js';
import { analyzeGroup } from '../analyze-group.js';
import { LogGatherer } from '../gather.js';
import { TreeDiagnosis } from './diagnosis.js';

const completion = fc
  .record({
    tokens: fc.array(fc.nat(1), { maxLength: 4 }),
    reward: fc.constantFrom(0, 1),
    noise: fc.integer({ min: -3, max: 0 }),
    version: fc.nat(2),
  })
  .map(({ tokens, reward, noise, version }) => ({
    tokens: Int32Array.from(tokens),
    reward,
    success: reward === 1,
    text: tokens.join(''),
    logprobs: Float32Array.from(tokens, () => noise / 8 - 0.5),
    trainerLogprobs: Float32Array.from(tokens, () => noise / 4 - 0.5),
    entropies: Float32Array.from(tokens, (token) => token / 2),
    versions: [version],
  }));
const group: fc.Arbitrary<Group> = fc
  .record({
    completions: fc.array(completion, { minLength: 1, maxLength: 5 }),
    prompt: fc.nat(2),
    step: fc.option(fc.nat(3), { nil: null }),
    id: fc.nat(9),
  })
  .map(({ completions, prompt, step, id }) => ({
    id: String(id),
    step,
    prompt: { tokens: Int32Array.of(prompt, 7) },
    completions,
    tokens: 'exact' as const,
    groups: 'explicit' as const,
    tokenTexts: { 0: 'a', 1: 'aa' },
    ...(id === 9 && {
      merged: { id: 'x', rewards: Float64Array.from(completions, ({ reward }) => reward), from: 0 },
    }),
  }));

const near = (value: unknown): unknown =>
  typeof value === 'number'
    ? expect.closeTo(value, 9)
    : Array.isArray(value)
      ? value.map(near)
      : value !== null && typeof value === 'object'
        ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, near(inner)]))
        : value;

describe('the diagnosis of a run', () => {
  it('is the same whole and put together from parts, and says what analyze says', () => {
    fc.assert(
      fc.property(fc.array(fc.array(group, { maxLength: 4 }), { maxLength: 4 }), (parts) => {
        const whole = new TreeDiagnosis();
        const together = new TreeDiagnosis();
        const gatherer = new LogGatherer();
        for (const part of parts) {
          const diagnosis = new TreeDiagnosis();
          for (const each of part) {
            const analysis = analyzeGroup(each);
            whole.add(each, analysis);
            diagnosis.add(each, analysis);
            gatherer.add(each, analysis);
          }
          const before = diagnosis.figures();
          together.merge(diagnosis);
          expect(diagnosis.figures()).toEqual(before);
        }
        const figures = whole.figures();
        expect(together.figures()).toEqual(near(figures));
        const { all, splitPrompts, steps } = gatherer.result();
        expect(figures).toEqual(
          near({
            ...all.diagnostics,
            groups: all.groups,
            completions: all.completions,
            singletons: all.singletonGroups,
            zeroVariance: all.zeroVariance,
            splitPrompts,
            steps: {
              step: steps.map(({ step }) => step),
              sharing: steps.map(({ figures: { diagnostics } }) => diagnostics.sharing),
              pathDepth: steps.map(({ figures: { meanPathDepth } }) => meanPathDepth),
            },
          }),
        );
      }),
      { numRuns: 200 },
    );
  });

  it('of many steps the curves are means over as many at a time as make 200 points', () => {
    const diagnosis = new TreeDiagnosis();
    for (let step = 1; step <= 1000; step++) {
      // In the second half of the steps the two completions share their first token.
      const shared = step > 500;
      const completions = [0, 1].map((i) => ({ tokens: Int32Array.of(shared ? 9 : i, i), reward: i }));
      const group: Group = {
        id: 'g',
        step,
        prompt: { tokens: Int32Array.of(step) },
        completions,
        tokens: 'exact',
        groups: 'explicit',
      };
      diagnosis.add(group, analyzeGroup(group));
    }
    const { step, sharing } = diagnosis.figures().steps;
    expect(step).toHaveLength(200);
    expect([step[0], step[1], step[199]]).toEqual([5, 10, 1000]);
    // Half of the tokens are shared by two completions, the others by one.
    expect([sharing[0], sharing[99], sharing[100], sharing[199]]).toEqual([0.5, 0.5, 0.75, 0.75]);
  });
});
