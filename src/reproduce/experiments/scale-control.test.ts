import { expect, it } from 'vitest';
import { type ArmFigures, scaleControl, scaleVerdict } from './scale-control.js';

const around = (mean: number, shift: number): number[] =>
  Array.from({ length: 12 }, (_, i) => mean + 0.05 * Math.sin(3 * i + shift));
const arms = (grpo: number, rescaled: number, lambda: number): ArmFigures => ({
  grpo: [around(grpo, 0), around(grpo, 1)],
  rescaled: [around(rescaled, 2), around(rescaled, 3)],
  'lambda-grpo': [around(lambda, 4), around(lambda, 5)],
});

it('ahead of the rescaled arm with both optimizers: holds; with one: in part; with none: not here', () => {
  const apart = arms(0.3, 0.4, 0.8);
  const explained = arms(0.3, 0.8, 0.8);
  expect(scaleVerdict([apart, apart]).verdict).toBe('holds');
  expect(scaleVerdict([apart, explained]).verdict).toBe('holds in part');
  expect(scaleVerdict([explained, explained]).verdict).toBe('does not hold here');
  expect(scaleVerdict([apart, apart]).kept[0].mean).toBeCloseTo(0.4, 1);
});

it('the rescaled arm is GRPO with rescale_to, all else equal', () => {
  const units = scaleControl.units(scaleControl.settings({ quick: true }), {});
  const configs = units.map(({ spec }) => (spec.kind === 'train' ? spec.config : null));
  const [grpo, rescaled, lambda] = [0, 2, 4].map((i) => configs[i]);
  expect(grpo?.objective).toMatchObject({ lambda_exponent: 0, rescale_to: null });
  expect(rescaled?.objective).toMatchObject({ lambda_exponent: 0, rescale_to: 'lambda-grpo' });
  expect(lambda?.objective).toMatchObject({ lambda_exponent: 1, rescale_to: null });
  expect({ ...rescaled, objective: null }).toEqual({ ...grpo, objective: null });
});
