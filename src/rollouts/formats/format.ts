/**
 * The interface of a reader for one framework's log: the content of a row and how groups are identified. Finding the
 * rows (lines, Parquet, one JSON document), counting bad rows and forming groups is shared by all formats.
 */
import type { FormatName, Group } from '../group.js';
import type { Sample } from '../sample.js';
import type { Json } from '../values.js';

/** Paths of a row's values (key-path.ts), for logs of an unknown format. */
export interface KeyNames {
  readonly prompt?: string;
  readonly completion?: string;
  readonly reward?: string;
  readonly group?: string;
  readonly tokens?: string;
  /** Path of the value that says which token ids were sampled. */
  readonly mask?: string;
  readonly step?: string;
}

/** Read options for formats; each format receives those that it declares. */
export interface FormatOptions {
  /** Paths of the values of a row, for logs of an unknown format; `a.b` is b within a. If given, such logs are read. */
  readonly keys?: KeyNames;
  /** Weight of each reward in the total, for logs without one (TRL: default 1; Qwen: score 1, pred_score 0). */
  readonly rewardWeights?: Readonly<Record<string, number>>;
  /** Rows per group, for logs whose groups are consecutive rows or equal prompts. */
  readonly groupSize?: number;
}

export interface OpenFile {
  readonly path: string;
  /** Names of a Parquet file's numeric columns, and of all its columns; empty for other files. */
  readonly numbers: readonly string[];
  readonly columns: readonly string[];
  /** The training step named in the path. */
  readonly step: number | null;
  readonly options: FormatOptions;
  /** State that a format keeps from one file to the next, or from all files before the first is read. */
  readonly session: Map<string, unknown>;
  /** Reports something that is not an error but that the user should know. */
  note(line: number | null, message: string): void;
  /** Reports a reason why the figures may be wrong. */
  warn(line: number | null, message: string): void;
}

/** Position of a row. */
export interface Place {
  readonly line: number;
  /** `file:line`, for errors. */
  readonly where: string;
  /** In a JSON document: which of the format's paths matched, and the indices in the lists along it. */
  readonly path: number;
  readonly indices: readonly number[];
}

export type GroupedBy =
  /** A row holds all completions of its prompt. */
  | 'row'
  /** Every row has the group's id. */
  | 'id'
  /** A fixed number of consecutive rows. */
  | 'place'
  /** An id if the first row has one, else equal prompts. */
  | 'id-or-prompt';

export interface RowReader {
  readonly by: GroupedBy;
  /** Rows per group, for `place` and prompts; called at the first sample. */
  readonly size?: () => number | undefined;
  readonly promptsDiffer?: boolean;
  readonly strict?: boolean;
  readonly finish?: (samples: readonly Sample[], where: string) => readonly Sample[];
  /** Reads what this row depends on; null: nothing. */
  readonly needs?: (row: Json) => Promise<void> | null;
  /**
   * The samples of a row; empty if the row holds something else.
   * @throws RolloutError for a bad row
   */
  readonly read?: (row: Json, at: Place) => readonly Sample[];
  /** Reads a row that is a group in our own format. */
  readonly group?: (row: Json, at: Place) => Group;
}

export interface Format {
  readonly name: FormatName;
  /** The read options that it supports. If others are given, the user is told that they have no effect. */
  readonly uses: readonly (keyof FormatOptions)[];
  /**
   * The part of a file's path that lies within a run; the part before it names the run. Absent: the file's name, and
   * the step folders around it.
   */
  readonly within?: RegExp;
  /** Paths of the objects to read, if a log is one JSON document; absent: one row per line. */
  readonly paths?: readonly (readonly string[])[];
  open(file: OpenFile): RowReader;
}

/** No part of the path: each file is a run. */
export const ONE_FILE = /$/;
