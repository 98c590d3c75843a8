/** A temporary file for data that does not fit into memory. It is removed when the process ends, at the latest. */
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileError } from './errors.js';
import { settled, unfinished } from './temporary.js';

export class ScratchFile {
  readonly path: string;
  private readonly folder: string;
  private readonly file: number;
  private end = 0;

  /** @throws FileError */
  constructor() {
    const prefix = join(tmpdir(), 'lambda-grpo-');
    try {
      this.folder = mkdtempSync(prefix);
      unfinished(this.folder);
      this.path = join(this.folder, 'scratch');
      this.file = openSync(this.path, 'w+');
    } catch (error) {
      throw fileError(prefix, error);
    }
  }

  /** @returns offset of the bytes. @throws FileError */
  append(bytes: Uint8Array): number {
    const from = this.end;
    try {
      for (let at = 0; at < bytes.length; ) {
        at += writeSync(this.file, bytes, at, bytes.length - at, from + at);
      }
    } catch (error) {
      throw fileError(this.folder, error);
    }
    this.end += bytes.length;
    return from;
  }

  read(from: number, length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    readSync(this.file, bytes, 0, length, from);
    return bytes;
  }

  close(): void {
    closeSync(this.file);
    rmSync(this.folder, { recursive: true, force: true });
    settled(this.folder);
  }
}
