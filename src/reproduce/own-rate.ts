/** Which learning rate is a method's own: chosen for each seed on the others, so that no seed's figure chooses itself. */
import { sum } from '../statistics/index.js';

/**
 * @param figures of one method, higher is better, [rates][seeds]
 * @returns place of the rate with the highest sum over the other seeds, [seeds]; of equals the first, and that for a single seed
 */
export function ownRates(figures: readonly (readonly number[])[]): number[] {
  return figures[0].map((_, seed) => {
    const others = figures.map((values) => sum(values.filter((_value, other) => other !== seed)));
    return others.indexOf(Math.max(...others));
  });
}
