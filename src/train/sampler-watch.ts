/**
 * Checks that a separate sampler uses the trained weights: on the same tokens, the log-probabilities of sampler and
 * trainer may differ only by rounding. If the difference jumps, new weights do not reach the sampler, and every later
 * step would learn from the wrong policy.
 */
import { UserError } from '../errors.js';
import { stepsAhead } from './ahead.js';
import type { MetricsLine } from './metrics.js';
import type { TrainOptions } from './training.js';

/** The sampler does not use the trained weights. */
export class SamplerError extends UserError {
  override name = 'SamplerError';
}

/**
 * A jump is a difference of this many times the first step's; smaller differences than the second value never count,
 * nats.
 */
const FACTOR = 10;
const LEAST = 1e-3;

export class SamplerWatch {
  /** The reference step and its difference. */
  private first: { readonly step: number; readonly difference: number } | undefined;

  /**
   * @param tolerance nats; null: derived from the first step
   * @param lag number of updates between the sampled and the trained weights
   * @param before records of the run so far
   */
  constructor(
    private readonly tolerance: number | null,
    private readonly lag: number,
    before: readonly MetricsLine[],
  ) {
    for (const { phase, step, sampling_logp_difference_mean: difference } of before) {
      if (phase === 'train') this.take(step, difference);
    }
  }

  private take(step: number, difference: number | undefined): void {
    // When sampling ahead, the lag begins with the second step.
    if (!this.first && difference !== undefined && step > this.lag) this.first = { step, difference };
  }

  /**
   * @param difference mean |Δ ln π| of the step's tokens; undefined: unknown
   * @throws SamplerError for a jump
   */
  check(step: number, difference: number | undefined): void {
    this.take(step, difference);
    const { first, tolerance } = this;
    const most = tolerance ?? (first ? Math.max(FACTOR * first.difference, LEAST) : Number.POSITIVE_INFINITY);
    if (difference === undefined || difference <= most) return;
    const compared = tolerance === null && first ? `, ${shown(first.difference)} in step ${first.step}` : '';
    throw new SamplerError(
      `step ${step}: the sampler does not use the current adapter: its log-probabilities differ from the trainer's by ${shown(difference)} nats per token${compared}; expected at most ${shown(most)} (engine.logprob_tolerance)`,
    );
  }
}

/** The watch of a run, whose reference may be in the run's folder. */
export async function samplerWatch({ config, folder }: TrainOptions): Promise<SamplerWatch> {
  const tolerance = config.engine.name === 'tinker' ? config.engine.logprob_tolerance : null;
  return new SamplerWatch(tolerance, stepsAhead(config), await folder.readMetrics());
}

const shown = (value: number): string => value.toPrecision(2);
