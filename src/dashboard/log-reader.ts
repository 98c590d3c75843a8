/**
 * The dashboard's view of a log of another framework (docs/formats.md): its groups by training step, and the figures of
 * each step. New and changed files are read in the background by the readers of `analyze`. A half-written file is read
 * again when it has grown; the pause before reading a large file again is a multiple of its reading time. Errors in a
 * file are never thrown here.
 */
import { stat } from 'node:fs/promises';
import { basename, sep } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { type DiagnosisFigures, TreeDiagnosis } from '../analysis/index.js';
import { readRollouts } from '../rollouts/files.js';
import type { FormatName, Group, ReadOptions } from '../rollouts/index.js';
import { isAnnotations } from '../rollouts/names.js';
import { METRICS } from '../train/metrics.js';
import type {
  GroupDetail,
  GroupRow,
  RunDetail,
  RunDiagnosis,
  RunState,
  RunSteps,
  RunSummary,
  RunUpdate,
  StepGroups,
} from './api.js';
import { Columns } from './columns.js';
import { messageOf, Refusal } from './errors.js';
import { Feed } from './feed.js';
import { detailOf, judgedGroup, rowOf, withParts } from './group-rows.js';
import { resolveInside } from './inside.js';
import { type LogRow, logRow, stepFigures } from './log-figures.js';
import type { Reader } from './reader.js';

/** Longest time that a page waits for a log to be read; after that it gets what has been read, ms. */
const PATIENCE = 1000;
/** Pause before a log is read again, as a multiple of its last reading time. */
const REST = 4;
/**
 * A log is running if something was written within this time, or within three times the usual time between its files,
 * ms.
 */
const FRESH = 20_000;
/** An unreadable file that was written to within this time is considered unfinished, ms. */
const UNFINISHED = 10_000;

/** Tokens of the groups of one step that stay in memory while the reader goes from group to group. */
const MOST_KEPT = 4_000_000;

/** Options for reading logs. */
export interface LogOptions {
  readonly read?: ReadOptions;
  /** Adds the text of each token to a group that has only ids. */
  readonly withTexts?: (group: Group) => Group;
}

interface LogFile {
  readonly parts: readonly string[];
  /** Stamp of the version that was read; '' if none was. */
  stamp: string;
  /** Stamp of the current version. */
  now: string;
  /** Time of the last write, ms. */
  time: number;
  /** The groups of the file, in order. */
  rows: readonly LogRow[];
  /** Diagnosis from their trees. */
  diagnosis: TreeDiagnosis;
  problem: string | null;
}

export class LogReader implements Reader {
  private readonly feed = new Feed();
  private files: LogFile[] = [];
  private reading: Promise<void> | null = null;
  private kept: { readonly key: string; readonly groups: ReadonlyMap<number, Group> } = {
    key: '',
    groups: new Map(),
  };
  /** Null: the files have changed since. */
  private diagnosed: DiagnosisFigures | null = null;
  private mayRead = 0;
  private started = 0;
  private updated = 0;

  /**
   * @param run its name
   * @param root the folder that is served
   * @param clock ms
   */
  constructor(
    readonly run: string,
    private readonly root: string,
    private readonly format: FormatName,
    private readonly options: LogOptions,
    private readonly clock: () => number,
  ) {}

  /** Sets the log's files, in order. */
  setFiles(files: readonly (readonly string[])[]): void {
    const known = new Map(this.files.map((file) => [file.parts.join('/'), file]));
    this.files = files.map(
      (parts) =>
        known.get(parts.join('/')) ?? {
          parts,
          stamp: '',
          now: '',
          time: 0,
          rows: [],
          diagnosis: new TreeDiagnosis(),
          problem: null,
        },
    );
  }

  get lastWritten(): number {
    return this.reading ? this.clock() : this.updated;
  }

  async refresh(): Promise<void> {
    if (!this.reading) {
      await this.look();
      const changed = this.files.some(({ stamp, now }) => stamp !== now);
      if (changed && this.clock() >= this.mayRead) {
        const from = this.clock();
        this.reading = this.readChanged()
          .catch(() => undefined)
          .finally(() => {
            this.reading = null;
            this.mayRead = this.clock() + REST * (this.clock() - from);
          });
      }
    }
    if (this.reading) await Promise.race([this.reading, setTimeout(PATIENCE, undefined, { ref: false })]);
  }

  summary(): RunSummary {
    const { columns } = this.feed;
    const read = this.files.filter(({ stamp }) => stamp !== '');
    const empty = read.every(({ rows }) => rows.length === 0);
    const problem = empty ? read.map((file) => this.problemOf(file)).find((text) => text !== null) : null;
    return {
      run: this.run,
      log: this.format,
      engine: '',
      state: this.state(),
      task: '',
      method: '',
      seed: 0,
      step: columns.lastStep(),
      steps: 0,
      reward: columns.last('reward_mean'),
      success: columns.last('success_rate'),
      accuracy: null,
      started: this.started,
      updated: this.updated,
      series: `log ${this.run}`,
      ...(problem ? { problem } : {}),
    };
  }

