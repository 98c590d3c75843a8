/** Balls contain the true values: those of mpmath at 60 digits, and their own at a higher precision. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { abs, type Ball, integerRoot, NeedsPrecision, squareRoot } from './ball.js';
import VALUES from './ball.values.json' with { type: 'json' };
import { arcTangent, circular, exponential, logarithm } from './ball-functions.js';

/** A ball in units of 2^−q, rounded outwards. */
const ends = ({ m, r, e }: Ball, q: number): [bigint, bigint] => {
  const scale = (a: bigint) => (e + q >= 0 ? a << BigInt(e + q) : a >> BigInt(-e - q));
  return [scale(m - r), scale(m + r) + 1n];
};

const FUNCTIONS: Readonly<Record<string, (x: Ball, p: number) => Ball>> = {
  exp: exponential,
  ln: logarithm,
  sin: (x, p) => circular(x, p).sin,
  cos: (x, p) => circular(x, p).cos,
  atan: arcTangent,
  sqrt: squareRoot,
};

describe('balls', () => {
  test.each(VALUES)('$name($m·2^$e) is what mpmath computes', ({ name, m, e, value }) => {
    const digits = value.replace('.', '').replace('-', '');
    const places = value.includes('.') ? value.length - value.indexOf('.') - 1 : 0;
    const sign = value.startsWith('-') ? -1n : 1n;
    for (const p of [64, 150]) {
      const [low, high] = ends(FUNCTIONS[name]({ m: BigInt(m), r: 0n, e }, p), 400);
      // One unit of the last printed digit.
      const at = (n: bigint) => (n << 400n) / 10n ** BigInt(places);
      expect(low <= at(sign * BigInt(digits) + 1n), `${name} p ${p}`).toBe(true);
      expect(high >= at(sign * BigInt(digits) - 1n), `${name} p ${p}`).toBe(true);
      expect(high - low).toBeLessThan((abs(high) + (1n << 400n)) >> BigInt(p - 8));
    }
  });

  test('a ball at a lower precision holds the one at a higher precision, also for members of a wide argument', () => {
    const argument = fc.record({
      m: fc.bigInt({ min: -(2n ** 52n), max: 2n ** 52n }).filter((m) => m !== 0n),
      e: fc.integer({ min: -90, max: -44 }),
      r: fc.bigInt({ min: 0n, max: 1000n }),
      at: fc.bigInt({ min: -1000n, max: 1000n }),
    });
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(FUNCTIONS)), argument, (name, { m, e, r, at }) => {
        const positive = name === 'ln' || name === 'sqrt';
        const x = { m: positive ? abs(m) : m, r, e };
        const member = x.m + (at > r ? r : at < -r ? -r : at);
        if (positive && x.m <= r) return;
        try {
          const [low, high] = ends(FUNCTIONS[name](x, 90), 500);
          const [inLow, inHigh] = ends(FUNCTIONS[name]({ m: member, r: 0n, e }, 300), 500);
          expect(low <= inHigh && high >= inLow, `${name} ${m} ${r} ${e}`).toBe(true);
        } catch (error) {
          if (!(error instanceof NeedsPrecision)) throw error;
        }
      }),
      { numRuns: 600, seed: 4 },
    );
  });

  test('the whole part of a square root is the largest number whose square is not above', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 700n }), (a) => {
        const root = integerRoot(a);
        expect(root * root <= a && (root + 1n) ** 2n > a).toBe(true);
      }),
    );
  });
});
