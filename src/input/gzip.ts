/**
 * Decompresses gzip, member after member to the end of the file. Zero bytes between and after members are padding
 * (written by tapes and block devices); any other trailing data is an error, because it may be the rest of a member.
 */
import { createGunzip, type Gunzip } from 'node:zlib';
import { InputError } from './errors.js';
import type { OpenSource } from './source.js';

/** Bytes per call of zlib. They expand to at most a thousand times as many, which wait in memory. */
const INPUT = 1 << 14;
const OUTPUT = 1 << 18;

/**
 * @param onRead called with the number of bytes of the file that have been read
 * @throws InputError for a file that is damaged, truncated or followed by other data
 */
export async function* gunzip(
  file: string,
  handle: OpenSource,
  onRead?: (bytes: number) => void,
): AsyncGenerator<Buffer> {
  const input = Buffer.allocUnsafe(INPUT);
  const size = (at: number) => handle.read(input, at);
  let at = 0;
  for (;;) {
    const begun = at;
    const member = new Member(file);
    try {
      let read = begun;
      while (!member.ended) {
        const length = await size(read);
        // zlib reads the bytes later in another thread, so each piece has its own memory.
        yield* await (length === 0 ? member.end() : member.write(Buffer.from(input.subarray(0, length))));
        read += length;
        onRead?.(read);
      }
    } finally {
      member.close();
    }
    at = begun + member.consumed;
    for (let length = await size(at); ; length = await size(at)) {
      if (length === 0) return;
      const next = input.subarray(0, length).findIndex((byte) => byte !== 0);
      at += next < 0 ? length : next;
      if (next >= 0) break;
    }
  }
}

/** Members that follow each other without padding: zlib reads them as one stream. */
class Member {
  ended = false;
  private readonly zlib: Gunzip = createGunzip({ chunkSize: OUTPUT });
  private pieces: Buffer[] = [];
  private error: Error | undefined;
  private wake: () => void = () => {};

  constructor(private readonly file: string) {
    this.zlib.on('data', (piece: Buffer) => this.pieces.push(piece));
    this.zlib.on('end', () => {
      this.ended = true;
      this.wake();
    });
    this.zlib.on('error', (error) => {
      this.error = error;
      this.wake();
    });
  }

  /** Bytes of the input that belong to the members. */
  get consumed(): number {
    return this.zlib.bytesWritten;
  }

  write(bytes: Buffer): Promise<readonly Buffer[]> {
    return this.inflated((done) => this.zlib.write(bytes, done));
  }

  end(): Promise<readonly Buffer[]> {
    return this.inflated(() => this.zlib.end());
  }

  close(): void {
    this.zlib.destroy();
  }

  /** The output until the input was used up, the members ended or an error occurred. */
  private async inflated(put: (done: () => void) => void): Promise<readonly Buffer[]> {
    await new Promise<void>((resolve) => {
      this.wake = resolve;
      put(resolve);
    });
    if (this.error && !this.ended) {
      const short = (this.error as NodeJS.ErrnoException).code === 'Z_BUF_ERROR';
      throw new InputError(
        short
          ? `${this.file}: cannot be read: unexpected end of file; expected a whole gzip file, got one that is cut short`
          : `${this.file}: cannot be read: ${this.error.message}; expected a whole gzip file`,
      );
    }
    const { pieces } = this;
    this.pieces = [];
    return pieces;
  }
}
