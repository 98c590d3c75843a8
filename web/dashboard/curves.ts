/** Makes curves from the columns of runs: one curve per run, or the mean of runs that differ only in their seed. */
import { csvLine } from '../../src/analysis/csv.js';
import type { RunDetail } from '../../src/dashboard/api.js';
import { confidenceInterval, mean as meanOf, shareInterval } from '../../src/statistics/index.js';
import type { MetricName } from '../../src/train/metrics.js';

export type XAxis = 'step' | 'tokens' | 'time';

export interface CurveOptions {
  readonly metric: MetricName;
  readonly x: XAxis;
  /** Weight of the previous average in the moving average, [0, 1). */
  readonly smoothing: number;
  /** Mean and 95% interval over the runs of a series. */
  readonly bands: boolean;
}

export interface Curve {
  readonly name: string;
  /** Runs that it averages. */
  readonly runs: readonly string[];
  readonly x: number[];
  readonly mean: number[];
  readonly low?: number[];
  readonly high?: number[];
}

interface Points {
  readonly steps: number[];
  readonly x: number[];
  readonly y: number[];
}

export function curvesOf(runs: readonly RunDetail[], options: CurveOptions): Curve[] {
  const groups = new Map<string, RunDetail[]>();
  for (const run of runs) {
    const key = options.bands ? run.series : run.run;
    groups.set(key, [...(groups.get(key) ?? []), run]);
  }
  return [...groups.values()].flatMap((group) => {
    const points = group.map((run) => pointsOf(run, options)).filter(({ x }) => x.length > 0);
    if (points.length === 0) return [];
    const names = group.map(({ run }) => run);
    if (points.length === 1) {
      const [{ x, y }] = points;
      return [{ name: nameOf(group), runs: names, x, mean: y }];
    }
    return [
      { name: nameOf(group), runs: names, ...bandOf(points, group[0].units[options.metric][0] === 'share') },
    ];
  });
}

/** The steps at which the metric was measured, smoothed. */
function pointsOf({ metrics }: RunDetail, { metric, x, smoothing }: CurveOptions): Points {
  const values = metrics.values[metric];
  const at = x === 'step' ? metrics.step : x === 'time' ? metrics.time : metrics.values.tokens;
  const points: Points = { steps: [], x: [], y: [] };
  if (!values || !at) return points;
  let sum = 0;
  let weight = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    // Before the first step no token has been sampled.
    const where = at[i] ?? (metrics.step[i] === 0 ? 0 : null);
    if (value === null || value === undefined || where === null) continue;
    sum = smoothing * sum + (1 - smoothing) * value;
    weight = smoothing * weight + (1 - smoothing);
    points.steps.push(metrics.step[i]);
    points.x.push(where);
    points.y.push(sum / weight);
  }
  return points;
}

/** Mean and interval at each step that all runs have. The interval of a share stays within 0 and 1. */
function bandOf(points: readonly Points[], share: boolean): Pick<Curve, 'x' | 'mean' | 'low' | 'high'> {
  const places = points.map(({ steps }) => new Map(steps.map((step, i) => [step, i])));
  const shared = points[0].steps.filter((step) => places.every((place) => place.has(step)));
  const band = { x: [] as number[], mean: [] as number[], low: [] as number[], high: [] as number[] };
  for (const step of shared) {
    const at = places.map((place) => place.get(step) as number);
    const values = points.map(({ y }, i) => y[at[i]]);
    const { mean, half } = confidenceInterval(values);
    const { low, high } = share
      ? shareInterval(values, Number.POSITIVE_INFINITY)
      : { low: mean - half, high: mean + half };
    band.x.push(meanOf(points.map(({ x }, i) => x[at[i]])));
    band.mean.push(mean);
    band.low.push(low);
    band.high.push(high);
  }
  return band;
}

function nameOf(group: readonly RunDetail[]): string {
  const [first] = group;
  if (group.length === 1) return first.run;
  return `${first.task}, ${first.method} (${group.length} seeds)`;
}

/** The raw figures of runs, one line per step: run, step, tokens, seconds, value. */
export function csvOf(runs: readonly RunDetail[], metric: MetricName): string {
  const rows = runs.flatMap(({ run, metrics }) =>
    (metrics.values[metric] ?? []).flatMap((value, i) =>
      value === null
        ? []
        : [csvLine([run, metrics.step[i], metrics.values.tokens?.[i] ?? null, metrics.time[i], value])],
    ),
  );
  return csvLine(['run', 'step', 'tokens', 'seconds', metric]) + rows.join('');
}
