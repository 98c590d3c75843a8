/**
 * The weight |λ|^−p on the binary tree: is p = 1, λ-GRPO, the best exponent? (n = 1, r_neg = −1, three learning rates.)
 */
import { mean, shareInterval } from '../../statistics/index.js';
import { curvesSvg, shareCurve } from '../curves.js';
import type { Experiment, Verdict } from '../experiment.js';
import { number, rateText, rounded, signedInterval, table, withBounds } from '../markdown.js';
import { isAbove, isBelow, paired, perSeed } from '../paired.js';
import { type TreeCase, treeConfig, treeRuns } from '../tree-runs.js';

interface Settings {
  readonly seeds: number;
  readonly steps: number;
  readonly exponents: readonly number[];
  readonly learning_rates: readonly number[];
  readonly run: unknown;
}

const EXPONENTS = [0, 0.25, 0.5, 0.75, 1, 1.25] as const;

/** Target frequency of each seed by learning rate, one entry per exponent. */
type Data = readonly { readonly p: number; readonly late: Readonly<Record<string, readonly number[]>> }[];

export const exponent: Experiment<Settings, Data> = {
  name: 'exponent',
  title: 'The exponent of |λ|^−p',
  claim:
    'Every step should count once: the factor |λ| is divided out whole, p = 1 (§5). Other exponents are not tried.',
  prediction:
    'The figure rises from p = 0 to about p = 1; p = 0.75 and 1.25 are not told apart from it with twenty seeds.',
  rule:
    'The figure of a seed is its target frequency averaged over the learning rates. holds: p = 1 has the highest mean of all exponents and the ' +
    '95% interval of its paired difference to p = 0 lies above 0. holds in part: that interval lies above 0, and no exponent is better with an ' +
    'interval above 0. Else it does not hold here.',
  settings({ quick, seeds }) {
    const setting = treeCase(1e-3, quick ? 12 : 250);
    return {
      seeds: seeds ?? (quick ? 2 : 20),
      steps: setting.steps,
      exponents: quick ? [0, 1, 1.25] : EXPONENTS,
      learning_rates: quick ? [1e-3] : [5e-4, 1e-3, 2e-3],
      run: treeConfig(setting),
    };
  },
  units: (settings) => plan(settings).flat(2),
  data(settings, results) {
    const { exponents, learning_rates: rates } = settings;
    return plan(settings).map((cells, i) => ({
      p: exponents[i],
      late: Object.fromEntries(
        cells.map((units, j) => [rates[j], units.map((u) => rounded(results.get(u).late))]),
      ),
    }));
  },
  report(settings, data) {
    const { exponents, learning_rates: rates, seeds } = settings;
    /** [exponents][rates][seeds] */
    const late = data.map((entry) => rates.map((rate) => entry.late[rate]));
    const means = late.map(perSeed);
    const lambdaIndex = exponents.indexOf(1);
    const best = means.reduce((at, values, i) => (mean(values) > mean(means[at]) ? i : at), 0);
    const rows = exponents.map((p, i) => [
      String(p),
      ...late[i].map((values) => withBounds(shareInterval(values))),
      withBounds(shareInterval(means[i])),
      i === lambdaIndex ? '' : signedInterval(paired(means[i], means[lambdaIndex])),
    ]);
    const gain = paired(means[lambdaIndex], means[exponents.indexOf(0)]);
    return {
      verdict: exponentVerdict(exponents, means),
      summary:
        `p = ${exponents[best]} is best with ${number(mean(means[best]))}; p = 1 has ${number(mean(means[lambdaIndex]))}, ` +
        `${signedInterval(gain)} against p = 0 (${seeds} seeds, ${rates.length} learning rates)`,
      body: `Target frequency in the last 50 of ${settings.steps} steps, mean [95% interval] over ${seeds} seeds: Wilson's, with the
seeds as trials (fewer where they spread more); p = 0 is GRPO, p = 1 λ-GRPO. The mean of the rates is taken for each seed; differences are
paired by seed, ± Student's t over the seeds.

${table(['p', ...rates.map((rate) => `lr ${rateText(rate)}`), 'mean of the rates', 'against p = 1, paired'], rows)}

![Target frequency against p](exponent-frequency.svg)

A larger p also makes the step smaller; the learning rates are there so that this alone does not decide.`,
      figures: {
        frequency: curvesSvg(
          {
            title: 'Binary tree: exponent p of |λ|^−p',
            xLabel: 'p',
            yLabel: 'target frequency, last 50 steps',
          },
          rates.map((rate, j) =>
            shareCurve(
              `lr ${rateText(rate)}`,
              [...exponents],
              Array.from({ length: seeds }, (_, seed) => late.map((cells) => cells[j][seed])),
            ),
          ),
          [0, 1],
        ),
      },
    };
  },
};

/**
 * The rule.
 * @param exponents with 0 and 1 among them, [n]
 * @param means figure of each seed, [n][seeds]
 */
export function exponentVerdict(
  exponents: readonly number[],
  means: readonly (readonly number[])[],
): Verdict {
  const lambdaMeans = means[exponents.indexOf(1)];
  if (!isAbove(paired(lambdaMeans, means[exponents.indexOf(0)]))) return 'does not hold here';
  if (means.every((values) => mean(values) <= mean(lambdaMeans))) return 'holds';
  return means.some((values) => isBelow(paired(lambdaMeans, values)))
    ? 'does not hold here'
    : 'holds in part';
}

function treeCase(learningRate: number, steps: number): TreeCase {
  return { n: 1, reward: -1, optimizer: 'adamw', learningRate, steps };
}

/** [exponents][rates][seeds] */
function plan({ exponents, learning_rates, seeds, steps }: Settings) {
  return exponents.map((p) => learning_rates.map((rate) => treeRuns(treeCase(rate, steps), p, seeds)));
}
