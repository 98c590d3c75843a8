/**
 * Keys and values of short sequences: for each layer one array [rows, heads, slots, head] for keys and one for values.
 * A run reads the same number of slots of every row; slots are added when the longest row needs them.
 */
import { architectureOf, type CachedSlots, type ModelConfig } from '../../model/index.js';
import type { KvCache, Reservation } from './kv-cache.js';

const SLOT_STEP = 16;

export class SlotCache implements KvCache {
  /** Slots per row; those at and after a row's length are not read. */
  private slots: number;
  /** Prompts are not cached apart. */
  readonly prompts = 0;
  readonly lengths: number[] = [];
  /** k₀, v₀, k₁, v₁, … */
  private readonly buffers: Float32Array[];
  /** Capacity in rows. */
  private capacity = 0;
  /** Tokens that any row may come to hold. */
  private most = 0;
  /** Heads of keys and values, and channels of each. */
  private readonly heads: number;
  private readonly head: number;

  constructor(config: ModelConfig) {
    const { keyValueHeads, headWidth } = architectureOf(config);
    this.heads = keyValueHeads;
    this.head = headWidth;
    this.slots = SLOT_STEP;
    this.buffers = Array.from({ length: 2 * config.layers }, () => new Float32Array(0));
  }

  get rows(): number {
    return this.lengths.length;
  }

  /** Number of elements of one token in one buffer. */
  private get channels(): number {
    return this.heads * this.head;
  }

  /** Number of elements of one row in one buffer. */
  private get stride(): number {
    return this.channels * this.slots;
  }

  past(count = this.rows): CachedSlots {
    const { rows, stride, slots, buffers } = this;
    const pastLength = Int32Array.from(this.lengths.slice(rows - count));
    if (pastLength.every((length) => length === 0)) {
      const empty = new Float32Array(count * this.channels);
      return { slots: 1, pastLength, past: () => empty };
    }
    return {
      slots,
      pastLength,
      past: (layer, kind) => buffers[2 * layer + kind].subarray((rows - count) * stride, rows * stride),
    };
  }

  addRow(like?: number): number {
    if (like !== undefined) return this.copyRow(like);
    if (this.rows === this.capacity) this.resize(Math.ceil(this.capacity * 1.5) + 1, this.slots);
    this.lengths.push(0);
    return this.rows - 1;
  }

  copyRow(from: number): number {
    const to = this.addRow();
    this.lengths[to] = this.lengths[from];
    this.moveRow(from, to);
    return to;
  }

  removeRow(row: number): void {
    const last = this.rows - 1;
    if (row !== last) {
      this.moveRow(last, row);
      this.lengths[row] = this.lengths[last];
    }
    this.lengths.pop();
  }

  private moveRow(from: number, to: number): void {
    const { stride } = this;
    for (const buffer of this.buffers) buffer.copyWithin(to * stride, from * stride, (from + 1) * stride);
  }

  reserve({ rows, prompt, soon, most }: Reservation): void {
    this.most = prompt + most;
    this.ensure(rows, prompt + soon);
  }

  extend(): void {
    this.ensure(
      this.rows,
      this.lengths.reduce((n, length) => Math.max(n, length + 1), 0),
    );
  }

  private ensure(rows: number, length: number): void {
    if (rows <= this.capacity && length <= this.slots) return;
    const slots =
      length <= this.slots ? this.slots : roundUp(Math.max(length, Math.min(this.most, this.slots * 1.5)));
    this.resize(Math.max(rows, this.capacity), slots);
  }

  release(rows: number): void {
    if (4 * rows < this.capacity) this.resize(rows, this.slots);
  }

  /** One buffer after another, so that at most one exists twice. */
  private resize(capacity: number, slots: number): void {
    const { head, slots: before } = this;
    this.buffers.forEach((buffer, i) => {
      const target = new Float32Array(capacity * slots * this.channels);
      if (slots === before) target.set(buffer.subarray(0, this.rows * this.stride));
      else {
        for (let block = 0; block < this.rows * this.heads; block++) {
          target.set(
            buffer.subarray(block * before * head, (block + 1) * before * head),
            block * slots * head,
          );
        }
      }
      this.buffers[i] = target;
    });
    this.capacity = capacity;
    this.slots = slots;
  }

  append(fresh: Float32Array, rows: readonly number[], counts: readonly number[], newTokens: number): void {
    const { heads, head, slots } = this;
    let at = 0;
    for (const buffer of this.buffers) {
      for (let r = 0; r < rows.length; r++) {
        const length = this.lengths[rows[r]];
        const size = counts[r] * head;
        for (let h = 0; h < heads; h++, at += newTokens * head) {
          const to = ((rows[r] * heads + h) * slots + length) * head;
          for (let i = 0; i < size; i++) buffer[to + i] = fresh[at + i];
        }
      }
    }
    for (let r = 0; r < rows.length; r++) this.lengths[rows[r]] += counts[r];
  }
}

function roundUp(slots: number): number {
  return Math.ceil(slots / SLOT_STEP) * SLOT_STEP;
}
