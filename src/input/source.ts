/**
 * A source of bytes: a name, random access, and the services of the platform. Node.js reads from disk (files.ts), a
 * browser from a File (web.ts).
 */
import type { JsonObject } from './json.js';

export interface Source {
  /** Its path, or its name if it has no path. Error messages begin with it, and format detection uses it. */
  readonly name: string;
  readonly machine: Machine;
  open(): Promise<OpenSource>;
}

export interface OpenSource {
  /** Size of the file in bytes. */
  size(): Promise<number>;
  /**
   * Copies bytes from an offset on. @returns number of bytes; fewer than the buffer holds only at the end of the file
   */
  read(into: Uint8Array, from: number): Promise<number>;
  close(): Promise<void>;
}

/** Services of the platform that differ between Node.js and browsers. */
export interface Machine {
  /**
   * @param onRead called with the number of bytes of the file that have been read
   * @throws InputError for a file that is damaged, truncated or followed by other data
   */
  gunzip(name: string, file: OpenSource, onRead?: (bytes: number) => void): AsyncGenerator<Uint8Array>;
  readonly parquet: ParquetReader;
  /** Storage for data that may not fit into memory. */
  scratch(): Scratch;
}

export interface ParquetReader {
  /**
   * Names of a file's columns.
   * @throws InputError naming the file if it is not a complete Parquet file, or a column is nested too deeply
   */
  columns(file: Source): Promise<readonly Column[]>;
  /**
   * The rows of a file, in order, numbered from 1. Whole numbers that do not fit into a double are WrittenNumber.
   * @throws InputError naming the file, also while rows are read if it is damaged there
   */
  rows(file: Source, columns: readonly Column[]): AsyncGenerator<ParquetRow>;
}

export interface Column {
  readonly name: string;
  /** Type name as given by the Parquet reader. */
  readonly type: string;
  /** Whether its values are numbers. */
  readonly number: boolean;
}

export type ParquetRow =
  | { readonly number: number; readonly row: JsonObject }
  /** A row with a value beyond the limits. */
  | { readonly number: number; readonly message: string };

/** Stores values that can be cloned, including typed arrays. */
export interface Scratch {
  /** @returns the offset for reading it */
  put(value: unknown): number;
  read(place: number): unknown;
  close(): void;
}
