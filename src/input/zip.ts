/**
 * Reads members of a zip archive by name, as PyTorch writes them: uncompressed, of any size (zip64). The directory at
 * the end is read first; members are read on demand.
 */
import { InputError } from './errors.js';
import type { OpenSource, Source } from './source.js';
import { textOf, viewOf } from './text.js';

interface Member {
  readonly at: number;
  readonly size: number;
}

const END = 0x06054b50;
const END64 = 0x06064b50;
const LOCATOR64 = 0x07064b50;
const ENTRY = 0x02014b50;
const LOCAL = 0x04034b50;
/** A placeholder: the value is in the zip64 extra field. */
const ELSEWHERE = 0xffffffff;
/** Maximum size of a directory in bytes. */
const DIRECTORY = 1 << 26;

export class ZipFile {
  private constructor(
    private readonly file: string,
    private readonly handle: OpenSource,
    private readonly members: ReadonlyMap<string, Member>,
  ) {}

  /** @throws InputError for a file that is not such an archive, or is truncated */
  static async open(file: Source): Promise<ZipFile> {
    const handle = await file.open().catch((error: Error) => {
      throw new InputError(`${file.name}: cannot be read: ${error.message}`);
    });
    try {
      return new ZipFile(file.name, handle, await directory(file.name, handle));
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  get names(): IterableIterator<string> {
    return this.members.keys();
  }

  /** @param most maximum number of bytes @throws InputError for a missing member, and for a larger one */
  async read(name: string, most: number): Promise<Uint8Array> {
    const member = this.members.get(name);
    if (!member) throw new InputError(`${this.file}: expected a member ${name}, got none of this name`);
    if (member.size > most)
      throw new InputError(`${this.file}: ${name}: expected at most ${most} bytes, got ${member.size}`);
    const local = viewOf(await bytes(this.file, this.handle, member.at, 30));
    if (local.getUint32(0, true) !== LOCAL) throw broken(this.file);
    const from = member.at + 30 + local.getUint16(26, true) + local.getUint16(28, true);
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

async function bytes(file: string, handle: OpenSource, from: number, length: number): Promise<Uint8Array> {
  if (from < 0 || from + length > (await handle.size())) throw broken(file);
  const buffer = new Uint8Array(length);
  if ((await handle.read(buffer, from)) < length) throw broken(file);
  return buffer;
}

async function directory(file: string, handle: OpenSource): Promise<Map<string, Member>> {
  const size = await handle.size();
  const tail = viewOf(await bytes(file, handle, Math.max(0, size - 65_557), Math.min(size, 65_557)));
  let end = tail.byteLength - 22;
  while (end >= 0 && tail.getUint32(end, true) !== END) end--;
  if (end < 0) throw broken(file);
  let count = tail.getUint16(end + 10, true);
  let length = tail.getUint32(end + 12, true);
  let from = tail.getUint32(end + 16, true);
  if (end >= 20 && tail.getUint32(end - 20, true) === LOCATOR64) {
    const record = viewOf(await bytes(file, handle, Number(tail.getBigUint64(end - 12, true)), 56));
    if (record.getUint32(0, true) !== END64) throw broken(file);
    count = Number(record.getBigUint64(32, true));
    length = Number(record.getBigUint64(40, true));
    from = Number(record.getBigUint64(48, true));
  }
  if (length > DIRECTORY)
    throw new InputError(`${file}: expected a directory of at most ${DIRECTORY} bytes, got ${length}`);
  const entries = await bytes(file, handle, from, length);
  const numbers = viewOf(entries);
  const members = new Map<string, Member>();
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + 46 > length || numbers.getUint32(at, true) !== ENTRY) throw broken(file);
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((o) => numbers.getUint16(at + o, true));
    const name = textOf(entries, at + 46, at + 46 + nameLength);
    const extra = entries.subarray(at + 46 + nameLength, at + 46 + nameLength + extraLength);
    const packed = numbers.getUint16(at + 10, true) !== 0;
    const wide = zip64(extra);
    const take = (value: number): number => (value === ELSEWHERE ? (wide.shift() ?? value) : value);
    // In this order: size, packed size, offset.
    const memberSize = take(numbers.getUint32(at + 24, true));
    take(numbers.getUint32(at + 20, true));
    const place = take(numbers.getUint32(at + 42, true));
    if (!packed) members.set(name, { at: place, size: memberSize });
    at += 46 + nameLength + extraLength + commentLength;
  }
  return members;
}

/** The 64-bit numbers of the zip64 extra field, in order. */
function zip64(extra: Uint8Array): number[] {
  const numbers = viewOf(extra);
  for (let at = 0; at + 4 <= extra.length; ) {
    const [id, length] = [numbers.getUint16(at, true), numbers.getUint16(at + 2, true)];
    if (id === 1) {
      const values: number[] = [];
      for (let o = at + 4; o + 8 <= Math.min(extra.length, at + 4 + length); o += 8)
        values.push(Number(numbers.getBigUint64(o, true)));
      return values;
    }
    at += 4 + length;
  }
  return [];
}
