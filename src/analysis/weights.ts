/**
 * The hidden process rewards as a table for other trainers (`analyze --weights`): one row for each completion, with
 * its keys and, for each of its tokens, the λ weight, the step reward and the step advantage (PAPER.md §2, §5).
 * JSON lines or Parquet, told by the ending; docs/weights.md has the columns. Written under a temporary name beside
 * the target and renamed when whole: a file of the target's name is never half a file.
 */
import { UserError } from '../errors.js';
import { fileError, WholeFile } from '../files/index.js';
import { tokenValues } from '../objective/index.js';
import type { Group, TokenSource } from '../rollouts/index.js';
import type { GroupAnalysis } from './analyze-group.js';
import { ParquetSink } from './weights-parquet.js';

/** Weights that cannot be written, or not where they should. */
export class WeightsError extends UserError {
  override name = 'WeightsError';
}

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

export class WeightsWriter {
  private completed = false;
  private done = false;

  private constructor(
    private readonly path: string,
    private readonly sink: WeightsSink,
  ) {}

  /**
   * Begins a file; memory stays bounded however many groups are added.
   * @param path ends in .jsonl or .parquet
   * @throws WeightsError for another ending, or where no file can be written
   * @example
   * const writer = await WeightsWriter.open('weights.parquet');
   * for await (const group of readRollouts('logs')) await writer.add(group, analyzeGroup(group));
   * await writer.close();
   */
  static async open(path: string): Promise<WeightsWriter> {
    const sinks = { '.jsonl': JsonLines, '.parquet': ParquetSink };
    for (const [ending, sink] of Object.entries(sinks)) {
      if (!path.endsWith(ending)) continue;
      return new WeightsWriter(path, await sink.open(path).catch((error) => fail(path, error)));
    }
    throw new WeightsError(`weights file ${path}: its ending says the form; allowed are .jsonl and .parquet`);
  }

  /**
   * Adds a row for each completion of a group, in the group's order.
   * @param analysis of the same group
   * @throws WeightsError where the file cannot be written; RangeError for another group's analysis
   */
  async add(group: Group, analysis: GroupAnalysis): Promise<void> {
    if (this.done || this.completed) throw new Error(`weights file ${this.path} is closed`);
    const { completions, source } = group;
    if (completions.length !== analysis.tree.groupSize) {
      throw new RangeError(
        `group ${group.id} has ${completions.length} completions, the analysis ${analysis.tree.groupSize}`,
      );
    }
    for (let i = 0; i < completions.length; i++) {
      const row: WeightsRow = {
        step: group.step,
        groupId: group.id,
        completion: i,
        file: source?.file ?? null,
        line: source?.line ?? null,
        reward: analysis.rewards[i],
        advantage: analysis.advantages[i],
        tokenSource: group.tokens,
        tokens: analysis.tree.tokens[i],
        analysis,
      };
      await this.sink.write(row).catch((error) => fail(this.path, error));
    }
  }

  /** Completes the file, still under a temporary name. @throws WeightsError, FileError; nothing is left then */
  async complete(): Promise<void> {
    if (this.completed || this.done) return;
    this.completed = true;
    await this.orDiscard(() => this.sink.finish());
  }

  /** Completes the file and gives it its name. @throws WeightsError, FileError; nothing is left then */
  async close(): Promise<void> {
    if (this.done) return;
    await this.complete();
    await this.orDiscard(() => this.sink.publish());
    this.done = true;
  }

  private async orDiscard(act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      this.done = true;
      await this.sink.discard();
      fail(this.path, error);
    }
  }

  /** Leaves nothing behind; a file that had the name before stays as it was. After `close`, does nothing. */
  async abort(): Promise<void> {
    if (this.done) return;
    this.done = true;
    await this.sink.discard();
  }
}

function fail(path: string, error: unknown): never {
  throw error instanceof UserError ? error : fileError(path, error);
}

/** Rows as lines of JSON. */
class JsonLines implements WeightsSink {
  private constructor(private readonly file: WholeFile) {}

  static async open(path: string): Promise<JsonLines> {
    return new JsonLines(await WholeFile.open(path));
  }

  async write(row: WeightsRow): Promise<void> {
    const { tree, lambdaWeights, stepRewards, stepAdvantages } = row.analysis;
    const values = (nodes: Float64Array): number[] => Array.from(tokenValues(tree, row.completion, nodes));
    const line = JSON.stringify({
      step: row.step,
      group_id: row.groupId,
      completion: row.completion,
      file: row.file,
      line: row.line,
      reward: row.reward,
      advantage: row.advantage,
      token_source: row.tokenSource,
      tokens: Array.from(row.tokens),
      lambda_weight: values(lambdaWeights),
      step_reward: values(stepRewards),
      step_advantage: values(stepAdvantages),
    });
    await this.file.write(`${line}\n`);
  }

  async finish(): Promise<void> {
    await this.file.complete();
  }

  async publish(): Promise<void> {
    await this.file.publish();
  }

  async discard(): Promise<void> {
    await this.file.abort();
  }
}
