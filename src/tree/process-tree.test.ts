import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  intermediateProportion,
  isFlat,
  ProcessTree,
  packedIndices,
  packTree,
  pathDepth,
  treeStatistics,
} from './index.js';

/** B(G) by definition: every prefix, its set of members, the maximal ones. */
interface Step {
  readonly members: readonly number[];
  /** Members of the smallest larger set that contains this one; null for the root. */
  readonly parent: readonly number[] | null;
  readonly start: number;
  readonly end: number;
}

function bruteForce(group: readonly (readonly number[])[]): Step[] {
  const isPrefix = (p: readonly number[], g: readonly number[]): boolean =>
    p.every((token, i) => g[i] === token);
  const sets = new Map<string, number[]>();
  for (const g of group) {
    for (let n = 0; n <= g.length; n++) {
      const members = group.flatMap((other, i) => (isPrefix(g.slice(0, n), other) ? [i] : []));
      sets.set(members.join(), members);
    }
  }
  // A distinct completion is a leaf, even if longer ones begin with it.
  for (const g of group) {
    const members = group.flatMap((other, i) => (other.join() === g.join() ? [i] : []));
    sets.set(members.join(), members);
  }
  const all = [...sets.values()];
  const end = (members: readonly number[]): number => {
    const first = group[members[0]];
    let n = 0;
    while (n < first.length && members.every((i) => group[i].length > n && group[i][n] === first[n])) n++;
    return n;
  };
  const contains = (a: readonly number[], b: readonly number[]): boolean => b.every((i) => a.includes(i));
  return all.map((members) => {
    const supersets = all.filter((other) => other.length > members.length && contains(other, members));
    const parent = supersets.sort((a, b) => a.length - b.length)[0];
    return { members, parent: parent ?? null, start: parent ? end(parent) : 0, end: end(members) };
  });
}

/** Small alphabets and completions that continue earlier ones: many shared prefixes, duplicates and empty ones. */
const groups = fc
  .tuple(
    fc.integer({ min: 1, max: 3 }),
    fc.array(
      fc.record({
        base: fc.nat(20),
        keep: fc.nat(8),
        extra: fc.array(fc.nat(2), { maxLength: 5 }),
      }),
      { minLength: 1, maxLength: 9 },
    ),
  )
  .map(([alphabet, parts]) => {
    const group: number[][] = [];
    for (const { base, keep, extra } of parts) {
      const from = group.length > 0 ? group[base % group.length] : [];
      group.push([...from.slice(0, keep), ...extra.map((token) => token % alphabet)]);
    }
    return group;
  });

const RUNS = { numRuns: 3000 };

