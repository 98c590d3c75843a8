import { describe, expect, it } from 'vitest';
import { Session } from '../runtime/index.js';
import { nodeBackend } from '../runtime/node.js';
import * as g from './index.js';

const WIDTH = 4;

/** Rows of whole numbers, so that sums are exact in any order. */
const rowsOf = (count: number, seed: number): Float32Array =>
  Float32Array.from({ length: count * WIDTH }, (_, i) => ((i * 7919 + seed * 104_729) % 17) - 8);

/** The sums, computed by a plain loop. */
function expected(size: number, targets: Int32Array, rows: Float32Array): number[] {
  const sums = new Array<number>(size * WIDTH).fill(0);
  targets.forEach((target, i) => {
    if (target >= 0) for (let d = 0; d < WIDTH; d++) sums[target * WIDTH + d] += rows[i * WIDTH + d];
  });
  return sums;
}

describe('sums of rows at places that may be equal', () => {
  it('rows that are read often lose nothing of their gradient, on all threads, every time', async () => {
    const graph = new g.Graph();
    const table = graph.input('table', 'float32', [2, WIDTH]);
    const indices = graph.input('indices', 'int32', ['N']);
    const weight = graph.input('weight', 'float32', ['N', WIDTH]);
    const [gradient] = g.gradients(g.sumAll(g.mul(g.gather(table, indices), weight)), [table]);
    const program = await Session.open(nodeBackend(), { gradient });
    const count = 20_000;
    const targets = Int32Array.from({ length: count }, (_, i) => i % 2);
    const rows = rowsOf(count, 1);
    const feeds = {
      indices: { data: targets, dims: [count] },
      weight: { data: rows, dims: [count, WIDTH] },
    };
    for (let i = 0; i < 20; i++) {
      expect([...(await program.run(feeds)).gradient.data]).toEqual(expected(2, targets, rows));
    }
    await program.dispose();
  });
});
