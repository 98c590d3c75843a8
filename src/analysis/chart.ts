/**
 * Line charts as self-contained SVG: axes with round ticks, one line per series, a band between its low and high
 * values, a legend. For figures in docs/ and reports; not interactive, no logarithmic axes.
 */
import { centred, chartHead, escapeMarkup, FAINT, INK, PALETTE, round } from './svg.js';

export interface Series {
  readonly name: string;
  /** [n], ascending; the line has a gap where the mean is not finite. */
  readonly x: readonly number[];
  /** [n] */
  readonly mean: readonly number[];
  /** Lower edge of the band, [n]. */
  readonly low?: readonly number[];
  /** Upper edge of the band, [n]. */
  readonly high?: readonly number[];
  /** CSS colour; default: the next colour of PALETTE. */
  readonly colour?: string;
}

export interface LineChart {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly series: readonly Series[];
  /** Ends of the y axis; default: round numbers around the values. */
  readonly yRange?: readonly [number, number];
  /** Pixels. */
  readonly width?: number;
  readonly height?: number;
}

/** Mean width of a character in the legend, relative to its font size. */
const CHARACTER = 0.58;

/** The chart as SVG text. @throws RangeError for series of unequal lengths or without a finite value */
export function lineChartSvg(chart: LineChart): string {
  const { title, xLabel, yLabel, series, width = 720, height = 420 } = chart;
  for (const { name, x, mean, low = x, high = x } of series) {
    if ([mean, low, high].some((values) => values.length !== x.length)) {
      throw new RangeError(`series ${name}: x, mean, low and high differ in length`);
    }
  }
  const xs = finite(series.flatMap(({ x }) => x));
  const ys = finite(series.flatMap(({ mean, low = [], high = [] }) => [...mean, ...low, ...high]));
  if (xs.length === 0 || ys.length === 0) throw new RangeError(`chart ${title}: no finite value to draw`);

  const yTicks = ticks(chart.yRange?.[0] ?? least(ys), chart.yRange?.[1] ?? greatest(ys), 6);
  const xTicks = ticks(least(xs), greatest(xs), 8, xs.every(Number.isInteger));
  const [y0, y1] = chart.yRange ?? [yTicks[0], yTicks[yTicks.length - 1]];
  const [x0, x1] =
    least(xs) === greatest(xs) ? [xTicks[0], xTicks[xTicks.length - 1]] : [least(xs), greatest(xs)];

  const longest = Math.max(...yTicks.map((tick) => label(tick, yTicks).length));
  const frame = { left: 44 + 7 * longest, right: width - 20, top: 78, bottom: height - 56 };
  const px = (x: number) => frame.left + ((x - x0) / (x1 - x0)) * (frame.right - frame.left);
  const py = (y: number) => frame.bottom - ((y - y0) / (y1 - y0)) * (frame.bottom - frame.top);
  const inside = (tick: number, from: number, to: number) =>
    tick >= from - 1e-9 * (to - from) && tick <= to + 1e-9 * (to - from);
  const colours = series.map(({ colour }, i) => escapeMarkup(colour ?? PALETTE[i % PALETTE.length]));

  const parts = chartHead(title, width, height, frame.left);
  for (const tick of yTicks.filter((t) => inside(t, y0, y1))) {
    const y = round(py(tick));
    parts.push(`<line x1="${frame.left}" x2="${frame.right}" y1="${y}" y2="${y}" stroke="${FAINT}"/>`);
    parts.push(
      `<text x="${frame.left - 8}" y="${round(y + 4.5)}" text-anchor="end" fill="${INK}">${label(tick, yTicks)}</text>`,
    );
  }
  for (const tick of xTicks.filter((t) => inside(t, x0, x1))) {
    const x = round(px(tick));
    parts.push(`<line x1="${x}" x2="${x}" y1="${frame.bottom}" y2="${frame.bottom + 5}" stroke="${INK}"/>`);
    parts.push(
      `<text x="${x}" y="${frame.bottom + 20}" text-anchor="middle" fill="${INK}">${label(tick, xTicks)}</text>`,
    );
  }
  parts.push(
    `<line x1="${frame.left}" x2="${frame.right}" y1="${frame.bottom}" y2="${frame.bottom}" stroke="${INK}"/>`,
  );

  parts.push(
    `<clipPath id="frame"><rect x="${frame.left}" y="${frame.top - 2}" width="${frame.right - frame.left}" height="${frame.bottom - frame.top + 4}"/></clipPath>`,
  );
  parts.push('<g clip-path="url(#frame)">');
  series.forEach(({ x, low, high }, i) => {
    if (!low || !high) return;
    for (const run of runs(x.map((at, n) => Number.isFinite(at + low[n] + high[n])))) {
      const upper = run.map((n) => `${round(px(x[n]))},${round(py(high[n]))}`);
      const lower = run.map((n) => `${round(px(x[n]))},${round(py(low[n]))}`).reverse();
      parts.push(
        `<polygon points="${[...upper, ...lower].join(' ')}" fill="${colours[i]}" fill-opacity="0.18"/>`,
      );
    }
  });
  series.forEach(({ x, mean }, i) => {
    for (const run of runs(x.map((at, n) => Number.isFinite(at + mean[n])))) {
      const [first] = run;
      parts.push(
        run.length === 1
          ? `<circle cx="${round(px(x[first]))}" cy="${round(py(mean[first]))}" r="3" fill="${colours[i]}"/>`
          : `<polyline points="${run.map((n) => `${round(px(x[n]))},${round(py(mean[n]))}`).join(' ')}" fill="none" stroke="${colours[i]}" stroke-width="2" stroke-linejoin="round" stroke-linecap="round"/>`,
      );
    }
  });
  parts.push('</g>');

  let at = frame.left;
  series.forEach(({ name }, i) => {
    parts.push(
      `<line x1="${round(at)}" x2="${round(at + 22)}" y1="53" y2="53" stroke="${colours[i]}" stroke-width="3" stroke-linecap="round"/>`,
    );
    parts.push(`<text x="${round(at + 30)}" y="57.5" fill="${INK}">${escapeMarkup(name)}</text>`);
    at += 30 + 13 * CHARACTER * [...name].length + 24;
  });
  const middle = (frame.top + frame.bottom) / 2;
  parts.push(centred(xLabel, (frame.left + frame.right) / 2, height - 14));
  parts.push(
    `<text transform="translate(20 ${middle}) rotate(-90)" text-anchor="middle" fill="${INK}">${escapeMarkup(yLabel)}</text>`,
  );
  parts.push('</svg>');
  return `${parts.join('\n')}\n`;
}

