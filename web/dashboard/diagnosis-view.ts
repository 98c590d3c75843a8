/**
 * The diagnosis page: figures that show how a run is doing, each with the meaning of a bad curve and a remedy; and
 * figures that only the trees of its groups give, read while the page is open.
 */
import type { RunDetail, RunDiagnosis } from '../../src/dashboard/api.js';
import type { MetricName } from '../../src/train/metrics.js';
import { element } from '../components/dom.js';
import { count, counted, figure } from '../components/format.js';
import { type Curve, curvesOf } from './curves.js';
import { Diagnoses } from './diagnoses.js';
import { METRIC_TITLES } from './metric-titles.js';
import { colourOf, Plot } from './plot.js';
import { runChoice } from './run-choice.js';
import type { Store } from './store.js';
import { TREE_SIGNS } from './tree-signs.js';

/** One sentence for each on what a bad curve means. */
const SIGNS: readonly (readonly [MetricName, string])[] = [
  [
    'entropy',
    'Falling to 0 while the reward stands still: the policy has settled on one answer and no longer explores; lower the learning rate, raise the temperature, or go back to an earlier checkpoint.',
  ],
  [
    'kl',
    'Rising steadily while the reward does not: the policy drifts away from its start without a benefit; raise kl_beta or lower the learning rate.',
  ],
  [
    'clip_fraction',
    'Above about 0.2: updates leave the trust region of the loss; use fewer updates per batch or a smaller learning rate (with one update per batch it is always 0).',
  ],
  [
    'zero_variance_share',
    'Near 1: groups whose rewards are all equal teach nothing, so most of the sampling is wasted; the next two curves show whether they are all right or all wrong.',
  ],
  [
    'all_right_share',
    'Near 1: the problems have become too easy for the policy; use harder ones, or resample groups (resample_rounds).',
  ],
  [
    'all_wrong_share',
    'Near 1 from the start: nothing is ever rewarded; look at completions, make the problems easier, or reward partial progress.',
  ],
  [
    'stopped_share',
    'Falling: more completions are cut off at the length limit, and are often scored as wrong only for that; raise max_completion_tokens, or mask them (truncated: mask).',
  ],
  [
    'completion_length',
    'Rising while the reward does not: longer answers gain nothing; with normalisation sequence, long wrong answers are punished less per token.',
  ],
  [
    'sampling_logp_difference_mean',
    'Above about 0.01: the sampler and the trainer disagree about the same tokens, so the policy learns from probabilities that it did not sample from; compare precision, tokenizer and weights of both.',
  ],
  [
    'grad_norm',
    'Single high peaks: some steps are too large; 0 for many steps: there is nothing to learn from (see the share of zero-variance groups).',
  ],
  [
    'shared_mass',
    'High: most of GRPO’s gradient mass is in steps that several completions share, which count |λ| times, even against good completions among them; λ-GRPO counts each step once.',
  ],
  [
    'path_depth',
    'Near 0: completions share no steps beyond their beginning, the trees are flat, and λ-GRPO has nothing to change.',
  ],
];

export function diagnosisView(store: Store): { element: HTMLElement; dispose(): void } {
  const choice = runChoice(store);
  const legend = element('ul', { class: 'curve-legend' });
  const none = element('p', { class: 'lead' });
  const cards = SIGNS.map(([name, sign]) => {
    const [, title] = METRIC_TITLES.find(([metric]) => metric === name) ?? [name, name];
    const plot = new Plot({ height: 170, small: true });
    const last = element('p', { class: 'last' });
    const missing = element('p', { class: 'lead missing' }, 'Not measured by these runs.');
    return {
      name,
      plot,
      last,
      missing,
      element: element(
        'section',
        { class: 'multiple sign', 'aria-label': title },
        element('h2', {}, title),
        plot.element,
        missing,
        last,
        element('p', { class: 'meaning' }, sign),
      ),
    };
  });
  const trees = treeCards();
  const diagnoses = new Diagnoses(() => trees.draw(store.selected, diagnoses));
  function draw(): void {
    choice.draw();
    const runs = store.selected;
    diagnoses.want(runs);
    trees.draw(runs, diagnoses);
    none.textContent = runs.length === 0 ? 'Choose a run to see its figures.' : '';
    const reward = curvesOf(runs, { metric: 'reward_mean', x: 'step', smoothing: 0, bands: true });
    legend.replaceChildren(
      ...reward.map(({ name, mean }, i) => {
        const value = mean.at(-1);
        return element('li', {}, swatch(i), value === undefined ? name : `${name}: reward ${figure(value)}`);
      }),
    );
    const colours = new Map(reward.map(({ name }, i) => [name, i]));
    for (const { name, plot, last, missing } of cards) {
      const curves = curvesOf(runs, { metric: name, x: 'step', smoothing: 0, bands: true });
      missing.hidden = curves.length > 0;
      plot.element.hidden = curves.length === 0;
      if (curves.length > 0)
        plot.draw(
          curves,
          'step',
          curves.map((curve, i) => colours.get(curve.name) ?? i),
        );
      last.textContent = curves
        .map(({ name: run, mean }) => `${curves.length > 1 ? `${run} ` : 'last '}${figure(mean.at(-1) ?? 0)}`)
        .join(' · ');
    }
  }
  const stop = store.listen(draw);
  draw();
  return {
    element: element(
      'div',
      {},
      element('h1', {}, 'Diagnosis'),
      element(
        'p',
        { class: 'lead' },
        'The figures that say how a run is doing, and what a bad curve means. Look at the mean reward first: a curve is only bad if the reward suffers.',
      ),
      choice.element,
      legend,
      none,
      element('div', { class: 'multiples signs curves' }, ...cards.map((card) => card.element)),
      trees.element,
    ),
    dispose() {
      stop();
      diagnoses.dispose();
      trees.dispose();
      for (const { plot } of cards) plot.dispose();
    },
  };
}

