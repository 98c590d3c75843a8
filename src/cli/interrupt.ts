/**
 * Ctrl-C, SIGTERM and SIGHUP (the terminal was closed): the first asks the job to stop cleanly, the second ends the
 * process at once. A job whose standard output was closed is asked to stop as well.
 */
import { INTERRUPTED, onOutputLost } from './terminal.js';

export interface Interrupt {
  readonly signal: AbortSignal;
  /** Stops listening. */
  release(): void;
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export function onInterrupt(announce: () => void): Interrupt {
  const controller = new AbortController();
  const handler = (name: NodeJS.Signals): void => {
    // A terminal that closes may send SIGHUP after another signal: that is not a second request.
    if (controller.signal.aborted && name === 'SIGHUP') return;
    if (controller.signal.aborted) process.exit(INTERRUPTED);
    controller.abort();
    announce();
  };
  for (const name of SIGNALS) process.on(name, handler);
  const stopListening = onOutputLost(() => controller.abort());
  return {
    signal: controller.signal,
    release: () => {
      stopListening();
      for (const name of SIGNALS) process.off(name, handler);
    },
  };
}

/** Waits for Ctrl-C or SIGTERM. */
export function interrupted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
