/**
 * The figures of a run for its pages: columns of metrics and the steps with rollouts. A position marks how much of
 * both a page already has; it stays valid until records that were read become invalid.
 */
import { randomBytes } from 'node:crypto';
import type { RunPart, RunSummary } from './api.js';
import { Columns } from './columns.js';

export class Feed {
  /** Grown by its owner; exchanged by `replace` alone. */
  columns = new Columns();
  /** Steps whose rollouts were written, rising. */
  rollouts: readonly number[] = [];
  /** Another one when records that were read before no longer hold. */
  epoch = newEpoch();
  /** Records from here on have not been sent as an update. */
  private unsent = 0;
  private sent = '';
  private sentRollouts: readonly number[] = [];

  /** Records were read anew: those that differ, or are gone, no longer hold. */
  replace(columns: Columns, before = this.columns): void {
    const same = columns.firstDifference(before);
    this.columns = columns;
    this.unsent = Math.min(this.unsent, same);
    if (same < before.length) this.epoch = newEpoch();
  }

  /** Steps of the records that were not sent yet. */
  get unsentSteps(): readonly number[] {
    return this.columns.stepsFrom(this.unsent);
  }

  hasNew(summary: RunSummary): boolean {
    return this.unsent < this.columns.length || JSON.stringify(summary) !== this.sent;
  }

  /** What was not sent yet; from now on it is. */
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

  /** All that came after a position, where it still holds; else all. */
  after(position: string | undefined): RunPart {
    const held = position === undefined ? null : this.heldUpTo(position);
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

  /** How much of a position still holds. */
  private heldUpTo(position: string): { records: number; rollouts: number } | null {
    const [epoch, records, rollouts, last] = position.split('.');
    if (epoch !== this.epoch || !(Number(records) <= this.columns.length)) return null;
    const isTheSame = String(this.rollouts[Number(rollouts) - 1] ?? '') === last;
    return { records: Number(records), rollouts: isTheSame ? Number(rollouts) : 0 };
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
