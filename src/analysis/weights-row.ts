/** The rows of a table of weights, and the interface of its writers (weights-json.ts, weights-parquet.ts). */
import type { TokenSource } from '../rollouts/index.js';
import type { GroupAnalysis } from './analyze-group.js';
import { type GroupCredit, tokenCredit } from './group-credit.js';

/** One completion: its keys, its tokens, and the node of each token. */
export interface WeightsRow {
  /** Training step, from 1; null if the log does not name it. */
  readonly step: number | null;
  readonly groupId: string;
  /** Index in the group, from 0. */
  readonly completion: number;
  /** File and first line (Parquet: row) of the group, from 1; null if it was not read from a file. */
  readonly file: string | null;
  readonly line: number | null;
  readonly reward: number;
  /** aᵢ. */
  readonly advantage: number;
  readonly tokenSource: TokenSource;
  /** Token ids, [n]. */
  readonly tokens: Int32Array;
  readonly analysis: GroupAnalysis;
  /** 1 if the token was sampled, [n]; absent: all were. */
  readonly mask?: Uint8Array;
  /** The group under the file's rules, in their order. */
  readonly credit: readonly GroupCredit[];
}

/**
 * Names of the columns of credit rules: advantages and scale of each rule, then `advantages`, the advantages of the
 * first rule in the form that trainers read.
 */
export function creditColumns(rules: readonly string[]): string[] {
  if (rules.length === 0) return [];
  const each = rules.map((rule) => rule.replaceAll(/\W/g, '_'));
  return [...each.flatMap((name) => [`${name}_advantages`, `${name}_scale`]), 'advantages'];
}

/**
 * Their values for a row. `advantages` has one entry for each sampled token, multiplied by the scale: the layout of
 * `advantages` on a node of verifiers v1, which prime-rl trains on.
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

/** Writes rows to a file, which is complete only after `finish`. */
export interface WeightsSink {
  write(row: WeightsRow): Promise<void>;
  /** Completes the file, which still has a temporary name. */
  finish(): Promise<void>;
  /** Renames the file to its target name. */
  publish(): Promise<void>;
  /** Closes and removes everything that was written. */
  discard(): Promise<void>;
}
