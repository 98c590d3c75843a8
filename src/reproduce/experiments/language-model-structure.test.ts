import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { curve } from '../curves.js';
import {
  type LanguageStructureData,
  languageModelStructure,
  languageStructureVerdict,
  type StartRow,
  type TrainingRow,
} from './language-model-structure.js';

const folder = mkdtempSync(join(tmpdir(), 'lambda-grpo-language-structure-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const settings = languageModelStructure.settings({ quick: false });
const share = (mean: number) => ({ mean, low: 0, high: 1, count: 5 });
const row = (k: number, change: Partial<StartRow> = {}): StartRow => ({
  problems: 'sums',
  temperature: 0.75,
  k,
  seeds: 5,
  groups: 100,
  flat: 1,
  flatShare: share(0.01),
  depth: k / 6,
  intermediate: share(0.1),
  below: 0.9,
  length: 20,
  success: 0.1,
  ...change,
});
const trained = (k: number, growth = 1): TrainingRow => {
  const ends = (first: number): readonly [number[], number[]] => [[first], [first * growth]];
  const [depth, intermediate] = [ends(1), ends(0.1)];
  return {
    temperature: 0.75,
    k,
    groups: 30,
    flat: 0,
    depth,
    intermediate,
    success: ends(0.1),
    entropy: ends(1),
  };
};
const data = (start: StartRow[], training: TrainingRow[]): LanguageStructureData => ({
  weights: null,
  file: null,
  start,
  training,
  depth: [curve('k = 6', [1, 2], [[1, 2]])],
  intermediate: [curve('k = 6', [1, 2], [[0.1, 0.2]])],
});
const verdict = (start: StartRow[], training: TrainingRow[]) =>
  languageStructureVerdict(
    { ...settings, training: { ...settings.training, seeds: 1 } },
    data(start, training),
  );

it('the rule asks for few flat groups, deeper ones for the larger k, small proportions, and growth', () => {
  const training = [trained(6, 2), trained(36, 2)];
  expect(verdict([row(6), row(36)], training)).toBe('holds');
  expect(verdict([row(6, { flat: 6 }), row(36)], training)).toBe('holds in part');
  expect(verdict([row(6), row(36, { depth: 1 })], training)).toBe('holds in part');
  expect(verdict([row(6), row(36, { below: 0.5 })], training)).toBe('holds in part');
  expect(verdict([row(6), row(36)], [trained(6, 2), trained(36, 1)])).toBe('holds in part');
  expect(
    verdict([row(6, { flat: 6, depth: 9, below: 0.1 }), row(36)], [trained(6, 0.5), trained(36, 2)]),
  ).toBe('does not hold here');
});

it('other problems are compared with themselves; another temperature does not count', () => {
  const words = [
    row(6, { problems: 'word problems', depth: 7 }),
    row(36, { problems: 'word problems', depth: 8 }),
  ];
  const warm = row(6, { temperature: 1, flat: 90 });
  expect(verdict([row(6), row(36), ...words, warm], [trained(6, 2)])).toBe('holds');
});

it('is not decided before both groups and training are there, of all seeds', () => {
  expect(verdict([], [trained(6, 2)])).toBe('not decided yet');
  expect(verdict([row(6), row(36)], [])).toBe('not decided yet');
  expect(verdict([row(6, { seeds: 4 }), row(36, { seeds: 4 })], [trained(6, 2)])).toBe('not decided yet');
  expect(languageStructureVerdict(settings, data([row(6), row(36)], [trained(6, 2)]))).toBe(
    'not decided yet',
  );
});

it('a page says what there is, in one seed as in several', () => {
  const none = languageModelStructure.report(settings, data([row(6), row(36)], []));
  expect(none.figures).toEqual({});
  expect(none.body).toContain('No seed is complete yet');
  expect(none.summary).toMatch(
    /^3 of 3 parts of the claim hold at temperature 0.75. Flat groups are rare: sums 1 of 100 \(k = 6\)/,
  );
  const single = languageModelStructure.report(settings, data([row(6), row(36)], [trained(6, 2)]));
  expect(single.body).toContain('| 1.00 → 2.00 | +1.00 |');
  expect(`${none.body}${single.body}`).not.toMatch(/NaN|undefined|Infinity/);
});

it('word problems are looked at where their file is named, and known by what is in it', () => {
  const write = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const ids = (problems?: string) =>
    languageModelStructure.units(settings, { pretrained: true, problems }).map(({ id }) => id);
  const [a, copy, other] = [write('a.jsonl', '1'), write('b.jsonl', '1'), write('c.jsonl', '2')];
  // Before training: temperatures and seeds; during training: sizes, temperatures and seeds.
  expect(ids()).toHaveLength(2 * 5 + 2 * 2 * 3);
  expect(ids(a)).toHaveLength(2 * 2 * 5 + 2 * 2 * 3);
  expect(ids(copy)).toEqual(ids(a));
  const known = new Set(ids(a));
  expect(ids(other).filter((id) => !known.has(id))).toHaveLength(2 * 5);
  expect(() => ids(join(folder, 'none.jsonl'))).toThrow(/^--problems: expected a file of problems/);
});
