/** Converts a server's samples to completions, many at once. */
import type { SampledSequence } from '../../tinker/index.js';
import { NotFiniteError, type SampledCompletion, type SamplingOptions } from '../engine.js';

/** A sequence up to its end: a stop token after which the server continued, or the place that `watch` gives. */
export function completion(
  { tokens, logprobs, stop }: SampledSequence,
  options: SamplingOptions,
): SampledCompletion {
  const watch = options.watch?.();
  const ends = (token: number): boolean => {
    const watched = watch?.(token) === true;
    return watched || options.stopTokens.includes(token);
  };
  let length = tokens.findIndex(ends) + 1;
  const ended = length > 0;
  if (!ended) length = tokens.length;
  const wrong = logprobs.findIndex((value) => !Number.isFinite(value));
  if (wrong >= 0) throw new NotFiniteError(`the sampler's ln π of token ${wrong + 1} is ${logprobs[wrong]}`);
  return {
    tokens: tokens.slice(0, length),
    logprobs: logprobs.slice(0, length),
    stop: ended ? 'stop' : stop,
  };
}

/**
 * Waits for all at once. When one fails or the signal is aborted, the others are cancelled through their own signals.
 */
export async function together<T, R>(
  items: readonly T[],
  signal: AbortSignal | undefined,
  work: (item: T, signal: AbortSignal) => Promise<R>,
): Promise<R[]> {
  const controllers = items.map(() => new AbortController());
  const stop = (reason: unknown): void => {
    for (const controller of controllers) controller.abort(reason);
  };
  const stopped = (): void => stop(signal?.reason);
  signal?.addEventListener('abort', stopped, { once: true });
  if (signal?.aborted) stopped();
  try {
    return await Promise.all(items.map((item, i) => work(item, controllers[i].signal)));
  } catch (error) {
    stop(error);
    throw error;
  } finally {
    signal?.removeEventListener('abort', stopped);
  }
}
