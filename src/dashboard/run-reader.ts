/**
 * What the dashboard knows of one run: its configuration, its metrics as columns, kept up to date by reading what was
 * added. Whatever is wrong with the files becomes the run's `problem`; nothing here throws for it. Rollouts are read
 * elsewhere, when a step is looked at: of 100,000 of them nothing is touched to list or open a run.
 */
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../train/config.js';
import { parseConfig } from '../train/config-sources.js';
import { METRICS, parseMetrics } from '../train/metrics.js';
import { RunFolder } from '../train/run-folder.js';
import type { RunDetail, RunState, RunSummary, RunUpdate } from './api.js';
import { Columns } from './columns.js';
import { messageOf } from './errors.js';
import { openInside, resolveInside } from './inside.js';
import { Tail } from './tail.js';

/** A run is running if something was written in this time, or in three times its last step's, ms. */
const FRESH = 20_000;
const LARGEST_CONFIG = 1 << 20;
const NO_CONFIG = 'config.yaml is missing, or is a link out of the folder';
const NO_METRICS = 'metrics.jsonl is missing, or is a link out of the folder';

interface ReadConfig {
  readonly text: string;
  readonly config: Config | null;
  readonly problem: string | null;
  readonly series: string;
}

export class RunReader {
  /** Relative to the runs folder, `/` between its parts. */
  readonly run: string;
  private readonly tail = new Tail();
  private columns = new Columns();
  private configStamp = '';
  private metricsStamp = '';
  private config: ReadConfig;
  private metricsProblem: string | null = null;
  private warmupSteps = 0;
  private started = 0;
  private updated = 0;
  /** Records from here on have not been sent as an update. */
  private unsent = 0;
  private sent = '';
  private reading: Promise<void> = Promise.resolve();

  /**
   * @param root the runs folder
   * @param parts the run's names below it
   * @param clock ms
   */
  constructor(
    private readonly root: string,
    private readonly parts: readonly string[],
    private readonly clock: () => number,
  ) {
    this.run = parts.join('/');
    this.config = this.noConfig('', NO_CONFIG);
  }

  /** Reads what is new. */
  refresh(): Promise<void> {
    // One after another: the tail has one place.
    this.reading = this.reading.then(async () => {
      await this.readConfig();
      await this.readMetrics();
    });
    return this.reading;
  }

  /** When something was last written, ms. */
  get lastWritten(): number {
    return Math.max(this.started, this.updated);
  }

  summary(): RunSummary {
    const { config, series, problem } = this.config;
    const found = problem ?? this.metricsProblem;
    return {
      run: this.run,
      state: this.state(config),
      task: config ? taskName(config) : '',
      method: config?.method ?? '',
      seed: config?.seed ?? 0,
      step: this.columns.lastStep(),
      steps: config?.train.steps ?? 0,
      reward: this.columns.last('reward_mean'),
      success: this.columns.last('success_rate'),
      accuracy: this.columns.last('eval_accuracy'),
      started: this.started,
      updated: this.updated,
      series,
      ...(found === null ? {} : { problem: found }),
    };
  }

  async detail(): Promise<RunDetail> {
    const rolloutSteps = await this.rolloutSteps();
    return {
      ...this.summary(),
      config: this.config.text,
      units: METRICS,
      metrics: this.columns.from(),
      rolloutSteps,
    };
  }

  /** Everything up to now counts as sent. */
  markSent(): void {
    this.unsent = this.columns.length;
    this.sent = JSON.stringify(this.summary());
  }

  /** What has changed since the last call; null: nothing. */
  async takeUpdate(): Promise<RunUpdate | null> {
    const summary = this.summary();
    if (this.unsent >= this.columns.length && JSON.stringify(summary) === this.sent) return null;
    // Taken before anything is awaited: a record that comes in between belongs to the next update.
    const from = Math.min(this.unsent, this.columns.length);
    const metrics = this.columns.from(from);
    this.markSent();
    return { run: this.run, summary, from, metrics, rolloutSteps: await this.rolloutSteps() };
  }

