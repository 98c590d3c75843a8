/**
 * Does units several at a time, each on one thread: lanes of worker processes, one core each. A unit waits for those
 * it needs; units that take times come last, one by one. Where there is no built worker (sources run directly), or
 * with one job, units are done in this process.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { UserError } from '../errors.js';
import type { ResultStore } from './results.js';
import type { Unit } from './unit.js';
import { Interrupted, runUnit, type UnitSpec } from './work/index.js';
import type { WorkerMessage } from './worker.js';

export interface ScheduleOptions {
  readonly store: ResultStore;
  readonly jobs: number;
  readonly signal?: AbortSignal;
  /** Cost done and to do over all units, whether found in the store or done now. */
  readonly progress?: (done: number, total: number, label: string) => void;
}

interface Lane {
  /** @throws Interrupted */
  run(unit: Unit, progress: (share: number) => void): Promise<unknown>;
  end(): void;
}

/**
 * Does what is not in the store yet.
 * @returns whether it was interrupted
 * @throws what a unit throws, after the others that were running are done
 */
export async function schedule(units: readonly Unit[], options: ScheduleOptions): Promise<boolean> {
  const { store, signal } = options;
  const unique = [...new Map(units.map((u) => [u.id, u])).values()];
  const total = unique.reduce((sum, { cost }) => sum + cost, 0);
  const open = unique.filter((u) => !store.has(u));
  const shares = new Map<string, number>();
  const report = (label: string): void => {
    let left = 0;
    for (const { id, cost } of open) left += cost * (1 - (shares.get(id) ?? 0));
    options.progress?.(Math.floor(total - left), total, label);
  };
  report('');
  const work = async (lane: Lane, one: Unit): Promise<void> => {
    const started = performance.now();
    const result = await lane.run(one, (share) => {
      shares.set(one.id, Math.min(1, share));
      report(one.label);
    });
    await store.add(one, (performance.now() - started) / 1000, result);
    shares.set(one.id, 1);
    report(one.label);
  };
  const beside = open.filter(({ alone }) => !alone);
  const lanes = Math.max(1, Math.min(options.jobs, beside.length));
  await inLanes(beside, lanes, store, signal, work);
  if (!signal?.aborted)
    await inLanes(
      open.filter(({ alone }) => alone),
      1,
      store,
      signal,
      work,
    );
  return signal?.aborted ?? false;
}

async function inLanes(
  units: readonly Unit[],
  count: number,
  store: ResultStore,
  signal: AbortSignal | undefined,
  work: (lane: Lane, unit: Unit) => Promise<void>,
): Promise<void> {
  const waiting = [...units];
  let wake = (): void => {};
  let done = new Promise<void>((resolve) => {
    wake = resolve;
  });
  const open = new Map(units.map((u) => [u.id, u]));
  const ready = ({ needs }: Unit): boolean => needs.every((id) => !open.has(id));
  const run = async (): Promise<void> => {
    const lane = makeLane(store.folder, count, signal);
    try {
      while (waiting.length > 0 && !signal?.aborted) {
        const at = waiting.findIndex(ready);
        if (at < 0) {
          await done;
          continue;
        }
        const [one] = waiting.splice(at, 1);
        await work(lane, one);
        open.delete(one.id);
        wake();
        done = new Promise((resolve) => {
          wake = resolve;
        });
      }
    } catch (error) {
      waiting.length = 0;
      wake();
      if (!(error instanceof Interrupted)) throw error;
    } finally {
      lane.end();
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: count }, run));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
}

function makeLane(folder: string, lanes: number, signal: AbortSignal | undefined): Lane {
  const worker = fileURLToPath(new URL('./worker.js', import.meta.url));
  if (lanes === 1 || !existsSync(worker)) {
    return {
      run: ({ id, spec }, progress) => runUnit(spec, { folder, id, signal, progress }),
      end: () => {},
    };
  }
  return new WorkerLane(fork(worker, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }), folder, signal);
}

class WorkerLane implements Lane {
  private readonly stop = (): void => {
    this.child.kill('SIGTERM');
  };

  constructor(
    private readonly child: ChildProcess,
    private readonly folder: string,
    private readonly signal: AbortSignal | undefined,
  ) {
    signal?.addEventListener('abort', this.stop);
  }

  run({ id, label, spec }: { id: string; label: string; spec: UnitSpec }, progress: (share: number) => void) {
    return new Promise<unknown>((resolve, reject) => {
      const { child } = this;
      const settle = (act: () => void): void => {
        child.off('message', listen).off('exit', ended).off('error', failed);
        act();
      };
      const listen = (message: WorkerMessage): void => {
        if (message.type === 'progress') progress(message.share);
        else if (message.type === 'done') settle(() => resolve(message.result));
        else if (message.type === 'interrupted') settle(() => reject(new Interrupted()));
        else {
          const { stack } = message;
          settle(() => reject(stack ? new Error(stack) : new UserError(message.message)));
        }
      };
      const ended = (code: number | null, killed: string | null): void =>
        settle(() => {
          const how = killed ?? `exit code ${code}`;
          reject(
            this.signal?.aborted
              ? new Interrupted()
              : new UserError(`${label}: its process ended early (${how})`),
          );
        });
      const failed = (error: Error): void => settle(() => reject(error));
      child.on('message', listen).on('exit', ended).on('error', failed);
      child.send({ id, folder: this.folder, spec });
    });
  }

  end(): void {
    this.signal?.removeEventListener('abort', this.stop);
    if (this.child.connected) this.child.disconnect();
  }
}
