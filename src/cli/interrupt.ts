/** Ctrl-C: the first one asks the job to end cleanly, the second ends the process at once. */

export interface Interrupt {
  readonly signal: AbortSignal;
  /** Stops listening. */
  release(): void;
}

/** Exit code of a job that was ended by Ctrl-C. */
export const INTERRUPTED = 130;

export function onInterrupt(announce: () => void): Interrupt {
  const controller = new AbortController();
  const handler = (): void => {
    if (controller.signal.aborted) process.exit(INTERRUPTED);
    controller.abort();
    announce();
  };
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, handler);
  return {
    signal: controller.signal,
    release: () => {
      for (const name of ['SIGINT', 'SIGTERM'] as const) process.off(name, handler);
    },
  };
}
