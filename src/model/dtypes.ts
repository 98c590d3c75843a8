/**
 * Conversion of 16-bit floats: bfloat16 (the upper half of a float32) and float16 (IEEE 754 binary16), exactly to
 * float32 and rounded back to nearest, ties to even.
 */

/** Number types for reading and writing weights. */
export const DTYPES = ['F32', 'BF16', 'F16'] as const;
export type StoredDType = (typeof DTYPES)[number];

/** Bytes of one element. */
export const dtypeBytes = (dtype: StoredDType): number => (dtype === 'F32' ? 4 : 2);

/** Bits of float32 for every bit pattern of float16, [65,536]. */
let halves: Uint32Array | null = null;

function halfTable(): Uint32Array {
  if (halves) return halves;
  halves = new Uint32Array(65_536);
  for (let bits = 0; bits < 65_536; bits++) {
    const sign = (bits & 0x8000) << 16;
    const exponent = (bits >> 10) & 31;
    let fraction = bits & 0x3ff;
    if (exponent === 31) halves[bits] = sign | 0x7f800000 | (fraction << 13);
    else if (exponent > 0) halves[bits] = sign | ((exponent + 112) << 23) | (fraction << 13);
    else if (fraction === 0) halves[bits] = sign;
    else {
      // Subnormal: shifted until it has the leading bit that float32 omits.
      let shift = 0;
      while ((fraction & 0x400) === 0) {
        fraction <<= 1;
        shift++;
      }
      halves[bits] = sign | ((113 - shift) << 23) | ((fraction & 0x3ff) << 13);
    }
  }
  return halves;
}

/**
 * @param from bit patterns, [n]
 * @param into [n]
 */
export function decode16(from: Uint16Array, dtype: 'BF16' | 'F16', into: Float32Array): void {
  const bits = new Uint32Array(into.buffer, into.byteOffset, into.length);
  if (dtype === 'BF16') {
    for (let i = 0; i < from.length; i++) bits[i] = from[i] << 16;
  } else {
    const table = halfTable();
    for (let i = 0; i < from.length; i++) bits[i] = table[from[i]];
  }
}

/**
 * Rounds to nearest, ties to even; numbers that are too large become infinite.
 * @param from [n]
 * @param into bit patterns, [n]
 */
export function encode16(from: Float32Array, dtype: 'BF16' | 'F16', into: Uint16Array): void {
  const bits = new Uint32Array(from.buffer, from.byteOffset, from.length);
  const convert = dtype === 'BF16' ? toBfloat : toHalf;
  for (let i = 0; i < from.length; i++) into[i] = convert(bits[i]);
}

function toBfloat(bits: number): number {
  // NaN must stay NaN: rounding could turn it into infinity.
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40;
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

function toHalf(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  const exponent = (magnitude >>> 23) - 112;
  const round = (value: number, dropped: number): number => {
    const rest = value & ((1 << dropped) - 1);
    const half = 1 << (dropped - 1);
    const kept = value >>> dropped;
    return kept + (rest > half || (rest === half && (kept & 1) === 1) ? 1 : 0);
  };
  if (exponent > 0) return sign | round((exponent << 23) | (magnitude & 0x7fffff), 13);
  if (exponent < -10) return sign;
  return sign | round((magnitude & 0x7fffff) | 0x800000, 14 - exponent);
}
