/**
 * Browser sources: a File or Blob, whose data never leaves the page. pako (gzip) and hyparquet (Parquet) are loaded
 * when a file needs them. Incomplete groups stay in memory.
 */
import { InputError } from './errors.js';
import { hyparquetReader } from './hyparquet.js';
import type { Machine, OpenSource, Scratch, Source } from './source.js';

const machine: Machine = { gunzip, parquet: hyparquetReader, scratch: () => new ScratchInMemory() };

/** @param name its path within the dropped folder, which format detection uses */
export function blobSource(blob: Blob, name: string): Source {
  return {
    name,
    machine,
    open: async () => ({
      size: async () => blob.size,
      read: async (into, from) => {
        const piece = await blob.slice(from, from + into.length).arrayBuffer();
        into.set(new Uint8Array(piece));
        return piece.byteLength;
      },
      close: async () => {},
    }),
  };
}

/** Bytes per read, and maximum number of bytes that are unpacked at once, whatever the compression ratio. */
const INPUT = 1 << 20;
const OUTPUT = 1 << 18;
/** Size of a gzip header and checksum, and of the largest window. */
const WINDOW_BITS = 16 + 15;

/** Gzip, member after member, with the same rules as gzip.ts: zero bytes between and after members are padding. */
async function* gunzip(
  name: string,
  file: OpenSource,
  onRead?: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  const { ZStream, Z_BUF_ERROR, Z_NO_FLUSH, Z_OK, Z_STREAM_END, zlibInflate, zlibInflateInit2 } =
    await import('pako');
  const refused = (why: string) => new InputError(`${name}: cannot be read: ${why}`);
  const input = new Uint8Array(INPUT);
  const output = new Uint8Array(OUTPUT);
  let at = 0;
  for (;;) {
    const member = new ZStream();
    zlibInflateInit2(member, WINDOW_BITS);
    for (let ended = false; !ended; ) {
      const length = await file.read(input, at);
      if (length === 0)
        throw refused('unexpected end of file; expected a whole gzip file, got one that is cut short');
      Object.assign(member, { input, next_in: 0, avail_in: length });
      do {
        Object.assign(member, { output, next_out: 0, avail_out: OUTPUT });
        const status = zlibInflate(member, Z_NO_FLUSH);
        ended = status === Z_STREAM_END;
        if (!ended && status !== Z_OK && status !== Z_BUF_ERROR)
          throw refused(`${member.msg}; expected a whole gzip file`);
        if (member.next_out > 0) yield output.subarray(0, member.next_out);
      } while (!ended && (member.avail_in > 0 || member.avail_out === 0));
      at += length - member.avail_in;
      onRead?.(at);
    }
    for (;;) {
      const length = await file.read(input, at);
      if (length === 0) return;
      const next = input.subarray(0, length).findIndex((byte) => byte !== 0);
      at += next < 0 ? length : next;
      if (next >= 0) break;
    }
  }
}

class ScratchInMemory implements Scratch {
  private values: unknown[] = [];

  put(value: unknown): number {
    return this.values.push(value) - 1;
  }

  read(place: number): unknown {
    return this.values[place];
  }

  close(): void {
    this.values = [];
  }
}
