/**
 * Decompresses Zstandard, frame after frame to the end of the file (RFC 8878). Frames and blocks are parsed here, so
 * that a truncated file is detected, and fzstd decompresses one block at a time. Checksums and sizes of frames are
 * verified. Skippable frames are skipped; dictionaries are not supported.
 */
import { InputError, messageOf } from './errors.js';
import { LIMITS } from './limits.js';
import type { OpenSource } from './source.js';
import { joinBytes, viewOf } from './text.js';

const MAGIC = 0xfd2fb528;
const LARGEST_BLOCK = 1 << 17;
const INPUT = 1 << 20;

export const isZstd = (magic: number): boolean => magic === MAGIC || isSkippable(magic);
const isSkippable = (magic: number) => magic >>> 4 === 0x184d2a5;

interface Frame {
  /** The header's bytes. */
  readonly bytes: Uint8Array;
  readonly checksum: boolean;
  /** Size of its content in bytes; null if it is not stated. */
  readonly size: bigint | null;
}

/**
 * @param onRead called with the number of bytes of the file that have been read
 * @throws InputError for a file that is damaged, truncated, followed by other data or beyond the limits
 */
export async function* unzstd(
  file: string,
  handle: OpenSource,
  onRead?: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  const [{ Decompress }, { default: xxhash }] = await Promise.all([import('fzstd'), import('xxhash-wasm')]);
  const { create64 } = await xxhash();
  const input = new Input(file, handle);
  const damaged = (why: string) =>
    new InputError(`${file}: cannot be read: ${why}; expected a whole zstd file`);
  while (!(await input.atEnd())) {
    const magic = littleEndian(await input.take(4));
    if (isSkippable(magic)) {
      await input.skip(littleEndian(await input.take(4)));
      continue;
    }
    if (magic !== MAGIC) throw damaged('expected a frame, got other bytes');
    const frame = await frameOf(input, file);
    const hash = frame.checksum ? create64(0n) : null;
    let unpacked: Uint8Array[] = [];
    const decompress = new Decompress((piece) => unpacked.push(piece));
    let size = 0n;
    let before = frame.bytes;
    for (let last = false; !last; ) {
      const head = (await input.take(3)).slice();
      const bits = littleEndian(head);
      last = (bits & 1) === 1;
      const type = (bits >> 1) & 3;
      const length = bits >> 3;
      if (type === 3 || length > LARGEST_BLOCK) throw damaged('expected a block of a known type');
      const body = await input.take(type === 1 ? 1 : length);
      const tail = last && frame.checksum ? 4 : 0;
      const block = joinBytes([before, head, body]);
      before = new Uint8Array(0);
      const checksum = tail > 0 ? littleEndian(await input.take(4)) : null;
      try {
        decompress.push(tail > 0 ? joinBytes([block, new Uint8Array(4)]) : block, last);
      } catch (error) {
        throw damaged(messageOf(error));
      }
      for (const piece of unpacked) {
        hash?.update(piece);
        size += BigInt(piece.length);
        if (piece.length > LARGEST_BLOCK) throw damaged('a block is too large');
        if (piece.length > 0) yield piece;
      }
      unpacked = [];
      if (hash && checksum !== null && Number(hash.digest() & 0xffffffffn) !== checksum)
        throw damaged('the checksum does not match');
      onRead?.(input.position);
    }
    if (frame.size !== null && frame.size !== size)
      throw damaged(`expected ${frame.size} bytes, got ${size}`);
  }
}

/** The header after the magic number. */
async function frameOf(input: Input, file: string): Promise<Frame> {
  const flags = (await input.take(1))[0];
  const single = (flags >> 5) & 1;
  const dictionary = [0, 1, 2, 4][flags & 3];
  const content = flags >> 6 > 0 ? 1 << (flags >> 6) : single;
  const rest = (await input.take(1 - single + dictionary + content)).slice();
  const sizeAt = 1 - single + dictionary;
  const size =
    content === 0
      ? null
      : content === 8
        ? viewOf(rest).getBigUint64(sizeAt, true)
        : BigInt(littleEndian(rest.subarray(sizeAt, sizeAt + content)) + (content === 2 ? 256 : 0));
  const window = single === 1 ? Number(size) : 2 ** (10 + (rest[0] >> 3)) * (1 + (rest[0] & 7) / 8);
  if ((flags & 8) !== 0)
    throw new InputError(`${file}: cannot be read: expected a whole zstd file, got a frame of unknown type`);
  if (window > LIMITS.zstdWindow)
    throw new InputError(
      `${file}: cannot be read: expected a zstd window of at most ${LIMITS.zstdWindow} bytes, got ${window}; compress it without --long`,
    );
  if (rest.subarray(1 - single, sizeAt).some((byte) => byte !== 0))
    throw new InputError(`${file}: cannot be read: it needs a dictionary, which is not supported`);
  const magic = new Uint8Array(5);
  viewOf(magic).setUint32(0, MAGIC, true);
  magic[4] = flags;
  return { bytes: joinBytes([magic, rest]), checksum: (flags & 4) !== 0, size };
}

/** A number of up to four bytes. */
function littleEndian(bytes: Uint8Array): number {
  let value = 0;
  for (let i = bytes.length - 1; i >= 0; i--) value = value * 256 + bytes[i];
  return value;
}

/** Takes the file's bytes in pieces of a given size. A piece is valid until the next one is taken. */
class Input {
  private readonly buffer = new Uint8Array(INPUT);
  private start = 0;
  private end = 0;
  private read = 0;

  constructor(
    private readonly file: string,
    private readonly handle: OpenSource,
  ) {}

  /** Number of bytes taken so far. */
  get position(): number {
    return this.read - (this.end - this.start);
  }

  async atEnd(): Promise<boolean> {
    return !(await this.fill(1));
  }

  async take(length: number): Promise<Uint8Array> {
    if (!(await this.fill(length)))
      throw new InputError(
        `${this.file}: cannot be read: unexpected end of file; expected a whole zstd file, got one that is cut short`,
      );
    this.start += length;
    return this.buffer.subarray(this.start - length, this.start);
  }

  async skip(length: number): Promise<void> {
    for (let left = length; left > 0; ) {
      const step = Math.min(left, INPUT);
      await this.take(step);
      left -= step;
    }
  }

  /** Whether this many bytes are available, reading more if necessary. */
  private async fill(length: number): Promise<boolean> {
    if (this.end - this.start >= length) return true;
    this.buffer.copyWithin(0, this.start, this.end);
    this.end -= this.start;
    this.start = 0;
    while (this.end < length) {
      const more = await this.handle.read(this.buffer.subarray(this.end), this.read);
      if (more === 0) return false;
      this.end += more;
      this.read += more;
    }
    return true;
  }
}
