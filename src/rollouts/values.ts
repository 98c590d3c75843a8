/**
 * Reading single values of a log: each function returns the value in our type, or throws a RolloutError with file, line,
 * key, the expected kind of value and the actual one. Lists of numbers may come as plain arrays
 * (JSON.parse) or as typed arrays (our byte reader), with the same result.
 */
import { InputError, type Json, type JsonObject, WrittenNumber } from '../input/index.js';

export { type Json, type JsonObject, messageOf } from '../input/index.js';

/** Rollouts that cannot be read or written. */
export class RolloutError extends InputError {
  override name = 'RolloutError';
}

/** The value, or a RolloutError that begins with `where` (`file:line`) and names `key`. */
export type ValueReader<T> = (value: unknown, where: string, key: string) => T;

/** `{ [name]: value }`, or `{}` if the key is missing. */
export function optional<K extends string, T>(
  name: K,
  read: ValueReader<T>,
  value: unknown,
  where: string,
  before = '',
): { [P in K]?: T } {
  return (value === undefined ? {} : { [name]: read(value, where, before + name) }) as { [P in K]?: T };
}

export const asObject: ValueReader<JsonObject> = (value, where, key) =>
  isObject(value) ? value : fail(where, key, value, 'an object');

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !isList(value) && !(value instanceof WrittenNumber);
}

/** A list in either form: plain or typed. */
export function isList(value: unknown): value is readonly Json[] | Int32Array | Float64Array {
  return Array.isArray(value) || value instanceof Int32Array || value instanceof Float64Array;
}

export const asList: ValueReader<readonly Json[]> = (value, where, key) => {
  if (Array.isArray(value)) return value as Json[];
  return isList(value) ? Array.from(value as Float64Array) : fail(where, key, value, 'a list');
};

export const asText: ValueReader<string> = (value, where, key) =>
  typeof value === 'string' ? value : fail(where, key, value, 'a string');

/** A measurement: rounded to the nearest double if necessary. */
export const asNumber: ValueReader<number> = (value, where, key) => {
  const number = value instanceof WrittenNumber ? value.toNumber() : value;
  return typeof number === 'number' && Number.isFinite(number)
    ? number
    : fail(where, key, value, 'a finite number');
};

/** A score: a finite number, or true and false for 1 and 0. */
export const asScore: ValueReader<number> = (value, where, key) =>
  typeof value === 'boolean' ? Number(value) : asNumber(value, where, key);

export const asCount: ValueReader<number> = (value, where, key) =>
  Number.isSafeInteger(value) && (value as number) >= 0
    ? (value as number)
    : fail(where, key, value, 'a whole number from 0');

/** A training step; null if the log has none. */
export const asStep: ValueReader<number | null> = (value, where, key) => {
  if (value === undefined || value === null) return null;
  const ok = Number.isSafeInteger(value) && (value as number) >= 0;
  return ok ? (value as number) : fail(where, key, value, 'a whole number from 0, or null');
};

/** A group id: a text or a whole number of any size, as text. */
export const asId: ValueReader<string> = (value, where, key) => {
  if (typeof value === 'string' && value !== '') return value;
  if (value instanceof WrittenNumber && /^-?\d+$/.test(value.text)) return value.text;
  return Number.isSafeInteger(value) ? String(value) : fail(where, key, value, 'a string or a whole number');
};

export const asBoolean: ValueReader<boolean> = (value, where, key) =>
  typeof value === 'boolean' ? value : fail(where, key, value, 'true or false');

export function asOneOf<const T extends string>(allowed: readonly T[]): ValueReader<T> {
  return (value, where, key) =>
    allowed.includes(value as T)
      ? (value as T)
      : fail(where, key, value, allowed.map((name) => `"${name}"`).join(', '));
}

