/**
 * Keys and values of all live rows of a decoder, which runs read in place. Rows are dense (0 … rows−1): when one ends,
 * the last row takes its index. Short sequences are cached in slots (slot-cache.ts), others in blocks (block-cache.ts),
 * so that a run reads no more of a row than the row has.
 */
import type { BlockBatch, SlotBatch } from '../../model/index.js';

/** The part of a decode batch that a cache provides. */
export type Past =
  | Pick<SlotBatch, 'slots' | 'pastLength' | 'past'>
  | Pick<
      BlockBatch,
      'blockWidth' | 'blockRow' | 'blockFill' | 'blocksPerRow' | 'rowBlocks' | 'rowBlockCount' | 'past'
    >;

export interface KvCache {
  readonly rows: number;
  /** Number of cached tokens of each row. */
  readonly lengths: readonly number[];
  /** Adds an empty row. @returns its index */
  addRow(): number;
  /** Adds a copy of a row. @returns its index */
  copyRow(from: number): number;
  /** Drops a row; the last row takes its index. */
  removeRow(row: number): void;
  /**
   * Reserves memory.
   * @param rows number of rows
   * @param length tokens of the longest row, soon
   * @param most tokens that any row may come to hold
   */
  reserve(rows: number, length: number, most: number): void;
  /** Releases the memory of ended rows when it is most of the memory. @param rows that may still be added */
  release(rows: number): void;
  /** The cached part of consecutive rows: all rows, or the last `count`. Valid until the cache changes. */
  past(count?: number): Past;
  /**
   * Appends new tokens to rows.
   * @param fresh output of the decode program, [2·layers·R, heads, S, head]
   * @param rows cache row of each of the R rows
   * @param counts number of real tokens among the S tokens, for each of the R rows
   */
  append(fresh: Float32Array, rows: readonly number[], counts: readonly number[], newTokens: number): void;
}
