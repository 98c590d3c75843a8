/**
 * Keys and values of all live rows of a decoder, kept on our side: for each layer one array [rows, heads, slots,
 * head] for keys and one for values. Rows are dense (0 … rows−1), so the run reads a prefix of each array in
 * place; a row that splits is one block copy, a row that ends is replaced by the last one. Slots grow when the
 * longest row needs it.
 */
import { architectureOf, type ModelConfig } from '../../model/index.js';

const SLOT_STEP = 16;

export class KvCache {
  /** Slots of every row; those at and after a row's length hold nothing that is read. */
  slots: number;
  /** Cached tokens of each row. */
  readonly lengths: number[] = [];
  /** k₀, v₀, k₁, v₁, … */
  private buffers: Float32Array[];
  private capacity: number;
  /** Heads of keys and values, and channels of each. */
  private readonly heads: number;
  private readonly head: number;

  constructor(
    private readonly config: ModelConfig,
    rows: number,
    slots: number,
  ) {
    const { keyValueHeads, headWidth } = architectureOf(config);
    this.heads = keyValueHeads;
    this.head = headWidth;
    this.capacity = Math.max(1, rows);
    this.slots = roundUp(slots);
    this.buffers = this.allocate(this.capacity, this.slots);
  }

  get rows(): number {
    return this.lengths.length;
  }

  private get channels(): number {
    return this.heads * this.head;
  }

  /** Elements of one row in one buffer. */
  private get stride(): number {
    return this.channels * this.slots;
  }

  private allocate(rows: number, slots: number): Float32Array[] {
    return Array.from(
      { length: 2 * this.config.layers },
      () => new Float32Array(rows * slots * this.channels),
    );
  }

  /** Keys (`kind` 0) or values (1) of a layer for all rows, [rows, heads, slots, head]: a view. */
  view(layer: number, kind: 0 | 1): Float32Array {
    return this.buffers[2 * layer + kind].subarray(0, this.rows * this.stride);
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

  /** Room for `extra` more tokens in every row. */
  reserve(extra: number): void {
    let longest = 0;
    for (const length of this.lengths) longest = Math.max(longest, length);
    if (longest + extra > this.slots)
      this.resize(this.capacity, roundUp(Math.max(longest + extra, this.slots * 1.5)));
  }

  private resize(capacity: number, slots: number): void {
    const { head } = this;
    const before = this.buffers;
    const old = this.slots;
    this.buffers = this.allocate(capacity, slots);
    before.forEach((buffer, i) => {
      const target = this.buffers[i];
      if (slots === old) {
        target.set(buffer.subarray(0, this.rows * this.stride));
        return;
      }
      for (let block = 0; block < this.rows * this.heads; block++) {
        target.set(buffer.subarray(block * old * head, (block + 1) * old * head), block * slots * head);
      }
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