  async rolloutSteps(): Promise<number[]> {
    const path = await resolveInside(this.root, this.parts);
    const rollouts = await resolveInside(this.root, [...this.parts, 'rollouts']);
    return path !== null && rollouts === join(path, 'rollouts') ? new RunFolder(path).rolloutSteps() : [];
  }

  private state(config: Config | null): RunState {
    if (config) {
      const { train, warmup } = config;
      // A run that others start from has a warm-up and no steps.
      const done =
        train.steps > 0 ? this.columns.lastStep() >= train.steps : this.warmupSteps >= warmup.steps;
      if (done) return 'finished';
    }
    const seconds = (this.columns.last('sample_seconds') ?? 0) + (this.columns.last('update_seconds') ?? 0);
    const silent = this.clock() - this.lastWritten;
    return silent < Math.max(FRESH, 3000 * seconds) ? 'running' : 'stopped';
  }

  private async readConfig(): Promise<void> {
    const found = await stampOf(join(this.root, ...this.parts, 'config.yaml'));
    if (found.stamp === this.configStamp) return;
    this.configStamp = found.stamp;
    const file = await openInside(this.root, [...this.parts, 'config.yaml']);
    this.started = file ? found.time : 0;
    if (file === null) {
      this.config = this.noConfig('', NO_CONFIG);
      return;
    }
    let text = '';
    try {
      if ((await file.stat()).size > LARGEST_CONFIG) throw new Error('config.yaml is larger than 1 MiB');
      text = new TextDecoder('utf-8', { fatal: true }).decode(await file.readFile());
      const config = parseConfig(text, 'config.yaml');
      this.config = { text, config, problem: null, series: seriesOf(config) };
    } catch (error) {
      this.config = this.noConfig(text, messageOf(error));
    } finally {
      await file.close();
    }
  }

  /** Without a configuration a run is a series of its own. */
  private noConfig(text: string, problem: string): ReadConfig {
    return { text, config: null, problem, series: `run ${this.run}` };
  }

  private async readMetrics(): Promise<void> {
    const found = await stampOf(join(this.root, ...this.parts, 'metrics.jsonl'));
    if (found.stamp === this.metricsStamp) return;
    this.metricsStamp = found.stamp;
    const file = await openInside(this.root, [...this.parts, 'metrics.jsonl']);
    this.updated = file ? found.time : 0;
    if (file === null) {
      this.metricsProblem = NO_METRICS;
      return;
    }
    if (this.metricsProblem === NO_METRICS) this.metricsProblem = null;
    let before: Columns | null = null;
    try {
      await this.tail.read(file, {
        restart: () => {
          before = this.columns;
          this.columns = new Columns();
          this.warmupSteps = 0;
          this.metricsProblem = null;
        },
        line: (text, number) => this.addLine(text, number),
      });
    } catch (error) {
      this.metricsProblem = `metrics.jsonl cannot be read: ${messageOf(error)}`;
    } finally {
      await file.close();
    }
    if (before !== null) this.unsent = Math.min(this.unsent, this.columns.firstDifference(before));
  }

  /** A damaged line is named and passed over; the rest is shown. */
  private addLine(text: string | null, number: number): void {
    try {
      if (text === null) throw new Error('longer than 1 MiB');
      for (const record of parseMetrics(`${text}\n`, '')) {
        if (record.phase === 'train') this.columns.add(record);
        else this.warmupSteps = record.step;
      }
    } catch (error) {
      this.metricsProblem ??= `metrics.jsonl:${number}: ${messageOf(error).replace(/^:1: /, '')}`;
    }
  }
}

/** Changes whenever the file is written to; `time` in ms. */
async function stampOf(path: string): Promise<{ stamp: string; time: number }> {
  try {
    const { ino, size, mtimeMs } = await stat(path);
    return { stamp: `${ino} ${size} ${mtimeMs}`, time: Math.round(mtimeMs) };
  } catch {
    return { stamp: 'none', time: 0 };
  }
}

function taskName({ task }: Config): string {
  return task.name === 'custom' && task.label !== '' ? task.label : task.name;
}

function seriesOf(config: Config): string {
  return createHash('sha256')
    .update(JSON.stringify({ ...config, seed: 0 }))
    .digest('hex')
    .slice(0, 16);
}
