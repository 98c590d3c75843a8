/** The runs that the page knows, updated by the server's events. Views subscribe to changes. */
import type { RunDetail, RunSummary } from '../../src/dashboard/api.js';
import { follow, getRun, getRuns, merged } from './api.js';

type Listener = () => void;

/** Runs chosen at first: those written to most recently. */
const FIRST = 12;

export class Store {
  runs: readonly RunSummary[] = [];
  folder = '';
  version = '';
  connected = false;
  /** The last error, as a message for the user. */
  problem: string | null = null;
  /** Runs whose figures are loaded, by name. */
  readonly details = new Map<string, RunDetail>();
  private chosen: ReadonlySet<string> | null = null;
  private readonly loading = new Set<string>();
  private readonly listeners = new Set<Listener>();

  /** @returns stops listening */
  listen(listener: Listener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Names of the chosen runs. Until the reader chooses, new runs are included automatically. */
  get selection(): ReadonlySet<string> {
    if (this.chosen) return this.chosen;
    return new Set(
      this.runs
        .filter(({ steps, log }) => steps > 0 || log !== null)
        .sort((a, b) => b.updated - a.updated)
        .slice(0, FIRST)
        .map(({ run }) => run),
    );
  }

  choose(runs: Iterable<string>): void {
    this.chosen = new Set(runs);
    this.tell();
  }

  /** Loaded data of the chosen runs; missing data is fetched. */
  get selected(): RunDetail[] {
    const { selection } = this;
    for (const run of selection) void this.load(run);
    return this.runs.flatMap(({ run }) => (selection.has(run) ? (this.details.get(run) ?? []) : []));
  }

  private tell(): void {
    for (const listener of this.listeners) listener();
  }

  async start(): Promise<void> {
    await this.list();
    follow({
      onList: () => void this.list(),
      onState: (connected) => {
        // Events were missed while the connection was down, so everything is fetched again.
        if (connected && !this.connected) {
          void this.list();
          for (const run of this.details.keys()) void this.load(run, true);
        }
        this.connected = connected;
        this.tell();
      },
      onRun: (update) => {
        const detail = this.details.get(update.run);
        this.runs = this.runs.map((run) => (run.run === update.run ? update.summary : run));
        if (detail) {
          const next = merged(detail, update.summary, update);
          if (next) this.details.set(update.run, next);
          else void this.load(update.run, true);
        }
        this.tell();
      },
    });
  }

  private async list(): Promise<void> {
    try {
      const { runs, folder, version } = await getRuns();
      this.runs = runs;
      this.folder = folder;
      this.version = version;
      this.problem = null;
    } catch (error) {
      this.problem = (error as Error).message;
    }
    this.tell();
  }

  /** Fetches the new data of a known run, or all data of another run. */
  private async read(run: string): Promise<RunDetail> {
    const after = this.details.get(run)?.position;
    const answer = await getRun(run, after);
    const known = this.details.get(run);
    if (answer.from === 0 && answer.rolloutsFrom === 0) return answer;
    return (known && merged(known, answer, answer)) ?? getRun(run);
  }

  /** Fetches a run's figures, once. */
  async load(run: string, again = false): Promise<void> {
    if (this.loading.has(run) || (!again && this.details.has(run))) return;
    this.loading.add(run);
    try {
      this.details.set(run, await this.read(run));
    } catch (error) {
      this.problem = `${run}: ${(error as Error).message}`;
    } finally {
      this.loading.delete(run);
      this.tell();
    }
  }
}
