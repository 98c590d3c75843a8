/**
 * Returns to the last checkpoint if an engine has lost its state: the server restarted, or an answer was lost, so that
 * it is unknown whether the step was applied. The step is then repeated from the saved state, so it counts exactly
 * once.
 */
import { StateLostError } from '../engine/index.js';
import type { Journal } from './journal.js';
import type { TrainOptions } from './training.js';

/** How often a run returns to the same checkpoint. */
const MOST_RETURNS = 5;

/**
 * @param run trains from a checkpoint, or from the start; `again`: not for the first time
 * @throws StateLostError if there is no checkpoint yet, or returning to it does not help
 */
export async function recovering<T>(
  options: TrainOptions,
  journal: Journal,
  run: (from: string | undefined, again: boolean) => Promise<T>,
): Promise<T> {
  let { from } = options;
  for (let again = false, returns = 0; ; again = true) {
    try {
      return await run(from, again);
    } catch (error) {
      if (!(error instanceof StateLostError) || journal.latest === '') throw error;
      returns = again && journal.latest === from ? returns + 1 : 1;
      if (returns > MOST_RETURNS) throw error;
      from = journal.latest;
      options.observer?.notice?.(`${error.message}; the run continues from ${from}`);
    }
  }
}
