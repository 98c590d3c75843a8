/**
 * Ctrl-C: the first one asks the job to end cleanly, the second ends the process at once. A job whose output nobody
 * takes any more is asked to end as well.
 */
import { INTERRUPTED, onOutputLost } from './terminal.js';

export interface Interrupt {
  readonly signal: AbortSignal;
  /** Stops listening. */
  release(): void;
}

export function onInterrupt(announce: () => void): Interrupt {
  const controller = new AbortController();
  const handler = (): void => {
    if (controller.signal.aborted) process.exit(INTERRUPTED);
    controller.abort();
    announce();
  };
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, handler);
  const stopListening = onOutputLost(() => controller.abort());
  return {
    signal: controller.signal,
    release: () => {
      stopListening();
      for (const name of ['SIGINT', 'SIGTERM'] as const) process.off(name, handler);
    },
  };
}
