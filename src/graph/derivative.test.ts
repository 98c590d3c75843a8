import { describe, expect, it } from 'vitest';
import { Session } from '../runtime/index.js';
import { nodeBackend } from '../runtime/node.js';
import * as g from './index.js';

/** Deterministic values in [-1, 1], far enough apart that min and max have no ties. */
function values(count: number, seed: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => Math.sin(12.9898 * (i + 1) + 78.233 * seed) * 0.9);
}

interface Case {
  readonly op: string;
  readonly shapes: readonly (readonly number[])[];
  readonly build: (x: g.Tensor[], graph: g.Graph) => g.Tensor;
  /** Transforms the raw values, e.g. to positive ones for Log. */
  readonly domain?: (v: number) => number;
}

const positive = (v: number): number => 0.5 + Math.abs(v);

const cases: Case[] = [
  { op: 'Add', shapes: [[3, 4], [4]], build: ([a, b]) => g.add(a, b) },
  { op: 'Sub', shapes: [[3, 1], [4]], build: ([a, b]) => g.sub(a, b) },
  {
    op: 'Mul',
    shapes: [
      [2, 3, 4],
      [3, 1],
    ],
    build: ([a, b]) => g.mul(a, b),
  },
  { op: 'Div', shapes: [[3, 4], [4]], build: ([a, b]) => g.div(a, b), domain: positive },
  { op: 'Min', shapes: [[3, 4], [4]], build: ([a, b]) => g.minimum(a, b) },
  { op: 'Max', shapes: [[3, 4], [4]], build: ([a, b]) => g.maximum(a, b) },
  { op: 'Neg', shapes: [[5]], build: ([a]) => g.neg(a) },
  { op: 'Exp', shapes: [[5]], build: ([a]) => g.exp(a) },
  { op: 'Log', shapes: [[5]], build: ([a]) => g.log(a), domain: positive },
  { op: 'Sqrt', shapes: [[5]], build: ([a]) => g.sqrt(a), domain: positive },
  { op: 'Tanh', shapes: [[5]], build: ([a]) => g.tanh(a) },
  { op: 'Sigmoid', shapes: [[5]], build: ([a]) => g.sigmoid(a) },
  { op: 'Sigmoid', shapes: [[7]], build: ([a]) => g.gelu(g.mul(a, 2)) },
  { op: 'Sigmoid', shapes: [[7]], build: ([a]) => g.silu(g.mul(a, 3)) },
  {
    op: 'Unsqueeze',
    shapes: [
      [2, 3],
      [2, 1, 3],
    ],
    build: ([a, b]) => g.mul(g.unsqueeze(a, 1), b),
  },
  {
    op: 'Squeeze',
    shapes: [
      [2, 1, 3],
      [2, 3],
    ],
    build: ([a, b]) => g.mul(g.squeeze(a, 1), b),
  },
  {
    op: 'ScatterElements',
    shapes: [
      [4, 2],
      [3, 2],
    ],
    build: ([u, w], graph) =>
      g.mul(g.addRows([3, 2], graph.constant(BigInt64Array.of(2n, 0n, 2n, 1n), [4]), u), w),
  },
  {
    op: 'ScatterND',
    shapes: [
      [2, 2],
      [3, 2],
    ],
    build: ([u, w], graph) => g.mul(g.placeRows([3, 2], graph.constant(Int32Array.of(2, 0), [2]), u), w),
  },
  {
    op: 'RotaryEmbedding',
    shapes: [
      [1, 3, 8],
      [1, 3, 8],
    ],
    build: ([x, w], graph) => {
      const angles = graph.constant(values(12, 4), [3, 4]);
      return g.mul(g.turn(x, g.cos(angles), g.sin(angles)), w);
    },
  },
  {
    op: 'Sigmoid',
    shapes: [
      [3, 4],
      [3, 4],
    ],
    build: ([gate, up]) => g.swiglu(g.mul(gate, 3), up),
  },
  { op: 'Floor', shapes: [[5]], build: ([a]) => g.mul(g.floor(g.mul(a, 2)), a) },
  { op: 'Cos', shapes: [[5]], build: ([a]) => g.cos(g.mul(a, 2)) },
  { op: 'Sin', shapes: [[5]], build: ([a]) => g.sin(g.mul(a, 2)) },
  {
    op: 'SimplifiedLayerNormalization',
    shapes: [[2, 3, 6], [6], [2, 3, 6]],
    build: ([x, scale, w]) => g.mul(g.rmsNorm(x, scale, 1e-5), w),
  },
  {
    op: 'FusedMatMul',
    shapes: [
      [2, 2, 3, 4, 5],
      [2, 2, 1, 6, 5],
    ],
    build: ([a, b]) => g.matmul(a, b, { transB: true, alpha: 0.5 }),
  },
  {
    op: 'Where',
    shapes: [[3, 4], [4]],
    build: ([a, b], graph) => g.where(g.lessOrEqual(a, graph.scalar(0.1)), g.mul(a, a), b),
  },
  { op: 'ReduceSum', shapes: [[2, 3, 4]], build: ([a]) => g.mul(g.reduceSum(a, [1], true), a) },
  { op: 'ReduceMean', shapes: [[2, 3, 4]], build: ([a]) => g.mul(g.reduceMean(a, [-1, 0], true), a) },
  {
    op: 'Softmax',
    shapes: [
      [3, 5],
      [3, 5],
    ],
    build: ([a, b]) => g.mul(g.softmax(g.mul(a, 3)), b),
  },
  {
    op: 'LogSoftmax',
    shapes: [
      [3, 5],
      [3, 5],
    ],
    build: ([a, b]) => g.mul(g.logSoftmax(g.mul(a, 3)), b),
  },
  {
    op: 'LayerNormalization',
    shapes: [[4, 6], [6], [6], [4, 6]],
    build: ([x, scale, bias, w]) => g.mul(g.layerNorm(x, scale, bias, 1e-5), w),
  },
  {
    op: 'Reshape',
    shapes: [
      [2, 6],
      [3, 4],
    ],
    build: ([a, b]) => g.mul(g.reshape(a, [3, 4]), b),
  },
  {
    op: 'Transpose',
    shapes: [
      [2, 3, 4],
      [4, 2, 3],
    ],
    build: ([a, b]) => g.mul(g.transpose(a, [2, 0, 1]), b),
  },
  {
    op: 'Expand',
    shapes: [
      [3, 1],
      [3, 4],
    ],
    build: ([a, b]) => g.mul(g.expand(a, [3, 4]), b),
  },
  {
    op: 'Split',
    shapes: [[2, 6]],
    build: ([a]) => {
      const [x, , z] = g.split(a, [2, 2, 2], 1);
      return g.mul(x, z);
    },
  },
  {
    op: 'Concat',
    shapes: [
      [2, 3],
      [2, 1],
      [2, 4],
    ],
    build: ([a, b, c]) => g.mul(g.concat([a, b], 1), c),
  },
  {
    op: 'FusedMatMul',
    shapes: [
      [2, 3, 4],
      [2, 4, 5],
    ],
    build: ([a, b]) => g.matmul(a, b, { alpha: 0.7 }),
  },
  {
    op: 'FusedMatMul',
    shapes: [
      [2, 4, 3],
      [4, 5],
    ],
    build: ([a, b]) => g.matmul(a, b, { transA: true }),
  },
  {
    op: 'FusedMatMul',
    shapes: [
      [3, 4],
      [5, 4],
    ],
    build: ([a, b]) => g.matmul(a, b, { transB: true, alpha: 2 }),
  },
  {
    op: 'FusedMatMul',
    shapes: [
      [2, 4, 3],
      [2, 5, 4],
    ],
    build: ([a, b]) => g.matmul(a, b, { transA: true, transB: true }),
  },
  { op: 'Gemm', shapes: [[3, 4], [4, 5], [5]], build: ([x, w, b]) => g.linear(x, w, b) },
  {
    op: 'Gemm',
    shapes: [
      [3, 4],
      [5, 4],
    ],
    build: ([x, w]) => g.linear(x, w, undefined, true),
  },
  {
    op: 'Gather',
    shapes: [
      [4, 3],
      [5, 3],
    ],
    build: ([table, w], graph) =>
      g.mul(g.gather(table, graph.constant(Int32Array.of(1, 3, 1, 0, 1), [5])), w),
  },
  {
    op: 'GatherND',
    shapes: [[3, 4], [4]],
    build: ([x, w], graph) => {
      const at = graph.constant(BigInt64Array.of(0n, 1n, 2n, 3n, 0n, 2n, 1n, 0n), [4, 2]);
      return g.mul(g.gatherND(x, at), w);
    },
  },
  {
    op: 'GatherND',
    shapes: [
      [2, 3, 2],
      [2, 2, 2],
    ],
    build: ([x, w], graph) => {
      const at = graph.constant(BigInt64Array.of(0n, 1n, 1n, 2n, 0n, 0n, 1n, 0n), [2, 2, 2]);
      return g.mul(g.gatherND(x, at), w);
    },
  },
];

