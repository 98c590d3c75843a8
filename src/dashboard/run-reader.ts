/**
 * The dashboard's data of one run: its configuration and its metrics as columns, updated by reading what was appended.
 * A fault of the files becomes the run's `problem` and is never thrown. Rollouts are read elsewhere and only when a
 * step is opened: listing or opening a run reads none of its 100,000 rollouts.
 */
import { createHash } from 'node:crypto';
import { type FileHandle, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type RunObjective, runObjective } from '../analysis/index.js';
import { holderRuns, LOCK } from '../files/index.js';
import type { Config } from '../train/config.js';
import { parseConfig } from '../train/config-sources.js';
import { METRICS, parseMetrics } from '../train/metrics.js';
import { RunFolder } from '../train/run-folder.js';
import { taskName } from '../train/task-name.js';
import type {
  GroupDetail,
  RunDetail,
  RunDiagnosis,
  RunState,
  RunSteps,
  RunSummary,
  RunUpdate,
  StepGroups,
} from './api.js';
import { Columns } from './columns.js';
import { messageOf } from './errors.js';
import { Feed } from './feed.js';
import type { GroupReader } from './groups.js';
import { openInside, resolveInside } from './inside.js';
import type { Reader } from './reader.js';
import { RolloutDiagnosis } from './run-diagnosis.js';
import { Tail } from './tail.js';

/**
 * A run whose writer cannot be checked counts as running if something was written within this time, or within three
 * times the duration of its last step, ms.
 */
const FRESH = 20_000;
/** A writer on another machine touches its lock far more often than this, ms. */
const TOUCHED = 120_000;
/**
 * Growths without a lock after which the run counts as a copy in progress; one growth could be a run that has just
 * released its lock.
 */
const GROWTHS = 2;
const LARGEST_CONFIG = 1 << 20;
/** Up to this many new steps, rollout files are looked up one by one. */
const MOST_LOOKED_FOR = 1000;
const NO_CONFIG = 'config.yaml is missing or links outside the folder';
const NO_METRICS = 'metrics.jsonl is missing or links outside the folder';

interface ReadConfig {
  readonly text: string;
  /** Each key with its value as JSON. */
  readonly settings: Readonly<Record<string, string>>;
  readonly config: Config | null;
  readonly problem: string | null;
  readonly series: string;
}

export class RunReader implements Reader {
  /** Relative to the runs folder, `/` between its parts. */
  readonly run: string;
  private readonly tail = new Tail();
  private readonly feed = new Feed();
  private readonly trees: RolloutDiagnosis;
  private configStamp = '';
  private metricsStamp = '';
  private config: ReadConfig;
  /** The first damaged line. */
  private lineProblem: string | null = null;
  /** Why the metrics could not be read; reading is tried again. */
  private metricsProblem: string | null = null;
  private warmupSteps = 0;
  private started = 0;
  private updated = 0;
  /** The epoch in which all rollouts were listed. */
  private rolloutsOf = '';
  /** Whether the process that holds the folder's lock is alive; null: unknown; undefined: there is no lock. */
  private writer: boolean | null | undefined;
  /** Time of the lock's last touch, ms. */
  private touched = 0;
  /** How often metrics grew while no process held the lock. */
  private unheldGrowths = 0;
  private reading: Promise<void> = Promise.resolve();

  /**
   * @param root the runs folder
   * @param parts the run's names below it
   * @param clock ms
   * @param groups reads its rollouts
   */
  constructor(
    private readonly root: string,
    private readonly parts: readonly string[],
    private readonly clock: () => number,
    private readonly groups: GroupReader,
  ) {
    this.run = parts.join('/');
    this.config = this.noConfig('', NO_CONFIG);
    this.trees = new RolloutDiagnosis(root, parts);
  }

  /** Reads new data. */
  refresh(): Promise<void> {
    // Calls run one after another, because the tail has one position. A failed read is tried again the next time.
    this.reading = this.reading.then(async () => {
      const before = this.feed.columns.length;
      await this.readConfig().catch((error) => {
        this.configStamp = '';
        this.config = this.noConfig('', `config.yaml cannot be read: ${messageOf(error)}`);
      });
      await this.readMetrics().catch((error) => {
        this.metricsStamp = '';
        this.metricsProblem = `metrics.jsonl cannot be read: ${messageOf(error)}`;
      });
      await this.readLock().catch(() => {
        this.writer = undefined;
      });
      if (this.writer === undefined && before > 0 && this.feed.columns.length > before) this.unheldGrowths++;
    });
    return this.reading;
  }

