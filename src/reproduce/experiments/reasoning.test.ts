import { describe, expect, it } from 'vitest';
import type { TrainFigures } from '../work/index.js';
import { type CaseOutcome, type Outcome, outcomeOf, reasoning, reasoningVerdict } from './reasoning.js';
import { areasVerdict, scaleControlReasoning } from './scale-control-reasoning.js';

const around = (mean: number, spread: number, shift: number): number[] =>
  Array.from({ length: 5 }, (_, i) => mean + spread * Math.sin(3 * i + shift));
const outcome = (best: number, peak: number, shift: number): Outcome => ({
  best: around(best, 0.01, shift),
  final: around(best, 0.01, shift),
  peak: around(peak, 5, shift),
  area: around(best, 0.01, shift),
  entropy: around(0.1, 0.01, shift),
});
const cases = (lambda: [number, number], grpo: [number, number]): CaseOutcome[] =>
  [0, 1, 2].map((shift) => ({
    task: 'chain',
    beta: 0,
    k: 6,
    grpo: outcome(...grpo, shift),
    lambda: outcome(...lambda, shift + 2),
  }));

describe('the rule of reasoning', () => {
  it('more accurate and sooner: holds; one of them: in part; neither: not here', () => {
    expect(reasoningVerdict(cases([0.95, 50], [0.85, 120])).verdict).toBe('holds');
    expect(reasoningVerdict(cases([0.95, 120], [0.85, 120])).verdict).toBe('holds in part');
    expect(reasoningVerdict(cases([0.85, 50], [0.85, 120])).verdict).toBe('holds in part');
    expect(reasoningVerdict(cases([0.8, 130], [0.85, 120])).verdict).toBe('does not hold here');
  });

  it('cases of one task and seed are one observation, not several', () => {
    const oneCase = cases([0.95, 50], [0.85, 120]).slice(0, 1);
    const copies = [...oneCase, ...oneCase, ...oneCase, ...oneCase];
    const [single, repeated] = [reasoningVerdict(oneCase), reasoningVerdict(copies)];
    expect(repeated.accuracy).toMatchObject({ count: 5, half: expect.closeTo(single.accuracy.half, 12) });
    expect(repeated.speed).toMatchObject({ count: 5, half: expect.closeTo(single.speed.half, 12) });
    const tasks = [...copies, ...copies.map((outcome) => ({ ...outcome, task: 'arithmetic' as const }))];
    expect(reasoningVerdict(tasks).accuracy.count).toBe(10);
  });

  it('a run’s figures come from its evaluations: the peak is the first within a hundredth of the best', () => {
    const run = {
      evaluations: [
        [0, 0.2],
        [10, 0.6],
        [20, 0.895],
        [30, 0.9],
        [40, 0.8],
      ],
      entropy: [...new Array(90).fill(0.5), ...new Array(10).fill(0.1)],
    } as unknown as TrainFigures;
    expect(outcomeOf([run])).toEqual({
      best: [0.9],
      final: [0.8],
      peak: [20],
      area: [expect.closeTo(0.679, 10)],
      entropy: [expect.closeTo(0.1, 10)],
    });
  });

  it('80 runs from 10 warm-ups; the control shares all but its own arm', () => {
    const units = reasoning.units(reasoning.settings({ quick: false }), {});
    const control = scaleControlReasoning.units(scaleControlReasoning.settings({ quick: false }), {});
    expect(units).toHaveLength(10 + 80);
    const ids = new Set(units.map(({ id }) => id));
    expect(ids.size).toBe(90);
    expect(control.filter(({ id }) => !ids.has(id))).toHaveLength(10);
    for (const { needs } of units) for (const id of needs) expect(ids.has(id)).toBe(true);
  });
});

it('the rule of the control: pooled, on one task, or not', () => {
  const areas = (lambda: number, rescaled: number, shift: number) => ({
    task: 'chain' as const,
    areas: {
      grpo: around(0.5, 0.01, shift),
      rescaled: around(rescaled, 0.01, shift + 1),
      'lambda-grpo': around(lambda, 0.01, shift + 2),
    },
  });
  expect(areasVerdict([areas(0.7, 0.6, 0), areas(0.8, 0.6, 1)]).verdict).toBe('holds');
  expect(areasVerdict([areas(0.7, 0.6, 0), areas(0.4, 0.6, 1)]).verdict).toBe('holds in part');
  expect(areasVerdict([areas(0.6, 0.6, 0), areas(0.4, 0.6, 1)]).verdict).toBe('does not hold here');
});
