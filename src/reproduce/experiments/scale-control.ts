/**
 * A question that the paper leaves open (PAPER.md §6): does λ-GRPO work by redistributing among steps, or only by its
 * smaller gradient? GRPO with every gradient scaled to the norm of λ-GRPO's on the same batch is compared with both, on
 * the binary tree, over learning rates, with AdamW and with SGD (whose step is the gradient itself).
 */
import { GRPO_COLOUR, LAMBDA_GRPO_COLOUR } from '../../analysis/index.js';
import { mean, shareInterval } from '../../statistics/index.js';
import { curvesSvg, shareCurve } from '../curves.js';
import type { Experiment, Verdict } from '../experiment.js';
import { number, rateText, rounded, signed, signedInterval, table, withBounds } from '../markdown.js';
import { isAbove, type Paired, paired, perSeed } from '../paired.js';
import type { Results } from '../results.js';
import { ARM_NAMES, type Arm, type TreeCase, treeConfig, treeRuns } from '../tree-runs.js';
import { SWEEP } from './binary-tree.js';

type Optimizer = TreeCase['optimizer'];

interface Settings {
  readonly seeds: number;
  readonly steps: number;
  readonly learning_rates: Readonly<Record<Optimizer, readonly number[]>>;
  readonly run: unknown;
}

export const ARMS = ['grpo', 'rescaled', 'lambda-grpo'] as const satisfies Arm[];
/**
 * Rates around those at which runs of other seeds (1000 to 1005) reach the target; above them all runs end on one early
 * path.
 */
const SGD_SWEEP = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1] as const;
const OPTIMIZERS = ['adamw', 'sgd'] as const;
const COLOURS: Record<Arm, string> = {
  grpo: GRPO_COLOUR,
  rescaled: '#009E73',
  'lambda-grpo': LAMBDA_GRPO_COLOUR,
};

/** Target frequency by arm, [rates][seeds]. */
export type ArmFigures = Readonly<Record<Arm, readonly (readonly number[])[]>>;

type Data = readonly {
  readonly optimizer: Optimizer;
  readonly learning_rates: readonly number[];
  readonly late: ArmFigures;
  /** Mean factor that rescaled GRPO's gradient. */
  readonly factor: number;
}[];

export const scaleControl: Experiment<Settings, Data> = {
  name: 'scale-control',
  title: 'Redistribution among steps, or only a smaller step?',
  claim:
    'The gain of λ-GRPO comes from dividing |λ| out of each step (§4–5); a smaller overall step is not ruled out.',
  prediction:
    'GRPO at λ-GRPO’s norm lies between the two: a smaller step helps GRPO, but what pushes the way to the target down ' +
    'is still there. The difference is clearer with SGD, where the norm is the step, than with Adam.',
  rule:
    'For each optimizer the figure of a seed is its target frequency averaged over the learning rates. holds (it is the redistribution): ' +
    'λ-GRPO is ahead of GRPO at λ-GRPO’s norm with a 95% interval of the paired difference above 0, with both optimizers. holds in part: with one. ' +
    'Else it does not hold here: the smaller step explains it, or there is nothing to explain.',
  settings({ quick, seeds }) {
    const steps = quick ? 12 : 250;
    return {
      seeds: seeds ?? (quick ? 2 : 20),
      steps,
      learning_rates: quick ? { adamw: [1e-3], sgd: [0.1] } : { adamw: SWEEP, sgd: SGD_SWEEP },
      run: treeConfig({ n: 1, reward: -1, optimizer: 'adamw', learningRate: 1e-3, steps }),
    };
  },
  units: (settings) =>
    OPTIMIZERS.flatMap((optimizer) => ARMS.flatMap((arm) => plan(settings, optimizer, arm).flat())),
  data: (settings, results) =>
    OPTIMIZERS.map((optimizer) => ({
      optimizer,
      learning_rates: settings.learning_rates[optimizer],
      late: armFigures(settings, optimizer, results),
      factor: rounded(factorOf(settings, optimizer, results), 2),
    })),
  report(settings, data) {
    const figures = data.map(({ late }) => late);
    const { verdict, kept } = scaleVerdict(figures);
    return {
      verdict,
      summary: OPTIMIZERS.map(
        (optimizer, i) =>
          `${optimizer}: λ-GRPO ${signedInterval(kept[i])} ahead of GRPO at its norm over all learning rates, ` +
          `${signedInterval(paired(atBest(figures[i], 'lambda-grpo'), atBest(figures[i], 'rescaled')))} each at its best`,
      ).join('; '),
      body: body(settings, figures, data[0].factor),
      figures: Object.fromEntries(
        OPTIMIZERS.map((optimizer, i) => [optimizer, figure(settings, optimizer, figures[i])]),
      ),
    };
  },
};

/** The rule. @param figures of each optimizer */
export function scaleVerdict(figures: readonly ArmFigures[]): { verdict: Verdict; kept: Paired[] } {
  const kept = figures.map((arms) => paired(perSeed(arms['lambda-grpo']), perSeed(arms.rescaled)));
  const count = kept.filter(isAbove).length;
  const verdict = count === kept.length ? 'holds' : count > 0 ? 'holds in part' : 'does not hold here';
  return { verdict, kept };
}

