/**
 * The child side of a worker process. If it gets a signal, or its parent ends (the channel closes), it stops with a
 * checkpoint. Its output is then discarded.
 */
import { UserError } from '../errors.js';

/** A worker's message about failed work; without a stack if the user can fix it. */
export interface Failed {
  readonly type: 'failed';
  readonly message: string;
  readonly stack?: string;
}

export function failureOf(error: unknown): Failed {
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  return { type: 'failed', message, ...(error instanceof UserError ? {} : { stack }) };
}

export interface Child<Message> {
  /** Aborted when the worker should end. */
  readonly signal: AbortSignal;
  send(message: Message): void;
  /** Closes the channel: the process ends when no other work is left. */
  close(): void;
}

export function beChild<Message>(): Child<Message> {
  const controller = new AbortController();
  const end = (): void => controller.abort();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, end);
  process.on('disconnect', end);
  // The terminal, or the reader of the output, may have ended with the parent.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  return {
    signal: controller.signal,
    send: (message) => {
      if (process.connected) process.send?.(message, undefined, undefined, () => {});
    },
    close: () => {
      if (process.connected) process.disconnect();
    },
  };
}
