/** Contexts of a forest's rows, forward and backward, against plain loops over random trees. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { packBatch } from '../engine/local/pack.js';
import * as g from '../graph/index.js';
import { Program } from '../runtime/index.js';
import { nodeBackend } from '../runtime/node.js';
import { ProcessTree } from '../tree/index.js';
import type { ForestBatch } from './batches.js';
import { contextReader, planContext } from './context.js';

const WIDTH = 3;

interface Batch extends ForestBatch {
  readonly values: Float32Array;
  readonly factors: Float32Array;
}

async function compile() {
  const scope = new g.InputList<Batch>();
  const x = scope.input('x', 'float32', ['B', 'L', WIDTH], (batch) => batch.values);
  const factors = scope.input('factors', 'float32', ['B', 'C+L', WIDTH], (batch) => batch.factors);
  const read = contextReader(scope)(x);
  const [gradient] = g.gradients(g.sumAll(g.mul(read, factors)), [x]);
  return Program.compile(nodeBackend(), {
    inputs: scope.inputs,
    outputs: { read: g.mul(read, 1.0), gradient },
    sizes: ({ rows, length, contextLength }: Batch): g.Sizes => ({
      B: rows,
      L: length,
      C: contextLength,
      'C+L': contextLength + length,
    }),
    read: (values) => ({ read: values('read'), gradient: values('gradient') }),
  });
}

/** Whole numbers, so that sums are exact in any order. */
const numbers = (count: number, seed: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => ((i * 7919 + seed * 104_729) % 17) - 8);

const completions = fc.array(fc.array(fc.nat(1), { minLength: 1, maxLength: 9 }), {
  minLength: 1,
  maxLength: 6,
});
const examples = fc.array(fc.record({ prompt: fc.integer({ min: 1, max: 14 }), completions }), {
  minLength: 1,
  maxLength: 3,
});

describe('the context of rows', () => {
  it('each row reads its ancestors and itself, and every reading comes back to its token, for any trees and rows', async () => {
    const program = await compile();
    let rowsWithContext = 0;
    await fc.assert(
      fc.asyncProperty(
        examples,
        fc.integer({ min: 1, max: 12 }),
        fc.nat(50),
        async (all, rowLength, seed) => {
          const forests = packBatch(
            all.map((example) => ({
              prompt: new Int32Array(example.prompt),
              tree: ProcessTree.build(example.completions.map((tokens) => Int32Array.from(tokens))),
            })),
            { rowLength, maxTokens: 1000, vocabularySize: 2, contextLength: 100, maxSeen: 1e6 },
          );
          for (const forest of forests) {
            const { rows, length, contextLength, context, contextEnd, index, subtreeEnd } = forest;
            if (contextLength === 0) continue;
            const width = contextLength + length;
            const values = numbers(rows * length * WIDTH, seed);
            const factors = numbers(rows * width * WIDTH, seed + 1);
            // Padding of a context is masked for every token, so it has no gradient.
            const gradient = new Array<number>(values.length).fill(0);
            for (let row = 0; row < rows; row++) {
              const first = row * length;
              const ancestors = new Set<number>();
              for (let slot = 0; slot < width; slot++) {
                const at = row * contextLength + slot;
                const isContext = slot < contextLength;
                const real = !isContext || contextEnd[at] > 0;
                const token = isContext ? context[at] : first + slot - contextLength;
                for (let d = 0; d < WIDTH; d++) {
                  const place = (row * width + slot) * WIDTH + d;
                  if (!real) factors[place] = 0;
                  gradient[token * WIDTH + d] += factors[place];
                }
                if (isContext && real) ancestors.add(token);
              }
              rowsWithContext += Number(ancestors.size > 0);
              // By definition: all earlier tokens that the row's first token attends to.
              const seen = [...index].filter((j) => j < first && first < subtreeEnd[j]);
              expect([...ancestors].sort((a, b) => a - b)).toEqual(seen);
            }
            const result = await program.run({ ...forest, values, factors });
            expect([...result.gradient]).toEqual(gradient);
            result.read.forEach((value, i) => {
              const [row, slot, d] = [
                Math.floor(i / (width * WIDTH)),
                Math.floor(i / WIDTH) % width,
                i % WIDTH,
              ];
              const token =
                slot < contextLength
                  ? context[row * contextLength + slot]
                  : row * length + slot - contextLength;
              expect(value).toBe(values[token * WIDTH + d]);
            });
          }
        },
      ),
      { numRuns: 150 },
    );
    expect(rowsWithContext).toBeGreaterThan(100);
    await program.dispose();
  });

  it('the matrices of sums do not grow with the square of the rows', () => {
    const prompt = new Int32Array(1);
    const longPath = ProcessTree.build([new Int32Array(8191)]);
    const limits = { rowLength: 64, maxTokens: 8192, vocabularySize: 2, contextLength: 8192 };
    for (const maxSeen of [Number.POSITIVE_INFINITY, 30_000]) {
      const [forest] = packBatch([{ prompt, tree: longPath }], { ...limits, maxSeen });
      const { places, sums, sources } = planContext(forest);
      expect(forest.rows / forest.chunkRows).toBe(maxSeen === 30_000 ? 43 : 1);
      // Each slot holds one token of the path; index 0 means none.
      expect(places).toBe(2);
      expect(sums.length).toBe(2 * forest.contextLength * forest.rows);
      // Each row adds to one sum for each of its context's slots.
      expect(sums.reduce((n, v) => n + v, 0)).toBe((64 * 128 * 127) / 2);
      expect(sources.length).toBe((forest.rows / forest.chunkRows) * forest.rows * 64);
    }
  });

  it('a token at two slots is refused', () => {
    const forest = {
      rows: 3,
      chunkRows: 3,
      length: 1,
      contextLength: 2,
      tokens: new Int32Array(3),
      positions: new Int32Array(3),
      index: Int32Array.of(0, 1, 2),
      subtreeEnd: Int32Array.of(3, 3, 3),
      context: Int32Array.of(0, 0, 0, 0, 1, 0),
      contextEnd: Int32Array.of(0, 0, 3, 0, 3, 3),
    };
    expect(() => planContext(forest)).toThrow('token 0 has two slots');
  });
});
