/** The charts of the report, as SVG within figures. */
import { sum } from '../../statistics/index.js';
import { barChartSvg } from '../bar-chart.js';
import { lineChartSvg, type Series } from '../chart.js';
import type { LogAnalysis, LogFigures } from '../figures.js';
import { GRPO_COLOUR, LAMBDA_GRPO_COLOUR } from '../svg.js';

const SIZES: readonly [from: number, to: number][] = [
  [1, 1],
  [2, 2],
  [3, 4],
  [5, 8],
  [9, 16],
  [17, 32],
  [33, 64],
  [65, Number.POSITIVE_INFINITY],
];
const DEPTHS = 8;

export function charts({ all, steps }: LogAnalysis): string[] {
  const figures = [bySize(all)];
  if (all.mass.up + all.mass.down > 0) figures.push(massBySize(all), massBySign(all), massByDepth(all));
  if (steps.length > 1) figures.push(...overSteps(steps));
  return figures.map((svg, i) => `<figure>${unique(svg, i)}</figure>`);
}

/** Ids of several charts on one page must differ. */
function unique(svg: string, i: number): string {
  return svg.replaceAll('id="frame"', `id="frame-${i}"`).replaceAll('url(#frame)', `url(#frame-${i})`);
}

interface Bin {
  readonly name: string;
  readonly tokens: number;
  readonly mass: number;
  /** |Â| over tokens, counting each step once. */
  readonly once: number;
}

/** Figures by |λ|, in powers of two. */
function bins({ bySize: sizes }: LogFigures): Bin[] {
  const largest = Math.max(1, ...sizes.map(({ size }) => size));
  return SIZES.filter(([from]) => from <= largest).map(([from, to]) => {
    const entries = sizes.filter(({ size }) => size >= from && size <= to);
    const total = (part: (entry: LogFigures['bySize'][number]) => number) => sum(entries.map(part));
    return {
      name: from === to ? `${from}` : to === Number.POSITIVE_INFINITY ? `≥ ${from}` : `${from}–${to}`,
      tokens: total(({ tokens }) => tokens),
      mass: total(({ mass }) => mass),
      once: total(({ mass, size }) => mass / size),
    };
  });
}

const share = (value: number): string => `${(100 * value).toFixed(value < 0.0995 ? 1 : 0)}%`;
const over = (values: readonly number[], total: number): number[] =>
  values.map((value) => (total > 0 ? value / total : 0));

function bySize(all: LogFigures): string {
  const list = bins(all);
  const tokens = list.map((bin) => bin.tokens);
  return barChartSvg({
    title: 'Tokens by |λ|',
    xLabel: '|λ|: completions that share the step',
    categories: list.map(({ name }) => name),
    series: [{ name: 'share of all tokens', colour: '#6b7280', values: over(tokens, sum(tokens)) }],
    format: share,
  });
}

function massBySize(all: LogFigures): string {
  const list = bins(all);
  const [mass, once] = [list.map((bin) => bin.mass), list.map((bin) => bin.once)];
  return barChartSvg({
    title: 'Gradient mass by |λ|',
    xLabel: '|λ|: completions that share the step',
    categories: list.map(({ name }) => name),
    series: [
      { name: 'GRPO', colour: GRPO_COLOUR, values: over(mass, sum(mass)) },
      { name: 'λ-GRPO', colour: LAMBDA_GRPO_COLOUR, values: over(once, sum(once)) },
    ],
    format: share,
  });
}

function massBySign({ mass, lambdaMass }: LogFigures): string {
  const shares = ({ up, down }: { up: number; down: number }) => over([up, down], up + down);
  return barChartSvg({
    title: 'Gradient mass by sign',
    xLabel: 'sign of the step’s advantage',
    categories: ['pushed up, Â > 0', 'pushed down, Â < 0'],
    series: [
      { name: 'GRPO', colour: GRPO_COLOUR, values: shares(mass) },
      { name: 'λ-GRPO', colour: LAMBDA_GRPO_COLOUR, values: shares(lambdaMass) },
    ],
    format: share,
  });
}

function massByDepth({ byDepth, mass }: LogFigures): string {
  const total = mass.up + mass.down;
  const shown = byDepth.slice(0, DEPTHS);
  const rest = byDepth.slice(DEPTHS);
  const last =
    rest.length > 0 ? [{ up: sum(rest.map((d) => d.up)), down: sum(rest.map((d) => d.down)) }] : [];
  const all = [...shown, ...last];
  return barChartSvg({
    title: 'GRPO’s gradient mass by depth',
    xLabel: 'depth of the step’s node, the root is 0',
    categories: [...shown.map(({ depth }) => `${depth}`), ...(rest.length > 0 ? [`≥ ${rest[0].depth}`] : [])],
    series: [
      { name: 'up', colour: LAMBDA_GRPO_COLOUR, values: all.map(({ up }) => up / total) },
      { name: 'down', colour: GRPO_COLOUR, values: all.map(({ down }) => down / total) },
    ],
    format: share,
  });
}

function overSteps(steps: LogAnalysis['steps']): string[] {
  const x = steps.map(({ step }) => step);
  const line = (name: string, read: (figures: LogFigures) => number): Series => ({
    name,
    x,
    mean: steps.map(({ figures }) => read(figures)),
  });
  const chart = (title: string, yLabel: string, series: Series[], yRange?: [number, number]) =>
    lineChartSvg({
      title,
      xLabel: 'training step',
      yLabel,
      series,
      height: 360,
      ...(yRange ? { yRange } : {}),
    });
  const part = (a: number, b: number) => (b > 0 ? a / b : 0);
  return [
    chart('Mean reward', 'reward', [line('all completions', (f) => f.meanReward)]),
    chart('Path depth', 'intermediate steps', [line('mean over completions', (f) => f.meanPathDepth)]),
    chart(
      'Shared tokens',
      'share',
      [
        line('intermediate proportion', (f) => f.meanIntermediateProportion),
        line('compute the tree saves', (f) => f.tokensSaved),
      ],
      [0, 1],
    ),
    chart(
      'Groups without structure or signal',
      'share of groups',
      [
        line('flat', (f) => part(f.flatGroups, f.groups)),
        line('zero variance', (f) => part(f.zeroVarianceGroups, f.groups)),
      ],
      [0, 1],
    ),
    chart(
      'Completions pushed the wrong way',
      'share',
      [
        line('good ones down', (f) => part(f.good.pushedDown, f.good.completions)),
        line('bad ones up', (f) => part(f.bad.pushedUp, f.bad.completions)),
      ],
      [0, 1],
    ),
  ];
}
