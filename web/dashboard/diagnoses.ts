/**
 * Diagnoses of the chosen runs, fetched one run at a time: the server reads more groups at each request until it has
 * all.
 */
import type { RunDiagnosis, RunSummary } from '../../src/dashboard/api.js';
import { getDiagnosis } from './api.js';

/** Pause between requests for a run that has been read completely, ms. */
const REST = 3000;
/** Pause while its groups are being read, or after a failure, ms. */
const SHORT = 400;

interface Known {
  readonly diagnosis: RunDiagnosis | null;
  readonly problem: string | null;
  /** `updated` and the steps of the run when it was requested. */
  readonly stamp: string;
  /** Earliest time of the next request, ms. */
  readonly next: number;
}

export class Diagnoses {
  private readonly known = new Map<string, Known>();
  private wanted: readonly RunSummary[] = [];
  private busy = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private disposed = false;

  /** @param changed called after every answer */
  constructor(private readonly changed: () => void) {}

  get(run: string): RunDiagnosis | null {
    return this.known.get(run)?.diagnosis ?? null;
  }

  /** The last error. */
  problemOf(run: string): string | null {
    return this.known.get(run)?.problem ?? null;
  }

  /** Sets the runs to be diagnosed. */
  want(runs: readonly RunSummary[]): void {
    this.wanted = runs;
    void this.go();
  }

  dispose(): void {
    this.disposed = true;
    clearTimeout(this.timer);
  }

  private async go(): Promise<void> {
    if (this.busy || this.disposed) return;
    clearTimeout(this.timer);
    const open = this.wanted
      .filter((summary) => this.isStale(summary))
      .map((summary) => ({ summary, next: this.known.get(summary.run)?.next ?? 0 }))
      .sort((a, b) => a.next - b.next)[0];
    if (!open) return;
    const wait = open.next - Date.now();
    if (wait > 0) {
      this.timer = setTimeout(() => void this.go(), wait);
      return;
    }
    this.busy = true;
    const { run } = open.summary;
    const stamp = stampOf(open.summary);
    try {
      const diagnosis = await getDiagnosis(run);
      const isWhole = diagnosis.read >= diagnosis.files;
      this.known.set(run, {
        diagnosis,
        problem: diagnosis.problem ?? null,
        stamp,
        next: Date.now() + (isWhole ? REST : SHORT),
      });
    } catch (error) {
      const before = this.known.get(run);
      this.known.set(run, {
        diagnosis: before?.diagnosis ?? null,
        problem: (error as Error).message,
        stamp,
        next: Date.now() + REST,
      });
    } finally {
      this.busy = false;
    }
    if (this.disposed) return;
    this.changed();
    void this.go();
  }

  private isStale(summary: RunSummary): boolean {
    const known = this.known.get(summary.run);
    if (!known || known.stamp !== stampOf(summary)) return true;
    return known.diagnosis !== null && known.diagnosis.read < known.diagnosis.files;
  }
}

const stampOf = ({ updated, step }: RunSummary): string => `${updated} ${step}`;
