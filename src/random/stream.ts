/**
 * Counter-based random numbers: the n-th number of a stream is a hash of the stream's key and n. A stream needs no
 * stored state besides its key and position, and drawing from one never affects another. A key is a list such as [seed,
 * 'sampling', step, prompt, sample].
 */

/** 32-bit finaliser (xor-shift and multiply, full avalanche). */
function mix(x: number): number {
  let h = x | 0;
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
  return (h ^ (h >>> 16)) >>> 0;
}

export class Stream {
  private readonly high: number;
  private readonly low: number;
  private counter = 0;
  private spare: number | null = null;

  constructor(...key: readonly (number | string)[]) {
    let a = 0x9e3779b9;
    let b = 0x85ebca6b;
    for (const part of key) {
      const text = typeof part === 'number' ? `#${part}` : `$${part}`;
      for (let i = 0; i < text.length; i++) {
        a = mix(a ^ text.charCodeAt(i));
        b = mix((b + text.charCodeAt(i) + 0x9e3779b9) | 0);
      }
      a = mix(a + 0x51ed270b);
      b = mix(b ^ 0x2545f491);
    }
    this.high = a;
    this.low = b;
  }

  /** The next 32 random bits as a whole number in [0, 2³²). */
  bits(): number {
    const n = this.counter++;
    return mix(mix(n ^ this.high) + this.low);
  }

  /** Uniform in [0, 1), 53 bits. */
  uniform(): number {
    return (this.bits() * 0x200000 + (this.bits() >>> 11)) / 2 ** 53;
  }

  /** Uniform whole number in [0, n). */
  int(n: number): number {
    return Math.floor(this.uniform() * n);
  }

  /** 0 … n − 1 in random order (Fisher and Yates), [n]. */
  permutation(n: number): Int32Array {
    const order = Int32Array.from({ length: n }, (_, i) => i);
    for (let i = n - 1; i > 0; i--) {
      const j = this.int(i + 1);
      [order[i], order[j]] = [order[j], order[i]];
    }
    return order;
  }

  /** Standard normal (Box and Muller). */
  normal(): number {
    if (this.spare !== null) {
      const value = this.spare;
      this.spare = null;
      return value;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    const angle = 2 * Math.PI * this.uniform();
    this.spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }
}
