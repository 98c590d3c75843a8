/**
 * Runs several units at a time, each on one thread: lanes of worker processes, one per core. A unit waits for the units
 * that it needs; units that measure time come last, one by one. Without a built worker (when run from source), or with
 * one job, units run in this process.
 */
import type { Serializable } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { EndedEarly, inLanes, WorkerProcess } from '../train/index.js';
import type { ResultStore } from './results.js';
import type { Unit } from './unit.js';
import { Interrupted, runUnit } from './work/index.js';
import type { WorkerMessage } from './worker.js';

export interface ScheduleOptions {
  readonly store: ResultStore;
  readonly jobs: number;
  readonly signal?: AbortSignal;
  /** Finished and total cost over all units, including those that were in the store. */
  readonly progress?: (done: number, total: number, label: string) => void;
}

/** Runs one unit after another, here or in a worker process. */
interface Runner {
  /** @throws Interrupted */
  run(unit: Unit, progress: (share: number) => void): Promise<unknown>;
  end(): void;
}

/**
 * Runs the units that are not in the store yet.
 * @returns whether it was interrupted
 * @throws what a unit throws, after the other running units are done
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
  const work = async (runner: Runner, unit: Unit): Promise<void> => {
    const started = performance.now();
    const result = await runner.run(unit, (share) => {
      shares.set(unit.id, Math.min(1, share));
      report(unit.label);
    });
    await store.add(unit, (performance.now() - started) / 1000, result);
    shares.set(unit.id, 1);
    report(unit.label);
  };
  const doAll = (units: readonly Unit[], lanes: number): Promise<boolean> => {
    const undone = new Set(units.map(({ id }) => id));
    const ready = ({ needs }: Unit): boolean => needs.every((id) => !undone.has(id));
    return inLanes<Unit>(
      units,
      lanes,
      () => {
        const runner = makeRunner(store.folder, lanes, signal);
        return {
          run: async (unit) => {
            try {
              await work(runner, unit);
            } catch (error) {
              if (error instanceof Interrupted) return 'stop';
              throw error;
            }
            undone.delete(unit.id);
            return undefined;
          },
          end: runner.end,
        };
      },
      { signal, ready },
    );
  };
  const beside = open.filter(({ alone }) => !alone);
  await doAll(beside, Math.max(1, Math.min(options.jobs, beside.length)));
  const alone = open.filter((unit) => unit.alone);
  if (!signal?.aborted) await doAll(alone, 1);
  return signal?.aborted ?? false;
}

function makeRunner(folder: string, lanes: number, signal: AbortSignal | undefined): Runner {
  const worker = fileURLToPath(new URL('./worker.js', import.meta.url));
  if (lanes === 1 || !existsSync(worker)) {
    return {
      run: ({ id, spec }, progress) => runUnit(spec, { folder, id, signal, progress }),
      end: () => {},
    };
  }
  const child = new WorkerProcess<WorkerMessage>(worker, signal);
  return {
    run: async ({ id, label, spec }, progress) => {
      try {
        return await child.ask({ id, folder, spec } as Serializable, `${label}: its process`, (message) => {
          if (message.type === 'done') return { result: message.result };
          if (message.type === 'interrupted') throw new Interrupted();
          progress(message.share);
          return undefined;
        });
      } catch (error) {
        throw error instanceof EndedEarly && signal?.aborted ? new Interrupted() : error;
      }
    },
    end: () => child.end(),
  };
}
