/**
 * Detects behaviour that a server does not report, with temporary models: how it combines several sequences into one
 * gradient (reduction.ts), whether it clips gradients, and whether sampling an older snapshot leaves the trained
 * weights unchanged. Only what a run needs is tested.
 */
import type { Datum } from '../../tinker/index.js';
import type { Reduction } from './data.js';
import type { Live } from './live.js';
import { findReduction } from './reduction.js';

export interface Questions {
  readonly reduction: boolean;
  readonly clipping: boolean;
  readonly isolation: boolean;
}

export interface ServerTraits {
  readonly reduction?: Reduction;
  /** It scales gradients down to `grad_clip_norm`. */
  readonly clips?: boolean;
  /** Older snapshots can be sampled while the weights are trained. */
  readonly isolates?: boolean;
}

const DATUM: Datum = {
  tokens: Int32Array.of(1, 2, 3),
  targets: Int32Array.of(2, 3, 1),
  logprobs: new Float32Array(3),
  advantages: new Float32Array(3),
  weights: Float32Array.of(1, 1, 1),
};

/** Log-probabilities that differ by less come from the same weights. */
const SAME = 1e-5;

/** @param live a fresh one; it must not be used afterwards */
export async function askServer(
  live: Live,
  questions: Questions,
  signal?: AbortSignal,
): Promise<ServerTraits> {
  const data = [DATUM];
  const loss = 'cross_entropy';
  const logprobs = async (): Promise<Float32Array> =>
    (await live.model.forward({ data, loss }, { signal })).logprobs[0];
  const reduction = questions.reduction ? await findReduction(live.model, { signal }) : undefined;

  let clips: boolean | undefined;
  if (questions.clipping) {
    const before = await logprobs();
    await live.model.forwardBackward({ data, loss }, { signal });
    // Without momentum, and with an epsilon far above the clipped gradient, such a step changes almost nothing.
    const adam = { learning_rate: 0.1, beta1: 0, beta2: 0, eps: 1e-3, grad_clip_norm: 1e-9 };
    await live.model.optimStep(adam, { signal });
    clips = farthest(before, await logprobs()) < SAME;
  }

  let isolates: boolean | undefined;
  if (questions.isolation) {
    const { sampler } = await live.sampler({ signal });
    await live.model.forwardBackward({ data, loss }, { signal });
    await live.model.optimStep({ learning_rate: 0.1, beta1: 0, beta2: 0, eps: 1e-8 }, { signal });
    const before = await logprobs();
    const request = { prompt: Int32Array.of(1), count: 1, maxTokens: 1, temperature: 1, seed: 0 };
    await sampler.sample(request, { signal });
    isolates = farthest(before, await logprobs()) < SAME;
  }
  return { reduction, clips, isolates };
}

const farthest = (a: Float32Array, b: Float32Array): number =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0);
