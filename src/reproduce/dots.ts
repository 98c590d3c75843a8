/**
 * Differences with their intervals as a self-contained SVG: one row for each comparison, with one mark for each
 * setting.
 */
import { chartHead, escapeMarkup, FAINT, INK, PALETTE } from '../analysis/svg.js';

export interface DotRow {
  readonly name: string;
  /** One for each setting, [settings]. */
  readonly marks: readonly { readonly mean: number; readonly half: number }[];
}

const WIDTH = 720;
const LEFT = 170;
const RIGHT = 30;
const TOP = 74;
const ROW = 30;
const STEP = 0.1;

/** @param settings names of the marks; at most as many as the palette has colours */
export function dotsSvg(
  title: string,
  xLabel: string,
  settings: readonly string[],
  rows: readonly DotRow[],
): string {
  const ends = rows.flatMap(({ marks }) => marks.flatMap(({ mean, half }) => [mean - half, mean + half]));
  const low = Math.floor(Math.min(0, ...ends) / STEP) * STEP;
  const high = Math.ceil(Math.max(0, ...ends) / STEP) * STEP || STEP;
  const bottom = TOP + rows.length * ROW;
  const x = (value: number): string =>
    (LEFT + ((value - low) / (high - low)) * (WIDTH - LEFT - RIGHT)).toFixed(1);
  const text = (at: string, y: number, words: string, anchor: string): string =>
    `<text x="${at}" y="${y}" text-anchor="${anchor}" fill="${INK}">${escapeMarkup(words)}</text>`;
  const parts = chartHead(title, WIDTH, bottom + 56, 20);
  settings.forEach((name, s) => {
    const at = 20 + s * 230;
    parts.push(`<circle cx="${at + 5}" cy="47" r="4.5" fill="${PALETTE[s]}"/>`);
    parts.push(text(String(at + 16), 52, name, 'start'));
  });
  for (let tick = Math.round(low / STEP); tick <= Math.round(high / STEP); tick++) {
    const value = tick * STEP;
    const colour = tick === 0 ? INK : FAINT;
    parts.push(`<path d="M${x(value)} ${TOP}V${bottom}" stroke="${colour}"/>`);
    parts.push(
      text(x(value), bottom + 18, value.toFixed(1).replace('-', '−').replace('−0.0', '0.0'), 'middle'),
    );
  }
  rows.forEach(({ name, marks }, r) => {
    const middle = TOP + r * ROW + ROW / 2;
    parts.push(text(String(LEFT - 12), middle + 4, name, 'end'));
    marks.forEach(({ mean, half }, s) => {
      const y = middle + (s - (marks.length - 1) / 2) * 9;
      parts.push(
        `<path d="M${x(mean - half)} ${y}H${x(mean + half)}" stroke="${PALETTE[s]}" stroke-width="2"/>`,
        `<circle cx="${x(mean)}" cy="${y}" r="4.5" fill="${PALETTE[s]}"/>`,
      );
    });
  });
  parts.push(text(String((LEFT + WIDTH - RIGHT) / 2), bottom + 42, xLabel, 'middle'), '</svg>', '');
  return parts.join('\n');
}
