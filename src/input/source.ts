/**
 * A source of bytes: a name, random access, and the services of the platform. Node.js reads from disk (files.ts), a
 * browser from a File (web.ts).
 */
import type { JsonObject } from './json.js';

export interface Source {
  /** Its path, or its name where it has no path. Errors begin with it, and formats look at it. */
  readonly name: string;
  readonly machine: Machine;
  open(): Promise<OpenSource>;
}

export interface OpenSource {
  /** Bytes of the file. */
  size(): Promise<number>;
  /** Copies bytes from there on. @returns how many; fewer than there is room for only at the end of the file */
  read(into: Uint8Array, from: number): Promise<number>;
  close(): Promise<void>;
}

/** What readers need that Node.js and browsers do in different ways. */
export interface Machine {
  /**
   * @param onRead told how many bytes of the file have been read
   * @throws InputError for what is damaged, cut short or followed by something else
   */
  gunzip(name: string, file: OpenSource, onRead?: (bytes: number) => void): AsyncGenerator<Uint8Array>;
  readonly parquet: ParquetReader;
  /** Room for what memory may not hold. */
  scratch(): Scratch;
}

export interface ParquetReader {
  /**
   * Names of a file's columns.
   * @throws InputError naming the file where it is no whole Parquet file, or a column nests too deep
   */
  columns(file: Source): Promise<readonly Column[]>;
  /**
   * The rows of a file, in its order, numbered from 1. Whole numbers that no double holds are WrittenNumber.
   * @throws InputError naming the file, also in the middle of it where it is damaged there
   */
  rows(file: Source, columns: readonly Column[]): AsyncGenerator<ParquetRow>;
}

export interface Column {
  readonly name: string;
  /** As the reader of Parquet calls it. */
  readonly type: string;
  /** Its values are numbers. */
  readonly number: boolean;
}

export type ParquetRow =
  | { readonly number: number; readonly row: JsonObject }
  /** A row with a value beyond the limits. */
  | { readonly number: number; readonly message: string };

/** Keeps values that can be cloned, typed arrays among them. */
export interface Scratch {
  /** @returns the place to read it from */
  put(value: unknown): number;
  read(place: number): unknown;
  close(): void;
}
