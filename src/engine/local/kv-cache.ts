/**
 * Keys and values of all live rows of a decoder, which runs read in place. Rows are dense (0 … rows−1): when one ends,
 * the last row takes its index. Short sequences are cached in slots (slot-cache.ts), others in blocks (block-cache.ts),
 * so that a run reads no more of a row than the row has. Prompts that several rows read can be cached once
 * (prompt-cache.ts).
 */
import type { CachedBlocks, CachedSlots, SharedBlocks, SharedSlots } from '../../model/index.js';

/** The part of a decode batch that a cache provides. */
export type Past =
  | (CachedSlots & { readonly prompts?: SharedSlots })
  | (CachedBlocks & { readonly prompts?: SharedBlocks });

/** How much a cache will hold. */
export interface Reservation {
  readonly rows: number;
  /** Prompts that are cached apart. */
  readonly prompts: number;
  /** Tokens of the longest prompt. */
  readonly prompt: number;
  /** Tokens of the longest completion, soon and at most. */
  readonly soon: number;
  readonly most: number;
}

export interface KvCache {
  readonly rows: number;
  /** Prompts that are cached apart. */
  readonly prompts: number;
  /** Number of cached tokens of each row. */
  readonly lengths: readonly number[];
  /**
   * Adds a row.
   * @param like row whose prompt tokens are copied; default: the row is empty
   * @returns its index
   */
  addRow(like?: number): number;
  /** Adds a row with the same prompt and completion. @returns its index */
  copyRow(from: number): number;
  /** Drops a row; the last row takes its index. */
  removeRow(row: number): void;
  /** Reserves memory. */
  reserve(size: Reservation): void;
  /** Makes room for one more token in every row. */
  extend(): void;
  /** Releases the memory of ended rows when it is most of the memory. @param rows that may still be added */
  release(rows: number): void;
  /** The cached part of consecutive rows: all rows, or the last `count`. Valid until the cache changes. */
  past(count?: number): Past;
  /**
   * Appends new tokens to rows.
   * @param fresh output of the decode program, [2·layers·R, heads, S, head]
   * @param rows cache row of each of the R rows
   * @param counts number of real tokens among the S tokens, for each of the R rows
   * @param part whether they are tokens of prompts or of completions
   */
  append(
    fresh: Float32Array,
    rows: readonly number[],
    counts: readonly number[],
    newTokens: number,
    part: 'prompt' | 'completion',
  ): void;
}
