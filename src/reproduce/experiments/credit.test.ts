import { expect, it } from 'vitest';
import { paired } from '../paired.js';
import type { Results } from '../results.js';
import type { Unit } from '../unit.js';
import { atOwnRate, credit, creditVerdict, isBetter } from './credit.js';

it('the rate of a seed is chosen on the other seeds', () => {
  // Seed 0 alone likes the first rate; the others the second: its own figure must not choose.
  const late = [
    [0.9, 0.1, 0.2],
    [0.3, 0.5, 0.4],
  ];
  // Others of seed 0: 0.3 against 0.9; of seed 1: 1.1 against 0.7; of seed 2: 1 against 0.8.
  expect(atOwnRate(late)).toEqual([0.3, 0.1, 0.2]);
  expect(atOwnRate([[0.4], [0.9]])).toEqual([0.4]);
});

it('a rule is better if its interval and the sign-flip test say so, the more surely the more are compared', () => {
  const ten = Array.from({ length: 10 }, (_, i) => 0.5 + 0.01 * i);
  const better = paired(
    ten.map((v, i) => v + 0.1 + 0.01 * (i % 3)),
    ten,
  );
  expect(isBetter(better, 10)).toBe(true);
  // p = 2/2¹⁰ of ten seeds is not below 0.05/30.
  expect(isBetter(better, 30)).toBe(false);
  expect(isBetter(paired(ten, ten), 1)).toBe(false);
  expect(isBetter(paired([0.9, 0.8, 0.85], [0.1, 0.2, 0.15]), 4)).toBe(false);
  expect(creditVerdict([0, 0])).toBe('holds');
  expect(creditVerdict([2, 0, 0])).toBe('holds in part');
  expect(creditVerdict([1, 0, 1])).toBe('does not hold here');
});

it('runs eleven rules on six configurations and on sums; a real model only when asked', () => {
  expect(credit.settings({ quick: false })).toMatchObject({
    tree: { seeds: 10 },
    sums: { seeds: 10 },
    model: { seeds: 3 },
  });
  const settings = credit.settings({ quick: false, seeds: 1 });
  const units = credit.units(settings, {});
  expect(new Set(units.map(({ id }) => id)).size).toBe(units.length);
  // Three stages of a policy whose groups are looked at; rates, configurations; and the warm-up of the sums.
  expect(units).toHaveLength(3 + 11 * 3 * 6 + 11 * 4 + 1);
  expect(credit.units(settings, { pretrained: true })).toHaveLength(units.length + 5 * 3);
  const rules = units.flatMap(({ spec }) =>
    spec.kind === 'train' ? [spec.config.objective.credit ?? spec.config.method] : [],
  );
  expect(new Set(rules).size).toBe(11);
  for (const { needs } of units) for (const id of needs) expect(units.some((u) => u.id === id)).toBe(true);
});

it('before the end its page has the rules that are done at every rate, and decides nothing', () => {
  const settings = credit.settings({ quick: false });
  const rule = ({ spec }: Unit) =>
    spec.kind === 'train' ? (spec.config.objective.credit ?? spec.config.method) : '';
  const isDone = (u: Unit) =>
    ['grpo', 'lambda-grpo'].includes(String(rule(u))) || (rule(u) === 'tempo' && u.label.includes('seed 0'));
  const results = {
    has: (u: Unit) => u.spec.kind === 'train' && u.label.includes('n ') && isDone(u),
    get: () => ({ late: 0.5 }),
  } as unknown as Results;
  const data = credit.data(settings, results, {});
  expect(data.tree.map((row) => row.rule)).toEqual(['grpo', 'lambda-grpo']);
  expect(data).toMatchObject({ sums: [], model: [], signs: [] });
  const { verdict, summary, body } = credit.report(settings, data);
  expect(verdict).toBe('not decided yet');
  expect(summary).toBe(
    'better than λ-GRPO on Binary tree, mean of the configurations (rules done: 1 of 10): none',
  );
  expect(body).toContain('Not done yet. Binary tree, mean of the configurations: |λ|^−½, TreeRL,');
  expect(body).toContain('10 differences looked at');
});

it('the figure of a seed is the mean of its configurations, to four digits for every seed', () => {
  const settings = credit.settings({ quick: false });
  const seedOf = ({ label }: Unit) => Number(label.split('seed ')[1]);
  const results = {
    has: ({ spec }: Unit) => spec.kind === 'train',
    get: (u: Unit) => ({ late: 0.01234 + seedOf(u) / 10 }),
  } as unknown as Results;
  const { tree, sums, model } = credit.data(settings, results, { pretrained: true });
  expect([tree.length, sums.length, model.length]).toEqual([11, settings.sums.rules.length, 5]);
  for (const { late } of [...tree, ...sums, ...model]) {
    for (const seeds of late) {
      expect(seeds).toEqual(seeds.map((_, seed) => expect.closeTo(0.0123 + seed / 10, 12)));
    }
  }
});

it('its page is a function of its figures: ten seeds of which one rule is better', () => {
  const settings = credit.settings({ quick: false });
  const rows = (task: 'tree' | 'sums') =>
    settings[task].rules.map((rule) => ({
      rule,
      late: settings[task].rates.map((_, rate) =>
        Array.from(
          { length: 10 },
          (_value, seed) => 0.4 + 0.02 * rate + 0.01 * seed + (task === 'tree' && rule === 'gtpo' ? 0.2 : 0),
        ),
      ),
    }));
  const { verdict, summary, body } = credit.report(settings, {
    tree: rows('tree'),
    sums: rows('sums'),
    model: [],
    weights: null,
    signs: settings.signs.stages.flatMap((stage) =>
      settings.signs.rules.map((rule) => ({
        rule,
        stage,
        prompt: [0.1, 0.2],
        token: rule === 'tempo' && stage === 0 ? [] : [0.3, 0.3],
      })),
    ),
  });
  expect(verdict).toBe('holds in part');
  expect(summary).toBe(
    'better than λ-GRPO on Binary tree, mean of the configurations: GTPO (2508.03772); better than λ-GRPO on Three-digit sums: none',
  );
  expect(body).toMatch(/^\| GTPO \(2508\.03772\) \| .* \| \+?0\.200 ± 0\.000 better \|$/m);
  expect(body).toMatch(/^\| TEMPO \| 0\.150 \[.* \| – \| 0\.300 /m);
  expect(body).toContain('The real model was not run');
});
