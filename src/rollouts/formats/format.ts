/**
 * What a reader of one framework's log has to say: what a row holds and how its groups are known. Finding the rows
 * (lines, Parquet, one JSON document), counting the bad ones and putting groups together is done once for all.
 */
import type { FormatName, Group } from '../group.js';
import type { Sample } from '../sample.js';
import type { Json } from '../values.js';

/** Paths of a row's values (key-path.ts), for logs of no known format. */
export interface KeyNames {
  readonly prompt?: string;
  readonly completion?: string;
  readonly reward?: string;
  readonly group?: string;
  readonly tokens?: string;
  /** Of what says which token ids were sampled. */
  readonly mask?: string;
  readonly step?: string;
}

/** The read options that a format may look at; it gets those that it declares. */
export interface FormatOptions {
  /** Paths of the values of a row, for logs of no known format; `a.b` is b within a. Given: such logs are read. */
  readonly keys?: KeyNames;
  /** Weight of each reward in the total, for logs without one (TRL: default 1; Qwen: score 1, pred_score 0). */
  readonly rewardWeights?: Readonly<Record<string, number>>;
  /** Rows of a group, for logs whose groups are rows in a row or equal prompts. */
  readonly groupSize?: number;
}

export interface OpenFile {
  readonly path: string;
  /** Names of a Parquet file's columns that hold numbers, and all of them; empty for other files. */
  readonly numbers: readonly string[];
  readonly columns: readonly string[];
  /** The training step that the path names. */
  readonly step: number | null;
  readonly options: FormatOptions;
  /** What a format must remember from one file to the next, or from all files before the first is read. */
  readonly session: Map<string, unknown>;
  /** Says something that is no error but that must not stay unsaid. */
  note(line: number | null, message: string): void;
  /** Says something by which the figures may be wrong. */
  warn(line: number | null, message: string): void;
}

/** Where a row stands. */
export interface Place {
  readonly line: number;
  /** `file:line`, for errors. */
  readonly where: string;
  /** In a JSON document: which of the format's paths, and the positions in the lists on the way. */
  readonly path: number;
  readonly indices: readonly number[];
}

export type GroupedBy =
  /** A row holds all completions of its prompt. */
  | 'row'
  /** Every row has the group's id. */
  | 'id'
  /** So many rows in a row. */
  | 'place'
  /** An id if the first row has one, else equal prompts. */
  | 'id-or-prompt';

export interface RowReader {
  readonly by: GroupedBy;
  /** Rows of a group, for `place` and prompts; asked for at the first sample. */
  readonly size?: () => number | undefined;
  readonly promptsDiffer?: boolean;
  readonly strict?: boolean;
  readonly finish?: (samples: readonly Sample[], where: string) => readonly Sample[];
  /** What must be read before this row can be; null: nothing. */
  readonly needs?: (row: Json) => Promise<void> | null;
  /**
   * The samples of a row; none where it holds something else.
   * @throws RolloutError for a bad row
   */
  readonly read?: (row: Json, at: Place) => readonly Sample[];
  /** The row is a group as we write it. */
  readonly group?: (row: Json, at: Place) => Group;
}

export interface Format {
  readonly name: FormatName;
  /** The read options that it looks at; the others do nothing for its logs, and the user is told. */
  readonly uses: readonly (keyof FormatOptions)[];
  /**
   * What of a file's path lies within a run; what is before names the run. Absent: the file's name, and folders of steps
   * around it.
   */
  readonly within?: RegExp;
  /** Places of the objects to read, where a log is one JSON document; absent: its rows stand one a line. */
  readonly paths?: readonly (readonly string[])[];
  open(file: OpenFile): RowReader;
}

/** Nothing of the path: each file is a run. */
export const ONE_FILE = /$/;
