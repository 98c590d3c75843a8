/** What a table of weights is made of: its rows, and where they go (weights-json.ts, weights-parquet.ts). */
import type { TokenSource } from '../rollouts/index.js';
import type { GroupAnalysis } from './analyze-group.js';
import { type GroupCredit, tokenCredit } from './group-credit.js';

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
  /** 1 where the token was sampled, [n]; absent: all were. */
  readonly mask?: Uint8Array;
  /** The group under the rules of the file, in their order. */
  readonly credit: readonly GroupCredit[];
}

/** Names of the columns of credit rules: advantages and scale of each, then `advantages`, those of the first rule as trainers read them. */
export function creditColumns(rules: readonly string[]): string[] {
  if (rules.length === 0) return [];
  const each = rules.map((rule) => rule.replaceAll(/\W/g, '_'));
  return [...each.flatMap((name) => [`${name}_advantages`, `${name}_scale`]), 'advantages'];
}

/**
 * Their values for a row. `advantages` has one entry for each sampled token, times the scale: the layout of `advantages` on
 * a node of verifiers v1, which prime-rl trains on.
 */
export function creditValues({ analysis, completion, credit, mask }: WeightsRow): Float64Array[] {
  const values = credit.map((rule) => tokenCredit(analysis.tree, completion, rule));
  const [first] = values;
  if (!first) return [];
  const sampled = first.advantages
    .map((advantage, t) => advantage * first.scale[t])
    .filter((_, t) => !mask || mask[t] === 1);
  return [...values.flatMap(({ advantages, scale }) => [advantages, scale]), sampled];
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
