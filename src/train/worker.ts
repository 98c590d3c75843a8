/**
 * A run in a process of its own: comparisons start several at a time. It gets its options as the first message,
 * reports every step, and ends with 'done' or 'failed'. Ctrl-C reaches it through the terminal's process group.
 */
import { UserError } from '../errors.js';
import type { MetricsRecord } from './metrics.js';
import { type RunOptions, run } from './run.js';

/** What crosses the process boundary of a run's options. */
export type WorkerOptions = Omit<RunOptions, 'signal' | 'observer'>;

export type WorkerMessage =
  | { readonly type: 'warmup' }
  | { readonly type: 'step'; readonly record: MetricsRecord }
  | { readonly type: 'done'; readonly interrupted: boolean }
  | { readonly type: 'failed'; readonly message: string; readonly stack?: string };

process.once('message', (options: WorkerOptions) => {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => controller.abort());
  const send = (message: WorkerMessage): void => {
    process.send?.(message);
  };
  run({
    ...options,
    signal: controller.signal,
    observer: { warmup: () => send({ type: 'warmup' }), step: (record) => send({ type: 'step', record }) },
  })
    .then(
      ({ interrupted }) => send({ type: 'done', interrupted }),
      (error: unknown) => {
        const stack = error instanceof UserError ? undefined : (error as Error).stack;
        send({ type: 'failed', message: (error as Error).message, stack });
      },
    )
    .finally(() => process.disconnect());
});