const notDifferentiatedByNumbers = new Set(['StopGradient']);

describe('gradients agree with central differences', () => {
  it('every operator that has a derivative is among the cases', () => {
    const covered = new Set(cases.map((c) => c.op));
    for (const op of g.differentiableOperators()) {
      if (!notDifferentiatedByNumbers.has(op)) expect(covered, op).toContain(op);
    }
  });

  for (const [index, { op, shapes, build, domain }] of cases.entries()) {
    it(`${op} (case ${index}) ${shapes.map(g.formatShape).join(' ')}`, async () => {
      const graph = new g.Graph();
      const inputs = shapes.map((shape, i) => graph.input(`x${i}`, 'float32', shape));
      const output = build(inputs, graph);
      // Σ (w ∘ y) + y²/2: without a symmetry that could hide an error. Per element, so that it can be summed in double
      // precision.
      const count = output.shape.reduce<number>((n, d) => n * Number(d), 1);
      const weight = graph.constant(values(count, 99), output.shape);
      const perElement = g.add(g.mul(output, weight), g.mul(g.mul(output, output), 0.5));
      const grads = g.gradients(g.sumAll(perElement), inputs);
      const program = await Session.open(nodeBackend(), {
        terms: perElement,
        ...Object.fromEntries(grads.map((t, i) => [`g${i}`, t])),
      });
      const data = shapes.map((shape, i) => {
        const raw = values(
          shape.reduce((n, d) => n * d, 1),
          i + index,
        );
        return domain ? raw.map(domain) : raw;
      });
      const feeds = (): Record<string, { data: Float32Array; dims: readonly number[] }> =>
        Object.fromEntries(data.map((d, i) => [`x${i}`, { data: d, dims: shapes[i] }]));
      const objective = async (): Promise<number> =>
        (await program.run(feeds())).terms.data.reduce((sum, v) => sum + v, 0);
      const analytic = await program.run(feeds());
      const h = 1 / 256;
      for (let i = 0; i < data.length; i++) {
        for (let j = 0; j < data[i].length; j++) {
          const before = data[i][j];
          data[i][j] = before + h;
          const up = await objective();
          data[i][j] = before - h;
          const down = await objective();
          data[i][j] = before;
          const numeric = (up - down) / (2 * h);
          expect(Math.abs(analytic[`g${i}`].data[j] - numeric)).toBeLessThan(
            2e-3 * Math.max(1, Math.abs(numeric)),
          );
        }
      }
      await program.dispose();
    });
  }

  it('StopGradient passes the value and stops the gradient', async () => {
    const graph = new g.Graph();
    const x = graph.input('x', 'float32', [2]);
    const [dx] = g.gradients(g.sumAll(g.mul(x, g.stopGradient(x))), [x]);
    const program = await Session.open(nodeBackend(), { dx });
    const { data } = (await program.run({ x: { data: Float32Array.of(3, -5), dims: [2] } })).dx;
    expect([...data]).toEqual([3, -5]);
  });
});

