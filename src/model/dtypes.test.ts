import { describe, expect, it } from 'vitest';
import { decode16, encode16 } from './dtypes.js';

/** By definition: sign, exponent, fraction. */
function value(bits: number, exponentBits: number, fractionBits: number): number {
  const sign = bits >> (exponentBits + fractionBits) ? -1 : 1;
  const exponent = (bits >> fractionBits) & ((1 << exponentBits) - 1);
  const fraction = (bits & ((1 << fractionBits) - 1)) / 2 ** fractionBits;
  const bias = 2 ** (exponentBits - 1) - 1;
  if (exponent === 2 ** exponentBits - 1) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return exponent === 0 ? sign * fraction * 2 ** (1 - bias) : sign * (1 + fraction) * 2 ** (exponent - bias);
}

const ALL = Uint16Array.from({ length: 65_536 }, (_, i) => i);
const LAYOUT = { BF16: [8, 7], F16: [5, 10] } as const;

describe.each(['BF16', 'F16'] as const)('%s', (dtype) => {
  const [exponentBits, fractionBits] = LAYOUT[dtype];
  const exact = Array.from(ALL, (bits) => value(bits, exponentBits, fractionBits));
  const decoded = new Float32Array(65_536);
  decode16(ALL, dtype, decoded);

  it('every bit pattern has the value of its definition', () => {
    for (let bits = 0; bits < 65_536; bits++) {
      if (!Object.is(decoded[bits], exact[bits])) expect([bits, decoded[bits]]).toEqual([bits, exact[bits]]);
    }
  });

  it('every value comes back as its bit pattern', () => {
    const back = new Uint16Array(65_536);
    encode16(decoded, dtype, back);
    for (let bits = 0; bits < 65_536; bits++) {
      if (!Number.isNaN(exact[bits])) expect(back[bits]).toBe(bits);
      else expect(Number.isNaN(value(back[bits], exponentBits, fractionBits))).toBe(true);
    }
  });

  it('others go to the nearest, halfway to the even one', () => {
    const finite = exact
      .map((x, bits) => ({ x, bits }))
      .filter(({ x, bits }) => Number.isFinite(x) && bits < 0x8000);
    const inputs: number[] = [];
    const expected: number[] = [];
    for (let i = 0; i + 1 < finite.length; i += 7) {
      const [a, b] = [finite[i], finite[i + 1]];
      const middle = (a.x + b.x) / 2;
      if (middle !== Math.fround(middle)) continue;
      inputs.push(middle, -middle);
      const even = a.bits % 2 === 0 ? a.bits : b.bits;
      expected.push(even, even | 0x8000);
      const [lower, upper] = [(a.x + middle) / 2, (b.x + middle) / 2];
      if (lower !== Math.fround(lower) || upper !== Math.fround(upper)) continue;
      inputs.push(lower, upper);
      expected.push(a.bits, b.bits);
    }
    expect(inputs.length).toBeGreaterThan(5_000);
    const out = new Uint16Array(inputs.length);
    encode16(Float32Array.from(inputs), dtype, out);
    expect([...out]).toEqual(expected);
  });
});
