import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { JsonReader, JsonSyntaxError } from './json-bytes.js';
import { isList } from './values.js';

const reader = new JsonReader();
const parse = (text: string) => reader.parse(Buffer.from(text));
/** Typed arrays as plain ones, to compare with JSON.parse. */
const plain = (value: unknown): unknown => {
  if (isList(value)) return Array.from(value as unknown[], plain);
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
        expect([...(parse(`[${text.join(', ')}]`) as Float64Array)]).toEqual(list);
        expect(parse(text[0])).toBe(list[0]);
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
    for (const text of hard) expect(parse(text)).toBe(Number(text));
  });

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
      expect(() => parse(text), text).toThrow(JsonSyntaxError);
    }
  });

  test('refuses a text cut anywhere, whatever lies behind it in memory', () => {
    const whole = Buffer.from('{"a":[1,23,4.5],"b":"xé\\n","c":[true,null],"d":12.25e3}');
    for (let end = 0; end < whole.length; end++) {
      expect(() => reader.parse(whole, 0, end), String(end)).toThrow(JsonSyntaxError);
    }
    expect(() => parse('['.repeat(100_000))).toThrow(JsonSyntaxError);
  });
});