describe('graph construction', () => {
  it('equal nodes are made once', () => {
    const graph = new g.Graph();
    const x = graph.input('x', 'float32', ['N']);
    expect(g.exp(g.mul(x, 2))).toBe(g.exp(g.mul(x, 2)));
  });

  it('neutral elements disappear and transposes cancel', () => {
    const graph = new g.Graph();
    const x = graph.input('x', 'float32', ['N', 3]);
    expect(g.mul(g.add(x, 0), 1)).toBe(x);
    expect(g.transpose(g.transpose(x, [1, 0]), [1, 0])).toBe(x);
  });

  it('shape errors name the operation and the shapes while the graph is built', () => {
    const graph = new g.Graph();
    const a = graph.input('a', 'float32', ['N', 3]);
    const b = graph.input('b', 'float32', ['M', 3]);
    expect(() => g.add(a, b)).toThrow('Add: shapes [N, 3] and [M, 3] do not broadcast');
    expect(() => g.matmul(a, b)).toThrow('matmul: inner sizes 3 and M differ');
    expect(() => g.reshape(a, ['M', 3])).toThrow('Reshape: [N, 3] does not have the elements of [M, 3]');
    expect(() => g.gradients(a, [a])).toThrow('expected a scalar loss, got');
    expect(() => g.gradients(g.sumAll(a), [b])).toThrow('does not depend on tensor 0 (b [M, 3])');
  });

  it('a product of symbols is split back by reshape, and the sizes come from the inputs', async () => {
    const graph = new g.Graph();
    const flat = graph.input('flat', 'float32', ['B*L', 2]);
    const rows = graph.input('rows', 'int32', ['B', 'L']);
    const out = g.reduceSum(g.reshape(flat, ['B', 'L', 2]), [1]);
    const program = await Session.open(nodeBackend(), { out, used: g.cast(rows, 'float32') });
    const { out: sums } = await program.run({
      flat: { data: Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8), dims: [4, 2] },
      rows: { data: new Int32Array(4), dims: [2, 2] },
    });
    expect([...sums.data]).toEqual([4, 6, 12, 14]);
  });
});
