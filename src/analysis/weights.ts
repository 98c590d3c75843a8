/**
 * The hidden process rewards as a table for other trainers (`analyze --weights`): one row for each completion, with
 * its keys and, for each of its tokens, the λ weight, the step reward and the step advantage (PAPER.md §2, §5).
 * JSON lines or Parquet, told by the ending; docs/weights.md has the columns. Written under a temporary name beside
 * the target and renamed when whole: a file of the target's name is never half a file.
 */
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { UserError } from '../errors.js';
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
  /** Closes the file, whole, under its temporary name. */
  finish(): Promise<void>;
  /** Closes and removes whatever was written. */
  discard(): Promise<void>;
}

export class WeightsWriter {
  private done = false;

  private constructor(
    private readonly path: string,
    private readonly temporary: string,
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
    const temporary = `${path}.${process.pid}.tmp`;
    if (path.endsWith('.jsonl'))
      return new WeightsWriter(path, temporary, await JsonLines.open(path, temporary));
    if (path.endsWith('.parquet')) {
      const sink = await ParquetSink.open(temporary).catch((error) => fail(path, error));
      return new WeightsWriter(path, temporary, sink);
    }
    throw new WeightsError(`weights file ${path}: its ending says the form; allowed are .jsonl and .parquet`);
  }

  /**
   * Adds a row for each completion of a group, in the group's order.
   * @param analysis of the same group
   * @throws WeightsError where the file cannot be written; RangeError for another group's analysis
   */
  async add(group: Group, analysis: GroupAnalysis): Promise<void> {
    if (this.done) throw new Error(`weights file ${this.path} is closed`);
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

  /** Completes the file and gives it its name. @throws WeightsError where it cannot; nothing is left then */
  async close(): Promise<void> {
    if (this.done) return;
    this.done = true;
    try {
      await this.sink.finish();
      await rename(this.temporary, this.path);
    } catch (error) {
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
  const message = (error instanceof Error ? error.message : String(error)).split('\n')[0];
  throw new WeightsError(`weights file ${path}: cannot be written: ${message}`);
}

/** Rows as lines of JSON, written a megabyte at a time. */
class JsonLines implements WeightsSink {
  private text = '';
  private static readonly AT_ONCE = 1 << 20;

  private constructor(
    private readonly temporary: string,
    private readonly file: FileHandle,
  ) {}

  static async open(path: string, temporary: string): Promise<JsonLines> {
    return new JsonLines(temporary, await open(temporary, 'w').catch((error) => fail(path, error)));
  }

  async write(row: WeightsRow): Promise<void> {
    const { tree, lambdaWeights, stepRewards, stepAdvantages } = row.analysis;
    const values = (nodes: Float64Array): number[] => Array.from(tokenValues(tree, row.completion, nodes));
    this.text += `${JSON.stringify({
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
    })}\n`;
    if (this.text.length >= JsonLines.AT_ONCE) await this.flush();
  }

  async finish(): Promise<void> {
    await this.flush();
    await this.file.close();
  }

  async discard(): Promise<void> {
    await this.file.close().catch(() => {});
    await rm(this.temporary, { force: true });
  }

  private async flush(): Promise<void> {
    const { text } = this;
    this.text = '';
    await this.file.writeFile(text);
  }
}
