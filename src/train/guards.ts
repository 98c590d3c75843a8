/** Guards around the work of a step: a signal interrupts it, and an error about a non-finite number names the step. */
import { NotFiniteError } from '../engine/index.js';

/** @returns null if the signal interrupted it */
export async function unlessAborted<T>(
  signal: AbortSignal | undefined,
  run: () => Promise<T>,
): Promise<T | null> {
  try {
    return await run();
  } catch (error) {
    if (signal?.aborted && error === signal.reason) return null;
    throw error;
  }
}

/** User code may take long: once the signal is aborted, its result is not awaited. @throws the signal's reason */
export async function unlessEnded<T>(value: Promise<T>, signal?: AbortSignal): Promise<T> {
  if (!signal) return value;
  let stop = (): void => undefined;
  const ended = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
  });
  try {
    return await Promise.race([value, ended]);
  } finally {
    signal.removeEventListener('abort', stop);
    value.catch(() => undefined);
  }
}

/** Adds the place of origin to an error about a number that is not finite. */
export async function atStep<T>(where: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof NotFiniteError) throw new NotFiniteError(`${where}: ${error.message}`);
    throw error;
  }
}