  async detail(after?: string): Promise<RunDetail> {
    return { ...this.summary(), config: '', settings: {}, units: METRICS, ...this.feed.after(after) };
  }

  async steps(): Promise<RunSteps> {
    return { ...this.summary(), rolloutSteps: this.feed.rollouts };
  }

  async diagnosis(): Promise<RunDiagnosis> {
    if (this.diagnosed === null) {
      const together = new TreeDiagnosis();
      for (const { diagnosis } of this.files) together.merge(diagnosis);
      this.diagnosed = together.figures();
    }
    const problem = this.files.map((file) => this.problemOf(file)).find((text) => text !== null);
    return {
      run: this.run,
      read: this.files.filter(({ stamp }) => stamp !== '').length,
      files: this.files.length,
      beta: null,
      figures: this.diagnosed,
      ...(problem ? { problem } : {}),
    };
  }

  async markSent(): Promise<void> {
    this.feed.markSent(this.summary());
  }

  async takeUpdate(): Promise<RunUpdate | null> {
    const summary = this.summary();
    return this.feed.hasNew(summary) ? { run: this.run, summary, ...this.feed.take(summary) } : null;
  }

  async stepGroups(step: number): Promise<StepGroups> {
    const groups = this.groupsOf(step).map(({ row }, n): GroupRow => ({ ...row, n }));
    if (groups.length === 0) throw new Refusal(404, `${this.run}: no groups of step ${step}`);
    const problem = this.files.map((file) => this.problemOf(file)).find((text) => text !== null);
    return { run: this.run, step, groups, ...(problem ? { problem } : {}) };
  }

  async group(step: number, n: number): Promise<GroupDetail> {
    const groups = this.groupsOf(step);
    const place = groups[n];
    if (!place)
      throw new Refusal(404, `${this.run}, step ${step}: no group ${n}; there are ${groups.length}`);
    const group = (await this.wholeGroups(place.file, step, place.at)).get(place.at);
    if (!group) {
      throw new Refusal(
        404,
        `${this.run}, step ${step}: the file of group ${n} has changed; load the page again`,
      );
    }
    const { withTexts = (whole: Group) => whole } = this.options;
    return detailOf(this.run, step, n, withTexts(group), null);
  }

  /** The groups of a step in a file, by index; those of the last request are kept. */
  private async wholeGroups(
    file: LogFile,
    step: number,
    wanted: number,
  ): Promise<ReadonlyMap<number, Group>> {
    const key = `${file.parts.join('/')} ${file.stamp} ${step}`;
    if (this.kept.key === key) return this.kept.groups;
    const groups = new Map<number, Group>();
    let [at, tokens, isWhole] = [0, 0, true];
    for await (const { file: from, group } of this.groupsIn([file])) {
      if (from !== file) continue;
      const place = at++;
      if ((group.step ?? 0) !== step) continue;
      groups.set(place, group);
      tokens += group.completions.reduce((sum, completion) => sum + completion.tokens.length, 0);
      if (tokens <= MOST_KEPT) continue;
      // Too many to keep: the groups around the requested one are read again.
      isWhole = false;
      for (const other of groups.keys()) if (other !== wanted && groups.size > 1) groups.delete(other);
      tokens = 0;
    }
    if (isWhole) this.kept = { key, groups };
    return groups;
  }

  /** The groups of a step, each with its file and its index in the file. */
  private groupsOf(step: number): { file: LogFile; at: number; row: GroupRow }[] {
    return this.files.flatMap((file) =>
      file.rows.flatMap((entry, at) => (entry.step === step ? [{ file, at, row: entry.row }] : [])),
    );
  }

  /**
   * Whether files must be read together, because one file has data about groups of another (Tinker's summaries,
   * prime-rl's annotations).
   */
  private get together(): boolean {
    return (
      this.format === 'tinker' ||
      (this.format === 'prime-rl' && this.files.some(({ parts }) => isAnnotations(parts.join('/'))))
    );
  }

  private problemOf({ problem, time }: LogFile): string | null {
    return this.clock() - time < UNFINISHED ? null : problem;
  }

  private state(): RunState {
    const times = this.files.map(({ time }) => time).sort((a, b) => a - b);
    const last = times.slice(-6);
    const usual = last.length > 1 ? (last[last.length - 1] - last[0]) / (last.length - 1) : 0;
    return this.clock() - this.updated < Math.max(FRESH, 3 * usual) ? 'running' : 'stopped';
  }

