/** The runs that the page knows, kept up to date by the server's events. Views listen. */
import type { RunDetail, RunSummary } from '../../src/dashboard/api.js';
import { follow, getRun, getRuns, merged } from './api.js';

type Listener = () => void;

/** Chosen at first: the runs written to last. */
const FIRST = 12;

export class Store {
  runs: readonly RunSummary[] = [];
  folder = '';
  version = '';
  connected = false;
  /** What went wrong last, for people. */
  problem: string | null = null;
  /** Runs whose figures are shown, by name. */
  readonly details = new Map<string, RunDetail>();
  private chosen: ReadonlySet<string> | null = null;
  private readonly loading = new Set<string>();
  private readonly listeners = new Set<Listener>();

  /** @returns stops listening */
  listen(listener: Listener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** The names of the runs that the reader looks at. Until there is a choice, runs that begin later come in by themselves. */
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

  /** What is known of the runs that are looked at; what is not yet is fetched. */
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
        // What was said while the line was down is asked for anew.
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

  /** What is new of a run that is known, all of another. */
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
