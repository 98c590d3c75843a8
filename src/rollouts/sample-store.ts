/**
 * Samples whose group is not complete yet. Rows of a group may be anywhere in a log, so any number of samples can be
 * pending. Beyond a memory limit they go to a temporary file in Node.js, and only their offsets are kept in memory
 * (about 100 bytes each). The file is deleted at the end.
 */
import type { Scratch } from '../input/index.js';
import type { Sample } from './sample.js';

/** Maximum size of the samples in memory, in bytes as estimated below. */
const LIMIT = 128e6;

export class SampleStore {
  private readonly inMemory = new Map<number, Sample>();
  private readonly inScratch = new Map<number, number>();
  private next = 0;
  private bytes = 0;
  private room: Scratch | undefined;

  constructor(
    private readonly scratch: () => Scratch,
    private readonly limit = LIMIT,
  ) {}

  /** Stores a sample; returns the number for taking it out. */
  put(sample: Sample): number {
    const number = this.next++;
    this.inMemory.set(number, sample);
    this.bytes += sizeOf(sample);
    if (this.bytes > this.limit) this.spill();
    return number;
  }

  /** Returns the sample and removes it from the store. */
  take(number: number): Sample {
    const sample = this.inMemory.get(number);
    if (sample) {
      this.inMemory.delete(number);
      this.bytes -= sizeOf(sample);
      return sample;
    }
    const place = this.inScratch.get(number)!;
    this.inScratch.delete(number);
    return (this.room as Scratch).read(place) as Sample;
  }

  close(): void {
    this.room?.close();
    this.room = undefined;
  }

  private spill(): void {
    this.room ??= this.scratch();
    for (const [number, sample] of this.inMemory) this.inScratch.set(number, this.room.put(sample));
    this.inMemory.clear();
    this.bytes = 0;
  }
}

/** Estimated memory of a sample, in bytes. */
function sizeOf({ tokens, mask, logprobs, parts, prompt }: Sample): number {
  let size = 500 + (tokens?.byteLength ?? 0) + (mask?.byteLength ?? 0) + (logprobs?.byteLength ?? 0);
  size += prompt.tokens?.byteLength ?? 0;
  for (const text of prompt.parts ?? []) size += 2 * text.length;
  for (const { text } of parts ?? []) size += 2 * text.length;
  return size;
}