  /** Time of the last write, ms. */
  get lastWritten(): number {
    return Math.max(this.started, this.updated);
  }

  summary(): RunSummary {
    const { config, series, problem } = this.config;
    const firstProblem = problem ?? this.metricsProblem ?? this.lineProblem;
    return {
      run: this.run,
      log: null,
      state: this.state(config),
      task: config ? taskName(config) : '',
      method: config?.method ?? '',
      engine: config?.engine.name ?? '',
      seed: config?.seed ?? 0,
      step: this.feed.columns.lastStep(),
      steps: config?.train.steps ?? 0,
      reward: this.feed.columns.last('reward_mean'),
      success: this.feed.columns.last('success_rate'),
      accuracy: this.feed.columns.last('eval_accuracy'),
      started: this.started,
      updated: this.updated,
      series,
      ...(firstProblem === null ? {} : { problem: firstProblem }),
    };
  }

  async detail(after?: string): Promise<RunDetail> {
    await this.readRollouts();
    return {
      ...this.summary(),
      config: this.config.text,
      settings: this.config.settings,
      units: METRICS,
      ...this.feed.after(after),
    };
  }

  async steps(): Promise<RunSteps> {
    await this.readRollouts();
    return { ...this.summary(), rolloutSteps: this.feed.rollouts };
  }

  async diagnosis(): Promise<RunDiagnosis> {
    await this.readRollouts();
    const { rollouts, epoch } = this.feed;
    await this.trees.readMore(rollouts, epoch, this.objective);
    const { read, problem } = this.trees;
    return {
      run: this.run,
      read,
      files: rollouts.length,
      beta: this.config.config?.objective.kl_beta ?? null,
      figures: this.trees.figures(),
      ...(problem === null ? {} : { problem }),
    };
  }

  async markSent(): Promise<void> {
    await this.readRollouts();
    this.feed.markSent(this.summary());
  }

  async takeUpdate(): Promise<RunUpdate | null> {
    if (!this.feed.hasNew(this.summary())) return null;
    await this.addRollouts(this.feed.unsentSteps);
    // No await from here on, so that a record that comes later belongs to the next update.
    const summary = this.summary();
    return { run: this.run, summary, ...this.feed.take(summary) };
  }

  stepGroups(step: number): Promise<StepGroups> {
    return this.groups.step(this, step);
  }

  group(step: number, n: number): Promise<GroupDetail> {
    return this.groups.group(this, step, n);
  }

  /** Looks only for the rollouts of new steps, because a long run's folder has 100,000 files. */
  private async addRollouts(steps: readonly number[]): Promise<void> {
    const folder = await this.rolloutsFolder();
    if (!folder || this.rolloutsOf !== this.feed.epoch || steps.length > MOST_LOOKED_FOR)
      return this.readRollouts();
    const last = this.feed.rollouts[this.feed.rollouts.length - 1] ?? -1;
    const added: number[] = [];
    for (const step of steps) {
      if (step > last && (await stampOf(folder.rolloutsFile(step))).stamp !== 'none') added.push(step);
    }
    if (added.length > 0) this.feed.rollouts = [...this.feed.rollouts, ...added];
  }

  /** Steps whose rollouts were written; if the folder cannot be read, the last known ones. */
  private async readRollouts(): Promise<void> {
    const { epoch } = this.feed;
    const folder = await this.rolloutsFolder();
    this.feed.rollouts = folder ? await folder.rolloutSteps().catch(() => this.feed.rollouts) : [];
    this.rolloutsOf = epoch;
  }

  /** The run's folder; null if its `rollouts` is a link to elsewhere. */
  private async rolloutsFolder(): Promise<RunFolder | null> {
    const path = await resolveInside(this.root, this.parts);
    const rollouts = await resolveInside(this.root, [...this.parts, 'rollouts']);
    return path !== null && rollouts === join(path, 'rollouts') ? new RunFolder(path) : null;
  }

