import fc from 'fast-check';
import { expect, it } from 'vitest';
import { structureOf } from './groups.js';

const completions = fc.array(fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 1, maxLength: 6 }), {
  minLength: 4,
  maxLength: 13,
});

/** Longest prefix that a completion shares with a different completion of the group; 0: none. */
function shared(group: readonly number[][], completion: readonly number[]): number {
  const lengths = group
    .filter((other) => other.join() !== completion.join())
    .map((other) => {
      let n = 0;
      while (n < completion.length && n < other.length && completion[n] === other[n]) n++;
      return n;
    });
  return Math.max(0, ...lengths);
}

it('small groups are disjoint parts of a prompt’s completions, each with the figures of brute force', () => {
  fc.assert(
    fc.property(
      fc.array(completions, { minLength: 1, maxLength: 3 }),
      fc.constantFrom(2, 3, 4),
      (prompts, k) => {
        const tokens = prompts.map((list) => list.map((c) => ({ tokens: Int32Array.from(c) })));
        const result = structureOf(tokens, k);
        const parts = prompts.flatMap((list) =>
          list.flatMap((_, i) => (i % k === 0 && i + k <= list.length ? [list.slice(i, i + k)] : [])),
        );
        expect(result.groups).toBe(parts.length);
        // The root's step is the prefix that all share; the leaf's begins where the last other completion diverges.
        const proportions = parts.map((group) => {
          const root = group[0].findIndex((t, at) => group.some((other) => other[at] !== t));
          const all = root < 0 ? group[0].length : root;
          const values = group.map(
            (completion) => Math.max(0, shared(group, completion) - all) / completion.length,
          );
          return new Set(group.map((c) => c.join())).size === 1 ? 0 : values.reduce((a, b) => a + b, 0) / k;
        });
        proportions.forEach((value, i) => {
          expect(result.intermediate[i]).toBeCloseTo(value, 3);
        });
      },
    ),
    { numRuns: 200 },
  );
});

it('a group that parts at once is flat; one in which two of three go on together is not', () => {
  const group = (...lists: number[][]) => [lists.map((list) => ({ tokens: Int32Array.from(list) }))];
  expect(structureOf(group([1], [2], [3]), 3)).toMatchObject({ flat: 1, depth: [0], intermediate: [0] });
  // Two of three share one of their two tokens.
  expect(structureOf(group([1, 5], [1, 6], [3]), 3)).toMatchObject({
    flat: 0,
    depth: [0.6667],
    intermediate: [0.3333],
  });
});
