/**
 * Follows a file of lines that another process appends to: each call reads the new bytes only. A last line without
 * its line end is left for later. A file that is not the one read so far (shorter, or with other bytes before the
 * place reached: a resumed run writes its metrics anew) is read from its start.
 */
import type { FileHandle } from 'node:fs/promises';

const CHUNK = 1 << 20;
/** How many of the bytes before the place reached are compared. */
const REMEMBERED = 256;

export interface TailReader {
  /** The file is read from its start: what came before no longer counts. */
  restart(): void;
  /** One line without its end, numbered from 1; null: it is longer than any line may be (1 MiB). */
  line(text: string | null, number: number): void;
}

export class Tail {
  private offset = 0;
  private lines = 0;
  private inode = 0;
  /** The bytes before `offset`. */
  private before: Buffer = Buffer.alloc(0);
  /** Within a line that is too long: its rest is passed over. */
  private skipping = false;

  async read(file: FileHandle, reader: TailReader): Promise<void> {
    const { size, ino } = await file.stat();
    if (this.offset > 0 && !(ino === this.inode && size >= this.offset && (await this.isTheSame(file)))) {
      this.offset = 0;
      this.lines = 0;
      this.before = Buffer.alloc(0);
      this.skipping = false;
      reader.restart();
    }
    this.inode = ino;
    const chunk = Buffer.allocUnsafe(Math.min(CHUNK, Math.max(0, size - this.offset)));
    while (this.offset < size) {
      const { bytesRead } = await file.read(
        chunk,
        0,
        Math.min(chunk.length, size - this.offset),
        this.offset,
      );
      if (bytesRead === 0) return;
      const consumed = this.take(chunk.subarray(0, bytesRead), reader);
      if (consumed === 0) return;
      this.offset += consumed;
      this.before = Buffer.concat([this.before, chunk.subarray(0, consumed)]);
      this.before = Buffer.from(this.before.subarray(Math.max(0, this.before.length - REMEMBERED)));
    }
  }

  /** @returns how many bytes are done with; 0: they are the beginning of a line */
  private take(bytes: Buffer, reader: TailReader): number {
    let from = 0;
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, from)) {
      this.lines++;
      if (!this.skipping) reader.line(bytes.toString('utf8', from, end), this.lines);
      this.skipping = false;
      from = end + 1;
    }
    if (from > 0 || bytes.length < CHUNK) return this.skipping ? bytes.length : from;
    if (!this.skipping) reader.line(null, this.lines + 1);
    this.skipping = true;
    return bytes.length;
  }

  private async isTheSame(file: FileHandle): Promise<boolean> {
    const { length } = this.before;
    const bytes = Buffer.alloc(length);
    const { bytesRead } = await file.read(bytes, 0, length, this.offset - length);
    return bytesRead === length && bytes.equals(this.before);
  }
}
