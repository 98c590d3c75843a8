import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { JsonError, JsonReader } from './json.js';
import { LIMITS } from './limits.js';
import { decimalOf, WrittenNumber } from './written-number.js';

const reader = new JsonReader();
const parse = (text: string) => reader.parse(Buffer.from(text));
/** Converts typed arrays to plain ones and written numbers to doubles, for comparison with JSON.parse. */
const plain = (value: unknown): unknown => {
  if (value instanceof WrittenNumber) return value.toNumber();
  if (Array.isArray(value) || ArrayBuffer.isView(value)) return Array.from(value as unknown[], plain);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, item]) => [key, plain(item)]);
  return Object.fromEntries(entries);
};

describe('JSON from bytes', () => {
  test('is what JSON.parse gives, for any value and any spacing', () => {
    fc.assert(
      fc.property(fc.json({ stringUnit: 'binary' }), fc.constantFrom(undefined, 1, '\t'), (text, space) => {
        const value = JSON.parse(text);
        expect(plain(parse(JSON.stringify(value, null, space)))).toEqual(value);
      }),
      { numRuns: 500 },
    );
  });

  test('reads every number to the last bit, alone and in a list', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ noDefaultInfinity: true, noNaN: true }), { minLength: 1 }), (list) => {
        const text = list.map((x) => (Object.is(x, -0) ? '-0.0' : String(x)));
        expect(plain(parse(`[${text.join(', ')}]`))).toEqual(list);
        expect(plain(parse(text[0]))).toBe(list[0]);
      }),
      { numRuns: 500 },
    );
    const hard = [
      '9007199254740993',
      '1e23',
      '8.41e21',
      '123456789012345678901234567890',
      '5e-324',
      '1e400',
      '0.1e-6',
    ];
    for (const text of hard) expect(plain(parse(text))).toBe(Number(text));
  });

  test('keeps whole numbers that no double holds, and those beyond all doubles, as they are written', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 80n), max: 2n ** 80n }), (whole) => {
        const text = String(whole);
        const safe = whole >= BigInt(Number.MIN_SAFE_INTEGER) && whole <= BigInt(Number.MAX_SAFE_INTEGER);
        expect(String(parse(text))).toBe(text);
        expect(typeof parse(text)).toBe(safe ? 'number' : 'object');
        expect(JSON.stringify(parse(`{"a":[${text},"x"]}`))).toBe(
          safe ? `{"a":[${text},"x"]}` : `{"a":["${text}","x"]}`,
        );
        const list = parse(`[7,${text},1.5]`) as unknown as ArrayLike<unknown>;
        expect(Array.from(list, String)).toEqual(['7', text, '1.5']);
      }),
    );
    for (const text of ['1e400', '-1e400', '9007199254740992']) expect(String(parse(text))).toBe(text);
    expect(parse('9007199254740991')).toBe(Number.MAX_SAFE_INTEGER);
  });

  test('keeps every number as it is written where that is asked', () => {
    const written = new JsonReader('written');
    for (const text of ['0.1234567890123456789', '1e400', '5', '-0', '1.50', '12345678901234567891'])
      expect(written.parse(Buffer.from(text))).toEqual(new WrittenNumber(text));
    const list = written.parse(Buffer.from('[1,2.50,[3]]')) as unknown as unknown[];
    expect(JSON.stringify(list)).toBe('["1","2.50",["3"]]');
    expect(() => written.parse(Buffer.from(`0.${'1'.repeat(5000)}`))).toThrow(/at most 1000 bytes/);
  });

  test('writes a number out to its decimal digits exactly', () => {
    expect(decimalOf('1.50e3')).toBe('1500');
    expect(decimalOf('2.5e-7')).toBe('0.00000025');
    expect(decimalOf('-0.10')).toBe('-0.1');
    expect(decimalOf('-0e5')).toBe('0');
    expect(decimalOf('1e1000000000')).toBeNull();
    expect(decimalOf('1e-1000000000')).toBeNull();
    expect(decimalOf('NaN')).toBeNull();
    fc.assert(
      fc.property(
        fc.bigInt({ min: 0n, max: 10n ** 30n }),
        fc.integer({ min: -60, max: 60 }),
        (digits, power) => {
          const decimal = decimalOf(`${digits}e${power}`)!;
          // By definition: multiplied by 10⁶⁰ it is a whole number.
          const [whole, fraction = ''] = decimal.split('.');
          expect(BigInt(whole + fraction.padEnd(60, '0'))).toBe(digits * 10n ** BigInt(power + 60));
        },
      ),
    );
  });

  test('refuses what is beyond the limits, before it is read to its end', () => {
    const deep = (opening: string) => () => parse(opening.repeat(1_000_000));
    for (const opening of ['[', '{"a":', '[{"a":'])
      expect(deep(opening)).toThrow(/expected at most 500 levels/);
    const nested = (n: number) => parse('['.repeat(n) + ']'.repeat(n));
    expect(() => nested(LIMITS.depth)).not.toThrow();
    expect(() => nested(LIMITS.depth + 1)).toThrow(/at most 500 levels/);
    expect(() => parse(`[${'{},'.repeat(LIMITS.values)}1]`)).toThrow(/expected at most 4194304 values/);
    expect(() => parse(`["${'x'.repeat(LIMITS.textBytes + 1)}"]`)).toThrow(
      /at most 16777216 bytes in a string/,
    );
    expect(() => parse(`["\\n${'x'.repeat(LIMITS.textBytes + 1)}"]`)).toThrow(/bytes in a string/);
    expect(() => parse(`{${'"k":1,'.repeat(LIMITS.keys)}"k":1}`)).toThrow(/at most 1048576 keys/);
    const half = `[${'1,'.repeat(LIMITS.numbers / 2)}1]`;
    expect(() => parse(`[${half},${half}]`)).toThrow(/at most 33554432 numbers/);
  }, 30_000);

  test('makes typed arrays of lists of numbers', () => {
    expect(parse('[1, 2,3]')).toEqual(Int32Array.of(1, 2, 3));
    expect(parse('[-2147483647,2147483647]')).toEqual(Int32Array.of(-2147483647, 2147483647));
    expect(parse('[1,2147483648]')).toEqual(Float64Array.of(1, 2147483648));
    expect(parse('[1,-0.5]')).toEqual(Float64Array.of(1, -0.5));
    expect(parse('[[1],[2.5],[]]')).toEqual([Int32Array.of(1), Float64Array.of(2.5), []]);
    expect(parse('[1,null,"a"]')).toEqual([1, null, 'a']);
    const long = Array.from({ length: 20_000 }, (_, i) => i * 7);
    expect([...(parse(JSON.stringify(long)) as Int32Array)]).toEqual(long);
    expect([...(parse(JSON.stringify([...long, 0.5])) as Float64Array)]).toEqual([...long, 0.5]);
  });

  test("takes NaN and the infinities, as Python's writer writes them", () => {
    expect(plain(parse('{"a":NaN,"b":[1,-Infinity,Infinity]}'))).toEqual({
      a: Number.NaN,
      b: [1, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
    });
  });

  test('keeps a key named __proto__ a key', () => {
    const value = parse('{"__proto__":{"polluted":1}}') as object;
    expect(Object.keys(value)).toEqual(['__proto__']);
    expect((value as { polluted?: number }).polluted).toBeUndefined();
  });

  test.each([
    [
      '',
      '{',
      '[',
      '"',
      '[1',
      '[1,',
      '{"a"',
      '{"a":',
      '{"a":1',
      '[1,]',
      '{"a":1,}',
      '01',
      '[01]',
      '1.',
      '.5',
      '1e',
      '-',
      '[-]',
      '+1',
    ],
    [
      'nul',
      'tru',
      '[1 2]',
      '{"a" 1}',
      '{a:1}',
      "'a'",
      '"\n"',
      '"\\x"',
      '"\\u12"',
      '1 2',
      '{}x',
      '[1.5,]',
      '[1.5 2]',
      '[--1]',
      '"\\',
    ],
  ])('refuses what is not JSON: %s', (...texts) => {
    for (const text of texts) {
      expect(() => JSON.parse(text), text).toThrow();
      expect(() => parse(text), text).toThrow(JsonError);
    }
  });

  test('refuses a truncated text, whatever follows it in memory', () => {
    const whole = Buffer.from('{"a":[1,23,4.5],"b":"xé\\n","c":[true,null],"d":12.25e3}');
    for (let end = 0; end < whole.length; end++) {
      expect(() => reader.parse(whole, 0, end), String(end)).toThrow(JsonError);
    }
    expect(() => parse('['.repeat(100_000))).toThrow(JsonError);
  });
});
