import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Branches, commonEnd } from './branching.js';
import { ProcessTree } from './process-tree.js';

/** Ids at the limits of int32, and ids that differ only in high bits, which a bad hash would not distinguish. */
const anyToken = fc.oneof(
  fc.constantFrom(0, 1, -1, 2 ** 31 - 1, -(2 ** 31)),
  fc.nat(40).map((token) => token << 20),
  fc.nat(5),
);

describe('how far the members of a set agree', () => {
  it('is where one by one comparison ends, whatever the length and the place of the first difference', () => {
    const sequences = fc
      .tuple(
        fc.nat(900),
        fc.array(fc.record({ cut: fc.nat(900), differ: fc.nat(1) }), { minLength: 1, maxLength: 6 }),
      )
      .map(([length, members]) =>
        members.map(({ cut, differ }) => {
          const tokens = Int32Array.from({ length }, (_, t) => (t * t) % 13);
          if (differ === 0) return tokens.subarray(0, cut);
          if (cut < length) tokens[cut] += 1;
          return tokens;
        }),
      );
    fc.assert(
      fc.property(sequences, (tokens) => {
        const shortest = Math.min(...tokens.map((g) => g.length));
        let naive = 0;
        while (naive < shortest && tokens.every((g) => g[naive] === tokens[0][naive])) naive++;
        const members = Int32Array.from(tokens, (_, i) => i);
        expect(commonEnd(tokens, members, 0, tokens.length, 0)).toBe(naive);
        expect(commonEnd(tokens, members, 0, tokens.length, naive >> 1)).toBe(naive);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('splitting a set by the next token', () => {
  it('groups like a map in order of first appearance, keeps the order within, and touches nothing outside', () => {
    const cases = fc.record({
      nexts: fc.array(fc.option(anyToken, { freq: 5 }), { minLength: 1, maxLength: 200 }),
      before: fc.nat(3),
      after: fc.nat(3),
    });
    fc.assert(
      fc.property(cases, ({ nexts, before, after }) => {
        const tokens = nexts.map((token) => (token === null ? Int32Array.of(7) : Int32Array.of(7, token)));
        const outside = -5;
        const members = Int32Array.from([
          ...new Array<number>(before).fill(outside),
          ...nexts.map((_, i) => nexts.length - 1 - i),
          ...new Array<number>(after).fill(outside),
        ]);
        const expected = new Map<number | null, number[]>();
        for (const i of members.slice(before, before + nexts.length)) {
          const list = expected.get(nexts[i]);
          if (list) list.push(i);
          else expected.set(nexts[i], [i]);
        }
        const branches = new Branches(nexts.length);
        const count = branches.split(tokens, members, before, nexts.length, 1);
        expect(count).toBe(expected.size);
        expect([...members.subarray(before, before + nexts.length)]).toEqual([...expected.values()].flat());
        expect([...members.subarray(0, before)]).toEqual(new Array(before).fill(outside));
        expect([...members.subarray(before + nexts.length)]).toEqual(new Array(after).fill(outside));
        if (count > 1) {
          const sizes = Array.from({ length: count }, (_, b) => branches.from[b + 1] - branches.from[b]);
          expect(sizes).toEqual([...expected.values()].map((list) => list.length));
          expect(branches.from[0]).toBe(before);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('4,096 completions with 4,096 first tokens are 4,096 leaves', () => {
    for (const stride of [1, 4096, 65536, 2 ** 20]) {
      const tree = ProcessTree.build(Array.from({ length: 4096 }, (_, i) => [Math.imul(i, stride), 1]));
      const firsts = new Set(Array.from({ length: 4096 }, (_, i) => Math.imul(i, stride)));
      expect(tree.childrenOf(0).length).toBe(firsts.size);
    }
  });
});

describe('what building reads', () => {
  /** A typed array that counts reads. */
  function counted(tokens: readonly number[], count: () => void): Int32Array {
    return new Proxy(Int32Array.from(tokens), {
      get(target, key) {
        if (typeof key === 'string' && /^\d+$/.test(key)) count();
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  }

  it("never a leaf's own tail", () => {
    let reads = 0;
    const group = [1, 2].map((token) =>
      counted([5, 5, 5, token, ...new Array<number>(50_000).fill(9)], () => reads++),
    );
    expect(ProcessTree.build(group).nodeCount).toBe(3);
    expect(reads).toBeLessThan(40);
  });

  it('each shared token about once for each member, and beyond a branching at most as much again', () => {
    // A comb: completion i leaves the others after 40·(k − i) tokens, so the last one leaves first, and before that all
    // agree.
    const [k, tooth] = [12, 40];
    let reads = 0;
    const group = Array.from({ length: k }, (_, i) =>
      counted(
        Array.from({ length: tooth * k + 3000 }, (_, t) => (t < tooth * (k - i) ? 1 : 100 + i)),
        () => reads++,
      ),
    );
    const tree = ProcessTree.build(group);
    let shared = 0;
    for (let node = 0; node < tree.nodeCount; node++) {
      if (!tree.isLeaf(node)) shared += tree.size[node] * (tree.end[node] - tree.start[node]);
    }
    // A comparison reads two tokens, one from each sequence.
    expect(reads).toBeGreaterThan(shared);
    expect(reads).toBeLessThan(2 * 2 * shared);
  });

  it('once one member differs, the others are asked for no more than it shares', () => {
    let reads = 0;
    const alike = new Array<number>(2000).fill(1);
    const leaver = [1, 1, 2];
    const group = [alike, leaver, ...new Array<number[]>(20).fill(alike)];
    const proxies = group.map((tokens) => counted(tokens, () => reads++));
    expect(
      commonEnd(
        proxies,
        Int32Array.from(group, (_, i) => i),
        0,
        group.length,
        0,
      ),
    ).toBe(2);
    expect(reads).toBeLessThan(2 * 3 * group.length);
  });
});
