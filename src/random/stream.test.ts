import { describe, expect, test } from 'vitest';
import { Stream } from './stream.js';

const draw = (n: number, ...key: (number | string)[]) => {
  const stream = new Stream(...key);
  return Array.from({ length: n }, () => stream.uniform());
};
const mean = (x: readonly number[]) => x.reduce((a, b) => a + b, 0) / x.length;

describe('a random stream', () => {
  test('repeats itself from an equal key, and pins its first numbers', () => {
    expect(draw(100, 7, 'init', 'head')).toEqual(draw(100, 7, 'init', 'head'));
    const stream = new Stream(0);
    expect([stream.bits(), stream.bits(), stream.bits()]).toMatchInlineSnapshot(`
      [
        2128730749,
        167554512,
        1337547350,
      ]
    `);
  });

  test('differs for keys that differ in a part, its type, its order or where parts are divided', () => {
    const keys: (number | string)[][] = [
      [],
      [0],
      ['0'],
      [1],
      ['a', 'b'],
      ['b', 'a'],
      ['ab'],
      ['a', ''],
      ['a', 'b', ''],
      [1, 2],
      [12],
      [-1],
    ];
    const firsts = keys.map((key) => draw(1, ...key)[0]);
    expect(new Set(firsts).size).toBe(keys.length);
  });

  test('is uniform: moments, a chi-square over 100 cells, and no lag-1 correlation', () => {
    const n = 100_000;
    const x = draw(n, 3, 'uniformity');
    expect(Math.min(...x.slice(0, 1000))).toBeGreaterThanOrEqual(0);
    expect(mean(x)).toBeCloseTo(0.5, 2);
    expect(mean(x.map((v) => (v - 0.5) ** 2))).toBeCloseTo(1 / 12, 3);
    const cells = new Float64Array(100);
    for (const v of x) cells[Math.floor(v * 100)]++;
    const chi2 = cells.reduce((sum, c) => sum + (c - n / 100) ** 2 / (n / 100), 0);
    expect(chi2).toBeGreaterThan(56); // 0.01% tails of 99 degrees of freedom
    expect(chi2).toBeLessThan(160);
    const lag = mean(x.slice(1).map((v, i) => (v - 0.5) * (x[i] - 0.5))) * 12;
    expect(Math.abs(lag)).toBeLessThan(4 / Math.sqrt(n));
  });

  test('is independent of its neighbours: first numbers of 50,000 consecutive keys are uniform and uncorrelated', () => {
    const n = 50_000;
    const first = Array.from({ length: n }, (_, i) => draw(1, 'task', i)[0]);
    expect(mean(first)).toBeCloseTo(0.5, 2);
    const lag = mean(first.slice(1).map((v, i) => (v - 0.5) * (first[i] - 0.5))) * 12;
    expect(Math.abs(lag)).toBeLessThan(4 / Math.sqrt(n));
    const cells = new Float64Array(64);
    for (const v of first) cells[Math.floor(v * 64)]++;
    const chi2 = cells.reduce((sum, c) => sum + (c - n / 64) ** 2 / (n / 64), 0);
    expect(chi2).toBeLessThan(115); // 0.01% tail of 63 degrees of freedom
  });

  test('draws whole numbers below n evenly and normals with mean 0, variance 1 and a kurtosis of 3', () => {
    const stream = new Stream('ints');
    const counts = new Float64Array(6);
    for (let i = 0; i < 60_000; i++) counts[stream.int(6)]++;
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(400);
    const normals = Array.from({ length: 100_000 }, () => stream.normal());
    expect(Math.abs(mean(normals))).toBeLessThan(0.015);
    expect(mean(normals.map((v) => v * v))).toBeCloseTo(1, 1);
    expect(Math.abs(mean(normals.map((v) => v ** 4)) - 3)).toBeLessThan(0.15);
  });
});

test('a permutation has each number once, and all orders are equally likely', () => {
  const counts = new Map<string, number>();
  for (let i = 0; i < 6000; i++) {
    const order = [...new Stream('orders', i).permutation(3)];
    expect([...order].sort()).toEqual([0, 1, 2]);
    counts.set(order.join(), (counts.get(order.join()) ?? 0) + 1);
  }
  expect(counts.size).toBe(6);
  // Five degrees of freedom: above 20.5 once in a thousand.
  expect([...counts.values()].reduce((sum, n) => sum + (n - 1000) ** 2 / 1000, 0)).toBeLessThan(20.5);
  expect([...new Stream('none').permutation(0)]).toEqual([]);
});
