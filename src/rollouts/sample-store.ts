/**
 * Samples that wait for the rest of their group. Rows of a group may lie anywhere in a log, so that any number can be
 * waiting: beyond a limit of memory they go to a temporary file, and only their places in it are kept (about 100
 * bytes each). The file is as large as what waits and is deleted at the end.
 */
import { deserialize, serialize } from 'node:v8';
import { ScratchFile } from '../files/index.js';
import type { Sample } from './sample.js';

/** Samples in memory at once, in bytes as estimated below. */
const LIMIT = 128e6;

export class SampleStore {
  private readonly inMemory = new Map<number, Sample>();
  private readonly onDisk = new Map<number, readonly [offset: number, length: number]>();
  private next = 0;
  private bytes = 0;
  private file: ScratchFile | undefined;

  constructor(private readonly limit = LIMIT) {}

  /** Keeps a sample; gives the number to take it out by. */
  put(sample: Sample): number {
    const number = this.next++;
    this.inMemory.set(number, sample);
    this.bytes += sizeOf(sample);
    if (this.bytes > this.limit) this.spill();
    return number;
  }

  /** The sample, which is then no longer kept. */
  take(number: number): Sample {
    const sample = this.inMemory.get(number);
    if (sample) {
      this.inMemory.delete(number);
      this.bytes -= sizeOf(sample);
      return sample;
    }
    const [offset, length] = this.onDisk.get(number)!;
    this.onDisk.delete(number);
    return deserialize((this.file as ScratchFile).read(offset, length)) as Sample;
  }

  close(): void {
    this.file?.close();
    this.file = undefined;
  }

  private spill(): void {
    this.file ??= new ScratchFile();
    for (const [number, sample] of this.inMemory) {
      const bytes = serialize(sample);
      this.onDisk.set(number, [this.file.append(bytes), bytes.length]);
    }
    this.inMemory.clear();
    this.bytes = 0;
  }
}

/** About what a sample holds in memory, in bytes. */
function sizeOf({ tokens, mask, logprobs, parts, prompt }: Sample): number {
  let size = 500 + (tokens?.byteLength ?? 0) + (mask?.byteLength ?? 0) + (logprobs?.byteLength ?? 0);
  size += prompt.tokens?.byteLength ?? 0;
  for (const text of prompt.parts ?? []) size += 2 * text.length;
  for (const { text } of parts ?? []) size += 2 * text.length;
  return size;
}
