/**
 * Limits follow from the memory budget: more memory never means less work at once, and no limit exceeds the request.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EngineError } from '../engine.js';
import { type HeldWeights, Memory } from './memory.js';

const model = { vocabularySize: 5000, contextLength: 8192, layers: 6, width: 128, heads: 4 };
const held: HeldWeights = { weights: 2_000_000, trainable: 2_000_000, copies: 2 };
const wanted = { maxTokens: 4096, maxLogits: 2 ** 22, maxSeen: Infinity, checkpointing: false };
const MIB = 2 ** 20;
/** A cache of sequences of a hundred tokens, nothing shared. */
const hundred = { longest: 100, row: 100, shared: 0 };

const limitsOf = (budget: number, longest: number) => {
  try {
    return new Memory(model, budget).runLimits(longest, 64, held, wanted);
  } catch (error) {
    expect(error).toBeInstanceOf(EngineError);
    expect((error as Error).message).toMatch(
      /^update: a sequence of \d+ tokens needs about \d+(\.\d)? [MG]iB, but runtime\.memory is/,
    );
    return null;
  }
};

describe('limits under a budget', () => {
  it('grow with it, hold one path at least, and stay within what was asked for', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8000 }),
        fc.integer({ min: 10, max: 4000 }),
        fc.integer({ min: 1, max: 8192 }),
        (small, more, longest) => {
          const [less, larger] = [limitsOf(small * MIB, longest), limitsOf((small + more) * MIB, longest)];
          if (less) {
            expect(larger).not.toBeNull();
            expect(less.maxTokens).toBeLessThanOrEqual(wanted.maxTokens);
            expect(less.maxTokens).toBeGreaterThanOrEqual(Math.min(longest, wanted.maxTokens));
            expect(less.maxLogits).toBeLessThanOrEqual(wanted.maxLogits);
            // What saves memory (checkpointing, chunks of attention): a smaller budget may allow more tokens per run,
            // but only with these.
            if (!less.checkpointing) expect(larger?.checkpointing).toBe(false);
            if (less.maxSeen === Infinity) expect(larger?.maxSeen).toBe(Infinity);
            else expect(less.maxSeen).toBeGreaterThanOrEqual(longest + 64);
            const alike =
              larger?.checkpointing === less.checkpointing &&
              (larger?.maxSeen === Infinity) === (less.maxSeen === Infinity);
            if (alike) expect(larger?.maxTokens).toBeGreaterThanOrEqual(less.maxTokens);
          }
          const rows = [small, small + more].map((mib) =>
            new Memory(model, mib * MIB).decodeRows({ longest, row: longest, shared: 0 }, held),
          );
          expect(rows[1]).toBeGreaterThanOrEqual(rows[0]);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('are what was asked for where there is none', () => {
    const memory = new Memory(model, Number.POSITIVE_INFINITY);
    expect(memory.runLimits(8000, 64, held, wanted)).toEqual(wanted);
    expect(memory.decodeRows({ longest: 8000, row: 8000, shared: 0 }, held)).toBe(Number.POSITIVE_INFINITY);
    expect(memory.prefillTokens(8000, held, 4096)).toBe(4096);
  });

  it('weights in int8 are made where all their copies take at most a quarter of what is left, and are then counted', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4000 }), fc.integer({ min: 1, max: 10 ** 9 }), (mib, weights) => {
        const memory = new Memory(model, mib * MIB);
        const frozen = { weights, trainable: 1000, copies: 2 };
        const left = mib * MIB - 4 * (weights + 5 * 1000);
        if (3 * weights > left / 4) {
          expect(() => memory.quantizedBytes(frozen)).toThrow(/^sample: weights in int8 need/);
          return;
        }
        const quantized = memory.quantizedBytes(frozen);
        expect(quantized).toBe(3 * weights);
        const counted = { ...frozen, quantized };
        expect(memory.decodeRows(hundred, counted)).toBeLessThanOrEqual(memory.decodeRows(hundred, frozen));
        // Decoders of both kinds stay beside each other, so no step compiles one again.
        const packed = { ...counted, packed: weights };
        const [plain, rounded] = [memory.decoder(packed), memory.quantizedDecoder(packed)];
        if (left - quantized - 4 * weights > 0)
          expect(plain.bytes + rounded.bytes).toBeLessThanOrEqual(Math.min(plain.limit, rounded.limit));
      }),
      { numRuns: 300 },
    );
  });

  it('weights are packed where a second copy takes at most a quarter of what is left, and are then counted', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4000 }), fc.integer({ min: 1, max: 10 ** 9 }), (mib, weights) => {
        const memory = new Memory(model, mib * MIB);
        const frozen = { weights, trainable: 1000, copies: 2 };
        if (!memory.packs(frozen, 0)) {
          expect(memory.packs(frozen, 2)).toBe(false);
          return;
        }
        // Permanent memory: weights, the adapter with two copies of it, and two copies of its gradients.
        expect(4 * weights).toBeLessThanOrEqual((mib * MIB - 4 * (weights + 5 * 1000)) / 4);
        const rows = [frozen, { ...frozen, packed: weights }].map((all) => memory.decodeRows(hundred, all));
        expect(rows[1]).toBeLessThanOrEqual(rows[0]);
      }),
      { numRuns: 300 },
    );
    const unbounded = new Memory(model, Number.POSITIVE_INFINITY);
    expect([2 ** 29, 2 ** 29 + 1].map((weights) => unbounded.packs({ ...held, weights }, 0))).toEqual([
      true,
      false,
    ]);
    expect([2 ** 29 / 3, 2 ** 29].map((weights) => unbounded.packs({ ...held, weights }, 2))).toEqual([
      true,
      false,
    ]);
  });
});