  /** Sizes and times of the files. */
  private async look(): Promise<void> {
    for (const file of this.files) {
      const path = await resolveInside(this.root, file.parts);
      const stats = path === null ? null : await stat(path).catch(() => null);
      file.now = stats ? `${stats.ino} ${stats.size} ${stats.mtimeMs}` : 'gone';
      file.time = stats ? Math.round(stats.mtimeMs) : 0;
    }
    const times = this.files.map(({ time }) => time).filter((time) => time > 0);
    this.updated = times.reduce((a, b) => Math.max(a, b), 0);
    this.started = times.reduce((a, b) => Math.min(a, b), this.updated);
  }

  private async readChanged(): Promise<void> {
    const changed = this.together ? this.files : this.files.filter(({ stamp, now }) => stamp !== now);
    const stamps = new Map(changed.map((file) => [file, file.now]));
    let diagnosis = new TreeDiagnosis();
    let current: LogFile | null = null;
    let rows: LogRow[] = [];
    let drawn = performance.now();
    const problems = new Map<LogFile, string>();
    const keep = (): void => {
      if (!current) return;
      const parts = withParts(rows.map(({ row }) => row));
      current.rows = rows.map((entry, i) => ({ ...entry, row: parts[i] }));
      current.diagnosis = diagnosis;
      this.diagnosed = null;
      current.stamp = stamps.get(current) ?? current.stamp;
      current.problem = problems.get(current) ?? null;
      // Shows the data read so far while the rest is being read.
      if (performance.now() - drawn > PATIENCE / 2) {
        this.draw();
        drawn = performance.now();
      }
    };
    try {
      for await (const { file, group } of this.groupsIn(changed, (bad, message) =>
        problems.set(bad, message),
      )) {
        if (!stamps.has(file)) continue;
        if (file !== current) {
          keep();
          current = file;
          rows = [];
          diagnosis = new TreeDiagnosis();
        }
        const analysis = judgedGroup(group, null);
        rows.push(logRow(group, rowOf(group, rows.length, analysis)));
        diagnosis.add(group, analysis);
      }
    } catch (error) {
      for (const file of changed)
        if (file.stamp !== stamps.get(file))
          problems.set(file, messageOf(error).replaceAll(`${this.root}${sep}`, ''));
    }
    keep();
    for (const file of changed) {
      const message = problems.get(file) ?? null;
      const hasCome = file.stamp === stamps.get(file);
      // The file could not be read: while it is being written, its earlier version stays.
      if (!hasCome && (message === null || file.now === 'gone')) {
        file.rows = [];
        file.diagnosis = new TreeDiagnosis();
      }
      file.problem = message;
      file.stamp = stamps.get(file) as string;
    }
    this.draw();
  }

  /** The groups of some files. If the format needs earlier files, those are read too. */
  private async *groupsIn(
    files: readonly LogFile[],
    onBad: (file: LogFile, message: string) => void = () => {},
  ): AsyncGenerator<{ file: LogFile; group: Group }> {
    const wanted = new Set(this.together ? this.files : files);
    // A file may repeat groups of the previous one (TRL), so that one is read first.
    const list = this.files.filter((file, i) => wanted.has(file) || wanted.has(this.files[i + 1]));
    const byPath = new Map<string, LogFile>();
    for (const file of list) {
      const path = await resolveInside(this.root, file.parts);
      if (path !== null) byPath.set(path, file);
    }
    if (byPath.size === 0) return;
    const fileOf = (path: string): LogFile | undefined => byPath.get(path);
    const groups = readRollouts([...byPath.keys()], {
      // Faults of the ids are shown on the page instead of refusing the log.
      splitMerged: true,
      ...this.options.read,
      format: this.format,
      skipBad: true,
      onBad: ({ file: path, message }) => {
        const file = fileOf(path);
        // The page must not learn the location of the folder.
        if (file) onBad(file, message.replaceAll(path, basename(path)));
      },
    });
    let breath = performance.now();
    for await (const group of groups) {
      // Many groups may come without returning to the event loop, and other pages wait for it.
      if (performance.now() - breath > 50) {
        await setTimeout(0);
        breath = performance.now();
      }
      const file = fileOf(group.source?.file ?? '');
      if (file) yield { file, group };
    }
  }

  /** Columns and steps from the groups that were read. */
  private draw(): void {
    this.diagnosed = null;
    const byStep = new Map<number, LogRow[]>();
    for (const { rows } of this.files)
      for (const row of rows) {
        const list = byStep.get(row.step);
        if (list) list.push(row);
        else byStep.set(row.step, [row]);
      }
    const steps = [...byStep.keys()].sort((a, b) => a - b);
    const columns = new Columns();
    let tokens = 0;
    for (const step of steps) {
      const figures = stepFigures(step, byStep.get(step) as LogRow[], tokens);
      tokens = figures.tokens;
      columns.add(figures);
    }
    this.feed.rollouts = steps;
    this.feed.replace(columns);
  }
}
