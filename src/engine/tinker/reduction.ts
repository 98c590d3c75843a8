/**
 * Detects how a server combines several sequences into one gradient, with a temporary model: one datum, the same datum
 * twice, and the same with doubled weights, each with a step of learning rate 0 that reports the gradient's norm. A
 * mean over sequences of Σ(w·loss)/Σw leaves the norm unchanged both times; a sum doubles it both times.
 */
import type { Datum, TrainingModel } from '../../tinker/index.js';
import { EngineError } from '../engine.js';
import type { Reduction } from './data.js';

/** @param model a fresh one, not to be used afterwards; the caller unloads it */
export async function findReduction(
  model: Pick<TrainingModel, 'forwardBackward' | 'optimStep'>,
  options: { readonly signal?: AbortSignal } = {},
): Promise<Reduction> {
  const datum: Datum = {
    tokens: Int32Array.of(1, 2, 3),
    targets: Int32Array.of(2, 3, 1),
    logprobs: new Float32Array(3),
    advantages: new Float32Array(3),
    weights: Float32Array.of(1, 1, 1),
  };
  const norm = async (data: readonly Datum[]): Promise<number> => {
    await model.forwardBackward({ data, loss: 'cross_entropy' }, options);
    const adam = { learning_rate: 0, beta1: 0.9, beta2: 0.95, eps: 1e-8 };
    const metrics = await model.optimStep(adam, options);
    return Object.entries(metrics).find(([name]) => name.endsWith('grad_norm'))?.[1] ?? Number.NaN;
  };
  const single = await norm([datum]);
  const twice = (await norm([datum, datum])) / single;
  const doubled = (await norm([{ ...datum, weights: datum.weights.map((weight) => 2 * weight) }])) / single;
  const near = (ratio: number, value: number): boolean => Math.abs(ratio - value) < 0.05;
  if (near(twice, 1) && near(doubled, 1)) return 'mean';
  if (near(twice, 2) && near(doubled, 2)) return 'sum';
  const shown = (ratio: number): string => (Number.isFinite(ratio) ? ratio.toPrecision(3) : 'no number');
  throw new EngineError(
    `reduction of the Tinker server: expected a gradient norm that stays the same (mean) or doubles (sum) when a datum is sent twice and when its weights are doubled, got factors ${shown(twice)} and ${shown(doubled)}`,
  );
}
