import { expect, test } from 'vitest';
import type { Group } from '../../rollouts/index.js';
import { analyzeGroup } from '../analyze-group.js';
import { LogGatherer } from '../gather.js';
import { ReportCollector } from './collector.js';

/**
 * A group in which all completions share the first token, so that the flaw grows with the number of differing rewards.
 */
function group(id: number, spread: number): Group {
  return {
    id: String(id),
    step: null,
    prompt: { tokens: new Int32Array(), text: 'p'.repeat(10_000) },
    completions: Array.from({ length: 4 }, (_, i) => ({
      tokens: Int32Array.of(1, i < 2 ? 2 : 3, 10 + i),
      reward: i < 2 ? spread : 0,
    })),
    tokens: 'exact',
    groups: 'explicit',
  };
}

function collected(count: number, maxGroups: number, spread: (i: number) => number): ReportCollector {
  const gatherer = new LogGatherer();
  const collector = new ReportCollector({ maxGroups });
  for (let i = 0; i < count; i++) {
    const g = group(i, spread(i));
    const analysis = analyzeGroup(g);
    collector.add(g, analysis, gatherer.add(g, analysis));
  }
  return collector;
}

test('a short log is kept whole, in its order', () => {
  const { groups } = collected(5, 10, () => 1);
  expect(groups.map(({ id }) => id)).toEqual(['0', '1', '2', '3', '4']);
});

test('of a long log never more than asked for: the worst, and every n-th', () => {
  const { groups } = collected(1000, 20, (i) => (i % 100 === 7 ? 1 : 0));
  const ids = groups.map(({ id }) => Number(id));
  expect(groups.length).toBeLessThanOrEqual(20);
  for (let i = 7; i < 1000; i += 100) expect(ids).toContain(i);
  const spread = ids.filter((id) => id % 100 !== 7);
  expect(spread.length).toBeGreaterThanOrEqual(5);
  expect(Math.max(...spread) - Math.min(...spread)).toBeGreaterThan(700);
  expect(ids).toEqual([...ids].sort((a, b) => a - b));
});

test('texts are bounded', () => {
  const [kept] = collected(1, 1, () => 1).groups;
  expect(kept.prompt.length).toBeLessThan(2100);
});

test('no groups are asked for: none are kept', () => {
  expect(collected(10, 0, () => 1).groups).toEqual([]);
});
