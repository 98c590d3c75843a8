/**
 * Counts the clipped terms of the updates after the first: terms whose ratio is beyond the bound for their sign. Terms
 * are what the loss clips (model/loss.ts): A⁺ and A⁻ of each tree token (ppo; δ bounds A⁻ from above), the weight of
 * each tree token (cispo, only a cap), the ratio of each sequence (gspo).
 */

import type { TrainExample } from '../engine/index.js';
import type { LossForm } from '../model/index.js';
import { tokenCoefficients } from '../objective/index.js';
import { packedIndices, packTree } from '../tree/index.js';

export interface ClipRange {
  readonly form: LossForm;
  readonly clipLow: number;
  readonly clipHigh: number;
  /** δ; absent: unbounded. */
  readonly clipBound?: number;
}

export interface ClipCount {
  readonly clipped: number;
  /** Terms with a non-zero coefficient. */
  readonly terms: number;
}

/**
 * @param old ln π_old of each tree token, [tree.distinctTokenCount]
 * @param now ln π of each tree token before the update, [tree.distinctTokenCount]
 */
export function countClipped(
  example: TrainExample,
  old: Float32Array,
  now: Float32Array,
  range: ClipRange,
): ClipCount {
  return range.form === 'gspo'
    ? countSequences(example, old, now, range)
    : countTokens(example, old, now, range);
}

function countTokens(
  { tree, coefficients, mask }: TrainExample,
  old: Float32Array,
  now: Float32Array,
  range: ClipRange,
): ClipCount {
  let clipped = 0;
  let terms = 0;
  let token = 0;
  const count = (isClipped: boolean): void => {
    terms++;
    if (isClipped) clipped++;
  };
  for (let node = 0; node < tree.nodeCount; node++) {
    for (let t = tree.start[node]; t < tree.end[node]; t++, token++) {
      if (mask && mask[token] === 0) continue;
      const ratio = Math.exp(now[token] - old[token]);
      const { plus, minus } = tokenCoefficients(coefficients, t === tree.start[node]);
      if (range.form === 'cispo') {
        if (plus[node] + minus[node] !== 0) count(ratio > 1 + range.clipHigh);
        continue;
      }
      if (plus[node] > 0) count(isBeyond(ratio, 1, range));
      if (minus[node] < 0) count(isBeyond(ratio, -1, range));
    }
  }
  return { clipped, terms };
}

/** One ratio per sequence: the geometric mean over its trained tokens. */
function countSequences(
  { tree, sequenceAdvantages, mask }: TrainExample,
  old: Float32Array,
  now: Float32Array,
  range: ClipRange,
): ClipCount {
  let clipped = 0;
  let terms = 0;
  const packed = packTree(tree, new Int32Array());
  for (let i = 0; i < tree.groupSize; i++) {
    const advantage = sequenceAdvantages?.[i] ?? 0;
    if (advantage === 0) continue;
    let sum = 0;
    let length = 0;
    for (const token of packedIndices(tree, packed, i)) {
      if (mask && mask[token] === 0) continue;
      sum += now[token] - old[token];
      length++;
    }
    if (length === 0) continue;
    terms++;
    if (isBeyond(Math.exp(sum / length), advantage, range)) clipped++;
  }
  return { clipped, terms };
}

/** Whether clipping changes the ratio of a term of this sign. */
function isBeyond(ratio: number, sign: number, { clipLow, clipHigh, clipBound }: ClipRange): boolean {
  if (sign > 0) return ratio > 1 + clipHigh;
  return ratio < 1 - clipLow || ratio > (clipBound ?? Number.POSITIVE_INFINITY);
}
