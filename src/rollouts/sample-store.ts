/**
 * Samples whose group is not complete yet. Rows of a group may lie anywhere in a log, so any number of samples can be
 * pending: beyond a memory limit they go to scratch room (a temporary file in Node.js), and only their
 * places in it are kept (about 100 bytes each). It is deleted at the end.
 */
import type { Scratch } from '../input/index.js';
import type { Sample } from './sample.js';

/** Samples in memory at once, in bytes as estimated below. */
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

/** About what a sample holds in memory, in bytes. */
function sizeOf({ tokens, mask, logprobs, parts, prompt }: Sample): number {
  let size = 500 + (tokens?.byteLength ?? 0) + (mask?.byteLength ?? 0) + (logprobs?.byteLength ?? 0);
  size += prompt.tokens?.byteLength ?? 0;
  for (const text of prompt.parts ?? []) size += 2 * text.length;
  for (const { text } of parts ?? []) size += 2 * text.length;
  return size;
}
