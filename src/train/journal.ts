/**
 * Progress and output of a run: metrics, rollouts, checkpoints. A step whose evaluation is still missing is pending;
 * its checkpoint records that, and the evaluation is made when the run continues.
 */
import type { Engine } from '../engine/index.js';
import type { Group } from '../rollouts/index.js';
import { type CheckpointState, loadCheckpoint, readCheckpoint, saveCheckpoint } from './checkpoint.js';
import type { Config } from './config.js';
import { bestEvaluated, type MetricsLine, type MetricsRecord } from './metrics.js';
import type { RunFolder } from './run-folder.js';
import { areRolloutsWritten } from './schedule.js';
import type { TrainOptions, TrainResult } from './training.js';

export class Journal {
  private state: CheckpointState;
  /** Path of the latest checkpoint; empty: none yet. */
  private checkpoint: string;
  private readonly config: Config;
  private readonly engine: Engine;
  private readonly folder: RunFolder;

  constructor({ config, engine, folder, from }: TrainOptions) {
    [this.config, this.engine, this.folder] = [config, engine, folder];
    this.state = { step: 0, seed: config.seed, tokens: 0 };
    this.checkpoint = from ?? '';
  }

  /** Path of the latest checkpoint; empty: none yet. */
  get latest(): string {
    return this.checkpoint;
  }

  /** Training steps taken. */
  get step(): number {
    return this.state.step;
  }

  /** Tokens sampled so far. */
  get tokens(): number {
    return this.state.tokens;
  }

  /** Index of the next training problem. */
  get nextProblem(): number {
    return this.state.problems ?? this.step * this.config.sampling.prompts_per_step;
  }

  /** Steps of an unfinished warm-up; undefined: it is finished, or there is none. */
  get warmup(): number | undefined {
    return this.state.warmup;
  }

  /** The step whose evaluation is still missing. */
  get pending(): MetricsRecord | undefined {
    return this.state.pending;
  }

  /** Whether a checkpoint was made in the middle of a warm-up. */
  static async isOfWarmup(checkpoint: string): Promise<boolean> {
    return (await readCheckpoint(checkpoint)).warmup !== undefined;
  }

  /** Returns to a checkpoint: weights, state, and files in the folder. */
  async restore(checkpoint: string): Promise<void> {
    this.state = await loadCheckpoint(checkpoint, this.engine);
    await this.folder.rewind({ path: checkpoint, state: this.state });
  }

  warmedUp(step: number): void {
    this.state = { ...this.state, warmup: step };
  }

  /** Ends the warm-up. */
  begin(): void {
    this.state = { step: 0, seed: this.config.seed, tokens: 0 };
  }

  /** Records a finished step; its evaluation, if there is one, is pending. */
  recordStep(record: MetricsRecord, nextProblem: number): void {
    this.state = { ...this.state, step: record.step, tokens: record.tokens, problems: nextProblem };
    this.state = { ...this.state, pending: record };
  }

  /** Records the complete figures of the pending step. */
  conclude(): void {
    this.state = { ...this.state, pending: undefined };
  }

  async log(record: MetricsLine): Promise<void> {
    await this.folder.appendMetrics(record);
  }

  async logRollouts(step: number, groups: readonly Group[]): Promise<void> {
    if (areRolloutsWritten(this.config, step)) await this.folder.writeRollouts(step, groups);
  }

  /** Step of the best evaluation so far, if the best checkpoint is kept. */
  async best(): Promise<number | null> {
    if (!this.config.checkpoint.best) return null;
    return bestEvaluated(await this.folder.readMetrics())?.step ?? null;
  }

  /** Writes a checkpoint of the current state. */
  async save(): Promise<void> {
    const { keep } = this.config.checkpoint;
    await this.folder.syncMetrics();
    const { checkpoints } = this.folder;
    this.checkpoint = await saveCheckpoint(checkpoints, this.engine, this.state, keep, await this.best());
  }

  result(interrupted: boolean): TrainResult {
    return { step: this.step, interrupted, checkpoint: this.checkpoint };
  }
}
