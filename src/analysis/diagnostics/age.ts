/**
 * Sums for `AgeFigures`: the age of the weights that sampled a completion, relative to the newest weights of its
 * training step.
 */
import type { Group } from '../../rollouts/index.js';
import type { AgeFigures } from './figures.js';

export class AgeSums {
  /** By step: newest version, number of completions, sum of their oldest versions, the oldest version. */
  private readonly steps = new Map<string, { newest: number; count: number; sum: number; oldest: number }>();
  private mixed = 0;

  add({ completions, step, source }: Group): void {
    for (const { versions } of completions) {
      if (!versions || versions.length === 0) continue;
      const oldest = Math.min(...versions);
      const newest = Math.max(...versions);
      if (oldest !== newest) this.mixed++;
      const key = JSON.stringify([source?.label ?? null, step]);
      const known = this.steps.get(key);
      if (!known) this.steps.set(key, { newest, count: 1, sum: oldest, oldest });
      else {
        known.newest = Math.max(known.newest, newest);
        known.oldest = Math.min(known.oldest, oldest);
        known.sum += oldest;
        known.count++;
      }
    }
  }

  /** Adds the sums of another instance. */
  merge(other: AgeSums): void {
    this.mixed += other.mixed;
    for (const [key, sums] of other.steps) {
      const known = this.steps.get(key);
      if (!known) this.steps.set(key, { ...sums });
      else {
        known.newest = Math.max(known.newest, sums.newest);
        known.oldest = Math.min(known.oldest, sums.oldest);
        known.sum += sums.sum;
        known.count += sums.count;
      }
    }
  }

  figures(): AgeFigures | null {
    let [completions, ages, largest] = [0, 0, 0];
    for (const { newest, count, sum, oldest } of this.steps.values()) {
      completions += count;
      ages += count * newest - sum;
      largest = Math.max(largest, newest - oldest);
    }
    if (completions === 0) return null;
    return { completions, mean: ages / completions, largest, mixed: this.mixed };
  }
}
