/**
 * A short digest of texts, to compare them without storing them: their length and 128 bits. It also runs where
 * node:crypto is not available. It is not secure against deliberately constructed collisions.
 */

/** Digest of several texts; the boundaries between them matter. */
export class Digest {
  private a = 0x6c62272e;
  private b = 0x07bb0142;
  private c = 0x62b82175;
  private d = 0x4c61a973;
  private length = 0;

  add(text: string): this {
    let { a, b, c, d } = this;
    for (let i = 0; i <= text.length; i++) {
      // The end is marked by a number that no character has.
      const code = i < text.length ? text.charCodeAt(i) : 0x10000;
      a = Math.imul(a ^ code, 0x85ebca6b) ^ (b >>> 13);
      b = Math.imul(b ^ code, 0xc2b2ae35) ^ (c >>> 16);
      c = Math.imul(c ^ code, 0x9e3779b1) ^ (d >>> 15);
      d = Math.imul(d ^ code, 0x27d4eb2f) ^ (a >>> 14);
    }
    Object.assign(this, { a, b, c, d });
    this.length += text.length;
    return this;
  }

  toString(): string {
    const parts = [this.a, this.b, this.c, this.d].map((part) => (part >>> 0).toString(36));
    return `${this.length}:${parts.join('.')}`;
  }
}
