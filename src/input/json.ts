/**
 * Parses JSON from bytes. Rollout logs are mostly lists of numbers, for which JSON.parse would create a string of the
 * line and an array of doubles; here a list of numbers becomes a typed array directly, and strings are decoded one by
 * one. NaN and ±Infinity are accepted, as Python writes them, so that the reader of a key can report them by name.
 * Otherwise the parser is strict. A number that does not fit into a double keeps its text.
 */
import { LIMITS } from './limits.js';
import { textOf } from './text.js';
import { WrittenNumber } from './written-number.js';

/** JSON values; our reader returns lists of numbers as typed arrays. */
export type Json =
  | null
  | boolean
  | number
  | WrittenNumber
  | string
  | readonly Json[]
  | Int32Array
  | Float64Array
  | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

/** Text that is not JSON or is beyond the limits; the message says which. */
export class JsonError extends Error {
  /** @param at offset of the unexpected byte, from the start of the text */
  constructor(
    readonly at: number,
    message = `is not JSON: unexpected byte at column ${at + 1}`,
  ) {
    super(message);
  }
}

const POWERS = Float64Array.from({ length: 23 }, (_, n) => Number(`1e${n}`));
const MAX_EXACT = 2 ** 53;
/** Maximum number of bytes of a number that is kept as text. */
const LONGEST_NUMBER = 1000;

/** Parses one text after the other; its buffers grow to the longest list so far. */
export class JsonReader {
  private bytes: Uint8Array = new Uint8Array(1);
  private at = 0;
  private end = 0;
  private start = 0;
  private depth = 0;
  private values = 0;
  private numbersLeft = 0;
  private ints = new Int32Array(1 << 12);
  private doubles = new Float64Array(1 << 12);
  /** Object keys seen before, by a hash of their bytes. */
  private readonly keys: (string | undefined)[] = new Array(2048);

  /**
   * @param numbers double: whole numbers beyond 2⁵³ and numbers beyond the range of doubles are WrittenNumber; written:
   * all numbers are, and no list is a typed array
   */
  constructor(private readonly numbers: 'double' | 'written' = 'double') {}

  /**
   * The value of `bytes[start, end)`, UTF-8. Lists of whole numbers that fit in 32 bits become Int32Array, other lists
   * of numbers Float64Array, an empty list an array.
   * @throws JsonError
   */
  parse(bytes: Uint8Array, start = 0, end = bytes.length): Json {
    this.bytes = bytes;
    this.at = this.start = start;
    this.end = end;
    this.depth = 0;
    this.values = LIMITS.values;
    this.numbersLeft = LIMITS.numbers;
    const value = this.value();
    if (this.at > end) this.unexpected();
    this.space(); // may read into white space after the text
    if (this.at < end) this.unexpected();
    return value;
  }

  private unexpected(at = this.at): never {
    throw new JsonError(Math.min(at, this.end) - this.start);
  }

  private beyond(limit: number, what: string): never {
    const at = this.at - this.start;
    throw new JsonError(at, `expected at most ${limit} ${what}, got more at column ${at + 1}`);
  }

  private deeper(): void {
    if (this.depth === LIMITS.depth) this.beyond(LIMITS.depth, 'levels of lists and objects');
    this.depth++;
  }

  private countNumbers(n: number): void {
    this.numbersLeft -= n;
    if (this.numbersLeft < 0) this.beyond(LIMITS.numbers, 'numbers in lists');
  }

  private space(): void {
    const { bytes } = this;
    let at = this.at;
    for (let c = bytes[at]; c === 32 || c === 10 || c === 13 || c === 9; c = bytes[at]) at++;
    this.at = at;
  }

  private value(): Json {
    this.space();
    if (this.at >= this.end) this.unexpected();
    if (--this.values < 0) this.beyond(LIMITS.values, 'values');
    switch (this.bytes[this.at]) {
      case 0x7b:
        return this.object();
      case 0x5b:
        return this.list();
      case 0x22:
        return this.text();
      case 0x74:
        return this.word('true', true);
      case 0x66:
        return this.word('false', false);
      case 0x6e:
        return this.word('null', null);
      case 0x4e:
        return this.word('NaN', Number.NaN);
      case 0x49:
        return this.word('Infinity', Number.POSITIVE_INFINITY);
      default:
        if (this.bytes[this.at] === 0x2d && this.bytes[this.at + 1] === 0x49)
          return this.word('-Infinity', Number.NEGATIVE_INFINITY);
        return this.number();
    }
  }

  private word<T>(word: string, value: T): T {
    for (let i = 0; i < word.length; i++) {
      if (this.bytes[this.at + i] !== word.charCodeAt(i)) this.unexpected(this.at + i);
    }
    this.at += word.length;
    return value;
  }

