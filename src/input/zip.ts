/**
 * Members of a zip archive by their name, as far as PyTorch writes them: stored, not packed, of any size (zip64). The directory
 * at the end is read first; nothing of a member is read until it is asked for.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { InputError } from './errors.js';

interface Member {
  readonly at: number;
  readonly size: number;
}

const END = 0x06054b50;
const END64 = 0x06064b50;
const LOCATOR64 = 0x07064b50;
const ENTRY = 0x02014b50;
const LOCAL = 0x04034b50;
/** A value that stands in the zip64 extra instead. */
const ELSEWHERE = 0xffffffff;
/** Bytes of a directory at most. */
const DIRECTORY = 1 << 26;

export class ZipFile {
  private constructor(
    private readonly file: string,
    private readonly handle: FileHandle,
    private readonly members: ReadonlyMap<string, Member>,
  ) {}

  /** @throws InputError for what is no such archive, or is cut short */
  static async open(file: string): Promise<ZipFile> {
    const handle = await open(file).catch((error: Error) => {
      throw new InputError(`${file}: cannot be read: ${error.message}`);
    });
    try {
      return new ZipFile(file, handle, await directory(file, handle));
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  get names(): IterableIterator<string> {
    return this.members.keys();
  }

  /** @param most bytes that are taken @throws InputError for a name that is not there, and for a larger member */
  async read(name: string, most: number): Promise<Buffer> {
    const member = this.members.get(name);
    if (!member) throw new InputError(`${this.file}: expected a member ${name}, got none of this name`);
    if (member.size > most)
      throw new InputError(`${this.file}: ${name}: expected at most ${most} bytes, got ${member.size}`);
    const local = await bytes(this.file, this.handle, member.at, 30);
    if (local.readUInt32LE(0) !== LOCAL) throw broken(this.file);
    const from = member.at + 30 + local.readUInt16LE(26) + local.readUInt16LE(28);
    return bytes(this.file, this.handle, from, member.size);
  }

  close(): Promise<void> {
    return this.handle.close();
  }
}

const broken = (file: string): InputError =>
  new InputError(
    `${file}: expected a whole zip archive (as torch.save writes), got one that is cut short or broken`,
  );

async function bytes(file: string, handle: FileHandle, from: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await handle.read(buffer, 0, length, from);
  if (bytesRead < length) throw broken(file);
  return buffer;
}

async function directory(file: string, handle: FileHandle): Promise<Map<string, Member>> {
  const { size } = await handle.stat();
  const tail = await bytes(file, handle, Math.max(0, size - 65_557), Math.min(size, 65_557));
  let end = tail.length - 22;
  while (end >= 0 && tail.readUInt32LE(end) !== END) end--;
  if (end < 0) throw broken(file);
  let count = tail.readUInt16LE(end + 10);
  let length = tail.readUInt32LE(end + 12);
  let from = tail.readUInt32LE(end + 16);
  if (end >= 20 && tail.readUInt32LE(end - 20) === LOCATOR64) {
    const record = await bytes(file, handle, Number(tail.readBigUInt64LE(end - 12)), 56);
    if (record.readUInt32LE(0) !== END64) throw broken(file);
    count = Number(record.readBigUInt64LE(32));
    length = Number(record.readBigUInt64LE(40));
    from = Number(record.readBigUInt64LE(48));
  }
  if (length > DIRECTORY)
    throw new InputError(`${file}: expected a directory of at most ${DIRECTORY} bytes, got ${length}`);
  const entries = await bytes(file, handle, from, length);
  const members = new Map<string, Member>();
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + 46 > length || entries.readUInt32LE(at) !== ENTRY) throw broken(file);
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((o) => entries.readUInt16LE(at + o));
    const name = entries.toString('utf8', at + 46, at + 46 + nameLength);
    const extra = entries.subarray(at + 46 + nameLength, at + 46 + nameLength + extraLength);
    const packed = entries.readUInt16LE(at + 10) !== 0;
    const wide = zip64(extra);
    const take = (value: number): number => (value === ELSEWHERE ? (wide.shift() ?? value) : value);
    // In this order: size, packed size, place.
    const memberSize = take(entries.readUInt32LE(at + 24));
    take(entries.readUInt32LE(at + 20));
    const place = take(entries.readUInt32LE(at + 42));
    if (!packed) members.set(name, { at: place, size: memberSize });
    at += 46 + nameLength + extraLength + commentLength;
  }
  return members;
}

/** The 64-bit numbers of the zip64 extra, in their order. */
function zip64(extra: Buffer): number[] {
  for (let at = 0; at + 4 <= extra.length; ) {
    const [id, length] = [extra.readUInt16LE(at), extra.readUInt16LE(at + 2)];
    if (id === 1) {
      const values: number[] = [];
      for (let o = at + 4; o + 8 <= Math.min(extra.length, at + 4 + length); o += 8)
        values.push(Number(extra.readBigUInt64LE(o)));
      return values;
    }
    at += 4 + length;
  }
  return [];
}
