/**
 * Trains GRPO and λ-GRPO from the same seed, each in its own worker. The page sets how far they may go and keeps their
 * reports, so that any step can be shown again. If a worker dies, a new one takes the same steps again: same seed, same
 * numbers.
 */
import type { Method } from '../../src/core.js';
import type { FromWorker, SiteProvider, ToWorker } from './messages.js';
import type { Settings } from './settings.js';
import type { StepRecord } from './training.js';

export const METHODS: readonly Method[] = ['grpo', 'lambda-grpo'];

export interface RaceEvents {
  /** Both workers are ready to train. */
  ready(): void;
  /** A method took a step. */
  step(): void;
  /** The run cannot continue: a setting was refused, or workers die again and again. */
  fault(message: string): void;
  /** A worker died and was replaced. */
  restarted(method: Method, message: string): void;
  /** The tab was suspended, and its workers with it. */
  slept(seconds: number): void;
}

interface Lane {
  readonly method: Method;
  worker: Worker;
  ready: boolean;
  records: StepRecord[];
  /** Steps of the current worker; it repeats those that an earlier one took. */
  taken: number;
  heard: number;
  deaths: number;
}

/** A worker that has steps to take and sends nothing for this long is considered dead. */
const SILENCE = 20_000;
const LOOK = 1_000;
const MOST_DEATHS = 3;

export class Race {
  target = '';
  depth = 0;
  steps = 0;
  /** Threads of WebAssembly in each worker. */
  threads = 1;
  private until = 0;
  private announced = false;
  private readonly lanes: readonly Lane[];
  private readonly watch: ReturnType<typeof setInterval>;
  private looked = Date.now();

  constructor(
    private readonly settings: Settings,
    private readonly provider: SiteProvider,
    private readonly events: RaceEvents,
  ) {
    this.lanes = METHODS.map((method) => {
      const lane = { method, ready: false, records: [], taken: 0, heard: Date.now(), deaths: 0 };
      return Object.assign(lane, { worker: this.open(method) });
    });
    this.watch = setInterval(() => this.look(), LOOK);
  }

  /** Steps that both methods have taken. */
  get taken(): number {
    return Math.min(...this.lanes.map(({ records }) => records.length));
  }

  recordsOf(method: Method): readonly StepRecord[] {
    return this.laneOf(method).records;
  }

  /** Lets both methods continue until they have taken this step. */
  goTo(step: number): void {
    this.until = step;
    for (const lane of this.lanes) {
      lane.heard = Date.now();
      tell(lane.worker, { kind: 'until', step });
    }
  }

  dispose(): void {
    clearInterval(this.watch);
    for (const { worker } of this.lanes) worker.terminate();
  }

  private laneOf(method: Method): Lane {
    return this.lanes.find((lane) => lane.method === method) as Lane;
  }

  private open(method: Method): Worker {
    const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module', name: method });
    worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.hear(method, data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.died(method, event.message || 'it could not be loaded');
    };
    tell(worker, { kind: 'start', settings: this.settings, method, provider: this.provider });
    return worker;
  }

  private hear(method: Method, message: FromWorker): void {
    const lane = this.laneOf(method);
    lane.heard = Date.now();
    if (message.kind === 'alive') return;
    if (message.kind === 'fault') {
      this.dispose();
      this.events.fault(message.message);
    } else if (message.kind === 'ready') {
      ({ target: this.target, depth: this.depth, steps: this.steps, threads: this.threads } = message);
      lane.ready = true;
      tell(lane.worker, { kind: 'until', step: this.until });
      if (this.announced || this.lanes.some(({ ready }) => !ready)) return;
      this.announced = true;
      this.events.ready();
    } else {
      lane.taken = message.record.step;
      if (lane.taken <= lane.records.length) return;
      lane.records.push(message.record);
      this.events.step();
    }
  }

  private look(): void {
    const now = Date.now();
    // The tab was suspended, and so were the workers.
    const asleep = now - this.looked;
    if (asleep > 5 * LOOK) {
      for (const lane of this.lanes) lane.heard = now;
      if (this.lanes.some((lane) => !this.isIdle(lane))) this.events.slept(Math.round(asleep / 1000));
    }
    this.looked = now;
    for (const lane of this.lanes) {
      if (!this.isIdle(lane) && now - lane.heard > SILENCE)
        this.died(lane.method, `${SILENCE / 1000} s without a word`);
    }
  }

  private isIdle({ ready, taken: steps }: Lane): boolean {
    return ready && steps >= Math.min(this.until, this.steps);
  }

  private died(method: Method, why: string): void {
    const lane = this.laneOf(method);
    lane.worker.terminate();
    lane.deaths++;
    if (lane.deaths > MOST_DEATHS) {
      this.dispose();
      this.events.fault(`the worker of ${method} ended ${lane.deaths} times (${why})`);
      return;
    }
    Object.assign(lane, { ready: false, taken: 0, heard: Date.now() });
    lane.worker = this.open(method);
    this.events.restarted(method, why);
  }
}

function tell(worker: Worker, message: ToWorker): void {
  worker.postMessage(message);
}
