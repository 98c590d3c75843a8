/** Computing part by part gives the same values and gradients as computing all at once, inside any graph. */
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { Session } from '../runtime/index.js';
import { nodeBackend } from '../runtime/node.js';
import * as g from './index.js';

const opened: Session[] = [];
afterAll(async () => {
  for (const session of opened) await session.dispose();
});

const open = async (outputs: Record<string, g.Tensor>): Promise<Session> => {
  const session = await Session.open(nodeBackend(), outputs, { threads: 1 });
  opened.push(session);
  return session;
};

const WIDTH = 3;
const values = (count: number, seed: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => Math.sin(12.9898 * (i + 1) + 78.233 * seed) * 0.9);

/** Computes softmax(rows · matrix · 0.5) ∘ factors ∘ rows, with rows [R, W] and a square matrix. */
const compute = (rows: g.Tensor, factors: g.Tensor, matrix: g.Tensor): g.Tensor =>
  g.mul(g.mul(g.softmax(g.mul(g.matmul(rows, matrix), 0.5)), factors), rows);

/** Σ (output of two layers) ∘ weights, computed part by part or at once. */
function loss(byParts: boolean, checkpointing: boolean) {
  const graph = new g.Graph();
  const rows = byParts ? 'K*R' : 'N';
  const x = graph.input('x', 'float32', byParts ? ['K', 'R', WIDTH] : [rows, WIDTH]);
  const factors = graph.input('factors', 'int32', byParts ? ['K', 'R', 1] : [rows, 1]);
  const weights = graph.input('weights', 'float32', byParts ? ['K', 'R', WIDTH] : [rows, WIDTH]);
  const matrix = graph.input('matrix', 'float32', [WIDTH, WIDTH]);
  const layer = (y: g.Tensor): g.Tensor => {
    const apply = ([part, count]: readonly g.Tensor[], [square]: readonly g.Tensor[]): g.Tensor =>
      compute(part, g.cast(count, 'float32'), square);
    const scaled = g.mul(y, 1.5);
    const out = byParts
      ? g.partByPart([scaled, factors], [matrix], apply, () => [])
      : apply([scaled, factors], [matrix]);
    const result = g.add(out, y);
    return checkpointing ? g.recompute(y, result) : result;
  };
  const total = g.sumAll(g.mul(layer(layer(x)), weights));
  const [ofX, ofMatrix] = g.gradients(total, [x, matrix]);
  return { total, ofX, ofMatrix };
}

describe('part by part', () => {
  it.each([false, true])(
    'values and gradients are those of all at once (computed again: %s)',
    async (again) => {
      const [parts, whole] = [await open(loss(true, again)), await open(loss(false, false))];
      await fc.assert(
        fc.asyncProperty(
          fc.integer({ min: 1, max: 5 }),
          fc.integer({ min: 1, max: 4 }),
          fc.nat(100),
          async (count, rows, seed) => {
            const n = count * rows;
            const factors = Int32Array.from({ length: n }, (_, i) => ((i * 7 + seed) % 5) - 2);
            const matrix = { data: values(WIDTH * WIDTH, seed), dims: [WIDTH, WIDTH] };
            const feeds = (leading: number[]) => ({
              x: { data: values(n * WIDTH, seed + 1), dims: [...leading, WIDTH] },
              weights: { data: values(n * WIDTH, seed + 2), dims: [...leading, WIDTH] },
              factors: { data: factors, dims: [...leading, 1] },
              matrix,
            });
            const [a, b] = [await parts.run(feeds([count, rows])), await whole.run(feeds([n]))];
            for (const name of ['total', 'ofX', 'ofMatrix']) {
              b[name].data.forEach((value, i) => {
                expect(a[name].data[i]).toBeCloseTo(value, 5);
              });
            }
          },
        ),
        { numRuns: 60 },
      );
    },
  );

  it('gradients are central differences', async () => {
    const session = await open(loss(true, true));
    const x = values(4 * WIDTH, 3);
    const matrix = values(WIDTH * WIDTH, 4);
    const run = () =>
      session.run({
        x: { data: x, dims: [2, 2, WIDTH] },
        weights: { data: values(4 * WIDTH, 5), dims: [2, 2, WIDTH] },
        factors: { data: Int32Array.of(1, -2, 2, 1), dims: [2, 2, 1] },
        matrix: { data: matrix, dims: [WIDTH, WIDTH] },
      });
    const { ofX, ofMatrix } = await run();
    for (const [data, gradient] of [
      [x, ofX.data],
      [matrix, ofMatrix.data],
    ]) {
      for (let i = 0; i < data.length; i++) {
        const at = data[i];
        const step = 2 ** -8;
        const side = async (sign: number): Promise<number> => {
          data[i] = at + sign * step;
          return (await run()).total.data[0];
        };
        const difference = ((await side(1)) - (await side(-1))) / (2 * step);
        data[i] = at;
        expect(Math.abs(gradient[i] - difference)).toBeLessThan(2e-3 * Math.max(1, Math.abs(difference)));
      }
    }
  });

  it('number of operations does not depend on the number of parts, and passes reach those of a part', () => {
    const { total, ofX } = loss(true, false);
    const count = g.compileModel({ total, ofX }).nodeCount;
    expect(count).toBeGreaterThan(g.topologicalOrder([total, ofX]).length);
    expect(g.compileModel(g.fuse({ total, ofX })).nodeCount).toBeLessThanOrEqual(count);
    const written = (outputs: Readonly<Record<string, g.Tensor>>): string =>
      Buffer.from(g.compileModel(outputs).bytes).toString('latin1');
    expect(written({ total, ofX })).toContain('FusedMatMul');
    expect(written(g.rewrite({ total, ofX }, g.webgpuPass))).not.toContain('FusedMatMul');
  });

  it('tensors with unequal numbers of parts are refused', () => {
    const graph = new g.Graph();
    const [a, b] = ['K', 'N'].map((size) => graph.input(size, 'float32', [size, 2]));
    expect(() =>
      g.partByPart(
        [a, b],
        [],
        ([x, y]) => g.add(x, y),
        () => [],
      ),
    ).toThrow('parts: expected K of each tensor, got K,N');
  });
});
