/**
 * The bytes of a log, plain, gzip or zstd, in blocks of whole lines. A block's memory is used again for the next one:
 * what is taken out of it must be copied before going on, which parsing does. Memory is one block plus the longest
 * line, however long the file.
 */
import { isUtf8 } from 'node:buffer';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { createGunzip } from 'node:zlib';
import { UserError } from '../errors.js';
import { linesOfZstd } from './duckdb.js';
import { messageOf, RolloutError } from './values.js';

const CHUNK = 1 << 20;
/** A line beyond this is refused: no log has one, a file without line ends has. */
const LONGEST_LINE = 1 << 30;

/** Whole lines: `bytes[0, length)`, each ended by a newline (added to the last one of a file). */
export interface Block {
  readonly bytes: Buffer;
  readonly length: number;
  /** Number of the block's first line, from 1. */
  readonly firstLine: number;
}

/** One line of a block, without its line end. */
export interface Line {
  readonly number: number;
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
}

/**
 * The file's bytes as they are once unpacked; gzip and zstd are known by their first bytes. A chunk's memory is used
 * again for the next one.
 * @param onRead told after each chunk how many of the file's own bytes have been read (not for zstd)
 * @throws RolloutError naming the file where it cannot be read or unpacked
 */
export async function* readBytes(file: string, onRead?: (bytes: number) => void): AsyncGenerator<Buffer> {
  try {
    const packing = await packingOf(file);
    if (packing === 'zstd') {
      yield* linesOfZstd(file);
      return;
    }
    if (packing === null) {
      let read = 0;
      for await (const chunk of readPlain(file)) {
        yield chunk;
        read += chunk.length;
        onRead?.(read);
      }
      return;
    }
    const raw = createReadStream(file, { highWaterMark: CHUNK });
    const unpacked = createGunzip({ chunkSize: CHUNK });
    raw.on('error', (error) => unpacked.destroy(error));
    try {
      for await (const chunk of raw.pipe(unpacked) as AsyncIterable<Buffer>) {
        yield chunk;
        onRead?.(raw.bytesRead);
      }
    } finally {
      raw.destroy();
    }
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new RolloutError(`${file}: cannot be read: ${messageOf(error)}`);
  }
}

/**
 * Two chunks in turn, one read while the other is looked at. (A stream would take fresh memory for each chunk, which
 * costs more than reading it.)
 */
async function* readPlain(file: string): AsyncGenerator<Buffer> {
  const handle = await open(file);
  const chunks = [Buffer.allocUnsafeSlow(CHUNK), Buffer.allocUnsafeSlow(CHUNK)];
  let reading = handle.read(chunks[0], 0, CHUNK);
  try {
    for (let turn = 0; ; turn ^= 1) {
      const { bytesRead } = await reading;
      if (bytesRead === 0) return;
      reading = handle.read(chunks[turn ^ 1], 0, CHUNK);
      yield chunks[turn].subarray(0, bytesRead);
    }
  } finally {
    await reading.catch(() => null);
    await handle.close();
  }
}

async function packingOf(file: string): Promise<'gzip' | 'zstd' | null> {
  for await (const head of createReadStream(file, { end: 3 }) as AsyncIterable<Buffer>) {
    if (head[0] === 0x1f && head[1] === 0x8b) return 'gzip';
    if (head.length === 4 && head.readUInt32LE(0) === 0xfd2fb528) return 'zstd';
  }
  return null;
}

/**
 * The file in blocks of whole lines.
 * @param onRead as `readBytes`
 * @throws RolloutError as `readBytes`, and for a line of more than 2³⁰ bytes
 */
export async function* readBlocks(file: string, onRead?: (bytes: number) => void): AsyncGenerator<Block> {
  let buffer = Buffer.allocUnsafe(2 * CHUNK);
  let filled = 0;
  let line = 1;
  let first = true;
  for await (let chunk of readBytes(file, onRead)) {
    if (first && chunk.length >= 3 && chunk.readUIntBE(0, 3) === 0xefbbbf) chunk = chunk.subarray(3);
    first = false;
    if (filled + chunk.length + 1 > buffer.length) {
      if (filled > LONGEST_LINE)
        throw new RolloutError(
          `${file}:${line}: found a line of more than 1 GB; allowed is one JSON object a line`,
        );
      const grown = Buffer.allocUnsafe(2 * (filled + chunk.length));
      buffer.copy(grown, 0, 0, filled);
      buffer = grown;
    }
    const cut = chunk.lastIndexOf(10) + 1;
    if (cut > 0) {
      chunk.copy(buffer, filled, 0, cut);
      const length = filled + cut;
      yield { bytes: buffer, length, firstLine: line };
      for (let at = buffer.indexOf(10); at >= 0 && at < length; at = buffer.indexOf(10, at + 1)) line++;
      filled = 0;
    }
    chunk.copy(buffer, filled, cut);
    filled += chunk.length - cut;
  }
  if (filled > 0) {
    buffer[filled] = 10;
    yield { bytes: buffer, length: filled + 1, firstLine: line };
  }
}

/** The lines of a block that hold more than white space. */
export function* linesOf({ bytes, length, firstLine }: Block): Generator<Line> {
  let number = firstLine;
  for (let start = 0; start < length; number++) {
    const newline = bytes.indexOf(10, start);
    let end = newline;
    let from = start;
    while (end > from && bytes[end - 1] <= 32) end--;
    while (from < end && bytes[from] <= 32) from++;
    if (from < end) yield { number, bytes, start: from, end };
    start = newline + 1;
  }
}

/** Whether a line is UTF-8. */
export function isText({ bytes, start, end }: Line): boolean {
  return isUtf8(bytes.subarray(start, end));
}
