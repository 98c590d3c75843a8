/** A worker process of `schedule`: it receives units one by one, and reports progress and results. */
import { beChild, type Failed, failureOf } from '../train/index.js';
import { Interrupted, runUnit, type UnitSpec } from './work/index.js';

export interface WorkerRequest {
  readonly id: string;
  readonly folder: string;
  readonly spec: UnitSpec;
}

export type WorkerMessage =
  | { readonly type: 'progress'; readonly share: number }
  | { readonly type: 'done'; readonly result: unknown }
  | { readonly type: 'interrupted' }
  | Failed;

const child = beChild<WorkerMessage>();

process.on('message', ({ spec, ...context }: WorkerRequest) => {
  let shown = 0;
  runUnit(spec, {
    ...context,
    signal: child.signal,
    progress: (share) => {
      if (share - shown < 0.01) return;
      shown = share;
      child.send({ type: 'progress', share });
    },
  }).then(
    (result) => child.send({ type: 'done', result }),
    (error: unknown) => child.send(error instanceof Interrupted ? { type: 'interrupted' } : failureOf(error)),
  );
});
