/**
 * A cache that holds each prompt once, for all rows that read it. Prompts and completions are each in a cache of their
 * own, of the same kind; a prompt is dropped with its last row.
 */
import { architectureOf, type ModelConfig, type SharedBlocks, type SharedSlots } from '../../model/index.js';
import type { KvCache, Past, Reservation } from './kv-cache.js';

export class PromptCache<Cache extends KvCache> implements KvCache {
  /** Prompt of each row. */
  private readonly promptOf: number[] = [];
  private readonly heads: number;

  /**
   * @param ofPrompts the sequences of this cache are prompts
   * @param completions the sequences of this cache are what rows have after their prompts
   */
  constructor(
    config: ModelConfig,
    private readonly ofPrompts: Cache,
    private readonly completions: Cache,
  ) {
    this.heads = architectureOf(config).keyValueHeads;
  }

  get rows(): number {
    return this.promptOf.length;
  }

  get prompts(): number {
    return this.ofPrompts.rows;
  }

  get lengths(): readonly number[] {
    const { ofPrompts, completions } = this;
    return this.promptOf.map((prompt, row) => ofPrompts.lengths[prompt] + completions.lengths[row]);
  }

  addRow(like?: number): number {
    const { promptOf, ofPrompts: prompts } = this;
    promptOf.push(like === undefined ? prompts.addRow() : prompts.copyRow(promptOf[like]));
    return this.completions.addRow();
  }

  copyRow(from: number): number {
    this.promptOf.push(this.promptOf[from]);
    return this.completions.copyRow(from);
  }

  removeRow(row: number): void {
    const { promptOf, ofPrompts: prompts } = this;
    this.completions.removeRow(row);
    const prompt = promptOf[row];
    promptOf[row] = promptOf[promptOf.length - 1];
    promptOf.pop();
    if (promptOf.includes(prompt)) return;
    const last = prompts.rows - 1;
    prompts.removeRow(prompt);
    promptOf.forEach((other, i) => {
      if (other === last) promptOf[i] = prompt;
    });
  }

  reserve(size: Reservation): void {
    this.ofPrompts.reserve({ ...size, rows: size.prompts, soon: 0, most: 0 });
    this.completions.reserve({ ...size, prompt: 0 });
  }

  extend(): void {
    this.completions.extend();
  }

  release(rows: number): void {
    this.ofPrompts.release(this.ofPrompts.rows);
    this.completions.release(rows);
  }

  append(...[fresh, rows, counts, newTokens, part]: Parameters<KvCache['append']>): void {
    const { ofPrompts: prompts, completions, promptOf } = this;
    if (part === 'completion') completions.append(fresh, rows, counts, newTokens, part);
    else {
      const which = rows.map((row) => promptOf[row]);
      prompts.append(fresh, which, counts, newTokens, part);
    }
  }

  /** The last `count` rows are those of the last prompts: they are read in parts before anything else is added. */
  past(count = this.rows): Past {
    const rows = this.promptOf.slice(this.rows - count);
    const first = Math.min(...rows);
    const prompts = this.ofPrompts.past(this.ofPrompts.rows - first);
    const completions = this.completions.past(count);
    const readers: number[][] = Array.from({ length: this.ofPrompts.rows - first }, () => []);
    rows.forEach((prompt, row) => {
      readers[prompt - first].push(row);
    });
    const prompted = rows.map((prompt) => prompt - first);
    if ('slots' in prompts && 'slots' in completions) {
      const { slots, past } = prompts;
      const pastLength = Int32Array.from(prompted, (prompt) => prompts.pastLength[prompt]);
      const places = prompted.map((prompt) => [prompt]);
      return {
        ...completions,
        prompts: { slots, past, pastLength, ...this.readers(readers, places) } satisfies SharedSlots,
      };
    }
    if (!('slots' in prompts) && !('slots' in completions)) {
      const { blockFill, blockRow, blocksPerRow, past, rowBlocks } = prompts;
      const places = prompted.map((prompt) => [
        ...rowBlocks.subarray(prompt * blocksPerRow, (prompt + 1) * blocksPerRow),
      ]);
      const rowBlockCount = Int32Array.from(prompted, (prompt) => prompts.rowBlockCount[prompt]);
      const ofBlocks = Array.from(blockRow, (prompt) => readers[prompt]);
      return {
        ...completions,
        prompts: {
          blockFill,
          blocksPerRow,
          rowBlockCount,
          past,
          ...this.readers(ofBlocks, places),
        } satisfies SharedBlocks,
      };
    }
    throw new TypeError('expected prompts and completions in the same kind of cache');
  }

  /**
   * @param readers rows that read each prompt, or each block of a prompt
   * @param read prompts, or blocks of prompts, that each row reads
   */
  private readers(
    readers: readonly (readonly number[])[],
    read: readonly (readonly number[])[],
  ): { readonly mostReaders: number; readonly reader: Int32Array; readonly place: Int32Array } {
    const { heads } = this;
    const most = readers.reduce((n, { length }) => Math.max(n, length), 1);
    const reader = new Int32Array(readers.length * heads * most);
    const indexOf = (at: number, head: number): number => (at * heads + head) * most;
    const index = new Int32Array(read.length);
    readers.forEach((rows, at) => {
      rows.forEach((row, i) => {
        index[row] = i;
        for (let head = 0; head < heads; head++) reader[indexOf(at, head) + i] = row * heads + head;
      });
    });
    const place = Int32Array.from(
      read.flatMap((ats, row) =>
        ats.flatMap((at) => Array.from({ length: heads }, (_, head) => indexOf(at, head) + index[row])),
      ),
    );
    return { mostReaders: most, reader, place };
  }
}
