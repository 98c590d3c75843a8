/** Reads a rollout file line by line: a file may be larger than memory, a line may not. */
import type { FileHandle } from 'node:fs/promises';

const CHUNK = 1 << 20;
/** Longest line of a group that is read. */
export const LONGEST_LINE = 1 << 28;

/** Lines with the offset of their first byte; null for a line that is too long. */
export async function* linesOf(
  file: FileHandle,
): AsyncGenerator<{ number: number; start: number; bytes: Buffer | null }> {
  let number = 1;
  let start = 0;
  let pending: Buffer[] = [];
  let length = 0;
  const line = () => ({ number, start, bytes: length > LONGEST_LINE ? null : Buffer.concat(pending) });
  const keep = (part: Buffer) => {
    length += part.length;
    if (length <= LONGEST_LINE) pending.push(part);
    else pending = [];
  };
  const { size } = await file.stat();
  for (let place = 0; place < size; ) {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(CHUNK), 0, CHUNK, place);
    if (bytesRead === 0) break;
    const chunk = buffer.subarray(0, bytesRead);
    let from = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      keep(chunk.subarray(from, end));
      yield line();
      number++;
      start = place + end + 1;
      pending = [];
      length = 0;
      from = end + 1;
    }
    keep(chunk.subarray(from));
    place += bytesRead;
  }
  if (length > 0) yield line();
}