describe('the tree is B(G)', () => {
  it('nodes, parents, steps and sizes are those of the definition (3,000 random groups)', () => {
    fc.assert(
      fc.property(groups, (group) => {
        const tree = ProcessTree.build(group);
        const memberSet = (node: number): number[] => [...tree.membersOf(node)].sort((a, b) => a - b);
        const nodes = Array.from({ length: tree.nodeCount }, (_, node) =>
          JSON.stringify([
            memberSet(node),
            tree.parent[node] < 0 ? null : memberSet(tree.parent[node]),
            tree.start[node],
            tree.end[node],
            tree.size[node],
          ]),
        );
        const expected = bruteForce(group).map(({ members, parent, start, end }) =>
          JSON.stringify([members, parent, start, end, members.length]),
        );
        expect(nodes.sort()).toEqual(expected.sort());
      }),
      RUNS,
    );
  });

  it('every token belongs to exactly one step: steps of a path tile the completion', () => {
    fc.assert(
      fc.property(groups, (group) => {
        const tree = ProcessTree.build(group);
        group.forEach((tokens, i) => {
          let at = 0;
          for (const node of tree.pathOf(i)) {
            expect(tree.start[node]).toBe(at);
            expect([...tree.stepTokens(node)]).toEqual(tokens.slice(at, tree.end[node]));
            at = tree.end[node];
          }
          expect(at).toBe(tokens.length);
          const sharing = (t: number): number =>
            group.filter((other) => tokens.slice(0, t + 1).every((token, j) => other[j] === token)).length;
          expect([...tree.tokenSizes(i)]).toEqual(tokens.map((_, t) => sharing(t)));
          expect([...tree.tokenNodes(i)]).toEqual(tokens.map((_, t) => tree.nodeAt(i, t)));
        });
      }),
      RUNS,
    );
  });

  it('preorder, children, members and counts are consistent', () => {
    fc.assert(
      fc.property(groups, (group) => {
        const tree = ProcessTree.build(group);
        let distinct = 0;
        let leaves = 0;
        for (let node = 0; node < tree.nodeCount; node++) {
          distinct += tree.end[node] - tree.start[node];
          const children = tree.childrenOf(node);
          expect(children.length === 0).toBe(tree.isLeaf(node));
          if (tree.isLeaf(node)) {
            leaves++;
            for (const i of tree.membersOf(node)) expect(tree.leaf[i]).toBe(node);
          } else {
            expect(children.length).toBeGreaterThan(1);
            expect(children.reduce((n, child) => n + tree.size[child], 0)).toBe(tree.size[node]);
          }
          for (const child of children) {
            expect(tree.parent[child]).toBe(node);
            expect(tree.depth[child]).toBe(tree.depth[node] + 1);
            expect(child).toBeGreaterThan(node);
          }
        }
        expect(tree.distinctTokenCount).toBe(distinct);
        expect(tree.leafCount).toBe(leaves);
        expect(tree.leafCount).toBe(new Set(group.map((g) => g.join())).size);
        expect([...tree.members].sort((a, b) => a - b)).toEqual(group.map((_, i) => i));
        expect(tree.tokenCount).toBe(group.reduce((n, g) => n + g.length, 0));
      }),
      RUNS,
    );
  });

  it('blocks of comparison do not show: long shared prefixes end where they end', () => {
    for (const shared of [62, 63, 64, 65, 127, 128, 129, 1000]) {
      const prefix = Array.from({ length: shared }, (_, i) => i % 7);
      const tree = ProcessTree.build([
        [...prefix, 1, 2],
        prefix,
        [...prefix, 1, 3],
        [...prefix, 9],
        [...prefix, 1, 2],
      ]);
      expect(tree.end[0]).toBe(shared);
      expect([...tree.size]).toEqual([5, 3, 2, 1, 1, 1]);
      expect(tree.distinctTokenCount).toBe(shared + 4);
    }
  });

  it('children stand in the order in which the group first shows them, also when there are many', () => {
    const group = Array.from({ length: 500 }, (_, i) => [(i * 7) % 100, i]);
    const tree = ProcessTree.build(group);
    const firsts = tree.childrenOf(0).map((node) => tree.stepTokens(node)[0]);
    expect(firsts).toEqual(Array.from({ length: 100 }, (_, i) => (i * 7) % 100));
  });

  it('a chain of 5,000 prefixes needs no deep recursion', () => {
    const all = Int32Array.from({ length: 5000 }, (_, i) => i % 11);
    const tree = ProcessTree.build(Array.from({ length: 5000 }, (_, i) => all.subarray(0, i + 1)));
    expect(tree.leafCount).toBe(5000);
    expect(tree.distinctTokenCount).toBe(5000);
    expect(pathDepth(tree)[4999]).toBe(4998);
    const packed = packTree(tree, Int32Array.of(1, 2, 3));
    expect(packed.position[packed.length - 1]).toBe(5002);
  });

  it('every kind of token array gives the same tree; an Int32Array is kept, not copied', () => {
    const group = [[3, 1, 4, 1], [3, 1, 5], [], [3, 1, 4, 1]];
    const kinds = [
      group,
      group.map((g) => Int32Array.from(g)),
      group.map((g) => Uint32Array.from(g)),
      group.map((g) => Uint16Array.from(g)),
    ].map((completions) => ProcessTree.build(completions));
    for (const tree of kinds) expect(tree).toEqual(kinds[0]);
    const kept = Int32Array.of(1, 2);
    expect(ProcessTree.build([kept]).tokens[0]).toBe(kept);
  });

  it('an empty group, and places outside the tree, are refused', () => {
    expect(() => ProcessTree.build([])).toThrow('expected at least one completion in a group, got none');
    const tree = ProcessTree.build([[1, 2]]);
    expect(() => tree.nodeAt(0, 2)).toThrow('token 2 is outside completion 0 of 2 tokens');
    expect(() => tree.pathOf(1)).toThrow('completion 1 is outside the group of 1');
  });
});