  private object(): { [key: string]: Json } {
    this.deeper();
    const object: { [key: string]: Json } = {};
    this.at++;
    this.space();
    if (this.bytes[this.at] === 0x7d) {
      this.at++;
      this.depth--;
      return object;
    }
    for (let n = 1; ; n++) {
      this.space();
      if (this.bytes[this.at] !== 0x22) this.unexpected();
      if (n > LIMITS.keys) this.beyond(LIMITS.keys, 'keys of an object');
      const key = this.key();
      this.space();
      if (this.bytes[this.at] !== 0x3a) this.unexpected();
      this.at++;
      const value = this.value();
      if (key === '__proto__') {
        Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
      } else object[key] = value;
      this.space();
      const c = this.bytes[this.at];
      if (c !== 0x2c && c !== 0x7d) this.unexpected();
      this.at++;
      if (c === 0x7d) break;
    }
    this.depth--;
    return object;
  }

  /** A text used as a key: from the cache if its bytes are there, else decoded and added. */
  private key(): string {
    const { bytes, keys } = this;
    const from = this.at + 1;
    let hash = 0;
    let at = from;
    for (let c = bytes[at]; c !== 0x22; c = bytes[++at]) {
      if (c === 0x5c || c < 0x20 || c >= 0x80 || at - from > 64) return this.text();
      hash = (Math.imul(hash, 31) + c) | 0;
    }
    const slot = (hash ^ (at - from)) & 2047;
    const known = keys[slot];
    if (known !== undefined && known.length === at - from) {
      let i = 0;
      while (i < known.length && known.charCodeAt(i) === bytes[from + i]) i++;
      if (i === known.length) {
        this.at = at + 1;
        return known;
      }
    }
    const text = this.text();
    keys[slot] = text;
    return text;
  }

  private text(): string {
    const { bytes, end } = this;
    const from = this.at + 1;
    let at = from;
    for (;;) {
      const c = bytes[at];
      if (c === 0x22) break;
      if (c === 0x5c) return this.escapedText(from);
      if (c < 0x20 || at >= end) this.unexpected(at);
      at++;
    }
    if (at >= end) this.unexpected(end);
    if (at - from > LIMITS.textBytes) this.beyond(LIMITS.textBytes, 'bytes in a string');
    this.at = at + 1;
    return textOf(bytes, from, at);
  }

  private escapedText(from: number): string {
    const { bytes, end } = this;
    let at = from;
    for (let c = bytes[at]; c !== 0x22; c = bytes[at]) {
      if (c < 0x20 || at >= end) this.unexpected(at);
      at += c === 0x5c ? 2 : 1;
    }
    if (at >= end) this.unexpected(end);
    if (at - from > LIMITS.textBytes) this.beyond(LIMITS.textBytes, 'bytes in a string');
    this.at = at + 1;
    try {
      return JSON.parse(textOf(bytes, from - 1, at + 1)) as string;
    } catch {
      return this.unexpected(from);
    }
  }

  private list(): Json {
    this.deeper();
    this.at++;
    this.space();
    const from = this.at;
    const first = this.bytes[from];
    if (first === 0x5d) {
      this.at++;
      this.depth--;
      return [];
    }
    if (this.numbers === 'double' && (first === 0x2d || (first >= 0x30 && first <= 0x39))) {
      const numbers = this.wholeNumbers();
      if (numbers) {
        this.depth--;
        return numbers;
      }
      this.at = from;
    }
    const list: Json[] = [];
    for (;;) {
      list.push(this.value());
      this.space();
      const c = this.bytes[this.at];
      if (c !== 0x2c && c !== 0x5d) this.unexpected();
      this.at++;
      if (c === 0x5d) break;
    }
    this.depth--;
    return list;
  }

  /** The list from its first number on, as integers as long as they are whole; null: it has other items too. */
  private wholeNumbers(): Int32Array | Float64Array | null {
    const { bytes } = this;
    let { ints } = this;
    let at = this.at;
    let n = 0;
    for (;;) {
      if (n === ints.length) {
        if (n > this.numbersLeft) this.countNumbers(n);
        ints = new Int32Array(2 * n);
        ints.set(this.ints);
        this.ints = ints;
      }
      // Most bytes of a log are these digits, and a token id has at most six: unrolled, they take half the time of a
      // loop. c ^ 48 is a digit's value, and more than 9 for any other character.
      const from = at;
      let value = bytes[at] ^ 48;
      let next = bytes[++at] ^ 48;
      if (next < 10) {
        value = value * 10 + next;
        next = bytes[++at] ^ 48;
        if (next < 10) {
          value = value * 10 + next;
          next = bytes[++at] ^ 48;
          if (next < 10) {
            value = value * 10 + next;
            next = bytes[++at] ^ 48;
            if (next < 10) {
              value = value * 10 + next;
              next = bytes[++at] ^ 48;
              if (next < 10) {
                value = value * 10 + next;
                next = bytes[++at] ^ 48;
              }
            }
          }
        }
      }
      let c = next ^ 48;
      if (c === 0x20 || c === 0x0a || c === 0x0d || c === 0x09) {
        do c = bytes[++at];
        while (c === 0x20 || c === 0x0a || c === 0x0d || c === 0x09);
      }
      // More digits, a sign, a fraction, or not a number: another function reads the rest of the list, or it is not a
      // list of numbers.
      const first = bytes[from] ^ 48;
      if (first > 9 || (c !== 0x2c && c !== 0x5d)) return this.restOfNumbers(from, n);
      if (first === 0 && (bytes[from + 1] ^ 48) < 10) this.unexpected(from);
      ints[n++] = value;
      at++;
      if (c === 0x5d) break;
      c = bytes[at];
      while (c === 0x20 || c === 0x0a || c === 0x0d || c === 0x09) c = bytes[++at];
    }
    if (at > this.end) this.unexpected(this.end);
    this.at = at;
    this.countNumbers(n);
    return ints.slice(0, n);
  }

