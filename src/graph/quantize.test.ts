/** Products in int8 against the same products as float32, computed in the runtime. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Session } from '../runtime/index.js';
import { nodeBackend } from '../runtime/node.js';
import * as g from './index.js';
import { Graph, quantizeMatrix } from './index.js';

const wave = (count: number, seed: number, size = 1): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => size * Math.sin(1 + i * (seed + 0.37) + (i * i) / 7));

describe('a weight in int8', () => {
  it('has the nearest values: no error is more than half a step of its output, in both layouts', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 70 }),
        fc.integer({ min: 1, max: 140 }),
        fc.integer({ min: 0, max: 1000 }),
        fc.boolean(),
        (inputs, outputs, seed, transposed) => {
          const weight = wave(inputs * outputs, seed);
          // An output of zeros has no range.
          const zero = seed % outputs;
          const place = (input: number, output: number): number =>
            transposed ? output * inputs + input : input * outputs + output;
          for (let input = 0; input < inputs; input++) weight[place(input, zero)] = 0;
          const { values, factors } = quantizeMatrix(weight, inputs, outputs, transposed);
          expect([values.length, factors.length]).toEqual([inputs * outputs, outputs]);
          for (let output = 0; output < outputs; output++) {
            let most = 0;
            for (let input = 0; input < inputs; input++) {
              const whole = values[input * outputs + output];
              most = Math.max(most, Math.abs(whole));
              const error = Math.abs(whole * factors[output] - weight[place(input, output)]);
              expect(error).toBeLessThanOrEqual(0.5001 * factors[output] + 1e-9);
            }
            expect(most).toBe(output === zero ? 0 : 127);
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('products in int8', () => {
  const [rows, inputs, outputs] = [5, 48, 80];
  /** x · W, scaled and with a bias, beside a product of a weight that stays as it is. */
  const product = (transposed: boolean) => {
    const graph = new Graph();
    const x = graph.input('x', 'float32', ['N', inputs]);
    const weight = graph.input('w', 'float32', transposed ? [outputs, inputs] : [inputs, outputs]);
    const other = graph.input('other', 'float32', [outputs, 3]);
    const bias = graph.input('bias', 'float32', [outputs]);
    const y = g.mul(g.linear(g.mul(x, 0.5), weight, bias, transposed), 3);
    return { y, z: g.linear(y, other), embedded: g.gather(weight, graph.constant(Int32Array.of(1), [1])) };
  };

  for (const transposed of [false, true]) {
    for (const perRow of [false, true]) {
      it(`${transposed ? '[outputs, inputs]' : '[inputs, outputs]'}, ${perRow ? 'a factor for each row' : 'one factor'}: close to float32`, async () => {
        const weight = wave(inputs * outputs, 3, 0.1);
        const matrix = { ...quantizeMatrix(weight, inputs, outputs, transposed), perRow };
        const x = wave(rows * inputs, 1);
        // With one factor, a row that is a hundred times as large would take the others' digits.
        if (perRow) for (let i = 0; i < inputs; i++) x[i] *= 100;
        if (perRow) x.fill(0, inputs, 2 * inputs);
        const feeds = {
          x: { data: x, dims: [rows, inputs] },
          w: { data: weight, dims: transposed ? [outputs, inputs] : [inputs, outputs] },
          other: { data: wave(3 * outputs, 5), dims: [outputs, 3] },
          bias: { data: wave(outputs, 7), dims: [outputs] },
        };
        const exact = await Session.open(nodeBackend(), product(transposed), { threads: 1 });
        const rounded = await Session.open(nodeBackend(), product(transposed), {
          threads: 1,
          quantized: new Map([['w', matrix]]),
        });
        // What only looks a weight up still reads it as it is.
        expect([...rounded.inputNames].sort()).toEqual(['bias', 'other', 'w', 'x']);
        const [expected, got] = [await exact.run(feeds), await rounded.run(feeds)];
        expect(got.embedded.data).toEqual(expected.embedded.data);
        for (const name of ['y', 'z'] as const) {
          const width = expected[name].data.length / rows;
          for (let row = 0; row < rows; row++) {
            const part = (data: Float32Array) => data.subarray(row * width, (row + 1) * width);
            const [a, b] = [part(expected[name].data), part(got[name].data)];
            const error = Math.sqrt(a.reduce((sum, value, i) => sum + (value - b[i]) ** 2, 0));
            const size = Math.sqrt(a.reduce((sum, value) => sum + value ** 2, 0));
            expect(error / size).toBeLessThan(0.02);
            if (row !== 1 || !perRow) expect(error).toBeGreaterThan(0);
          }
        }
        await exact.dispose();
        await rounded.dispose();
      });
    }
  }
});
