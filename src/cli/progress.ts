/**
 * A progress line on stderr for jobs of more than a second: `train [####------] 120/250  12.3/s  ETA 11s  reward 0.71`.
 * On a terminal it is redrawn at most ten times a second; elsewhere it is one line per minute, so that a log shows that
 * the job is alive. StepLines is for jobs that log each step. Stream and clock are arguments.
 */
import { fitting } from './format.js';
import { visible } from './safe-text.js';
import { drawing } from './terminal.js';

export interface ProgressStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  /** Replaces the previous line. */
  draw(line: string): void;
  /** Prints a line. */
  say(line: string): void;
}

export interface ProgressOptions {
  readonly label: string;
  /** Steps of the whole job. */
  readonly total: number;
  /** Unit of the count, e.g. MB; omitted for steps. */
  readonly unit?: string;
  /** Steps done before (a resumed run). They count as done, but not for the rate. */
  readonly done?: number;
  readonly stream?: ProgressStream;
  /** Milliseconds, increasing. */
  readonly now?: () => number;
}

const BAR = 20;
const REDRAW_MS = 100;
/** Pause between two lines if there is no terminal, ms. */
const LINE_MS = 60_000;

export class Progress {
  private readonly label: string;
  private readonly total: number;
  private readonly unit: string;
  private readonly stream: ProgressStream;
  private readonly now: () => number;
  private readonly started: number;
  private readonly before: number;
  private drawn = Number.NEGATIVE_INFINITY;
  private lastLine: number;
  private done: number;
  private note = '';

  constructor({
    label,
    total,
    unit = '',
    done = 0,
    stream = drawing,
    now = () => performance.now(),
  }: ProgressOptions) {
    this.label = label;
    this.total = total;
    this.unit = unit;
    this.before = done;
    this.done = done;
    this.stream = stream;
    this.now = now;
    this.started = now();
    this.lastLine = this.started;
    this.draw();
  }

  /**
   * @param done steps done so far
   * @param note additional text, e.g. the latest reward
   * @param atOnce draws in any case, because the next update may take long
   */
  update(done: number, note = this.note, atOnce = false): void {
    this.done = done;
    this.note = note;
    if (!this.stream.isTTY) this.printOccasionally();
    else if (atOnce || this.now() - this.drawn >= REDRAW_MS) this.draw();
  }

  /** Draws the last state and ends the line. */
  end(): void {
    if (!this.stream.isTTY) return;
    this.draw();
    this.stream.say('');
  }

  /** Removes the line, so that other output can take its place. */
  clear(): void {
    if (this.stream.isTTY) this.stream.draw('');
  }

  private draw(): void {
    if (!this.stream.isTTY) return;
    this.drawn = this.now();
    const room = Math.max(1, (this.stream.columns || 80) - 1);
    this.stream.draw(fitting(visible(this.line(true)), room));
  }

  private printOccasionally(): void {
    if (this.now() - this.lastLine < LINE_MS) return;
    this.lastLine = this.now();
    this.stream.say(visible(this.line(false)));
  }

  private line(bar: boolean): string {
    const rate = (this.done - this.before) / ((this.now() - this.started) / 1000);
    return progressLine(this.label, this.done, this.total, rate, this.note, this.unit, bar);
  }
}

/** Output of a job that cannot draw a bar: one line per step, and occasional lines within long steps. */
export class StepLines {
  private readonly started: number;
  private lastLine: number;
  private before: number | null = null;

  constructor(
    private readonly print: (line: string) => void,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.started = now();
    this.lastLine = this.started;
  }

  /** Reports a completed step. */
  step(label: string, done: number, total: number, note: string): void {
    this.before ??= done - 1;
    const rate = (done - this.before) / ((this.now() - this.started) / 1000);
    this.say(progressLine(label, done, total, rate, note, '', false));
  }

  /** Reports the current activity if nothing was printed for a while. @param quiet ms */
  stage(line: string, quiet: number): void {
    if (this.now() - this.lastLine >= quiet) this.say(line);
  }

  private say(line: string): void {
    this.lastLine = this.now();
    this.print(visible(line));
  }
}

/** The text of the line. @param rate steps a second; omitted if unknown; @param bar whether to include the bar */
export function progressLine(
  label: string,
  done: number,
  total: number,
  rate: number,
  note = '',
  unit = '',
  bar = true,
): string {
  const filled = total > 0 ? Math.min(BAR, Math.floor((BAR * done) / total)) : BAR;
  const known = Number.isFinite(rate) && rate > 0;
  const parts = [
    `${label} ${bar ? `[${'#'.repeat(filled)}${'-'.repeat(BAR - filled)}] ` : ''}${count(done)}/${count(total)}${unit && ` ${unit}`}`,
    known ? formatRate(rate, unit) : '',
    known && done < total ? `ETA ${formatDuration((total - done) / rate)}` : '',
    note,
  ];
  return parts.filter((part) => part !== '').join('  ');
}

function count(steps: number): string {
  return Number.isInteger(steps) ? String(steps) : steps.toFixed(0);
}

function formatRate(rate: number, unit: string): string {
  if (unit !== '') return `${rate.toFixed(rate < 10 ? 1 : 0)} ${unit}/s`;
  if (rate >= 1) return `${rate.toFixed(rate < 100 ? 1 : 0)}/s`;
  return `${(1 / rate).toFixed(1)} s each`;
}

/** `8s`, `2m 05s`, `1h 02m`. */
export function formatDuration(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole}s`;
  const two = (n: number) => String(n).padStart(2, '0');
  if (whole < 3600) return `${Math.floor(whole / 60)}m ${two(whole % 60)}s`;
  return `${Math.floor(whole / 3600)}h ${two(Math.floor((whole % 3600) / 60))}m`;
}