/**
 * Round numbers (1, 2 or 5 times a power of ten apart) that cover `from` to `to`.
 * @param whole only whole numbers, for steps and counts
 */
export function ticks(from: number, to: number, about: number, whole = false): number[] {
  const [low, high] =
    from === to ? [from - 0.5 * (Math.abs(from) || 1), to + 0.5 * (Math.abs(to) || 1)] : [from, to];
  const rough = Math.max((high - low) / about, whole ? 1 : 0);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough * 0.999) ?? 10 * power;
  const first = Math.floor(low / step + 1e-9);
  const last = Math.ceil(high / step - 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** A tick with as many decimals as its neighbours need. */
function label(tick: number, all: readonly number[]): string {
  const step = all.length > 1 ? all[1] - all[0] : 1;
  if (Math.abs(tick) >= 1e6 || (step < 1e-4 && tick !== 0)) return tick.toExponential(1);
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  return tick.toFixed(decimals).replace('-', '−');
}

/** Ranges of consecutive true values, as indices. */
function runs(valid: readonly boolean[]): number[][] {
  const out: number[][] = [];
  valid.forEach((ok, n) => {
    if (!ok) return;
    if (n > 0 && valid[n - 1]) out[out.length - 1].push(n);
    else out.push([n]);
  });
  return out;
}

function finite(values: readonly number[]): number[] {
  return values.filter(Number.isFinite);
}

function least(values: readonly number[]): number {
  return values.reduce((a, b) => Math.min(a, b));
}

function greatest(values: readonly number[]): number {
  return values.reduce((a, b) => Math.max(a, b));
}
