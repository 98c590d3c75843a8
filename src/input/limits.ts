/**
 * Limits for one row of input. A few hundred bytes of gzip can expand to gigabytes, and each byte of JSON to an object
 * of fifty, so an untrusted file could use all memory. The limits are far above real logs; a row at any limit takes
 * less than 1 GB.
 */
export const LIMITS = {
  /** Nesting depth of lists and objects. */
  depth: 500,
  /** The same within a column of Parquet: DuckDB's time doubles with each level. */
  columnDepth: 16,
  /** Bytes of one line, or of one element of a JSON document. */
  rowBytes: 1 << 27,
  /** Bytes of one text. */
  textBytes: 1 << 24,
  /** Bytes of one key. */
  keyBytes: 1 << 16,
  /** Keys of one object. */
  keys: 1 << 20,
  /** Values of one row that are not in a list of numbers. */
  values: 1 << 22,
  /** Numbers of one row that are in lists of numbers. */
  numbers: 1 << 25,
  /** Window size of zstd, in bytes: the default limit of the zstd program. */
  zstdWindow: 1 << 27,
} as const;