  private state(config: Config | null): RunState {
    if (config) {
      const { train, warmup } = config;
      // A run that only makes a shared warm-up has no training steps.
      const done =
        train.steps > 0 ? this.feed.columns.lastStep() >= train.steps : this.warmupSteps >= warmup.steps;
      if (done) return 'finished';
    }
    if (this.writer === true) return 'running';
    if (this.writer === false) return 'interrupted';
    if (this.writer === null) return this.clock() - this.touched < TOUCHED ? 'running' : 'interrupted';
    const { columns } = this.feed;
    const seconds = (columns.last('sample_seconds') ?? 0) + (columns.last('update_seconds') ?? 0);
    const fresh = this.clock() - this.lastWritten < Math.max(FRESH, 3000 * seconds);
    return fresh && this.unheldGrowths >= GROWTHS ? 'running' : 'interrupted';
  }

  private async readLock(): Promise<void> {
    const file = await openInside(this.root, [...this.parts, LOCK]);
    if (file === null) {
      this.writer = undefined;
      return;
    }
    try {
      this.touched = Math.round((await file.stat()).mtimeMs);
      this.writer = await holderRuns(await file.readFile('utf8'));
    } finally {
      await file.close();
    }
  }

  private async readConfig(): Promise<void> {
    const stamped = await stampOf(join(this.root, ...this.parts, 'config.yaml'));
    if (stamped.stamp === this.configStamp) return;
    const file = await openInside(this.root, [...this.parts, 'config.yaml']);
    this.started = file ? stamped.time : 0;
    if (file === null) {
      this.configStamp = '';
      this.config = this.noConfig('', NO_CONFIG);
      return;
    }
    try {
      this.config = await this.configOf(file);
      this.configStamp = stamped.stamp;
    } finally {
      await file.close();
    }
  }

  /** How the run judges its groups; null if its configuration cannot be read. */
  get objective(): RunObjective | null {
    const { config } = this.config;
    return config && runObjective(config.objective);
  }

  /** @throws if the file cannot be read; invalid text becomes the run's problem */
  private async configOf(file: FileHandle): Promise<ReadConfig> {
    if ((await file.stat()).size > LARGEST_CONFIG)
      return this.noConfig('', 'config.yaml is larger than 1 MiB');
    const bytes = await file.readFile();
    let text = '';
    try {
      text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
      const config = parseConfig(text, 'config.yaml');
      return { text, config, problem: null, series: seriesOf(config), settings: settingsOf(config) };
    } catch (error) {
      return this.noConfig(text, messageOf(error));
    }
  }

  /** A run without a configuration forms its own series. */
  private noConfig(text: string, problem: string): ReadConfig {
    return { text, config: null, problem, series: `run ${this.run}`, settings: {} };
  }

  private async readMetrics(): Promise<void> {
    const stamped = await stampOf(join(this.root, ...this.parts, 'metrics.jsonl'));
    if (stamped.stamp === this.metricsStamp) return;
    const file = await openInside(this.root, [...this.parts, 'metrics.jsonl']);
    this.updated = file ? stamped.time : 0;
    if (file === null) {
      this.metricsStamp = '';
      this.metricsProblem = NO_METRICS;
      return;
    }
    let before: Columns | null = null;
    try {
      await this.tail.read(file, {
        restart: () => {
          before ??= this.feed.columns;
          this.feed.columns = new Columns();
          this.warmupSteps = 0;
          this.lineProblem = null;
        },
        line: (text, number) => this.addLine(text, number),
      });
      this.metricsStamp = stamped.stamp;
      this.metricsProblem = null;
    } finally {
      if (before !== null) this.feed.replace(this.feed.columns, before);
      await file.close();
    }
  }

  /** A damaged line is reported and skipped; the rest is shown. */
  private addLine(text: string | null, number: number): void {
    try {
      if (text === null) throw new Error('longer than 1 MiB');
      for (const record of parseMetrics(`${text}\n`, '')) {
        if (record.phase === 'train') this.feed.columns.add(record);
        else this.warmupSteps = record.step;
      }
    } catch (error) {
      this.lineProblem ??= `metrics.jsonl:${number}: ${messageOf(error).replace(/^:1: /, '')}`;
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

/** The values of a configuration as JSON, by dotted key. */
function settingsOf(values: object, prefix = ''): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).flatMap(([key, value]) =>
      typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length > 0
        ? Object.entries(settingsOf(value, `${prefix}${key}.`))
        : [[`${prefix}${key}`, JSON.stringify(value)]],
    ),
  );
}

function seriesOf(config: Config): string {
  return createHash('sha256')
    .update(JSON.stringify({ ...config, seed: 0 }))
    .digest('hex')
    .slice(0, 16);
}
