/** The runs of a folder, each with its reader, kept for as long as the run is there. */
import type { RunSummary } from './api.js';
import { findRuns } from './find-runs.js';
import { RunReader } from './run-reader.js';

/** Runs that are read at the same time. */
const AT_ONCE = 8;

export class RunStore {
  private readers = new Map<string, RunReader>();
  private looking: Promise<readonly RunReader[]> | null = null;

  /**
   * @param root the runs folder; it may come into being later
   * @param only one run's name: nothing beside it is shown
   * @param clock ms
   */
  constructor(
    readonly root: string,
    private readonly only: string | undefined,
    private readonly clock: () => number,
  ) {}

  /** The runs that were there when last looked. */
  known(): readonly RunReader[] {
    return [...this.readers.values()];
  }

  /** Looks which runs there are. */
  find(): Promise<readonly RunReader[]> {
    this.looking ??= this.look().finally(() => {
      this.looking = null;
    });
    return this.looking;
  }

  /** The run of this name, up to date; undefined: there is none. Only names that were found lead to a folder. */
  async get(run: string): Promise<RunReader | undefined> {
    if (!this.readers.has(run)) await this.find();
    const reader = this.readers.get(run);
    await reader?.refresh();
    return reader;
  }

  async summaries(): Promise<RunSummary[]> {
    const readers = await this.find();
    await refreshAll(readers);
    return readers.map((reader) => reader.summary());
  }

  private async look(): Promise<readonly RunReader[]> {
    const found = await findRuns(this.root, this.only);
    const before = this.readers;
    this.readers = new Map(
      found.map((parts) => {
        const run = parts.join('/');
        return [run, before.get(run) ?? new RunReader(this.root, parts, this.clock)];
      }),
    );
    return this.known();
  }
}

export async function refreshAll(readers: readonly RunReader[]): Promise<void> {
  const left = [...readers];
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let reader = left.pop(); reader; reader = left.pop()) await reader.refresh();
    }),
  );
}
