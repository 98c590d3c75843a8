/**
 * Reads logs that are one JSON document of any size: the document is scanned byte by byte, and only the values at the
 * given paths are parsed, one at a time. A path is a list of keys, with * for each item of a list.
 */
import { readBytes } from './bytes.js';
import { InputError } from './errors.js';
import { type Json, JsonError, JsonReader } from './json.js';
import { LIMITS } from './limits.js';
import type { Source } from './source.js';
import { joinBytes, textOf } from './text.js';

export interface Element {
  /** Index of the matching path. */
  readonly place: number;
  /** Indices in the lists along the path, from 0. */
  readonly indices: readonly number[];
  /** Line on which it begins, from 1. */
  readonly line: number;
  readonly value: Json;
}

interface Frame {
  readonly list: boolean;
  index: number;
  key: string;
  inKey: boolean;
  /** Whether there has been a value since the last comma. */
  filled: boolean;
  /** A number or word outside of the given paths is being read. */
  passing: boolean;
}

interface Wanted {
  readonly place: number;
  readonly depth: number;
  readonly line: number;
  readonly indices: number[];
  readonly pieces: Uint8Array[];
  /** A number, text or word, which ends at the next comma or bracket. */
  readonly scalar: boolean;
}

/**
 * The values at the given paths, in the order of the file.
 * @param onRead as in `readBytes`
 * @param numbers as in JsonReader
 * @throws InputError for a truncated file, invalid JSON in a value that is read, or a value beyond the limits
 */
export async function* elementsOf(
  source: Source,
  paths: readonly (readonly string[])[],
  onRead?: (bytes: number) => void,
  numbers: 'double' | 'written' = 'double',
): AsyncGenerator<Element> {
  const file = source.name;
  const json = new JsonReader(numbers);
  const stack: Frame[] = [];
  let line = 1;
  let inText = false;
  let escaped = false;
  let keyBytes: number[] | null = null;
  const open: { wanted: Wanted | null } = { wanted: null };
  /** Offset of the text that is being read, and of the chunk, in bytes from the beginning. */
  let textBegan = 0;
  let passed = 0;
  let held = 0;
  let ended = false;

  const placeOf = (): number =>
    paths.findIndex(
      (path) =>
        path.length === stack.length &&
        path.every((step, i) => (stack[i].list ? step === '*' : step === stack[i].key)),
    );
  /** Begins a value at this byte, and records it if its path matches. */
  const begin = (scalar: boolean): boolean => {
    const frame = stack[stack.length - 1];
    if (ended || frame?.inKey || frame?.filled)
      throw new InputError(`${file}:${line}: expected a single JSON document, got something else`);
    if (frame) frame.filled = true;
    const place = placeOf();
    if (place < 0) return false;
    const indices = stack.filter(({ list }) => list).map(({ index }) => index);
    open.wanted = { place, depth: stack.length, line, indices, pieces: [], scalar };
    return true;
  };
  const end = (piece: Uint8Array): Element => {
    const { place, indices, line: begun, pieces } = open.wanted!;
    open.wanted = null;
    held = 0;
    pieces.push(piece);
    return { place, indices, line: begun, value: parsed(json, joinBytes(pieces), `${file}:${begun}`) };
  };

  for await (const chunk of readBytes(source, onRead)) {
    let from = 0;
    for (let at = 0; at < chunk.length; at++) {
      const c = chunk[at];
      if (inText) {
        if (escaped) escaped = false;
        else if (c === 0x5c) escaped = true;
        else if (c === 0x22) {
          inText = false;
          if (keyBytes) stack[stack.length - 1].key = keyOf(Uint8Array.from(keyBytes));
          keyBytes = null;
          continue;
        }
        if (keyBytes && keyBytes.push(c) > LIMITS.keyBytes)
          throw new InputError(
            `${file}:${line}: expected keys of at most ${LIMITS.keyBytes} bytes, got a longer one`,
          );
        continue;
      }
      if (c === 0x22) {
        inText = true;
        textBegan = passed + at;
        if (open.wanted) continue;
        if (stack.length > 0 && stack[stack.length - 1].inKey) keyBytes = [];
        else if (begin(true)) from = at;
      } else if (c === 0x7b || c === 0x5b) {
        if (!open.wanted && begin(false)) from = at;
        if (stack.length === LIMITS.depth)
          throw new InputError(
            `${file}:${line}: expected at most ${LIMITS.depth} levels of lists and objects, got more`,
          );
        stack.push({ list: c === 0x5b, index: 0, key: '', inKey: c === 0x7b, filled: false, passing: false });
      } else if (c === 0x7d || c === 0x5d) {
        if (open.wanted?.scalar && open.wanted.depth === stack.length) yield end(chunk.subarray(from, at));
        if (stack.pop()?.list !== (c === 0x5d)) throw new InputError(`${file}:${line}: is not JSON`);
        ended = stack.length === 0;
        if (open.wanted?.depth === stack.length) yield end(chunk.subarray(from, at + 1));
      } else if (c === 0x2c) {
        if (open.wanted?.scalar && open.wanted.depth === stack.length) yield end(chunk.subarray(from, at));
        const frame = stack[stack.length - 1];
        if (frame) {
          frame.index++;
          frame.inKey = !frame.list;
          frame.filled = frame.passing = false;
        }
      } else if (c === 0x3a) {
        const frame = stack[stack.length - 1];
        if (frame) frame.inKey = false;
      } else if (c === 0x0a) line++;
      else if (c > 0x20 && !open.wanted && (stack.length > 0 || ended)) {
        const frame = stack[stack.length - 1];
        if (frame?.passing) continue;
        if ((ended || placeOf() >= 0) && begin(true)) from = at;
        else if (frame) frame.filled = frame.passing = true;
      }
    }
    passed += chunk.length;
    if (inText && passed - textBegan > LIMITS.textBytes)
      throw new InputError(
        `${file}:${line}: expected strings of at most ${LIMITS.textBytes} bytes, got a longer one`,
      );
    if (!open.wanted) continue;
    held += chunk.length - from;
    if (held > LIMITS.rowBytes)
      throw new InputError(
        `${file}:${open.wanted.line}: expected elements of at most ${LIMITS.rowBytes} bytes, got a longer one`,
      );
    open.wanted.pieces.push(chunk.slice(from));
  }
  if (!ended)
    throw new InputError(`${file}:${line}: expected a whole JSON document, got one that is cut short`);
}

function parsed(json: JsonReader, bytes: Uint8Array, where: string): Json {
  try {
    return json.parse(bytes);
  } catch (error) {
    if (error instanceof JsonError) throw new InputError(`${where}: ${error.message}`);
    throw error;
  }
}

/** A key from the bytes between its quotes; a key with an invalid escape matches no path. */
function keyOf(bytes: Uint8Array): string {
  const text = textOf(bytes);
  if (!text.includes('\\')) return text;
  try {
    return JSON.parse(`"${text}"`) as string;
  } catch {
    return text;
  }
}
