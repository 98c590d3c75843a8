/**
 * Keys and values of long sequences: for each layer one array of blocks [blocks, heads, width, head] for keys and one
 * for values. A row has as many blocks as its tokens need, at any positions. Blocks are dense (0 … blocks−1), so a run
 * reads a prefix of each array in place; when a row ends, the last blocks move into its free positions.
 */
import { architectureOf, type CachedBlocks, type ModelConfig } from '../../model/index.js';
import type { KvCache, Reservation } from './kv-cache.js';

export class BlockCache implements KvCache {
  /** Prompts are not cached apart. */
  readonly prompts = 0;
  readonly lengths: number[] = [];
  /** Blocks of each row, in order. */
  private readonly blocks: number[][] = [];
  /** Row of each block. */
  private readonly owners: number[] = [];
  /** k₀, v₀, k₁, v₁, … */
  private readonly buffers: Float32Array[];
  /** Capacity in blocks. */
  private capacity = 0;
  private readonly heads: number;
  private readonly head: number;

  /** @param width tokens per block */
  constructor(
    config: ModelConfig,
    private readonly width: number,
  ) {
    const { keyValueHeads, headWidth } = architectureOf(config);
    this.heads = keyValueHeads;
    this.head = headWidth;
    this.buffers = Array.from({ length: 2 * config.layers }, () => new Float32Array(0));
  }

  get rows(): number {
    return this.lengths.length;
  }

  /** Number of elements of one block in one buffer. */
  private get size(): number {
    return this.heads * this.head * this.width;
  }

  addRow(like?: number): number {
    if (like !== undefined) return this.copyRow(like);
    this.blocks.push([]);
    return this.lengths.push(0) - 1;
  }

  copyRow(from: number): number {
    const to = this.addRow();
    this.lengths[to] = this.lengths[from];
    for (const block of this.blocks[from]) this.copyBlock(block, this.addBlock(to));
    return to;
  }

  removeRow(row: number): void {
    // Highest block first: then the block that moves into a free position is never one that is removed too.
    for (const block of [...this.blocks[row]].sort((a, b) => b - a)) this.removeBlock(block);
    const last = this.rows - 1;
    this.blocks[row] = this.blocks[last];
    this.lengths[row] = this.lengths[last];
    if (row !== last) for (const block of this.blocks[row]) this.owners[block] = row;
    this.blocks.pop();
    this.lengths.pop();
  }

  /** At least one block per row; further blocks are added as tokens come. */
  reserve({ rows }: Reservation): void {
    if (rows > this.capacity) this.resize(rows);
  }

  extend(): void {
    // Blocks are added when tokens are appended.
  }

  release(): void {
    if (4 * this.owners.length < this.capacity) this.resize(this.owners.length);
  }

  past(count = this.rows): CachedBlocks {
    const { width, size, buffers } = this;
    const first = this.rows - count;
    const lists = this.blocks.slice(first);
    const blocksPerRow = Math.max(1, ...lists.map(({ length }) => length));
    const rowBlocks = new Int32Array(count * blocksPerRow);
    const blocks = lists.reduce((sum, { length }) => sum + length, 0);
    // Later rows have later blocks.
    const from = this.owners.length - blocks;
    const blockFill = new Int32Array(Math.max(1, blocks));
    lists.forEach((list, r) => {
      list.forEach((block, i) => {
        rowBlocks[r * blocksPerRow + i] = block - from;
        blockFill[block - from] = Math.min(width, this.lengths[first + r] - i * width);
      });
    });
    const nothing = blocks === 0 ? new Float32Array(size) : null;
    return {
      blockWidth: width,
      blockRow: nothing ? new Int32Array(1) : Int32Array.from(this.owners.slice(from), (row) => row - first),
      blockFill,
      blocksPerRow,
      rowBlocks,
      rowBlockCount: Int32Array.from(lists, ({ length }) => length),
      past: (layer, kind) =>
        nothing ?? buffers[2 * layer + kind].subarray(from * size, (from + blocks) * size),
    };
  }

  append(fresh: Float32Array, rows: readonly number[], counts: readonly number[], newTokens: number): void {
    const { heads, head, width, size } = this;
    rows.forEach((row, r) => {
      while (this.blocks[row].length * width < this.lengths[row] + counts[r]) this.addBlock(row);
    });
    let at = 0;
    for (const buffer of this.buffers) {
      for (let r = 0; r < rows.length; r++) {
        const length = this.lengths[rows[r]];
        const blocks = this.blocks[rows[r]];
        for (let h = 0; h < heads; h++, at += newTokens * head) {
          for (let token = 0; token < counts[r]; token++) {
            const slot = length + token;
            const to = blocks[Math.floor(slot / width)] * size + (h * width + (slot % width)) * head;
            const source = at + token * head;
            for (let i = 0; i < head; i++) buffer[to + i] = fresh[source + i];
          }
        }
      }
    }
    rows.forEach((row, r) => {
      this.lengths[row] += counts[r];
    });
  }

  private addBlock(row: number): number {
    const block = this.owners.length;
    if (block === this.capacity) this.resize(Math.ceil(1.5 * block) + 1);
    this.owners.push(row);
    this.blocks[row].push(block);
    return block;
  }

  private removeBlock(block: number): void {
    const last = this.owners.length - 1;
    if (block !== last) {
      this.copyBlock(last, block);
      const row = this.owners[last];
      this.blocks[row][this.blocks[row].indexOf(last)] = block;
      this.owners[block] = row;
    }
    this.owners.pop();
  }

  private copyBlock(from: number, to: number): void {
    const { size } = this;
    for (const buffer of this.buffers) buffer.copyWithin(to * size, from * size, (from + 1) * size);
  }

  /** One buffer after another, so that at most one exists twice. */
  private resize(capacity: number): void {
    const used = this.owners.length * this.size;
    this.buffers.forEach((buffer, i) => {
      const target = new Float32Array(capacity * this.size);
      target.set(buffer.subarray(0, used));
      this.buffers[i] = target;
    });
    this.capacity = capacity;
  }
}