/** The sign that has curves. */
const CURVES = TREE_SIGNS.length - 1;

function swatch(colour: number): HTMLElement {
  const line = element('span', { class: 'line' });
  line.style.background = colourOf(colour);
  return line;
}

/** Figures that only the trees give: one card per sign, one line per run. */
function treeCards() {
  const state = element('p', { class: 'lead', role: 'status' });
  const problems = element('p', { class: 'problem' });
  const plot = new Plot({ height: 170, small: true });
  const cards = TREE_SIGNS.map((sign, i) => {
    const list = element('ul', { class: 'by-run' });
    const curve = i === CURVES ? [plot.element] : [];
    return {
      sign,
      list,
      element: element(
        'section',
        { class: 'multiple sign', 'aria-label': sign.title },
        element('h3', {}, sign.title),
        ...curve,
        list,
        element('p', { class: 'meaning' }, sign.meaning),
      ),
    };
  });

  function draw(runs: readonly RunDetail[], diagnoses: Diagnoses): void {
    const diagnosed = runs.flatMap(({ run }) => diagnoses.get(run) ?? []).filter(({ files }) => files > 0);
    state.textContent = stateOf(runs, diagnosed, diagnoses);
    problems.textContent = runs
      .flatMap(({ run }) => {
        const problem = diagnoses.problemOf(run);
        return problem === null ? [] : [`${run}: ${problem}`];
      })
      .join(' · ');
    const curves = diagnosed.flatMap(({ run, figures: { steps } }): Curve[] =>
      steps.step.length > 1 ? [{ name: run, runs: [run], x: [...steps.step], mean: [...steps.sharing] }] : [],
    );
    plot.element.hidden = curves.length === 0;
    if (curves.length > 0) plot.draw(curves, 'step');
    cards.forEach(({ sign, list }, i) => {
      const lines = diagnosed.flatMap((run) => {
        const value = sign.value(run);
        if (value === null) return [];
        const look = sign.look(run) ? [element('strong', { class: 'look' }, ' look here')] : [];
        const curve = i === CURVES ? curves.findIndex(({ name }) => name === run.run) : -1;
        const colour = curve < 0 ? [] : [swatch(curve)];
        return [element('li', {}, ...colour, diagnosed.length > 1 ? `${run.run}: ${value}` : value, ...look)];
      });
      const missing = diagnosed.length > 0 ? `Not logged by these runs: it needs ${sign.needs}.` : '–';
      list.replaceChildren(...(lines.length > 0 ? lines : [element('li', { class: 'lead' }, missing)]));
    });
  }

  return {
    element: element(
      'section',
      { class: 'trees', 'aria-labelledby': 'trees-title' },
      element('h2', { id: 'trees-title' }, 'Figures from the process trees'),
      state,
      problems,
      element('div', { class: 'multiples signs' }, ...cards.map((card) => card.element)),
    ),
    draw,
    dispose: () => plot.dispose(),
  };
}

/** How much of the runs the figures cover. */
function stateOf(
  runs: readonly RunDetail[],
  diagnosed: readonly RunDiagnosis[],
  diagnoses: Diagnoses,
): string {
  if (runs.length === 0) return '';
  const waiting = runs.filter(({ run }) => !diagnoses.get(run) && diagnoses.problemOf(run) === null).length;
  const groups = diagnosed.reduce((sum, { figures }) => sum + figures.groups, 0);
  const [read, files] = [
    diagnosed.reduce((sum, d) => sum + d.read, 0),
    diagnosed.reduce((sum, d) => sum + d.files, 0),
  ];
  if (waiting === 0 && diagnosed.length === 0)
    return 'These runs have written no groups (log.rollouts_every).';
  const whole = read === files && waiting === 0;
  return whole
    ? `Of ${counted(groups, 'group')} in ${counted(files, 'file')}.`
    : `Reading: ${counted(groups, 'group')} so far, ${count(read)} of ${counted(files, 'file')}${waiting > 0 ? `; ${counted(waiting, 'run')} to come` : ''}.`;
}