describe('golden examples', () => {
  const letters = (text: string): number[] => [...text].map((c) => c.charCodeAt(0));

  it("|λ| per token of the reference implementation's example (its first token is the prompt's)", () => {
    const group = ['ABC', 'ABD', 'JKLM', 'JKLM', 'JKLNQST', 'JKLNQU'];
    const tree = ProcessTree.build(group.map(letters));
    expect(group.map((_, i) => [tree.groupSize, ...tree.tokenSizes(i)])).toEqual([
      [6, 2, 2, 1],
      [6, 2, 2, 1],
      [6, 4, 4, 4, 2],
      [6, 4, 4, 4, 2],
      [6, 4, 4, 4, 2, 2, 1, 1],
      [6, 4, 4, 4, 2, 2, 1],
    ]);
  });

  it("the paper's worked example has its nine steps, and depth and proportion follow", () => {
    const group = ['ABCD', 'ABEFHI', 'JKLM', 'JKLNQST', 'JKLNQU', 'VWYZ'];
    const tree = ProcessTree.build(group.map(letters));
    const steps = Array.from({ length: tree.nodeCount }, (_, node) =>
      String.fromCharCode(...tree.stepTokens(node)),
    );
    expect(steps).toEqual(['', 'AB', 'CD', 'EFHI', 'JKL', 'M', 'NQ', 'ST', 'U', 'VWYZ']);
    expect([...pathDepth(tree)]).toEqual([1, 1, 1, 2, 2, 0]);
    expect([...intermediateProportion(tree)]).toEqual([2 / 4, 2 / 6, 3 / 4, 5 / 7, 5 / 6, 0]);
    expect(treeStatistics(tree)).toMatchObject({
      nodes: 10,
      leaves: 6,
      tokens: 31,
      distinctTokens: 21,
      flat: false,
    });
  });

  it('statistics are those of the definition (1,000 random groups)', () => {
    fc.assert(
      fc.property(groups, (group) => {
        const tree = ProcessTree.build(group);
        const sets = bruteForce(group);
        const root = sets.find(({ parent }) => parent === null);
        const isLeafOf = (set: Step, i: number): boolean =>
          set.members.includes(i) && set.members.every((j) => group[j].join() === group[i].join());
        const depths = group.map(
          (_, i) => sets.filter((set) => set !== root && set.members.includes(i) && !isLeafOf(set, i)).length,
        );
        const proportions = group.map((tokens, i) => {
          const leaf = sets.find((set) => isLeafOf(set, i));
          return leaf === root || tokens.length === 0 ? 0 : (leaf!.start - root!.end) / tokens.length;
        });
        const shared = group.flatMap((tokens) =>
          tokens.filter((_, t) => {
            const prefix = tokens.slice(0, t + 1).join();
            return (
              group.filter((other) => other.length > t && other.slice(0, t + 1).join() === prefix).length > 1
            );
          }),
        ).length;
        const tokens = group.flat().length;
        expect([...pathDepth(tree)]).toEqual(depths);
        expect([...intermediateProportion(tree)]).toEqual(proportions);
        const statistics = treeStatistics(tree);
        expect(statistics.sharedTokenShare).toBe(tokens > 0 ? shared / tokens : 0);
        expect(statistics.maxPathDepth).toBe(Math.max(...depths));
        expect(statistics.meanPathDepth).toBeCloseTo(depths.reduce((a, b) => a + b) / group.length, 12);
        expect(statistics.flat).toBe(depths.every((depth) => depth === 0));
        const withTokens = sets.filter(({ start, end }) => end > start).map(({ members }) => members.length);
        expect(statistics.maxSize).toBe(Math.max(0, ...withTokens));
      }),
      { numRuns: 1000 },
    );
  });

  it('flat: nothing shared, one member, all alike; not flat: one inner step', () => {
    expect(isFlat(ProcessTree.build([[1], [2], [3]]))).toBe(true);
    expect(isFlat(ProcessTree.build([[1, 2]]))).toBe(true);
    expect(
      isFlat(
        ProcessTree.build([
          [1, 2],
          [1, 2],
        ]),
      ),
    ).toBe(true);
    expect(isFlat(ProcessTree.build([[1, 2], [1, 3], [2]]))).toBe(false);
  });
});

describe('packing', () => {
  it('who sees whom is ancestor or self, and paths spell the completions', () => {
    fc.assert(
      fc.property(groups, fc.array(fc.nat(5), { maxLength: 3 }), (group, prompt) => {
        const tree = ProcessTree.build(group);
        const packed = packTree(tree, Int32Array.from(prompt));
        expect(packed.length).toBe(prompt.length + tree.distinctTokenCount);
        for (let i = 0; i < packed.length; i++) {
          const ancestors = new Set<number>();
          for (let at = i; at >= 0; at = packed.parent[at]) ancestors.add(at);
          expect(packed.position[i]).toBe(ancestors.size - 1);
          for (let j = 0; j < packed.length; j++) {
            expect(j <= i && i < packed.subtreeEnd[j]).toBe(ancestors.has(j));
          }
        }
        group.forEach((tokens, i) => {
          const indices = packedIndices(tree, packed, i);
          expect([...indices].map((at) => packed.tokens[at])).toEqual(tokens);
          indices.forEach((at, t) => {
            expect(packed.position[at]).toBe(prompt.length + t);
            expect(packed.node[at]).toBe(tree.nodeAt(i, t));
            expect(packed.parent[at]).toBe(t > 0 ? indices[t - 1] : prompt.length - 1);
          });
        });
      }),
      { numRuns: 500 },
    );
  });
});