/** Token ids, [n]. A typed array is used as it is, not copied. */
export const asTokens: ValueReader<Int32Array> = (value, where, key) => {
  const allowed = 'a token id, a whole number from 0';
  if (value instanceof Int32Array) {
    for (let i = 0; i < value.length; i++) if (value[i] < 0) fail(where, `${key}[${i}]`, value[i], allowed);
    return value;
  }
  const ok = (id: unknown) => Number.isInteger(id) && (id as number) >= 0 && (id as number) < 2 ** 31;
  return Int32Array.from(numbers(value, where, key, ok, allowed));
};

/** Log-probabilities, [n]. */
export const asLogprobs: ValueReader<Float32Array> = (value, where, key) => {
  const ok = (item: unknown) => Number.isFinite(item instanceof WrittenNumber ? item.toNumber() : item);
  return Float32Array.from(numbers(value, where, key, ok, 'a finite number'), Number);
};

/** 0 or 1 for each token, [n]; true and false are accepted too. */
export const asMask: ValueReader<Uint8Array> = (value, where, key) =>
  Uint8Array.from(
    numbers(value, where, key, (bit) => bit === 0 || bit === 1 || bit === true || bit === false, '0 or 1'),
  );

/**
 * Which tokens were sampled, [n]: 0 and 1, true and false, labels (−100 if not, else the token's own id), or the number
 * of sampled tokens at the beginning.
 * @param tokens the ids that it refers to, [n]
 */
export const asLossMask =
  (tokens: Int32Array): ValueReader<Uint8Array> =>
  (value, where, key) => {
    const n = tokens.length;
    if (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= n)
      return new Uint8Array(n).fill(1, 0, value as number);
    const allowed = '0 or 1, or −100 and the token ids themselves';
    if (!isList(value)) fail(where, key, value, `a list, each ${allowed}; or the number of tokens`);
    const list = value as ArrayLike<unknown>;
    if (list.length !== n) fail(where, key, list.length, `${n} values, one for each token`);
    const isBit = (bit: unknown) => bit === 0 || bit === 1 || bit === true || bit === false;
    const labels = Array.from(list).some((item) => !isBit(item));
    return Uint8Array.from({ length: n }, (_, i) => {
      if (!labels) return Number(list[i]);
      if (list[i] === -100) return 0;
      return list[i] === tokens[i] ? 1 : fail(where, `${key}[${i}]`, list[i], allowed);
    });
  };

/** A list whose every item passes `ok`; `allowed` describes the allowed items. */
function numbers(
  value: unknown,
  where: string,
  key: string,
  ok: (item: unknown) => boolean,
  allowed: string,
): ArrayLike<number> {
  if (!isList(value)) fail(where, key, value, `a list, each ${allowed}`);
  const list = value as ArrayLike<number>;
  for (let i = 0; i < list.length; i++) {
    if (!ok(list[i])) fail(where, `${key}[${i}]`, list[i], allowed);
  }
  return list;
}

export const asNumbersByName: ValueReader<Record<string, number>> = (value, where, key) => {
  const entries = Object.entries(asObject(value, where, key));
  return Object.fromEntries(
    entries.map(([name, number]) => [name, asNumber(number, where, `${key}.${name}`)]),
  );
};

export const asPieces: ValueReader<Record<number, string>> = (value, where, key) => {
  const object = asObject(value, where, key);
  for (const [id, text] of Object.entries(object)) {
    if (!/^\d+$/.test(id)) fail(where, key, id, 'token ids as keys');
    asText(text, where, `${key}.${id}`);
  }
  return object as Record<number, string>;
};

/** @throws RolloutError, always */
export function fail(where: string, key: string, value: unknown, expected: string): never {
  throw new RolloutError(`${where}: ${key}: expected ${expected}, got ${show(value)}`);
}

function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null (how JSON writes NaN and infinities)';
  if (typeof value === 'number' || value instanceof WrittenNumber) return String(value);
  if (isList(value)) return value.length === 0 ? 'an empty list' : 'a list';
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}
