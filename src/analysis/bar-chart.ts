/**
 * Bar charts as self-contained SVG: groups of bars side by side, one colour per series, values written above the bars.
 * For reports; not interactive. The background is white, as in the line charts.
 */
import { centred, chartHead, escapeMarkup, INK, round } from './svg.js';

export interface BarSeries {
  readonly name: string;
  readonly colour: string;
  /** One value per category, ≥ 0, [n]. */
  readonly values: readonly number[];
  /** Ends of each value's interval, drawn as a line on the bar, [n]. */
  readonly low?: readonly number[];
  readonly high?: readonly number[];
}

export interface BarChart {
  readonly title: string;
  readonly xLabel: string;
  /** [n] */
  readonly categories: readonly string[];
  readonly series: readonly BarSeries[];
  /** How a value is written. */
  readonly format: (value: number) => string;
}

const WIDTH = 720;
const HEIGHT = 320;
const FRAME = { left: 24, right: WIDTH - 20, top: 84, bottom: HEIGHT - 56 };

/** The chart as SVG text. @throws RangeError if a series and the categories differ in length */
export function barChartSvg({ title, xLabel, categories, series, format }: BarChart): string {
  for (const { name, values, low = values, high = values } of series) {
    if ([values, low, high].some(({ length }) => length !== categories.length))
      throw new RangeError(`series ${name}: one value a category`);
  }
  const highest = Math.max(1e-12, ...series.flatMap(({ values, high = [] }) => [...values, ...high]));
  const slot = (FRAME.right - FRAME.left) / Math.max(1, categories.length);
  const bar = Math.min(44, (slot * 0.8) / series.length);
  const parts = chartHead(title, WIDTH, HEIGHT, FRAME.left);
  let at = FRAME.left;
  for (const { name, colour } of series) {
    parts.push(
      `<rect x="${at}" y="44" width="12" height="12" rx="2" fill="${escapeMarkup(colour)}"/>`,
      `<text x="${at + 18}" y="54.5" fill="${INK}">${escapeMarkup(name)}</text>`,
    );
    at += 18 + 7.6 * [...name].length + 24;
  }
  categories.forEach((category, i) => {
    const middle = FRAME.left + (i + 0.5) * slot;
    series.forEach(({ values, colour, low, high }, s) => {
      const height = (values[i] / highest) * (FRAME.bottom - FRAME.top);
      const x = middle + (s - series.length / 2) * bar;
      const y = FRAME.bottom - height;
      const at = (value: number): number =>
        round(FRAME.bottom - (value / highest) * (FRAME.bottom - FRAME.top));
      const top = high ? at(high[i]) : y;
      parts.push(
        `<rect x="${round(x + 1)}" y="${round(y)}" width="${round(bar - 2)}" height="${round(height)}" fill="${escapeMarkup(colour)}"/>`,
        `<text x="${round(x + bar / 2)}" y="${round(top - 5)}" text-anchor="middle" font-size="${bar < 34 ? 10 : 12}" fill="${INK}">${escapeMarkup(format(values[i]))}</text>`,
      );
      if (low && high) {
        const center = round(x + bar / 2);
        parts.push(`<line x1="${center}" x2="${center}" y1="${at(low[i])}" y2="${top}" stroke="${INK}"/>`);
      }
    });
    parts.push(centred(category, middle, FRAME.bottom + 20));
  });
  parts.push(
    `<line x1="${FRAME.left}" x2="${FRAME.right}" y1="${FRAME.bottom}" y2="${FRAME.bottom}" stroke="${INK}"/>`,
    centred(xLabel, (FRAME.left + FRAME.right) / 2, HEIGHT - 14),
    '</svg>',
  );
  return `${parts.join('\n')}\n`;
}
