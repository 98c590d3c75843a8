/**
 * A method's own best learning rate: for each seed it is chosen on the other seeds, so that no seed's figure influences
 * its own choice.
 */
import { sum } from '../statistics/index.js';

/**
 * @param figures of one method, higher is better, [rates][seeds]
 * @returns index of the rate with the highest sum over the other seeds, [seeds]; the first of equals, and 0 for a
 * single seed
 */
export function ownRates(figures: readonly (readonly number[])[]): number[] {
  return figures[0].map((_, seed) => {
    const others = figures.map((values) => sum(values.filter((_value, other) => other !== seed)));
    return others.indexOf(Math.max(...others));
  });
}
