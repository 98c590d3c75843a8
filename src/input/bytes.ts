/**
 * Reads a file (plain, gzip or zstd) in blocks of whole lines. The memory of a block is reused for the next one, so
 * data must be copied before reading on; parsing does this. Memory is one block plus the longest line, for files of any
 * length.
 */
import { UserError } from '../errors.js';
import { InputError, messageOf } from './errors.js';
import { LIMITS } from './limits.js';
import type { OpenSource, Source } from './source.js';
import { isUtf8, viewOf } from './text.js';
import { isZstd, unzstd } from './zstd.js';

const CHUNK = 1 << 20;

/** Whole lines: `bytes[0, length)`, each with a newline (added to the last line of a file if missing). */
export interface Block {
  readonly bytes: Uint8Array;
  readonly length: number;
  /** Number of the block's first line, from 1. */
  readonly firstLine: number;
}

/** One line of a block, without its line end. */
export interface Line {
  readonly number: number;
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  /** Whether it is UTF-8. */
  readonly isText: boolean;
}

/**
 * The unpacked bytes of a file; gzip and zstd are detected by their first bytes. A chunk's memory is reused for the
 * next one.
 * @param onRead called after each chunk with the number of bytes of the file that have been read
 * @throws InputError naming the file if it cannot be read, is damaged, or is a truncated packed file
 */
export async function* readBytes(file: Source, onRead?: (bytes: number) => void): AsyncGenerator<Uint8Array> {
  let handle: OpenSource | undefined;
  try {
    handle = await file.open();
    const packing = await packingOf(handle);
    if (packing === 'gzip') yield* file.machine.gunzip(file.name, handle, onRead);
    else if (packing === 'zstd') yield* unzstd(file.name, handle, onRead);
    else yield* readPlain(handle, onRead);
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new InputError(`${file.name}: cannot be read: ${messageOf(error)}`);
  } finally {
    await handle?.close();
  }
}

/**
 * Unpacks a packed file to its end, so that none of it is used before it is known to be intact. Does nothing for other
 * files.
 * @param onRead called after each chunk; an exception from it ends the reading
 * @throws InputError as `readBytes`
 */
export async function checkUnpacks(file: Source, onRead?: (bytes: number) => void): Promise<void> {
  let handle: OpenSource | undefined;
  try {
    handle = await file.open();
    if ((await packingOf(handle)) === null) return;
  } catch (error) {
    throw new InputError(`${file.name}: cannot be read: ${messageOf(error)}`);
  } finally {
    await handle?.close();
  }
  for await (const _ of readBytes(file, onRead));
}

/**
 * Two buffers in turn: one is read while the other is processed. (A stream would allocate memory for each chunk, which
 * takes longer than reading it.)
 */
async function* readPlain(handle: OpenSource, onRead?: (bytes: number) => void): AsyncGenerator<Uint8Array> {
  const chunks = [new Uint8Array(CHUNK), new Uint8Array(CHUNK)];
  let read = 0;
  let reading = handle.read(chunks[0], 0);
  try {
    for (let turn = 0; ; turn ^= 1) {
      const length = await reading;
      if (length === 0) return;
      read += length;
      reading = handle.read(chunks[turn ^ 1], read);
      yield chunks[turn].subarray(0, length);
      onRead?.(read);
    }
  } finally {
    await reading.catch(() => null);
  }
}

async function packingOf(handle: OpenSource): Promise<'gzip' | 'zstd' | null> {
  const head = new Uint8Array(4);
  const length = await handle.read(head, 0);
  if (length >= 2 && head[0] === 0x1f && head[1] === 0x8b) return 'gzip';
  return length === 4 && isZstd(viewOf(head).getUint32(0, true)) ? 'zstd' : null;
}

/**
 * The file in blocks of whole lines.
 * @param onRead as in `readBytes`
 * @throws InputError as `readBytes`, and for a line beyond the limit
 */
export async function* readBlocks(file: Source, onRead?: (bytes: number) => void): AsyncGenerator<Block> {
  let buffer = new Uint8Array(2 * CHUNK);
  let filled = 0;
  let line = 1;
  let first = true;
  for await (let chunk of readBytes(file, onRead)) {
    if (first && beginsWithMark(chunk)) chunk = chunk.subarray(3);
    first = false;
    if (filled + chunk.length + 1 > buffer.length) {
      if (filled > LIMITS.rowBytes)
        throw new InputError(
          `${file.name}:${line}: expected lines of at most ${LIMITS.rowBytes} bytes, got a longer one`,
        );
      const grown = new Uint8Array(2 * (filled + chunk.length));
      grown.set(buffer.subarray(0, filled));
      buffer = grown;
    }
    const cut = chunk.lastIndexOf(10) + 1;
    if (cut > 0) {
      buffer.set(chunk.subarray(0, cut), filled);
      const length = filled + cut;
      yield { bytes: buffer, length, firstLine: line };
      for (let at = buffer.indexOf(10); at >= 0 && at < length; at = buffer.indexOf(10, at + 1)) line++;
      filled = 0;
    }
    buffer.set(chunk.subarray(cut), filled);
    filled += chunk.length - cut;
  }
  if (filled > 0) {
    buffer[filled] = 10;
    yield { bytes: buffer, length: filled + 1, firstLine: line };
  }
}

/** The lines of a block that are not blank. */
export function* linesOf({ bytes, length, firstLine }: Block): Generator<Line> {
  let number = firstLine;
  // Nearly always the whole block is UTF-8.
  const allText = isUtf8(bytes.subarray(0, length));
  for (let start = 0; start < length; number++) {
    const newline = bytes.indexOf(10, start);
    let end = newline;
    let from = start;
    while (end > from && bytes[end - 1] <= 32) end--;
    while (from < end && bytes[from] <= 32) from++;
    if (from < end)
      yield { number, bytes, start: from, end, isText: allText || isUtf8(bytes.subarray(from, end)) };
    start = newline + 1;
  }
}

/** Whether a text begins with a byte order mark. */
export function beginsWithMark(bytes: Uint8Array): boolean {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
}
