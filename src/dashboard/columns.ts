/** The metrics of a run's training steps as columns, which grow record by record. */
import { METRICS, type MetricName, type MetricsLine } from '../train/metrics.js';
import type { MetricColumns } from './api.js';

const NAMES = Object.keys(METRICS) as MetricName[];

export class Columns {
  private readonly step: number[] = [];
  private readonly time: number[] = [];
  /** Only metrics that were measured at least once. */
  private readonly values = new Map<MetricName, (number | null)[]>();
  private seconds = 0;

  /** Number of records. */
  get length(): number {
    return this.step.length;
  }

  add(record: MetricsLine): void {
    const n = this.step.length;
    this.seconds += finite(record.sample_seconds) ?? 0;
    this.seconds += finite(record.update_seconds) ?? 0;
    this.step.push(record.step);
    this.time.push(this.seconds);
    for (const name of NAMES) {
      const value = finite(record[name]);
      let column = this.values.get(name);
      if (!column) {
        if (value === null) continue;
        column = new Array<null>(n).fill(null);
        this.values.set(name, column);
      }
      column.push(value);
    }
  }

  /** The last measured value of a metric. */
  last(name: MetricName): number | null {
    const column = this.values.get(name) ?? [];
    for (let i = column.length - 1; i >= 0; i--) if (column[i] !== null) return column[i];
    return null;
  }

  lastStep(): number {
    return this.step.at(-1) ?? 0;
  }

  /** Steps of the records from index `from` on. */
  stepsFrom(from: number): readonly number[] {
    return this.step.slice(from);
  }

  /** Records from index `from` on. Every metric of the run is included, even if these records have no value of it. */
  from(from = 0): MetricColumns {
    return {
      step: this.step.slice(from),
      time: this.time.slice(from),
      values: Object.fromEntries([...this.values].map(([name, column]) => [name, column.slice(from)])),
    };
  }

  /** Index of the first record in which the two differ; if one continues the other, the length of the shorter. */
  firstDifference(other: Columns): number {
    const length = Math.min(this.length, other.length);
    for (let i = 0; i < length; i++) {
      if (this.step[i] !== other.step[i] || this.time[i] !== other.time[i]) return i;
      for (const name of NAMES) {
        if ((this.values.get(name)?.[i] ?? null) !== (other.values.get(name)?.[i] ?? null)) return i;
      }
    }
    return length;
  }
}

function finite(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}
