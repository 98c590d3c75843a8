/**
 * Logs that are one JSON document, however large: the document is walked byte by byte and only the objects at the
 * wanted places are parsed, one at a time. A place is a path of keys, with * for each item of a list.
 */
import { readBytes } from './bytes.js';
import { JsonReader, JsonSyntaxError } from './json-bytes.js';
import { type Json, RolloutError } from './values.js';

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
 * @throws RolloutError for a file that ends in the middle or is not JSON where it is read
 */
export async function* elementsOf(
  file: string,
  paths: readonly (readonly string[])[],
  onRead?: (bytes: number) => void,
): AsyncGenerator<Element> {
  const json = new JsonReader();
  const stack: Frame[] = [];
  let line = 1;
  let inText = false;
  let escaped = false;
  let keyBytes: number[] | null = null;
  let wanted: { place: number; depth: number; line: number; indices: number[]; pieces: Buffer[] } | null =
    null;
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
          if (keyBytes) stack[stack.length - 1].key = Buffer.from(keyBytes).toString('utf8');
          keyBytes = null;
          continue;
        }
        keyBytes?.push(c);
        continue;
      }
      if (c === 0x22) {
        inText = true;
        if (!wanted && stack.length > 0 && stack[stack.length - 1].inKey) keyBytes = [];
      } else if (c === 0x7b || c === 0x5b) {
        if (ended) throw new RolloutError(`${file}:${line}: found more than one JSON document`);
        const found: number = wanted ? -1 : placeOf();
        if (found >= 0) {
          const indices = stack.filter(({ list }) => list).map(({ index }) => index);
          wanted = { place: found, depth: stack.length, line, indices, pieces: [] };
          from = at;
        }
        stack.push({ list: c === 0x5b, index: 0, key: '', inKey: c === 0x7b });
      } else if (c === 0x7d || c === 0x5d) {
        if (stack.pop()?.list !== (c === 0x5d)) throw new RolloutError(`${file}:${line}: is not JSON`);
        ended = stack.length === 0;
        if (wanted && wanted.depth === stack.length) {
          const { place, indices, line: begun, pieces } = wanted;
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
    wanted?.pieces.push(Buffer.from(chunk.subarray(from)));
  }
  if (!ended) throw new RolloutError(`${file}:${line}: ends in the middle of its JSON document`);
}

function parsed(json: JsonReader, bytes: Buffer, where: string): Json {
  try {
    return json.parse(bytes);
  } catch (error) {
    if (error instanceof JsonSyntaxError) throw new RolloutError(`${where}: is not JSON: ${error.message}`);
    throw error;
  }
}
