/**
 * Follows a file of lines that another process appends to: each call reads only new bytes. A last line without a line
 * end is left for later. If the file is not the one read so far (it is shorter, or bytes before the current position
 * differ, as when a resumed run rewrites its metrics), it is read from its start.
 */
import type { FileHandle } from 'node:fs/promises';

const CHUNK = 1 << 20;
/** Number of bytes before the current position that are compared. */
const REMEMBERED = 256;

export interface TailReader {
  /** The file is read from its start: earlier lines no longer count. */
  restart(): void;
  /** One line without its line end, numbered from 1; null: it is longer than the limit (1 MiB). */
  line(text: string | null, number: number): void;
}

export class Tail {
  private offset = 0;
  private lines = 0;
  private inode = 0;
  /** The bytes before `offset`. */
  private before: Buffer = Buffer.alloc(0);
  /** The current line is too long: its rest is skipped. */
  private skipping = false;

  async read(file: FileHandle, reader: TailReader): Promise<void> {
    const { size, ino } = await file.stat();
    if (this.offset > 0 && !(ino === this.inode && size >= this.offset && (await this.isSameFile(file)))) {
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

  /** @returns number of bytes that were processed; 0: the line is incomplete */
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

  private async isSameFile(file: FileHandle): Promise<boolean> {
    const { length } = this.before;
    const bytes = Buffer.alloc(length);
    const { bytesRead } = await file.read(bytes, 0, length, this.offset - length);
    return bytesRead === length && bytes.equals(this.before);
  }
}
