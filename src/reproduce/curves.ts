/** Curves over steps, with a band over seeds. */
import { confidenceInterval, lineChartSvg, type Series } from '../analysis/index.js';
import { rounded } from './markdown.js';

/** Mean and 95% interval of several runs at some steps; what a figure is drawn from. */
export interface Curve {
  readonly name: string;
  readonly step: readonly number[];
  readonly mean: readonly number[];
  readonly low: readonly number[];
  readonly high: readonly number[];
}

/** Mean of each value and up to `window − 1` before it. */
export function smoothed(values: readonly number[], window: number): number[] {
  return values.map((_, i) => {
    const last = values.slice(Math.max(0, i - window + 1), i + 1);
    return last.reduce((a, b) => a + b, 0) / last.length;
  });
}

/**
 * @param runs values of each run at `steps`, [runs][steps]
 * @param range ends that a band may not leave, e.g. those of a share
 */
export function curve(
  name: string,
  steps: readonly number[],
  runs: readonly (readonly number[])[],
  range: readonly [number, number] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
): Curve {
  const bands = steps.map((_, i) => confidenceInterval(runs.map((values) => values[i])));
  return {
    name,
    step: steps,
    mean: bands.map(({ mean }) => rounded(mean)),
    low: bands.map(({ mean, half }) => rounded(Math.max(range[0], mean - half))),
    high: bands.map(({ mean, half }) => rounded(Math.min(range[1], mean + half))),
  };
}

/** Every `stride`-th step and the last. */
export function everyStep<T>(values: readonly T[], stride: number): T[] {
  return values.filter((_, i) => (i + 1) % stride === 0 || i === values.length - 1);
}

/** A line and a band for each curve. */
export function curvesSvg(
  labels: { readonly title: string; readonly xLabel: string; readonly yLabel: string },
  curves: readonly (Curve & Pick<Series, 'colour'>)[],
  yRange?: readonly [number, number],
): string {
  return lineChartSvg({
    ...labels,
    yRange,
    series: curves.map(({ step, ...rest }) => ({ ...rest, x: step })),
  });
}