/** [rates][seeds] */
function plan({ learning_rates, seeds, steps }: Settings, optimizer: Optimizer, arm: Arm) {
  return learning_rates[optimizer].map((learningRate) =>
    treeRuns({ n: 1, reward: -1, optimizer, learningRate, steps }, arm, seeds),
  );
}

function armFigures(settings: Settings, optimizer: Optimizer, results: Results): ArmFigures {
  const values = (arm: Arm) =>
    plan(settings, optimizer, arm).map((units) => units.map((u) => rounded(results.get(u).late)));
  return { grpo: values('grpo'), rescaled: values('rescaled'), 'lambda-grpo': values('lambda-grpo') };
}

/** Mean factor that rescaled GRPO's gradient, over all runs; steps without a gradient are left out. */
function factorOf(settings: Settings, optimizer: Optimizer, results: Results): number {
  const all = plan(settings, optimizer, 'rescaled')
    .flat()
    .flatMap((u) => {
      const { rescale, gradNorm } = results.get(u);
      return rescale.filter((_, step) => gradNorm[step] > 0);
    });
  return mean(all);
}

function body(settings: Settings, figures: readonly ArmFigures[], factor: number): string {
  const tables = OPTIMIZERS.map((optimizer, i) => {
    const arms = figures[i];
    const rows = settings.learning_rates[optimizer].map((rate, j) => [
      rateText(rate),
      ...ARMS.map((arm) => withBounds(shareInterval(arms[arm][j]))),
      signedInterval(paired(arms.rescaled[j], arms.grpo[j])),
      signedInterval(paired(arms['lambda-grpo'][j], arms.rescaled[j])),
    ]);
    const all = ARMS.map((arm) => perSeed(arms[arm]));
    rows.push([
      '**all**',
      ...all.map((values) => withBounds(shareInterval(values))),
      signedInterval(paired(all[1], all[0])),
      signedInterval(paired(all[2], all[1])),
    ]);
    const best = ARMS.map((arm) => atBest(arms, arm));
    rows.push([
      '**best rate of each**',
      ...best.map((values) => withBounds(shareInterval(values))),
      signedInterval(paired(best[1], best[0])),
      signedInterval(paired(best[2], best[1])),
    ]);
    const gain = mean(all[2]) - mean(all[0]);
    const share = (mean(all[1]) - mean(all[0])) / gain;
    const reading =
      gain > 0.02
        ? `Over all rates, of λ-GRPO's gain of ${signed(gain)} over GRPO the norm alone gives ${share > 0 ? `${number(100 * share, 0)}%` : 'nothing'}.`
        : `Over all rates λ-GRPO's gain over GRPO is ${signed(gain)}: there is hardly anything to explain.`;
    return `## ${optimizer === 'adamw' ? 'AdamW' : 'SGD'}

${table(
  [
    'learning rate',
    ...ARMS.map((arm) => ARM_NAMES[arm]),
    'smaller step: rescaled − GRPO',
    'redistribution: λ-GRPO − rescaled',
  ],
  rows,
)}

${reading}

![${optimizer}](scale-control-${optimizer}.svg)`;
  });
  return `Target frequency in the last 50 of ${settings.steps} steps on the binary tree, n = 1, r_neg = −1; mean [95% interval] over ${settings.seeds} seeds
(Wilson's, with the seeds as trials, fewer where they spread more); differences are paired by seed, ± Student's t over the seeds, after averaging a
seed's figures over the rates. GRPO's gradient is scaled, before the optimizer, to the norm of λ-GRPO's on the same batch: on
average times ${number(factor, 2)} with AdamW. AdamW (ε of the recipe) divides a lasting factor mostly away; with SGD the step is scaled by just that.

${tables.join('\n\n')}

Scaling GRPO's gradient to the smaller norm is much like a smaller learning rate, which a grid of rates also tries: the mean over
the grid holds it against the rescaled arm where a rate is too small already, the best rate of each does not (it is chosen on the
seeds it is compared on).`;
}

function figure(settings: Settings, optimizer: Optimizer, arms: ArmFigures): string {
  const x = settings.learning_rates[optimizer].map((rate) => rounded(Math.log10(rate)));
  return curvesSvg(
    {
      title: `Binary tree, ${optimizer === 'adamw' ? 'AdamW' : 'SGD'}`,
      xLabel: 'log₁₀ of the learning rate',
      yLabel: 'target frequency, last 50 steps',
    },
    ARMS.map((arm) => ({
      ...shareCurve(
        ARM_NAMES[arm],
        x,
        arms[arm][0].map((_, seed) => arms[arm].map((seeds) => seeds[seed])),
      ),
      colour: COLOURS[arm],
    })),
    [0, 1],
  );
}

/** Figures of an arm at its best learning rate, [seeds]. */
function atBest(arms: ArmFigures, arm: Arm): readonly number[] {
  return arms[arm].reduce((best, values) => (mean(values) > mean(best) ? values : best));
}
