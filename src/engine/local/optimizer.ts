/**
 * AdamW and SGD over one flat weight array, with global-norm clipping. A plain loop: the same step as part of the ONNX
 * graph was slower, because it needs three outputs for each weight instead of one (docs/log.md). Decoupled weight decay
 * applies only to matrices (not to biases and gains), as is usual for GPT-2.
 */
import type { ParameterSpec } from '../../model/index.js';

export type OptimizerConfig =
  | {
      readonly name: 'adamw';
      readonly beta1: number;
      readonly beta2: number;
      readonly epsilon: number;
      readonly weightDecay: number;
    }
  | { readonly name: 'sgd'; readonly momentum: number; readonly weightDecay: number };

/** A smaller move counts as none: the last digit of 0.01 in float32 is ten times as much. */
const NO_CHANGE = 1e-10;

export class Optimizer {
  /** Steps taken. */
  step = 0;
  /** State by name, each of the shape of the flat weights: adamw `m` and `v`, sgd `momentum` (if any). */
  readonly state: ReadonlyMap<string, Float32Array>;

  constructor(
    readonly config: OptimizerConfig,
    private readonly specs: readonly ParameterSpec[],
  ) {
    const count = specs.reduce((n, spec) => n + spec.size, 0);
    const names = config.name === 'adamw' ? ['m', 'v'] : config.momentum > 0 ? ['momentum'] : [];
    this.state = new Map(names.map((name) => [name, new Float32Array(count)]));
  }

  reset(): void {
    this.step = 0;
    for (const values of this.state.values()) values.fill(0);
  }

  /**
   * One step, in place.
   * @param weights flat, [count]
   * @param gradients one array for each weight tensor, in the order of the specs
   * @param scale factor of the gradient (global-norm clipping)
   * @returns whether any weight moved by more than rounding
   */
  apply(
    weights: Float32Array,
    gradients: readonly Float32Array[],
    learningRate: number,
    scale: number,
  ): boolean {
    this.step++;
    let changed = false;
    this.specs.forEach((spec, i) => {
      const decay = spec.shape.length > 1 ? learningRate * this.config.weightDecay : 0;
      const apply = this.config.name === 'adamw' ? this.adamw : this.sgd;
      const after = weights.subarray(spec.offset, spec.offset + spec.size);
      // Checked until a moved weight is found, usually in the first tensor.
      const before = changed ? null : after.slice();
      apply.call(this, weights, gradients[i], spec.offset, learningRate, scale, decay);
      changed ||= before?.some((value, j) => Math.abs(after[j] - value) > NO_CHANGE) ?? false;
    });
    return changed;
  }

  private adamw(
    weights: Float32Array,
    gradient: Float32Array,
    offset: number,
    learningRate: number,
    scale: number,
    decay: number,
  ): void {
    const { beta1, beta2, epsilon } = this.config as Extract<OptimizerConfig, { name: 'adamw' }>;
    const m = this.state.get('m') as Float32Array;
    const v = this.state.get('v') as Float32Array;
    const rate = learningRate / (1 - beta1 ** this.step);
    const correction = 1 / Math.sqrt(1 - beta2 ** this.step);
    const keep = 1 - decay;
    for (let i = 0, j = offset; i < gradient.length; i++, j++) {
      const g = gradient[i] * scale;
      const first = m[j] + (1 - beta1) * (g - m[j]);
      const second = v[j] + (1 - beta2) * (g * g - v[j]);
      m[j] = first;
      v[j] = second;
      weights[j] = weights[j] * keep - (rate * first) / (Math.sqrt(second) * correction + epsilon);
    }
  }

  private sgd(
    weights: Float32Array,
    gradient: Float32Array,
    offset: number,
    learningRate: number,
    scale: number,
    decay: number,
  ): void {
    const { momentum } = this.config as Extract<OptimizerConfig, { name: 'sgd' }>;
    const velocity = this.state.get('momentum');
    const keep = 1 - decay;
    for (let i = 0, j = offset; i < gradient.length; i++, j++) {
      let g = gradient[i] * scale;
      if (velocity) {
        g += momentum * velocity[j];
        velocity[j] = g;
      }
      weights[j] = weights[j] * keep - learningRate * g;
    }
  }
}

/** Σ g² over all gradients; NaN or infinite if any element is. */
export function squaredNorm(gradients: readonly Float32Array[]): number {
  let total = 0;
  for (const gradient of gradients) {
    let sum = 0;
    for (let i = 0; i < gradient.length; i++) sum += gradient[i] * gradient[i];
    total += sum;
  }
  return total;
}
