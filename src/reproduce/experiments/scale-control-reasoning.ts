/** The control of `scale-control` on the tasks with a chain of thought: three arms, β = 0, the larger group. */
import { shareInterval } from '../../statistics/index.js';
import type { Experiment, Verdict } from '../experiment.js';
import { rounded, signedInterval, table, withBounds } from '../markdown.js';
import { isAbove, isBelow, type Paired, paired } from '../paired.js';
import { ARM_NAMES, type Arm } from '../tree-runs.js';
import { type WarmTask, warmRuns } from '../warm-runs.js';
import { caseOf, heldOut, outcomeOf, reasoning, type Settings, warmups } from './reasoning.js';
import { ARMS } from './scale-control.js';

/** Mean accuracy over the evaluations, [seeds], by arm. */
export interface ArmAreas {
  readonly task: WarmTask;
  readonly areas: Readonly<Record<Arm, readonly number[]>>;
}

type Data = readonly ({ readonly task: WarmTask } & ArmAreas['areas'])[];

export const scaleControlReasoning: Experiment<Settings, Data> = {
  name: 'scale-control-reasoning',
  title: 'Redistribution or a smaller step, on chains of thought',
  claim:
    'The gain of λ-GRPO comes from dividing |λ| out of each step (§4–5); a smaller overall step is not ruled out.',
  prediction:
    'No gain to explain at the same learning rate. GRPO at λ-GRPO’s norm is as slow as λ-GRPO: what λ-GRPO loses here is the ' +
    'size of the step, not the redistribution.',
  rule:
    'The figure of a run is its held-out accuracy averaged over the evaluations. holds: λ-GRPO is ahead of GRPO at λ-GRPO’s norm with a 95% interval ' +
    'of the difference, paired by seed, over the seeds of both tasks, above 0. holds in part: on one task. Else it does not hold here.',
  settings(options) {
    const settings = reasoning.settings(options);
    return { ...settings, betas: settings.betas.slice(0, 1), group_sizes: settings.group_sizes.slice(-1) };
  },
  units: (settings) => [
    ...warmups(settings),
    ...settings.tasks.flatMap((task) => ARMS.flatMap((arm) => armRuns(settings, task, arm))),
  ],
  data: (settings, results) =>
    settings.tasks.map((task) => {
      const areas = (arm: Arm) =>
        outcomeOf(armRuns(settings, task, arm).map((u) => results.get(u))).area.map((v) => rounded(v));
      return { task, grpo: areas('grpo'), rescaled: areas('rescaled'), 'lambda-grpo': areas('lambda-grpo') };
    }),
  report(settings, data) {
    const arms = data.map(({ task, ...areas }): ArmAreas => ({ task, areas }));
    const { verdict, pooled } = areasVerdict(arms);
    return {
      verdict,
      summary: `λ-GRPO ${signedInterval(pooled)} against GRPO at its norm in accuracy averaged over the run (n = ${pooled.count}: ${settings.seeds} seeds of ${settings.tasks.length} tasks)`,
      body: `Held-out accuracy averaged over the evaluations of ${settings.steps} steps; β = ${settings.betas[0]}, k = ${settings.group_sizes[0]}, ${settings.seeds} seeds; mean [95% interval] (Wilson's, from
the spread between seeds). Differences are paired by seed, ± Student's t over the seeds. Runs of GRPO and λ-GRPO are those of [reasoning](reasoning.md).

${table(
  [
    'task',
    ...ARMS.map((arm) => ARM_NAMES[arm]),
    'smaller step: rescaled − GRPO',
    'redistribution: λ-GRPO − rescaled',
  ],
  arms.map(({ task, areas }) => [
    task,
    ...ARMS.map((arm) => withBounds(shareInterval(areas[arm], heldOut(settings, task)))),
    reading(paired(areas.rescaled, areas.grpo)),
    reading(paired(areas['lambda-grpo'], areas.rescaled)),
  ]),
)}`,
      figures: {},
    };
  },
};

/** The rule. Seeds of different tasks share nothing, so each pair counts separately. */
export function areasVerdict(arms: readonly ArmAreas[]): { verdict: Verdict; pooled: Paired } {
  const pooled = paired(
    arms.flatMap(({ areas }) => areas['lambda-grpo']),
    arms.flatMap(({ areas }) => areas.rescaled),
  );
  const anyTask = arms.some(({ areas }) => isAbove(paired(areas['lambda-grpo'], areas.rescaled)));
  return { verdict: isAbove(pooled) ? 'holds' : anyTask ? 'holds in part' : 'does not hold here', pooled };
}

function armRuns(settings: Settings, task: WarmTask, arm: Arm) {
  return warmRuns(caseOf(settings, task, settings.betas[0], settings.group_sizes[0]), arm, settings.seeds);
}

function reading(difference: Paired): string {
  const side = isAbove(difference) ? ' (above 0)' : isBelow(difference) ? ' (below 0)' : '';
  return `${signedInterval(difference)}${side}`;
}