  /** The rest of a list whose first n items were short whole numbers, from `at` on: signs, fractions, exponents. */
  private restOfNumbers(at: number, n: number): Int32Array | Float64Array | null {
    const { bytes } = this;
    while (this.doubles.length < n) this.doubles = new Float64Array(2 * this.doubles.length);
    let { doubles } = this;
    for (let i = 0; i < n; i++) doubles[i] = this.ints[i];
    this.at = at;
    let whole = true;
    for (;;) {
      let c = bytes[this.at];
      if (c !== 0x2d && !(c >= 0x30 && c <= 0x39)) return null;
      if (c === 0x2d && bytes[this.at + 1] === 0x49) return null; // −Infinity is read by value()
      if (n === doubles.length) {
        if (n > this.numbersLeft) this.countNumbers(n);
        doubles = new Float64Array(2 * n);
        doubles.set(this.doubles);
        this.doubles = doubles;
      }
      const value = this.number();
      if (typeof value !== 'number') return null;
      whole = whole && (value | 0) === value && !Object.is(value, -0);
      doubles[n++] = value;
      this.space();
      c = bytes[this.at];
      if (c !== 0x2c && c !== 0x5d) this.unexpected();
      this.at++;
      if (c === 0x5d) break;
      this.space();
    }
    if (this.at > this.end) this.unexpected(this.end);
    this.countNumbers(n);
    return whole ? Int32Array.from(doubles.subarray(0, n)) : doubles.slice(0, n);
  }

  /**
   * A number. Up to 2⁵³ in digits and 10^±22 in scale, one product or quotient of exact doubles is the nearest double;
   * other numbers are converted by Number() or kept as text.
   */
  private number(): number | WrittenNumber {
    const { bytes } = this;
    const from = this.at;
    let at = from;
    const negative = bytes[at] === 0x2d;
    if (negative) at++;
    const whole = at;
    let mantissa = 0;
    let digit = bytes[at] - 48;
    for (; digit >= 0 && digit <= 9; digit = bytes[++at] - 48) mantissa = mantissa * 10 + digit;
    if (at === whole || (at - whole > 1 && bytes[whole] === 0x30)) this.unexpected(at === whole ? at : whole);
    const integer = bytes[at] !== 0x2e && bytes[at] !== 0x65 && bytes[at] !== 0x45;
    let scale = 0;
    if (bytes[at] === 0x2e) {
      const point = ++at;
      digit = bytes[at] - 48;
      for (; digit >= 0 && digit <= 9; digit = bytes[++at] - 48) mantissa = mantissa * 10 + digit;
      if (at === point) this.unexpected(at);
      scale = point - at;
    }
    if (bytes[at] === 0x65 || bytes[at] === 0x45) {
      at++;
      const sign = bytes[at];
      if (sign === 0x2d || sign === 0x2b) at++;
      const first = at;
      let power = 0;
      digit = bytes[at] - 48;
      for (; digit >= 0 && digit <= 9; digit = bytes[++at] - 48) power = Math.min(power * 10 + digit, 99999);
      if (at === first) this.unexpected(at);
      scale += sign === 0x2d ? -power : power;
    }
    if (at > this.end) this.unexpected(this.end);
    this.at = at;
    if (this.numbers === 'written') return this.written(from);
    if (integer && mantissa >= MAX_EXACT) return this.written(from);
    if (mantissa < MAX_EXACT && scale >= -22 && scale <= 22) {
      const value = scale < 0 ? mantissa / POWERS[-scale] : mantissa * POWERS[scale];
      return negative ? -value : value;
    }
    const value = Number(textOf(bytes, from, at));
    return Number.isFinite(value) ? value : this.written(from);
  }

  /** The number from that offset to the current one. */
  private written(from: number): WrittenNumber {
    if (this.at - from > LONGEST_NUMBER) this.beyond(LONGEST_NUMBER, 'bytes in a number');
    return new WrittenNumber(textOf(this.bytes, from, this.at));
  }
}
