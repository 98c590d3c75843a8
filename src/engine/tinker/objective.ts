/**
 * −J of a batch from its log-probabilities (model/loss.ts defines J), because servers report losses with their own
 * reductions. The KL term is part of the advantages: −β·K·(ln π_old − ln π_ref)·ρ.
 */
import { tokenCoefficients } from '../../objective/index.js';
import type { TrainExample, UpdateOptions } from '../engine.js';

type LossOptions = Pick<UpdateOptions, 'clipLow' | 'clipHigh' | 'form' | 'klBeta'>;

/**
 * @param old ln π_old of each tree token, [examples][distinctTokenCount]
 * @param now ln π of each tree token before the step, likewise
 * @param clips ratios may leave the clip range
 */
export function stepLoss(
  batch: readonly TrainExample[],
  old: readonly Float32Array[],
  now: readonly Float32Array[],
  clips: boolean,
  { clipLow, clipHigh, form = 'ppo', klBeta }: LossOptions,
): number {
  let objective = 0;
  batch.forEach(({ tree, coefficients, mask, weights, referenceLogprobs: reference }, e) => {
    let token = 0;
    for (let node = 0; node < tree.nodeCount; node++) {
      for (let t = tree.start[node]; t < tree.end[node]; t++, token++) {
        if (mask && mask[token] === 0) continue;
        const factor = weights?.[token] ?? 1;
        const k1 =
          klBeta > 0 ? -klBeta * coefficients.kl[node] * (old[e][token] - (reference?.[token] ?? 0)) : 0;
        const values = tokenCoefficients(coefficients, t === tree.start[node]);
        const plus = factor * values.plus[node] + Math.max(k1, 0);
        const minus = factor * values.minus[node] + Math.min(k1, 0);
        const ratio = Math.exp(now[e][token] - old[e][token]);
        if (form === 'cispo') {
          objective += (plus + minus) * Math.min(ratio, 1 + clipHigh) * now[e][token];
        } else if (clips) {
          objective += plus * Math.min(ratio, 1 + clipHigh) + minus * Math.max(ratio, 1 - clipLow);
        } else objective += (plus + minus) * ratio;
      }
    }
  });
  return -objective;
}
