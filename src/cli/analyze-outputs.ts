/** The files that `analyze` writes: at the end all of them appear together, or none. */
import { resolve } from 'node:path';
import {
  type AboutReport,
  type GroupAnalysis,
  type GroupCredit,
  type GroupScore,
  type LogAnalysis,
  ReportCollector,
  WeightsWriter,
} from '../analysis/index.js';
import { UserError } from '../errors.js';
import { WholeFile } from '../files/index.js';
import type { Group } from '../rollouts/index.js';
import { CSV_HEADER, csvRow } from './analyze-csv.js';

/** An output file that is being written. */
export interface Output {
  add?(
    group: Group,
    analysis: GroupAnalysis,
    score: GroupScore,
    credit: readonly GroupCredit[],
  ): Promise<void> | void;
  /** Completes the file, which still has a temporary name. */
  complete(analysis: LogAnalysis): Promise<void>;
  /** Renames the file to its target name. */
  publish(): Promise<void>;
  /** Removes unfinished output. */
  abort(): Promise<void>;
}

/** @throws UserError if two outputs, or an output and a log, are the same file */
export function checkPaths(
  outputs: readonly (readonly [option: string, path: string])[],
  logs: readonly string[],
): void {
  const owners = new Map(logs.map((path) => [resolve(path), 'one of the logs']));
  for (const [option, path] of outputs) {
    const before = owners.get(resolve(path));
    if (before)
      throw new UserError(`${option} ${path}: expected a different file, got the same path as ${before}`);
    owners.set(resolve(path), `the file of ${option}`);
  }
}

/** One row for each group. */
export async function csvOutput(path: string): Promise<Output> {
  const file = await WholeFile.open(path);
  await file.write(CSV_HEADER);
  return {
    add: (group, analysis, score) => file.write(csvRow(group, analysis, score)),
    complete: () => file.complete(),
    publish: () => file.publish(),
    abort: () => file.abort(),
  };
}

/** λ weights, step rewards and step advantages of every token, and its values under credit rules. */
export async function weightsOutput(path: string, rules: readonly string[]): Promise<Output> {
  const writer = await WeightsWriter.open(path, rules);
  return {
    add: (group, analysis, _score, credit) => writer.add(group, analysis, credit),
    complete: () => writer.complete(),
    publish: () => writer.close(),
    abort: () => writer.abort(),
  };
}

/** One self-contained page: figures, a table of groups, the trees of `maxGroups` of them. */
export async function reportOutput(
  path: string,
  maxGroups: number,
  about: (analysis: LogAnalysis) => AboutReport, // known at the end
): Promise<Output> {
  const file = await WholeFile.open(path);
  const collector = new ReportCollector({ maxGroups });
  return {
    add: (group, analysis, score) => collector.add(group, analysis, score),
    complete: async (analysis) => {
      await file.write(collector.html(analysis, about(analysis)));
      await file.complete();
    },
    publish: () => file.publish(),
    abort: () => file.abort(),
  };
}
