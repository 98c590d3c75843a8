/**
 * Key paths name the values of a row: keys and indices separated by dots. `a.b` is b in a, `a.0` the first item of a
 * list, `a.-1` the last, `a.1:3` (also `a.:-1`, `a.1:`) a slice as a list, `a.*` each item separately. `a[0].b` and
 * `a[].b` mean `a.0.b` and `a.*.b`. A key that contains dots is written as it is.
 */
import { isList, isObject, type Json, type JsonObject } from '../values.js';

/** The value of a path: one value (undefined: none), or with `*` one for each item, in order. */
export type PathValue =
  | { readonly many: false; readonly value: Json | undefined }
  | { readonly many: true; readonly values: readonly (Json | undefined)[] };

export function valueAt(row: JsonObject, path: string): PathValue {
  if (row[path] !== undefined) return { many: false, value: row[path] };
  const steps = stepsOf(path);
  if (!steps.includes('*')) return { many: false, value: follow(row, steps) };
  return { many: true, values: spread(row, steps) };
}

/** Whether a path names one value for each item of a list. */
export const isSpread = (path: string): boolean => stepsOf(path).includes('*');

function stepsOf(path: string): readonly string[] {
  return path
    .replace(/\[\s*(\*|-?\d+|-?\d*:-?\d*)?\s*\]/g, (_, inner: string | undefined) => `.${inner ?? '*'}`)
    .replace(/^\./, '')
    .split('.');
}

function follow(value: Json | undefined, steps: readonly string[]): Json | undefined {
  return steps.reduce<Json | undefined>(within, value);
}

function spread(value: Json | undefined, steps: readonly string[]): readonly (Json | undefined)[] {
  const at = steps.indexOf('*');
  if (at < 0) return [follow(value, steps)];
  const list = follow(value, steps.slice(0, at));
  if (!isList(list)) return [];
  const rest = steps.slice(at + 1);
  return Array.from(list as ArrayLike<Json>).flatMap((item) => spread(item, rest));
}

function within(value: Json | undefined, step: string): Json | undefined {
  if (isObject(value)) return Object.hasOwn(value, step) ? value[step] : undefined;
  if (!isList(value)) return undefined;
  const [, from, to] = /^(-?\d+)?:(-?\d+)?$/.exec(step) ?? [undefined, undefined, undefined];
  if (step.includes(':') && /^-?\d*:-?\d*$/.test(step))
    return value.slice(
      from === undefined ? undefined : Number(from),
      to === undefined ? undefined : Number(to),
    );
  if (!/^-?\d+$/.test(step)) return undefined;
  return (value as readonly Json[]).at(Number(step));
}
