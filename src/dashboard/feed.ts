/**
 * The figures of a run for its pages: columns of metrics and the steps with rollouts. A position marks how much of
 * both a page already has; it stays valid until records that were read become invalid.
 */
import { randomBytes } from 'node:crypto';
import type { RunPart, RunSummary } from './api.js';
import { Columns } from './columns.js';

export class Feed {
  /** Grown by its owner; replaced only by `replace`. */
  columns = new Columns();
  /** Steps whose rollouts were written, ascending. */
  rollouts: readonly number[] = [];
  /** Changes when records that were read before become invalid. */
  epoch = newEpoch();
  /** Records from this index on have not been sent as an update. */
  private unsent = 0;
  private sent = '';
  private sentRollouts: readonly number[] = [];

  /** Sets newly read records; records that differ or are missing become invalid. */
  replace(columns: Columns, before = this.columns): void {
    const same = columns.firstDifference(before);
    this.columns = columns;
    this.unsent = Math.min(this.unsent, same);
    if (same < before.length) this.epoch = newEpoch();
  }

  /** Steps of the records that have not been sent yet. */
  get unsentSteps(): readonly number[] {
    return this.columns.stepsFrom(this.unsent);
  }

  hasNew(summary: RunSummary): boolean {
    return this.unsent < this.columns.length || JSON.stringify(summary) !== this.sent;
  }

  /** Returns what has not been sent yet and marks it as sent. */
  take(summary: RunSummary): RunPart {
    const part = this.part(
      Math.min(this.unsent, this.columns.length),
      firstChange(this.sentRollouts, this.rollouts),
    );
    this.markSent(summary);
    return part;
  }

  markSent(summary: RunSummary): void {
    this.unsent = this.columns.length;
    this.sent = JSON.stringify(summary);
    this.sentRollouts = this.rollouts;
  }

  /** Everything after a position, if it is still valid; else everything. */
  after(position: string | undefined): RunPart {
    const held = position === undefined ? null : this.validUpTo(position);
    return this.part(held?.records ?? 0, held?.rollouts ?? 0);
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

  /** How much of a position is still valid. */
  private validUpTo(position: string): { records: number; rollouts: number } | null {
    const [epoch, records, rollouts, last] = position.split('.');
    if (epoch !== this.epoch || !(Number(records) <= this.columns.length)) return null;
    const isTheSame = String(this.rollouts[Number(rollouts) - 1] ?? '') === last;
    return { records: Number(records), rollouts: isTheSame ? Number(rollouts) : 0 };
  }
}

function newEpoch(): string {
  return randomBytes(6).toString('hex');
}

/** Index of the first difference between two lists. */
function firstChange(before: readonly number[], now: readonly number[]): number {
  let i = 0;
  while (i < before.length && i < now.length && before[i] === now[i]) i++;
  return i;
}
