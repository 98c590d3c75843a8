import { describe, expect, test } from 'vitest';
import { lineChartSvg, ticks } from './chart.js';

const x = [0, 50, 100, 150, 200];
const chart = {
  title: 'Target found',
  xLabel: 'step',
  yLabel: 'share',
  series: [
    {
      name: 'GRPO',
      x,
      mean: [0, 0.1, 0.2, 0.3, 0.4],
      low: [0, 0, 0.1, 0.1, 0.2],
      high: [0, 0.2, 0.4, 0.5, 0.6],
      colour: '#D55E00',
    },
    { name: 'λ-GRPO', x, mean: [0, 0.25, 0.5, 0.75, 1] },
  ],
  yRange: [0, 1] as const,
};
/** Points of the n-th line. */
function points(svg: string, n: number): number[][] {
  const lines = [...svg.matchAll(/<polyline points="([^"]*)"/g)];
  return lines[n][1].split(' ').map((pair) => pair.split(',').map(Number));
}

describe('a line chart', () => {
  test('places values in proportion: first and last at the corners of the frame, the middle half way', () => {
    const line = points(lineChartSvg(chart), 1);
    const [[left, bottom], , [middle, half], , [right, top]] = line;
    expect(middle).toBeCloseTo((left + right) / 2, 1);
    expect(half).toBeCloseTo((bottom + top) / 2, 1);
    expect(right).toBeGreaterThan(left + 500);
    expect(bottom).toBeGreaterThan(top + 200);
  });

  test('draws a band only where there is one, a legend for all, and a background of its own', () => {
    const svg = lineChartSvg(chart);
    expect(svg.match(/<polygon/g)).toHaveLength(1);
    expect(svg).toContain('>GRPO</text>');
    expect(svg).toContain('>λ-GRPO</text>');
    expect(svg).toContain('fill="#ffffff"');
  });

  test('breaks the line at values that are not finite and shows a lone one as a dot', () => {
    const svg = lineChartSvg({
      ...chart,
      series: [{ name: 'a', x, mean: [0, 1, Number.NaN, 1, Number.NaN] }],
    });
    expect(points(svg, 0)).toHaveLength(2);
    expect(svg.match(/<circle/g)).toHaveLength(1);
    expect(svg).not.toContain('NaN');
  });

  test('steps are whole numbers, also where there are few', () => {
    const svg = lineChartSvg({ ...chart, series: [{ name: 'a', x: [1, 2, 3], mean: [0, 0.5, 1] }] });
    const labels = [...svg.matchAll(/text-anchor="middle" fill="#222222">([\d.−]+)<\/text>/g)].map(
      ([, t]) => t,
    );
    expect(labels).toEqual(['1', '2', '3']);
  });

  test('escapes its texts and refuses what it cannot draw', () => {
    expect(lineChartSvg({ ...chart, title: '<script>"&' })).not.toContain('<script>');
    expect(() => lineChartSvg({ ...chart, series: [] })).toThrow('no finite value to draw');
    expect(() => lineChartSvg({ ...chart, series: [{ name: 'a', x, mean: [1] }] })).toThrow(
      'series a: x, mean',
    );
  });

  test('has round ticks around any range', () => {
    expect(ticks(0, 1, 6)).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
    expect(ticks(0, 250, 8)).toEqual([0, 50, 100, 150, 200, 250]);
    expect(ticks(-0.031, 0.07, 5)).toEqual([-0.05, 0, 0.05, 0.1]);
    expect(ticks(1, 6, 8, true)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(ticks(1, 2, 8, true)).toEqual([1, 2]);
    expect(ticks(0, 2400, 8, true)).toEqual([0, 500, 1000, 1500, 2000, 2500]);
    expect(ticks(3, 3, 8, true).every(Number.isInteger)).toBe(true);
    expect(ticks(3, 3, 5)).toContain(3);
    expect(ticks(0, 0, 5)).toContain(0);
  });
});
