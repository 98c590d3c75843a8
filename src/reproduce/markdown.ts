/** Formats tables and numbers for reports. */
import type { Interval, ShareInterval } from '../statistics/index.js';

/** Bars within a cell, as in |λ|, are escaped. @param header [columns]; @param rows [rows][columns] */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n');
}

/** `0.848 ± 0.171` */
export function withInterval({ mean, half }: Interval, digits = 3): string {
  return `${number(mean, digits)} ± ${half.toFixed(digits)}`;
}

/** A share: `0.848 [0.640, 0.946]` */
export function withBounds({ mean, low, high }: ShareInterval, digits = 3): string {
  return `${mean.toFixed(digits)} [${low.toFixed(digits)}, ${high.toFixed(digits)}]`;
}

/** With a true minus sign. */
export function number(value: number, digits = 3): string {
  return value.toFixed(digits).replace('-', '−');
}

/** A difference, always with its sign. */
export function signed(value: number, digits = 3): string {
  return value > 0 ? `+${number(value, digits)}` : number(value, digits);
}

/** `+0.120 ± 0.034` */
export function signedInterval({ mean, half }: Interval, digits = 3): string {
  return `${signed(mean, digits)} ± ${half.toFixed(digits)}`;
}

/** `1.9e-6` */
export function scientific(value: number): string {
  return value === 0 ? '0' : value.toExponential(1);
}

/** A learning rate with all its digits: `1.25e-4` */
export function rateText(value: number): string {
  return value.toExponential();
}

/** Rounds to the digits that the JSON file needs. */
export function rounded(value: number, digits = 4): number {
  return Number(value.toFixed(digits));
}
