/** Which programs are kept and which are disposed of; results do not depend on it. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import * as g from '../../graph/index.js';
import { Program } from '../../runtime/index.js';
import { nodeBackend } from '../../runtime/node.js';
import { ProgramCache } from './program-cache.js';

/** x ↦ factor·x, with counts of compilations and disposals. */
function scaling(factor: number, counts: { compiled: number; disposed: number }) {
  return async (): Promise<Program<Float32Array, Float32Array>> => {
    counts.compiled++;
    const scope = new g.InputList<Float32Array>();
    const x = scope.input('x', 'float32', ['N'], (batch) => batch);
    const program = await Program.compile(
      nodeBackend(),
      {
        inputs: scope.inputs,
        outputs: { y: g.mul(x, factor) },
        sizes: (batch) => ({ N: batch.length }),
        read: (values) => values('y'),
      },
      { threads: 1 },
    );
    const dispose = program.dispose.bind(program);
    program.dispose = async () => {
      counts.disposed++;
      await dispose();
    };
    return program;
  };
}

it('what is kept holds no more than the limit after any runs, and every result is that of its own program', async () => {
  const use = fc.record({ factor: fc.integer({ min: 1, max: 5 }), bytes: fc.integer({ min: 0, max: 60 }) });
  await fc.assert(
    fc.asyncProperty(fc.array(use, { maxLength: 15 }), async (uses) => {
      const cache = new ProgramCache();
      const counts = { compiled: 0, disposed: 0 };
      const limit = 100;
      /** By definition: the largest run of each since it was compiled, least recently used first. */
      let kept: { factor: number; bytes: number }[] = [];
      for (const { factor, bytes } of uses) {
        const y = await cache.run(`× ${factor}`, scaling(factor, counts), Float32Array.of(1, 2), {
          bytes,
          limit,
        });
        expect([...y]).toEqual([factor, 2 * factor]);
        const before = kept.find((entry) => entry.factor === factor)?.bytes ?? 0;
        kept = kept.filter((entry) => entry.factor !== factor);
        const largest = Math.max(bytes, before);
        while (kept.reduce((sum, entry) => sum + entry.bytes, largest) > limit) kept.shift();
        kept.push({ factor, bytes: largest });
        expect(cache.keys).toEqual(kept.map((entry) => `× ${entry.factor}`));
        expect(counts.compiled - counts.disposed).toBe(kept.length);
      }
      await cache.dispose();
      expect(counts.disposed).toBe(counts.compiled);
    }),
    { numRuns: 40 },
  );
});

it('a program that runs is not disposed of, and runs at the same time share one', async () => {
  const cache = new ProgramCache();
  const counts = { compiled: 0, disposed: 0 };
  const run = (factor: number) =>
    cache.run(`× ${factor}`, scaling(factor, counts), Float32Array.of(1), { bytes: 80, limit: 100 });
  const results = await Promise.all([run(2), run(2), run(3), run(4), run(2)]);
  expect(results.map(([y]) => y)).toEqual([2, 2, 3, 4, 2]);
  expect(counts).toEqual({ compiled: 3, disposed: 0 });
  await run(5);
  expect(cache.keys).toEqual(['× 5']);
  expect(counts).toEqual({ compiled: 4, disposed: 3 });
  await cache.dispose();
});

it('a program that cannot be compiled is not kept: the next run tries again', async () => {
  const cache = new ProgramCache();
  const counts = { compiled: 0, disposed: 0 };
  const batch = Float32Array.of(1);
  const holding = { bytes: 1, limit: 100 };
  const failing = () => Promise.reject(new Error('no memory'));
  await expect(cache.run('× 2', failing, batch, holding)).rejects.toThrow('no memory');
  expect(cache.keys).toEqual([]);
  expect([...(await cache.run('× 2', scaling(2, counts), batch, holding))]).toEqual([2]);
  await cache.dispose();
});
