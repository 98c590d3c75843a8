import { expect, it } from 'vitest';
import { barChartSvg } from './bar-chart.js';

const chart = (series: object) =>
  barChartSvg({
    title: 'shares',
    xLabel: 'task',
    categories: ['a', 'b'],
    format: String,
    series: [{ name: 'share', colour: '#123', values: [0.5, 0.25], ...series }],
  });
/** Positions of an attribute in all elements of a kind. */
const numbers = (svg: string, element: string, attribute: string): number[] =>
  [...svg.matchAll(new RegExp(`<${element} [^>]*\\b${attribute}="([\\d.]+)"`, 'g'))].map((match) =>
    Number(match[1]),
  );

it('an interval is a line from its low to its high end, on the scale of the bars', () => {
  const svg = chart({ low: [0.25, 0.25], high: [1, 0.5] });
  const [, tall] = numbers(svg, 'rect', 'height').slice(-3);
  const bottom = numbers(svg, 'line', 'y2').at(-1) ?? 0;
  expect(numbers(svg, 'line', 'y1').slice(0, 2)).toEqual([bottom - tall / 2, bottom - tall / 2]);
  expect(numbers(svg, 'line', 'y2').slice(0, 2)).toEqual([bottom - 2 * tall, bottom - tall]);
});

it('without intervals there is the axis alone; other lengths are refused', () => {
  expect(numbers(chart({}), 'line', 'y1')).toHaveLength(1);
  expect(() => chart({ high: [1] })).toThrow('series share: one value a category');
});
