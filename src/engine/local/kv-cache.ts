/**
 * Keys and values of all live rows of a decoder, kept on our side and read by runs in place. Rows are dense (0 … rows−1): one
 * that ends gives its index to the last. Short sequences are cached in slots (slot-cache.ts), others in blocks
 * (block-cache.ts), so that a run reads no more of a row than the row has.
 */
import type { BlockBatch, SlotBatch } from '../../model/index.js';

/** The part of a decode batch that a cache fills. */
export type Past =
  | Pick<SlotBatch, 'slots' | 'pastLength' | 'past'>
  | Pick<
      BlockBatch,
      'blockWidth' | 'blockRow' | 'blockFill' | 'blocksPerRow' | 'rowBlocks' | 'rowBlockCount' | 'past'
    >;

export interface KvCache {
  readonly rows: number;
  /** Cached tokens of each row. */
  readonly lengths: readonly number[];
  /** A new empty row. @returns its index */
  addRow(): number;
  /** A new row with all that another one holds. @returns its index */
  copyRow(from: number): number;
  /** Drops a row; the last one takes its index. */
  removeRow(row: number): void;
  /**
   * Makes room.
   * @param rows in all
   * @param length tokens of the longest row, soon
   * @param most tokens that any row can come to hold
   */
  reserve(rows: number, length: number, most: number): void;
  /** Gives back what rows that ended took, once it is most of the memory. @param rows that may still come to be */
  release(rows: number): void;
  /** What is cached for rows that follow one another: all, or the last `count`. Valid until the cache changes. */
  past(count?: number): Past;
  /**
   * Appends new tokens to rows.
   * @param fresh output of the decode program, [2·layers·R, heads, S, head]
   * @param rows cache row of each of the R rows
   * @param counts how many of the S tokens are real, for each of the R rows
   */
  append(fresh: Float32Array, rows: readonly number[], counts: readonly number[], newTokens: number): void;
}
