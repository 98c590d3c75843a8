import { describe, expect, it } from 'vitest';
import { binaryTree, type Cell, treeVerdict } from './binary-tree.js';

/** Twenty seeds around two means, with the same deviations for both methods. */
function cell(grpo: number, lambda: number, spread = 0.1): Cell {
  const noise = Array.from({ length: 20 }, (_, i) => spread * Math.sin(7 * i + 1));
  const seedNoise = Array.from({ length: 20 }, (_, i) => spread * Math.cos(5 * i + 2));
  return {
    grpo: noise.map((v) => grpo + v),
    lambda: noise.map((v, i) => lambda + v + 0.3 * seedNoise[i]),
  };
}
const table = [cell(0.4, 0.6), cell(0.3, 0.8), cell(0.5, 0.55)];
const verdictOf = (cells: Cell[], rates: Cell[]) => treeVerdict(cells, rates).verdict;

describe('the rule of binary-tree', () => {
  it('holds with the table and the sweep on its side', () => {
    const { verdict, best } = treeVerdict(table, [cell(0.5, 0.6), cell(0.6, 0.7), cell(0.4, 0.9)]);
    expect(verdict).toBe('holds');
    expect([best.grpo, best.lambda]).toEqual([1, 2]);
  });

  it('configurations of one seed are one observation: a cell twice over leaves the interval as it was', () => {
    const rates = [cell(0.5, 0.6)];
    const [once, twice] = [treeVerdict(table, rates).pooled, treeVerdict([...table, ...table], rates).pooled];
    expect(twice).toMatchObject({ count: 20, half: expect.closeTo(once.half, 12) });
  });

  it('holds in part with one of them', () => {
    expect(verdictOf(table, [cell(0.9, 0.6), cell(0.5, 0.9)])).toBe('holds in part');
    expect(verdictOf([...table, cell(0.6, 0.5)], [cell(0.5, 0.9)])).toBe('holds in part');
  });

  it('does not hold with neither, nor when the seeds spread too much to tell', () => {
    expect(verdictOf([cell(0.6, 0.5)], [cell(0.9, 0.6)])).toBe('does not hold here');
    const wide = { grpo: [0, 1, 0, 1, 0.2], lambda: [1, 0, 1, 0, 0.5] };
    expect(verdictOf([wide], [wide])).toBe('does not hold here');
  });

  it('the table’s learning rate is one of the sweep: its runs are shared', () => {
    const units = binaryTree.units(binaryTree.settings({ quick: false }), {});
    expect(units).toHaveLength((6 + 7) * 2 * 20);
    expect(new Set(units.map(({ id }) => id)).size).toBe((6 + 6) * 2 * 20);
  });
});
