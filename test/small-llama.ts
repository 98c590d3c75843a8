/** Llama's architecture in a small size: two key and value heads for several query heads, rotary positions, no biases. */
import type { Architecture } from '../src/model/index.js';

export function smallLlama(headWidth: number, intermediate: number, theta = 10_000): Architecture {
  return {
    family: 'llama',
    norm: 'rms',
    normEpsilon: 1e-5,
    rotary: { theta, scaling: null },
    keyValueHeads: 2,
    headWidth,
    intermediate,
    activation: 'swiglu',
    bias: { qkv: false, output: false, mlp: false },
    qkNorm: false,
    tiedHead: true,
  };
}
