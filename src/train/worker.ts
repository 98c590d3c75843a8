/**
 * A worker process of a comparison: runs one training. Its first message holds the options; it reports every step and
 * ends with 'done' or 'failed'.
 */
import { beChild, type Failed, failureOf } from './child.js';
import type { MetricsRecord } from './metrics.js';
import { type RunOptions, run } from './run.js';
import { guardProcess, ranUserCode } from './user-watch.js';
import { onWarning } from './warnings.js';

/** The run options that are sent to the process. */
export type WorkerOptions = Omit<RunOptions, 'signal' | 'observer' | 'patience' | 'onFetch'>;

export type WorkerMessage =
  | { readonly type: 'warmup' }
  | { readonly type: 'step'; readonly record: MetricsRecord }
  | { readonly type: 'notice'; readonly line: string }
  | { readonly type: 'done'; readonly interrupted: boolean }
  | Failed;

const PATIENCE_MS = 30_000;

const child = beChild<WorkerMessage>();
const fail = (error: unknown): void => child.send(failureOf(error));
const finish = guardProcess(fail);
onWarning((line) => child.send({ type: 'notice', line }));

process.once('message', (options: WorkerOptions) => {
  run({
    ...options,
    // A run whose parent was just killed may still be writing its checkpoint.
    patience: PATIENCE_MS,
    signal: child.signal,
    observer: {
      warmup: () => child.send({ type: 'warmup' }),
      step: (record) => child.send({ type: 'step', record }),
      notice: (line) => child.send({ type: 'notice', line }),
    },
  })
    .then(({ interrupted }) => {
      finish();
      child.send({ type: 'done', interrupted });
    })
    .catch(fail)
    .finally(() => {
      if (ranUserCode()) process.once('disconnect', () => process.exit());
      child.close();
    });
});
