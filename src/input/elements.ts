/**
 * Logs that are one JSON document, however large: the document is walked byte by byte and only the objects at the
 * wanted places are parsed, one at a time. A place is a path of keys, with * for each item of a list.
 */
import { readBytes } from './bytes.js';
import { InputError } from './errors.js';
import { type Json, JsonError, JsonReader } from './json.js';
import { LIMITS } from './limits.js';

export interface Element {
  /** Which of the paths it is. */
  readonly place: number;
  /** Positions in the lists on the way, from 0. */
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
}

/**
 * The objects at the wanted places, in the order of the file.
 * @param onRead as `readBytes`
 * @param numbers as JsonReader
 * @throws InputError for a file that ends in the middle, is not JSON where it is read, or is beyond the limits
 */
export async function* elementsOf(
  file: string,
  paths: readonly (readonly string[])[],
  onRead?: (bytes: number) => void,
  numbers: 'double' | 'written' = 'double',
): AsyncGenerator<Element> {
  const json = new JsonReader(numbers);
  const stack: Frame[] = [];
  let line = 1;
  let inText = false;
  let escaped = false;
  let keyBytes: number[] | null = null;
  let wanted: { place: number; depth: number; line: number; indices: number[]; pieces: Buffer[] } | null =
    null;
  let held = 0;
  let ended = false;

  const placeOf = (): number =>
    paths.findIndex(
      (path) =>
        path.length === stack.length &&
        path.every((step, i) => (stack[i].list ? step === '*' : step === stack[i].key)),
    );

  for await (const chunk of readBytes(file, onRead)) {
    let from = 0;
    for (let at = 0; at < chunk.length; at++) {
      const c = chunk[at];
      if (inText) {
        if (escaped) escaped = false;
        else if (c === 0x5c) escaped = true;
        else if (c === 0x22) {
          inText = false;
          if (keyBytes) stack[stack.length - 1].key = keyOf(Buffer.from(keyBytes));
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
        if (!wanted && stack.length > 0 && stack[stack.length - 1].inKey) keyBytes = [];
      } else if (c === 0x7b || c === 0x5b) {
        if (ended) throw new InputError(`${file}:${line}: found more than one JSON document`);
        const found: number = wanted ? -1 : placeOf();
        if (found >= 0) {
          const indices = stack.filter(({ list }) => list).map(({ index }) => index);
          wanted = { place: found, depth: stack.length, line, indices, pieces: [] };
          from = at;
        }
        if (stack.length === LIMITS.depth)
          throw new InputError(
            `${file}:${line}: expected at most ${LIMITS.depth} levels of lists and objects, got more`,
          );
        stack.push({ list: c === 0x5b, index: 0, key: '', inKey: c === 0x7b });
      } else if (c === 0x7d || c === 0x5d) {
        if (stack.pop()?.list !== (c === 0x5d)) throw new InputError(`${file}:${line}: is not JSON`);
        ended = stack.length === 0;
        if (wanted && wanted.depth === stack.length) {
          const { place, indices, line: begun, pieces } = wanted;
          held = 0;
          pieces.push(chunk.subarray(from, at + 1));
          wanted = null;
          yield {
            place,
            indices,
            line: begun,
            value: parsed(json, Buffer.concat(pieces), `${file}:${begun}`),
          };
        }
      } else if (c === 0x2c) {
        const frame = stack[stack.length - 1];
        if (frame) {
          frame.index++;
          frame.inKey = !frame.list;
        }
      } else if (c === 0x3a) {
        const frame = stack[stack.length - 1];
        if (frame) frame.inKey = false;
      } else if (c === 0x0a) line++;
    }
    if (!wanted) continue;
    held += chunk.length - from;
    if (held > LIMITS.rowBytes)
      throw new InputError(
        `${file}:${wanted.line}: expected elements of at most ${LIMITS.rowBytes} bytes, got a longer one`,
      );
    wanted.pieces.push(Buffer.from(chunk.subarray(from)));
  }
  if (!ended) throw new InputError(`${file}:${line}: ends in the middle of its JSON document`);
}

function parsed(json: JsonReader, bytes: Buffer, where: string): Json {
  try {
    return json.parse(bytes);
  } catch (error) {
    if (error instanceof JsonError) throw new InputError(`${where}: ${error.message}`);
    throw error;
  }
}

/** A key from the bytes between its quotes; one with a broken escape is no key that anybody looks for. */
function keyOf(bytes: Buffer): string {
  const text = bytes.toString('utf8');
  if (!text.includes('\\')) return text;
  try {
    return JSON.parse(`"${text}"`) as string;
  } catch {
    return text;
  }
}
