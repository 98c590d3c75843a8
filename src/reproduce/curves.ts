/** Curves over steps, with a band over seeds. */
import { lineChartSvg, type Series } from '../analysis/index.js';
import { confidenceInterval, shareInterval } from '../statistics/index.js';
import { rounded } from './markdown.js';

/** Mean and 95% interval of several runs at some steps: the data of a figure. */
export interface Curve {
  readonly name: string;
  readonly step: readonly number[];
  readonly mean: readonly number[];
  readonly low: readonly number[];
  readonly high: readonly number[];
  /** How the band was computed; absent in older files: Student's t, clipped to the range. */
  readonly band?: 'wilson' | 't';
}

/**
 * A quantity without bounds; the band is Student's t.
 * @param runs values of each run at `steps`, [runs][steps]
 */
export function curve(name: string, steps: readonly number[], runs: readonly (readonly number[])[]): Curve {
  const bands = steps.map((_, i) => confidenceInterval(runs.map((values) => values[i])));
  return {
    name,
    step: steps,
    mean: bands.map(({ mean }) => rounded(mean)),
    low: bands.map(({ mean, half }) => rounded(mean - half)),
    high: bands.map(({ mean, half }) => rounded(mean + half)),
    band: 't',
  };
}

/**
 * A share; the band stays within 0 and 1.
 * @param runs shares of each run at `steps`, [runs][steps]
 * @param trials problems behind each share (`shareInterval`)
 */
export function shareCurve(
  name: string,
  steps: readonly number[],
  runs: readonly (readonly number[])[],
  trials = 1,
): Curve {
  const bands = steps.map((_, i) =>
    shareInterval(
      runs.map((values) => values[i]),
      trials,
    ),
  );
  return {
    name,
    step: steps,
    mean: bands.map(({ mean }) => rounded(mean)),
    low: bands.map(({ low }) => rounded(low)),
    high: bands.map(({ high }) => rounded(high)),
    band: 'wilson',
  };
}

/** A sentence on how the bands of a figure were computed. */
export function bandsText(curves: readonly Curve[]): string {
  const kinds = new Set(curves.map(({ band }) => band ?? 'cut'));
  if (kinds.has('cut')) {
    return 'Bands: Student’s t over seeds at each step, cut at the ends of the range; the file has no values of single seeds to make others from.';
  }
  return kinds.has('wilson')
    ? 'Bands: 95% intervals over seeds at each step, Wilson’s as in the tables.'
    : 'Bands: 95% intervals over seeds at each step, Student’s t.';
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
    series: curves.map(({ step, band: _, ...rest }) => ({ ...rest, x: step })),
  });
}
