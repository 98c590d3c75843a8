/** Fused graphs have the same values as plain ones, and fewer operations. */
import { afterAll, describe, expect, it } from 'vitest';
import { Session } from '../runtime/index.js';
import { nodeBackend } from '../runtime/node.js';
import * as g from './index.js';

const opened: Session[] = [];
afterAll(async () => {
  for (const session of opened) await session.dispose();
});

const operators = (outputs: Readonly<Record<string, g.Tensor>>): string[] =>
  g
    .topologicalOrder(Object.values(outputs))
    .map(({ op }) => op)
    .filter((op) => !['Input', 'Constant'].includes(op));

/** Matrices a [3, 4], b [4, 5], c [3, 5], d [4, 5]. */
const shapes = { a: [3, 4], b: [4, 5], c: [3, 5], d: [4, 5] } as const;
type Names = keyof typeof shapes;

/** A session fuses every graph, so plain values are computed with operations that are never fused. */
async function valuesOf(
  outputs: Readonly<Record<string, g.Tensor>>,
  inputs: ReadonlySet<string>,
): Promise<Record<string, number[]>> {
  const session = await Session.open(nodeBackend(), outputs, { threads: 1 });
  opened.push(session);
  const feeds = Object.fromEntries(
    (Object.keys(shapes) as Names[])
      .filter((name) => inputs.has(name))
      .map((name, k) => {
        const dims = shapes[name];
        const data = Float32Array.from({ length: dims[0] * dims[1] }, (_, i) => ((i * 7 + k * 5) % 11) - 4);
        return [name, { data, dims }];
      }),
  );
  const results = await session.run(feeds);
  return Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, [...data]]));
}

type Build = (inputs: Record<Names, g.Tensor>, product: typeof g.linear) => Record<string, g.Tensor>;

const cases: readonly (readonly [string, Build, readonly string[]])[] = [
  ['a factor after', ({ a, b }, product) => ({ y: g.mul(product(a, b), 3) }), ['Gemm']],
  ['a factor before', ({ a, b }, product) => ({ y: product(g.mul(3, a), b) }), ['Gemm']],
  ['factors of both', ({ a, b }, product) => ({ y: product(g.mul(3, a), g.mul(b, 2)) }), ['Gemm']],
  ['an addend', ({ a, b, c }, product) => ({ y: g.add(c, product(a, b)) }), ['Gemm']],
  [
    'factor, addend and a second product',
    ({ a, b, c, d }, product) => ({ y: g.add(g.add(c, g.mul(product(a, b), 2)), product(a, d)) }),
    ['Gemm', 'Gemm'],
  ],
  [
    'a product that others read stays as it is',
    ({ a, b, c }, product) => {
      const p = product(a, b);
      return { y: g.add(c, p), z: g.mul(p, 2), p };
    },
    ['Add', 'Gemm', 'Mul'],
  ],
  [
    'an addend of one row is no addend of the product',
    ({ a, b, c }, product) => ({ y: g.add(g.reduceSum(c, [0], true), product(a, b)) }),
    ['Add', 'Gemm', 'ReduceSum'],
  ],
  [
    'reshapes in a row are one, or none',
    ({ a }) => {
      const flat = g.reshape(a, [12]);
      return { y: g.exp(g.reshape(flat, [2, 6])), z: g.exp(g.reshape(g.reshape(a, [6, 2]), [3, 4])) };
    },
    ['Exp', 'Exp', 'Reshape'],
  ],
];

describe('fusing', () => {
  it.each(cases)('%s', async (_, build, expected) => {
    const inputsOf = (graph: g.Graph) =>
      Object.fromEntries(
        Object.entries(shapes).map(([name, shape]) => [name, graph.input(name, 'float32', shape)]),
      ) as Record<Names, g.Tensor>;
    const outputs = build(inputsOf(new g.Graph()), g.linear);
    const read = new Set(g.topologicalOrder(Object.values(outputs)).flatMap(({ name }) => name ?? []));
    expect(operators(g.fuse(outputs)).sort()).toEqual(expected);
    const plain = build(inputsOf(new g.Graph()), (x, w) => g.matmul(x, w));
    expect(await valuesOf(outputs, read)).toEqual(await valuesOf(plain, read));
  });

  it('a product with a bias keeps it, and what is added to it stays an addition', () => {
    const graph = new g.Graph();
    const [x, w] = [graph.input('x', 'float32', ['N', 4]), graph.input('w', 'float32', [4, 5])];
    const [bias, y] = [graph.input('bias', 'float32', [5]), graph.input('y', 'float32', ['N', 5])];
    expect(operators(g.fuse({ out: g.add(y, g.linear(x, w, bias)) })).sort()).toEqual(['Add', 'Gemm']);
  });
});
