/**
 * The child side of a worker process. If it gets a signal, or its parent ends (the channel closes), it stops with a
 * checkpoint. Its output is then discarded.
 */
import { UserError } from '../errors.js';

/** What a child says of work that failed; without a stack where the user is to act. */
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
  /** Aborted once the child is to end. */
  readonly signal: AbortSignal;
  send(message: Message): void;
  /** Closes the channel: the process ends when nothing else is left to do. */
  close(): void;
}

export function beChild<Message>(): Child<Message> {
  const controller = new AbortController();
  const end = (): void => controller.abort();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, end);
  process.on('disconnect', end);
  // The terminal, or whoever read the output, may be gone with the parent.
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
