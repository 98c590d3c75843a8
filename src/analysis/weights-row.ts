/** What a table of weights is made of: its rows, and where they go (weights-json.ts, weights-parquet.ts). */
import type { TokenSource } from '../rollouts/index.js';
import type { GroupAnalysis } from './analyze-group.js';

/** One completion: its keys, and its tokens with the node each belongs to. */
export interface WeightsRow {
  /** Training step, from 1; null where the log does not say. */
  readonly step: number | null;
  readonly groupId: string;
  /** Place in the group, from 0. */
  readonly completion: number;
  /** File and first line (Parquet: row) of the group, from 1; null where it was not read from a file. */
  readonly file: string | null;
  readonly line: number | null;
  readonly reward: number;
  /** aᵢ. */
  readonly advantage: number;
  readonly tokenSource: TokenSource;
  /** Token ids, [n]. */
  readonly tokens: Int32Array;
  readonly analysis: GroupAnalysis;
}

/** Where rows go: a file that is complete only after `finish`. */
export interface WeightsSink {
  write(row: WeightsRow): Promise<void>;
  /** Completes the file, still under a temporary name. */
  finish(): Promise<void>;
  /** Gives it its name. */
  publish(): Promise<void>;
  /** Closes and removes whatever was written. */
  discard(): Promise<void>;
}
