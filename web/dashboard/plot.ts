/** Plots curves: zoom by dragging, values under the pointer, a band between low and high. */
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { PALETTE } from '../../src/analysis/svg.js';
import type { Curve } from './curves.js';

export interface PlotOptions {
  readonly height: number;
  /** Without axis labels, for small multiples. */
  readonly small?: boolean;
  /** Called with the value of each curve under the pointer; null: the pointer is elsewhere. */
  readonly onHover?: (at: { readonly x: number; readonly values: readonly (number | null)[] } | null) => void;
}

/** The palette's black would be invisible on a dark page. */
const COLOURS = PALETTE.map((colour) => (colour === '#000000' ? '#8a929b' : colour));

export const colourOf = (index: number): string => COLOURS[index % COLOURS.length];

export class Plot {
  readonly element: HTMLElement;
  private plot: uPlot | null = null;
  private names = '';
  private readonly observer: ResizeObserver;

  constructor(private readonly options: PlotOptions) {
    this.element = document.createElement('div');
    this.element.className = options.small ? 'plot small' : 'plot';
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.element);
  }

  /** Shows these curves and keeps the reader's zoom. @param colours palette index of each curve; default: in order */
  draw(curves: readonly Curve[], xLabel = 'step', colours?: readonly number[]): void {
    const data = dataOf(curves);
    this.element.dataset.points = String(data[0].length);
    const names = JSON.stringify([
      xLabel,
      colours,
      ...curves.map(({ name, low }) => [name, low !== undefined]),
    ]);
    if (this.plot && names === this.names) {
      const { min, max } = this.plot.scales.x;
      const xs = this.plot.data[0];
      // Around a single point uPlot sets its own range, which is not a zoom by the reader.
      const whole = xs.length < 2 || (min === xs[0] && max === xs.at(-1));
      this.plot.setData(data, whole);
      if (!whole && min !== undefined && max !== undefined) this.plot.setScale('x', { min, max });
      return;
    }
    this.names = names;
    this.plot?.destroy();
    this.plot = new uPlot(this.settings(curves, xLabel, colours), data, this.element);
  }

  dispose(): void {
    this.observer.disconnect();
    this.plot?.destroy();
  }

  private resize(): void {
    const width = this.element.clientWidth;
    if (width > 0) this.plot?.setSize({ width, height: this.options.height });
  }

  private hover({ cursor: { idx }, data }: uPlot, curves: readonly Curve[]): void {
    const { onHover } = this.options;
    if (!onHover) return;
    if (idx === null || idx === undefined) {
      onHover(null);
      return;
    }
    let column = 1;
    const values = curves.map(({ low }) => {
      const value = data[column]?.[idx] ?? null;
      column += low ? 3 : 1;
      return value;
    });
    onHover({ x: data[0][idx], values });
  }

  private settings(
    curves: readonly Curve[],
    xLabel: string,
    colours: readonly number[] = curves.map((_, i) => i),
  ): uPlot.Options {
    const style = getComputedStyle(document.documentElement);
    const ink = style.getPropertyValue('--faint-ink').trim();
    const line = style.getPropertyValue('--line').trim();
    const { small = false, height } = this.options;
    const series: uPlot.Series[] = [{ label: xLabel }];
    const bands: uPlot.Band[] = [];
    curves.forEach(({ name, low }, i) => {
      const stroke = colourOf(colours[i]);
      series.push({
        label: name,
        stroke,
        width: small ? 1.25 : 1.75,
        spanGaps: true,
        points: { show: false },
      });
      if (low) {
        const at = series.length;
        series.push({
          label: `${name}, high`,
          stroke: 'transparent',
          spanGaps: true,
          points: { show: false },
        });
        series.push({
          label: `${name}, low`,
          stroke: 'transparent',
          spanGaps: true,
          points: { show: false },
        });
        bands.push({ series: [at, at + 1], fill: `${stroke}2e` });
      }
    });
    const axis: uPlot.Axis = {
      stroke: ink,
      grid: { stroke: line, width: 1 },
      ticks: { stroke: line, width: 1 },
      font: '12px system-ui, sans-serif',
    };
    return {
      width: Math.max(120, this.element.clientWidth || 300),
      height,
      series,
      bands,
      scales: { x: { time: false }, y: { range: rangeOf } },
      axes: [
        {
          ...axis,
          // Steps, tokens and seconds are whole numbers.
          incrs: WHOLE,
          values: (_, splits) => splits.map((value) => (Number.isInteger(value) ? grouped(value) : '')),
          ...(small
            ? { size: 26, space: 60 }
            : { label: xLabel, labelFont: '12px system-ui, sans-serif', size: 36 }),
        },
        { ...axis, values: (_, splits) => labelsOf(splits), size: widthOf },
      ],
      legend: { show: false },
      hooks: {
        setCursor: [(plot) => this.hover(plot, curves)],
        draw: [
          ({ scales: { x } }) => {
            this.element.dataset.to = String(x.max);
          },
        ],
      },
      cursor: { sync: { key: 'runs' }, drag: { x: true, y: false }, points: { size: 6 } },
    };
  }
}

/** 1, 2, 5, 10, … */
const WHOLE = Array.from({ length: 12 }, (_, power) => [1, 2, 5].map((m) => m * 10 ** power)).flat();

function grouped(value: number): string {
  return String(value)
    .replace(/\B(?=(\d{3})+$)/g, '\u2009')
    .replace('-', '−');
}

/** Numbers with as many decimals as they need, however small. */
function labelsOf(splits: readonly number[]): string[] {
  const largest = splits.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  if (largest > 0 && (largest < 1e-3 || largest >= 1e6))
    return splits.map((value) => (value === 0 ? '0' : value.toExponential(1).replace(/-/g, '−')));
  const isEnough = (decimals: number) =>
    splits.every((value) => Math.abs(value - Number(value.toFixed(decimals))) <= 1e-9 * largest);
  const decimals = [0, 1, 2, 3, 4, 5].find(isEnough) ?? 6;
  return splits.map((value) => value.toFixed(decimals).replace('-', '−'));
}

/** Room for the longest number. */
function widthOf(_: uPlot, labels: readonly string[] | null): number {
  return 22 + 7 * (labels ?? []).reduce((most, { length }) => Math.max(most, length), 2);
}

/** The range of the values with a small margin; a constant has room above and below. */
function rangeOf(_: uPlot, low: number | null, high: number | null): [number, number] {
  if (low === null || high === null) return [0, 1];
  const room = low === high ? 0.5 : 0.06 * (high - low);
  return [low - room, high + room];
}

/** uPlot needs one column of x for all curves: the union of their x, with gaps. */
function dataOf(curves: readonly Curve[]): uPlot.AlignedData {
  if (curves.length === 0) return [[]];
  const tables = curves.map(
    ({ x, mean, low, high }): uPlot.AlignedData => (low && high ? [x, mean, high, low] : [x, mean]),
  );
  return uPlot.join(tables);
}
