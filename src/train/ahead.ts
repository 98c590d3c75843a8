/**
 * Sampling one step ahead (`engine.ahead: 1`): while a step is being updated, the groups of the next step are sampled
 * and rewarded, with the weights before the update. The importance ratio corrects for this: π_old of their tokens is
 * the sampler's.
 */
import type { Engine } from '../engine/index.js';
import { type StepBatch, sampledLogprobs } from './batch.js';
import type { Config } from './config.js';
import { type RolloutOptions, type StepGroups, sampleStep } from './rollout.js';
import type { ScoredGroup } from './scored-groups.js';

interface Begun {
  readonly step: number;
  readonly groups: Promise<StepGroups>;
  readonly stop: AbortController;
}

export class Ahead {
  private begun: Begun | undefined;

  /** @param most number of steps that sampling may be ahead, 0 or 1 */
  constructor(
    private readonly options: RolloutOptions,
    private readonly most: number,
  ) {}

  /** The groups of a step: those that sampling has started, or new ones. */
  take(step: number, nextProblem: number): Promise<StepGroups> {
    const { begun } = this;
    this.begun = undefined;
    if (begun?.step === step) return begun.groups;
    begun?.stop.abort();
    return sampleStep(this.options, step, nextProblem);
  }

  /** Starts sampling a step's groups. @returns once the request is sent: after that the weights may change */
  async begin(step: number, nextProblem: number, steps: number): Promise<void> {
    if (this.most === 0 || step > steps) return;
    const stop = new AbortController();
    const { signal } = this.options;
    const either = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
    const { engine, ...options } = this.options;
    const begun = new Promise<void>((started, failed) => {
      const asking: Engine = Object.create(engine) as Engine;
      asking.sample = (...request) => {
        const answer = engine.sample(...request);
        started();
        return answer;
      };
      const sampled = sampleStep({ ...options, engine: asking, signal: either }, step, nextProblem);
      sampled.catch(failed); // a failure is reported when the groups are taken
      this.begun = { step, groups: sampled, stop };
    });
    await begun.catch(() => undefined);
  }

  /** Discards the started sampling. */
  drop(): void {
    this.begun?.stop.abort();
    this.begun = undefined;
  }
}

/** The batch with the sampler's ln π as π_old. */
export function withSampler(batch: StepBatch, scored: readonly ScoredGroup[]): StepBatch {
  const examples = batch.examples.map((example, i) => {
    // Tokens without a sampler's ln π are not trained.
    const logprobs = sampledLogprobs(scored[batch.groups?.[i] ?? i]).map((value) => value ?? 0);
    return { ...example, oldLogprobs: Float32Array.from(logprobs) };
  });
  return { ...batch, examples };
}

/** Number of steps by which sampling precedes the update. */
export const stepsAhead = ({ engine }: Config): number => (engine.name === 'tinker' ? engine.ahead : 0);
