import { afterAll, describe, expect, it } from 'vitest';
import { type ModelConfig, slotDecodeProgram, updateProgram } from '../model/index.js';
import { Session } from '../runtime/index.js';
import { nodeBackend } from '../runtime/node.js';
import * as g from './index.js';

const values = (count: number, seed: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => Math.sin(seed + 1.7 * i) * (1 + (i % 5)));

const opened: Session[] = [];
afterAll(async () => {
  for (const session of opened) await session.dispose();
});

/** Outputs before and after the pass, on the same inputs. */
async function bothWays(outputs: Record<string, g.Tensor>, feeds: Parameters<Session['run']>[0]) {
  const results = [];
  for (const tensors of [outputs, g.rewrite(outputs, g.webgpuPass)]) {
    const session = await Session.open(nodeBackend(), tensors, { threads: 1 });
    opened.push(session);
    results.push(await session.run(feeds));
  }
  return results;
}

const operators = (outputs: Readonly<Record<string, g.Tensor>>): Set<string> =>
  new Set(g.topologicalOrder(Object.values(outputs)).map(({ op }) => op));

describe('the pass for WebGPU', () => {
  it.each([
    [false, false],
    [true, false],
    [false, true],
    [true, true],
  ])('a product with transA %s and transB %s stays what it was', async (transA, transB) => {
    const graph = new g.Graph();
    const a = graph.input('a', 'float32', transA ? [2, 5, 'N'] : [2, 'N', 5]);
    const b = graph.input('b', 'float32', transB ? [2, 4, 5] : [2, 5, 4]);
    const [before, after] = await bothWays(
      { y: g.matmul(a, b, { transA, transB, alpha: 0.3 }) },
      {
        a: { data: values(30, 1), dims: transA ? [2, 5, 3] : [2, 3, 5] },
        b: { data: values(40, 2), dims: transB ? [2, 4, 5] : [2, 5, 4] },
      },
    );
    expect(after.y.dims).toEqual(before.y.dims);
    before.y.data.forEach((value, i) => {
      expect(after.y.data[i]).toBeCloseTo(value, 5);
    });
  });

  it('a product with the rows of b first, and turned pairs of channels, stay what they were', async () => {
    const graph = new g.Graph();
    const [a, b] = [graph.input('a', 'float32', ['C', 'B', 'B']), graph.input('b', 'float32', ['B', 'C', 5])];
    const [x, angles] = [
      graph.input('x', 'float32', [1, 'M', 6]),
      graph.input('angles', 'float32', ['M', 3]),
    ];
    const [before, after] = await bothWays(
      { y: g.matmul(a, b, { rowsFirstB: true }), z: g.turn(x, g.cos(angles), g.sin(angles)) },
      {
        a: { data: values(18, 1), dims: [2, 3, 3] },
        b: { data: values(30, 2), dims: [3, 2, 5] },
        x: { data: values(24, 3), dims: [1, 4, 6] },
        angles: { data: values(12, 4), dims: [4, 3] },
      },
    );
    for (const name of ['y', 'z']) {
      expect(after[name].dims).toEqual(before[name].dims);
      before[name].data.forEach((value, i) => {
        expect(after[name].data[i]).toBeCloseTo(value, 4);
      });
    }
  });

  it('log-probabilities stay what they were where exponentials would overflow, and under forbidden tokens', async () => {
    const graph = new g.Graph();
    const x = graph.input('x', 'float32', ['N', 4]);
    const data = Float32Array.of(900, 901, -900, 0, -1e9, 3, 2, -1e9, -500, -501, -502, -1e9);
    const [before, after] = await bothWays({ y: g.logSoftmax(x) }, { x: { data, dims: [3, 4] } });
    before.y.data.forEach((value, i) => {
      expect(Math.abs(after.y.data[i] - value)).toBeLessThanOrEqual(1e-6 * Math.max(1, Math.abs(value)));
    });
  });

  it('leaves no operator in the programs that the provider lacks', () => {
    const config: ModelConfig = { vocabularySize: 9, contextLength: 8, width: 8, layers: 2, heads: 2 };
    const update = updateProgram(config, {
      context: 'at once',
      chunks: 2,
      checkpointing: true,
      clipped: true,
      kl: true,
      form: 'ppo',
      entropy: true,
      corrected: true,
    });
    for (const { outputs } of [update, slotDecodeProgram(config)]) {
      expect(operators(outputs)).toContain('FusedMatMul');
      const rewritten = operators(g.rewrite(outputs, g.webgpuPass));
      expect(rewritten).not.toContain('FusedMatMul');
      expect(rewritten).not.toContain('LogSoftmax');
      expect(rewritten).not.toContain('RotaryEmbedding');
    }
  });
});

describe('the inputs of a program', () => {
  const definition = (declare: (scope: g.InputList<{ x: Float32Array }>) => g.Tensor) => {
    const scope = new g.InputList<{ x: Float32Array }>();
    const y = declare(scope);
    return { inputs: scope.inputs, read: new Set(g.topologicalOrder([y]).flatMap(({ name }) => name ?? [])) };
  };

  it('a name that is read without being declared, or declared without being read, is an error', () => {
    const surplus = definition((scope) => {
      scope.input('spare', 'float32', ['N'], ({ x }) => x);
      return g.exp(scope.input('x', 'float32', ['N'], ({ x }) => x));
    });
    expect(() => g.checkInputs(surplus.inputs, surplus.read)).toThrow(
      "input 'spare' is declared, but no output depends on it",
    );
    const missing = definition((scope) => g.exp(scope.graph.input('x', 'float32', ['N'])));
    expect(() => g.checkInputs(missing.inputs, missing.read)).toThrow("input 'x' is read, but not declared");
  });

  it('sizes follow from the number of values, and must agree', () => {
    const sizes = new Map([['B', 2]]);
    expect(g.bindShape('a', ['B', 'L'], 6, sizes)).toEqual([2, 3]);
    expect(g.bindShape('b', ['B*L', 4], 24, sizes)).toEqual([6, 4]);
    expect(() => g.bindShape('c', ['L'], 4, sizes)).toThrow("input 'c': expected [L] = [3], got 4 values");
    expect(() => g.bindShape('d', ['P', 'Q'], 4, sizes)).toThrow("the sizes of 'P' and 'Q' are unknown");
    expect(() => g.bindShape('e', ['P', 3], 4, sizes)).toThrow("input 'e'");
  });
});
