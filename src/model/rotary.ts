/**
 * Rotary positions: channels i and i + d/2 of a head form a plane, rotated by position · θ^(−2i/d). The product of a
 * query and a key then depends on their distance. Frequencies and angles are float32, as in transformers.
 */
import * as g from '../graph/index.js';
import type { Rotary } from './config.js';

/**
 * Angle of one position for each plane, [d/2].
 * With Llama 3's scaling, slow planes (wavelength above original / low) rotate `factor` times slower, fast ones (below
 * original / high) are unchanged, those between are interpolated.
 */
export function rotaryFrequencies({ theta, scaling }: Rotary, headWidth: number): Float32Array {
  return Float32Array.from({ length: headWidth / 2 }, (_, i) => {
    const frequency = 1 / theta ** ((2 * i) / headWidth);
    if (!scaling) return frequency;
    const { factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalContext } = scaling;
    const turns = (originalContext * frequency) / (2 * Math.PI);
    if (turns < low) return frequency / factor;
    if (turns > high) return frequency;
    const smooth = (turns - low) / (high - low);
    return (1 - smooth) * (frequency / factor) + smooth * frequency;
  });
}

/**
 * @param positions int32 [N]
 * @param heads of queries, of keys and of values; those of values are not rotated
 * @returns a function that rotates all heads of these tokens, [N, heads, d] → [1, heads·N, d]
 */
export function rotaryTurn(
  positions: g.Tensor,
  rotary: Rotary,
  headWidth: number,
  heads: { readonly turned: number; readonly still: number },
): (x: g.Tensor) => g.Tensor {
  const { graph, shape } = positions;
  const [tokens] = shape;
  const half = headWidth / 2;
  const frequencies = graph.constant(rotaryFrequencies(rotary, headWidth), [1, 1, half]);
  const angles = g.mul(g.reshape(g.cast(positions, 'float32'), [tokens, 1, 1]), frequencies);
  const rows = g.times(heads.turned + heads.still, tokens);
  // One row for each head of each token, so that a single operation rotates them all.
  const still = g.mul(angles, 0);
  const all = g.concat(
    [g.expand(angles, [tokens, heads.turned, half]), g.expand(still, [tokens, heads.still, half])],
    1,
  );
  const planes = g.reshape(all, [rows, half]);
  const [cos, sin] = [g.cos(planes), g.sin(planes)];
  return (x) => g.turn(g.reshape(x, [1, rows, headWidth]), cos, sin);
}
