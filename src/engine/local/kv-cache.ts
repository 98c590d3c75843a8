/**
 * Keys and values of all live rows of a decoder, kept on our side: for each layer one array [rows, heads, slots,
 * head] for keys and one for values. Rows are dense (0 … rows−1), so the run reads a prefix of each array in
 * place; a row that splits is one block copy, a row that ends gives its block to the last one. Slots grow when the
 * longest row needs it; memory is given back when most rows have ended.
 */
import { architectureOf, type ModelConfig } from '../../model/index.js';

const SLOT_STEP = 16;

export class KvCache {
  /** Slots of every row; those at and after a row's length hold nothing that is read. */
  slots: number;
  /** Cached tokens of each row. */
  readonly lengths: number[] = [];
  /** k₀, v₀, k₁, v₁, … */
  private readonly buffers: Float32Array[];
  /** Rows that there is room for. */
  private capacity = 0;
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

  /** Elements of one token in one buffer. */
  get channels(): number {
    return this.heads * this.head;
  }

  /** Elements of one row in one buffer. */
  private get stride(): number {
    return this.channels * this.slots;
  }

  /** Cached tokens of the longest row. */
  get longest(): number {
    let longest = 0;
    for (const length of this.lengths) longest = Math.max(longest, length);
    return longest;
  }

  /** Keys (`kind` 0) or values (1) of a layer for rows that follow one another, [count, heads, slots, head]: a view. */
  view(layer: number, kind: 0 | 1, from = 0, count = this.rows): Float32Array {
    return this.buffers[2 * layer + kind].subarray(from * this.stride, (from + count) * this.stride);
  }

  /** A new empty row. @returns its index */
  addRow(): number {
    if (this.rows === this.capacity) this.resize(Math.ceil(this.capacity * 1.5) + 1, this.slots);
    this.lengths.push(0);
    return this.rows - 1;
  }

  /** A new row with all that another one holds. @returns its index */
  copyRow(from: number): number {
    const to = this.addRow();
    this.lengths[to] = this.lengths[from];
    this.moveRow(from, to);
    return to;
  }

  /** Drops a row; the last one takes its index. */
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

  /** Room for so many rows in all; rows that ended give theirs back once they are many. */
  reserveRows(rows: number): void {
    if (rows > this.capacity || 4 * rows < this.capacity) this.resize(rows, this.slots);
  }

  /**
   * Room for so many tokens in every row.
   * @param most that any row can come to hold
   */
  reserveSlots(slots: number, most: number): void {
    if (slots <= this.slots) return;
    this.resize(this.capacity, roundUp(Math.max(slots, Math.min(most, this.slots * 1.5))));
  }

  /** One buffer after another: no more than one is there twice. */
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

  /**
   * Appends new tokens to rows.
   * @param fresh output of the decode program, [2·layers·R, heads, S, head]
   * @param rows cache row of each of the R rows
   * @param counts how many of the S tokens are real, for each of the R rows
   */
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
