/**
 * What the dashboard knows of one run: its configuration, its metrics as columns, kept up to date by reading what was
 * added. Whatever is wrong with the files becomes the run's `problem`; nothing here throws for it. Rollouts are read
 * elsewhere, when a step is looked at: of 100,000 of them nothing is touched to list or open a run.
 */
import { createHash, randomBytes } from 'node:crypto';
import { type FileHandle, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type RunObjective, runObjective } from '../analysis/index.js';
import type { Config } from '../train/config.js';
import { parseConfig } from '../train/config-sources.js';
import { METRICS, parseMetrics } from '../train/metrics.js';
import { RunFolder } from '../train/run-folder.js';
import type { RunDetail, RunPart, RunState, RunSteps, RunSummary, RunUpdate } from './api.js';
import { Columns } from './columns.js';
import { messageOf } from './errors.js';
import { openInside, resolveInside } from './inside.js';
import { Tail } from './tail.js';

/** A run is running if something was written in this time, or in three times its last step's, ms. */
const FRESH = 20_000;
const LARGEST_CONFIG = 1 << 20;
/** New steps whose rollouts are looked for one by one. */
const MOST_LOOKED_FOR = 1000;
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
  /** The first damaged line. */
  private lineProblem: string | null = null;
  /** Why the metrics could not be read; they are tried again. */
  private metricsProblem: string | null = null;
  private warmupSteps = 0;
  private started = 0;
  private updated = 0;
  /** Records from here on have not been sent as an update. */
  private unsent = 0;
  private sent = '';
  private rollouts: readonly number[] = [];
  private sentRollouts: readonly number[] = [];
  /** The epoch in which all of them were looked for. */
  private rolloutsOf = '';
  /** Another one when records that were read before no longer hold. */
  private epoch = newEpoch();
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
    // One after another: the tail has one place. What fails is tried again the next time.
    this.reading = this.reading.then(async () => {
      await this.readConfig().catch((error) => {
        this.configStamp = '';
        this.config = this.noConfig('', `config.yaml cannot be read: ${messageOf(error)}`);
      });
      await this.readMetrics().catch((error) => {
        this.metricsStamp = '';
        this.metricsProblem = `metrics.jsonl cannot be read: ${messageOf(error)}`;
      });
    });
    return this.reading;
  }

  /** When something was last written, ms. */
  get lastWritten(): number {
    return Math.max(this.started, this.updated);
  }

  summary(): RunSummary {
    const { config, series, problem } = this.config;
    const found = problem ?? this.metricsProblem ?? this.lineProblem;
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

  /** @param after the position of a part that was given before: what came since, where that still holds */
  async detail(after?: string): Promise<RunDetail> {
    await this.readRollouts();
    const held = after === undefined ? null : this.heldUpTo(after);
    return {
      ...this.summary(),
      config: this.config.text,
      units: METRICS,
      ...this.part(held?.records ?? 0, held?.rollouts ?? 0),
    };
  }

  async steps(): Promise<RunSteps> {
    await this.readRollouts();
    return { ...this.summary(), rolloutSteps: this.rollouts };
  }

  /** Everything up to now counts as sent. */
  async markSent(): Promise<void> {
    await this.readRollouts();
    this.setSent();
  }

  /** What has changed since the last call; null: nothing. */
  async takeUpdate(): Promise<RunUpdate | null> {
    const isNew = () => this.unsent < this.columns.length || JSON.stringify(this.summary()) !== this.sent;
    if (!isNew()) return null;
    await this.addRollouts(this.columns.stepsFrom(this.unsent));
    // Nothing is awaited from here on: a record that comes later belongs to the next update.
    const update = {
      run: this.run,
      summary: this.summary(),
      ...this.part(Math.min(this.unsent, this.columns.length), firstChange(this.sentRollouts, this.rollouts)),
    };
    this.setSent();
    return update;
  }

  private setSent(): void {
    this.unsent = this.columns.length;
    this.sent = JSON.stringify(this.summary());
    this.sentRollouts = this.rollouts;
  }

  private part(from: number, rolloutsFrom: number): RunPart {
    const { length } = this.rollouts;
    return {
      from,
      metrics: this.columns.from(from),
      rolloutsFrom,
      rolloutSteps: this.rollouts.slice(rolloutsFrom),
      position: [this.epoch, this.columns.length, length, this.rollouts[length - 1] ?? ''].join('.'),
    };
  }

  /** How much of a position still holds. */
  private heldUpTo(position: string): { records: number; rollouts: number } | null {
    const [epoch, records, rollouts, last] = position.split('.');
    if (epoch !== this.epoch || !(Number(records) <= this.columns.length)) return null;
    const isTheSame = String(this.rollouts[Number(rollouts) - 1] ?? '') === last;
    return { records: Number(records), rollouts: isTheSame ? Number(rollouts) : 0 };
  }

  /** Looks for the rollouts of new steps alone: a long run's folder has 100,000 of them. */
  private async addRollouts(steps: readonly number[]): Promise<void> {
    const folder = await this.rolloutsFolder();
    if (!folder || this.rolloutsOf !== this.epoch || steps.length > MOST_LOOKED_FOR)
      return this.readRollouts();
    const last = this.rollouts[this.rollouts.length - 1] ?? -1;
    const added: number[] = [];
    for (const step of steps) {
      if (step > last && (await stampOf(folder.rolloutsFile(step))).stamp !== 'none') added.push(step);
    }
    if (added.length > 0) this.rollouts = [...this.rollouts, ...added];
  }

  /** Steps whose rollouts were written; where the folder cannot be read, those known before. */
  private async readRollouts(): Promise<void> {
    const epoch = this.epoch;
    const folder = await this.rolloutsFolder();
    this.rollouts = folder ? await folder.rolloutSteps().catch(() => this.rollouts) : [];
    this.rolloutsOf = epoch;
  }

  /** The run's folder, unless its rollouts lie elsewhere. */
  private async rolloutsFolder(): Promise<RunFolder | null> {
    const path = await resolveInside(this.root, this.parts);
    const rollouts = await resolveInside(this.root, [...this.parts, 'rollouts']);
    return path !== null && rollouts === join(path, 'rollouts') ? new RunFolder(path) : null;
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
    const file = await openInside(this.root, [...this.parts, 'config.yaml']);
    this.started = file ? found.time : 0;
    if (file === null) {
      this.configStamp = '';
      this.config = this.noConfig('', NO_CONFIG);
      return;
    }
    try {
      this.config = await this.configOf(file);
      this.configStamp = found.stamp;
    } finally {
      await file.close();
    }
  }

  /** How the run judges its groups; null where its configuration cannot be read. */
  get objective(): RunObjective | null {
    const { config } = this.config;
    return config && runObjective(config.objective);
  }

  /** @throws where the file cannot be read; what is wrong with its text is its problem */
  private async configOf(file: FileHandle): Promise<ReadConfig> {
    if ((await file.stat()).size > LARGEST_CONFIG)
      return this.noConfig('', 'config.yaml is larger than 1 MiB');
    const bytes = await file.readFile();
    let text = '';
    try {
      text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
      const config = parseConfig(text, 'config.yaml');
      return { text, config, problem: null, series: seriesOf(config) };
    } catch (error) {
      return this.noConfig(text, messageOf(error));
    }
  }

  /** Without a configuration a run is a series of its own. */
  private noConfig(text: string, problem: string): ReadConfig {
    return { text, config: null, problem, series: `run ${this.run}` };
  }

  private async readMetrics(): Promise<void> {
    const found = await stampOf(join(this.root, ...this.parts, 'metrics.jsonl'));
    if (found.stamp === this.metricsStamp) return;
    const file = await openInside(this.root, [...this.parts, 'metrics.jsonl']);
    this.updated = file ? found.time : 0;
    if (file === null) {
      this.metricsStamp = '';
      this.metricsProblem = NO_METRICS;
      return;
    }
    let before: Columns | null = null;
    try {
      await this.tail.read(file, {
        restart: () => {
          before ??= this.columns;
          this.columns = new Columns();
          this.warmupSteps = 0;
          this.lineProblem = null;
        },
        line: (text, number) => this.addLine(text, number),
      });
      this.metricsStamp = found.stamp;
      this.metricsProblem = null;
    } finally {
      if (before !== null) this.rewound(before);
      await file.close();
    }
  }

  /** Records were read anew: those that differ, or are gone, no longer hold. */
  private rewound(before: Columns): void {
    const same = this.columns.firstDifference(before);
    this.unsent = Math.min(this.unsent, same);
    if (same < before.length) this.epoch = newEpoch();
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
      this.lineProblem ??= `metrics.jsonl:${number}: ${messageOf(error).replace(/^:1: /, '')}`;
    }
  }
}

function newEpoch(): string {
  return randomBytes(6).toString('hex');
}

/** Index from which on two lists differ. */
function firstChange(before: readonly number[], now: readonly number[]): number {
  let i = 0;
  while (i < before.length && i < now.length && before[i] === now[i]) i++;
  return i;
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
