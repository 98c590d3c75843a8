/** Tokens chosen in a graph against the definition: the inverse of the cumulative sum, in float64. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as g from '../graph/index.js';
import { Stream } from '../random/stream.js';
import { Program } from '../runtime/index.js';
import { nodeBackend } from '../runtime/node.js';
import type { DrawBatch } from './batches.js';
import { blockWidth, chooseTokens, entropies } from './draw.js';

interface Batch extends DrawBatch {
  readonly logits: Float32Array;
}

function compile(size: number) {
  const scope = new g.InputList<Batch>();
  const logits = scope.input('logits', 'float32', ['R', size], (batch) => batch.logits);
  const p = g.softmax(logits);
  const choice = chooseTokens(scope, p);
  return Program.compile(nodeBackend(), {
    inputs: scope.inputs,
    outputs: { ...choice, entropies: entropies(logits, p, choice.greedyLogprobs) },
    sizes: (): g.Sizes => ({}),
    read: (values) =>
      Object.fromEntries(
        ['drawnTokens', 'drawnLogprobs', 'greedyTokens', 'greedyLogprobs', 'entropies'].map((name) => [
          name,
          [...values(name)],
        ]),
      ) as Record<
        'drawnTokens' | 'drawnLogprobs' | 'greedyTokens' | 'greedyLogprobs' | 'entropies',
        number[]
      >,
  });
}

const batchOf = (logits: Float32Array, rows: number, draws: readonly [row: number, u: number][]): Batch => ({
  logits,
  drawRow: () => BigInt64Array.from(draws, ([row]) => BigInt(row)),
  draw: () => Float32Array.from(draws, ([, u]) => u),
  eachRow: () => BigInt64Array.from({ length: rows }, (_, i) => BigInt(i)),
  wholeDistributions: false,
});

/** p, its cumulative sum, and its entropy, in float64. */
function definition(logits: Float32Array): { p: number[]; cumulative: number[]; entropy: number } {
  const most = Math.max(...logits);
  const weights = Array.from(logits, (z) => Math.exp(z - most));
  const total = weights.reduce((a, b) => a + b, 0);
  const p = weights.map((weight) => weight / total);
  let sum = 0;
  const cumulative = p.map((share) => {
    sum += share;
    return sum;
  });
  return {
    p,
    cumulative,
    entropy: -p.reduce((h, share) => h + (share > 0 ? share * Math.log(share) : 0), 0),
  };
}

const SIZES = [1, 2, 7, 12, 97, 600] as const;
const programs = new Map<number, Awaited<ReturnType<typeof compile>>>();
beforeAll(async () => {
  for (const size of SIZES) programs.set(size, await compile(size));
});
afterAll(async () => {
  for (const program of programs.values()) await program.dispose();
});

describe('tokens chosen in the graph', () => {
  it('are those of the definition, but where a draw lies within rounding of an edge; forbidden ones never come', async () => {
    const z = fc.oneof(
      { weight: 5, arbitrary: fc.double({ min: -12, max: 12, noNaN: true }) },
      { weight: 2, arbitrary: fc.constant(-1e9) },
    );
    const edge = fc.constantFrom(0, 1 - 2 ** -24, 1 - 2 ** -53, 0.5, 1e-9);
    const u = fc.oneof(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), edge);
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...SIZES).chain((size) =>
          fc.record({
            size: fc.constant(size),
            rows: fc.array(fc.array(z, { minLength: size, maxLength: size }), {
              minLength: 1,
              maxLength: 4,
            }),
          }),
        ),
        fc.array(fc.tuple(fc.nat(3), u), { minLength: 1, maxLength: 12 }),
        async ({ size, rows: all }, wanted) => {
          const rows = all.map((row) => {
            const values = Float32Array.from(row);
            // At least one token is always allowed.
            if (values.every((value) => value < -1e8)) values[size >> 1] = 0;
            return values;
          });
          const draws = wanted.map(([row, share]): [number, number] => [row % rows.length, share]);
          const logits = Float32Array.from(rows.flatMap((row) => [...row]));
          const program = programs.get(size) as NonNullable<ReturnType<typeof programs.get>>;
          const result = await program.run(batchOf(logits, rows.length, draws));
          draws.forEach(([row, share], i) => {
            const { p, cumulative } = definition(rows[row]);
            const token = result.drawnTokens[i];
            expect(Number.isInteger(token) && token >= 0 && token < size).toBe(true);
            expect(p[token]).toBeGreaterThan(0);
            expect(Math.abs(result.drawnLogprobs[i] - Math.log(p[token]))).toBeLessThan(1e-4);
            const [from, to] = [token > 0 ? cumulative[token - 1] : 0, cumulative[token]];
            expect(share).toBeGreaterThan(from - 3e-6);
            expect(share).toBeLessThan(to + 3e-6);
          });
          rows.forEach((row, r) => {
            const { p, entropy } = definition(row);
            const best = result.greedyTokens[r];
            expect(p[best]).toBeGreaterThan(Math.max(...p) * (1 - 1e-6));
            expect(result.greedyLogprobs[r]).toBeCloseTo(Math.log(p[best]), 4);
            expect(Math.abs(result.entropies[r] - entropy)).toBeLessThan(2e-4);
          });
        },
      ),
      { numRuns: 300 },
    );
  });

  it('of equal ones the first is the greedy one', async () => {
    const logits = new Float32Array(600).fill(-3);
    for (const token of [47, 48, 300, 599]) logits[token] = 2;
    const result = await programs.get(600)?.run(batchOf(logits, 1, [[0, 0]]));
    expect(result?.greedyTokens).toEqual([47]);
  });

  it('come as often as their probabilities say (χ² of 40,000 draws)', async () => {
    const logits = Float32Array.from({ length: 600 }, (_, i) => Math.sin(i) * 2 - (i % 3));
    const stream = new Stream(5, 'test');
    const counts = new Float64Array(600);
    const n = 40_000;
    const result = await programs.get(600)?.run(
      batchOf(
        logits,
        1,
        Array.from({ length: n }, () => [0, stream.uniform()]),
      ),
    );
    for (const token of result?.drawnTokens ?? []) counts[token]++;
    const { p } = definition(logits);
    const chi = p.reduce((sum, share, i) => sum + (counts[i] - n * share) ** 2 / (n * share), 0);
    // 599 degrees of freedom: mean 599, deviation 34.6.
    expect(chi).toBeGreaterThan(480);
    expect(chi).toBeLessThan(730);
  });

  it('logits that are no numbers give log-probabilities that are none', async () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const logits = new Float32Array(12).fill(1);
      logits[5] = bad;
      const result = await programs.get(12)?.run(batchOf(logits, 1, [[0, 0.5]]));
      expect(Number.isFinite(result?.drawnLogprobs[0])).toBe(false);
      expect(Number.isFinite(result?.greedyLogprobs[0])).toBe(false);
    }
  });

  it('blocks are near the square root wherever the vocabulary can be divided', () => {
    expect([49_152, 151_936, 50_257, 128_256, 97].map(blockWidth)).toEqual([256, 1187, 1733, 384, 97]);
  });
});
