/**
 * The hidden process rewards as a table for other trainers (`analyze --weights`): one row per completion, with its keys
 * and, for each of its tokens, the λ weight, the step reward and the step advantage (PAPER.md §2, §5). The file ending
 * chooses JSON lines or Parquet; docs/weights.md describes the columns. The file is written under a temporary name
 * beside the target and renamed when complete.
 */
import { UserError } from '../errors.js';
import { fileError } from '../files/index.js';
import type { Group } from '../rollouts/index.js';
import type { GroupAnalysis } from './analyze-group.js';
import type { GroupCredit } from './group-credit.js';
import { JsonLinesSink } from './weights-json.js';
import { ParquetSink } from './weights-parquet.js';
import type { WeightsRow, WeightsSink } from './weights-row.js';

/** Weights that cannot be written, or not to the given file. */
export class WeightsError extends UserError {
  override name = 'WeightsError';
}

export class WeightsWriter {
  private completed = false;
  private done = false;

  private constructor(
    private readonly path: string,
    private readonly sink: WeightsSink,
    private readonly rules: readonly string[],
  ) {}

  /**
   * Begins a file. Memory stays bounded however many groups are added.
   * @param path ends in .jsonl or .parquet
   * @param rules credit rules whose advantages and scales are also written
   * @throws WeightsError for another ending, or if the file cannot be written
   * @example
   * const writer = await WeightsWriter.open('weights.parquet');
   * for await (const group of readRollouts('logs')) await writer.add(group, analyzeGroup(group));
   * await writer.close();
   */
  static async open(path: string, rules: readonly string[] = []): Promise<WeightsWriter> {
    const sinks = { '.jsonl': JsonLinesSink, '.parquet': ParquetSink };
    for (const [ending, sink] of Object.entries(sinks)) {
      if (!path.endsWith(ending)) continue;
      return new WeightsWriter(path, await sink.open(path, rules).catch((error) => fail(path, error)), rules);
    }
    throw new WeightsError(`weights file: expected a name that ends in .jsonl or .parquet, got ${path}`);
  }

  /**
   * Adds a row for each completion of a group, in the group's order.
   * @param analysis of the same group
   * @param credit the group under the file's rules, in their order
   * @throws WeightsError if the file cannot be written; RangeError for another group's analysis, or other rules
   */
  async add(group: Group, analysis: GroupAnalysis, credit: readonly GroupCredit[] = []): Promise<void> {
    if (this.done || this.completed) throw new Error(`weights file ${this.path} is closed`);
    const { completions, source } = group;
    if (completions.length !== analysis.tree.groupSize) {
      throw new RangeError(
        `group ${group.id} has ${completions.length} completions, the analysis ${analysis.tree.groupSize}`,
      );
    }
    if (credit.map(({ rule }) => rule).join() !== this.rules.join()) {
      throw new RangeError(`expected the group under the rules ${this.rules.join(', ') || '(none)'}`);
    }
    for (let i = 0; i < completions.length; i++) {
      const { mask } = completions[i];
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
        ...(mask && { mask }),
        credit,
      };
      await this.sink.write(row).catch((error) => fail(this.path, error));
    }
  }

  /** Completes the file, which still has a temporary name. @throws WeightsError, FileError; then nothing is left */
  async complete(): Promise<void> {
    if (this.completed || this.done) return;
    this.completed = true;
    await this.orDiscard(() => this.sink.finish());
  }

  /** Completes the file and renames it to its target name. @throws WeightsError, FileError; then nothing is left */
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

  /**
   * Removes unfinished output; an existing file of the target's name stays unchanged. After `close` it does nothing.
   */
  async abort(): Promise<void> {
    if (this.done) return;
    this.done = true;
    await this.sink.discard();
  }
}

function fail(path: string, error: unknown): never {
  throw error instanceof UserError ? error : fileError(path, error);
}
