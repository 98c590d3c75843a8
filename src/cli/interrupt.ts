/**
 * Ctrl-C, SIGTERM, and the end of the terminal (SIGHUP): the first one asks the job to end cleanly, the second ends the
 * process at once. A job whose output nobody takes any more is asked to end as well.
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
    // A closed terminal may send its own after another: that is no second wish.
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
