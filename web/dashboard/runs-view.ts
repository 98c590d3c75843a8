/** The runs page: a list of runs to choose from, and the curves of the chosen runs. */
import { lineChartSvg } from '../../src/analysis/chart.js';
import type { RunDetail, RunSummary } from '../../src/dashboard/api.js';
import type { MetricName } from '../../src/train/metrics.js';
import { element } from '../components/dom.js';
import { figure } from '../components/format.js';
import { type Curve, csvOf, curvesOf, type XAxis } from './curves.js';
import { download } from './download.js';
import { METRIC_TITLES } from './metric-titles.js';
import { colourOf, Plot } from './plot.js';
import type { Store } from './store.js';

/** Columns that narrow pages hide. */
const WIDE = ['task', 'method', 'engine', 'seed', 'accuracy', 'last written'];
const AXES: readonly (readonly [XAxis, string])[] = [
  ['step', 'step'],
  ['tokens', 'tokens sampled'],
  ['time', 'seconds'],
];

export function runsView(store: Store): { element: HTMLElement; dispose(): void } {
  let focus: MetricName = 'reward_mean';
  const body = element('tbody');
  const note = element('p', { class: 'lead' });
  const all = element('input', { type: 'checkbox', 'aria-label': 'Choose all runs' });
  const table = element(
    'div',
    { class: 'scroll runs', tabindex: 0, role: 'region', 'aria-label': 'Runs' },
    element(
      'table',
      {},
      element('caption', {}, 'Runs'),
      element(
        'thead',
        {},
        element(
          'tr',
          {},
          element('th', { scope: 'col' }, all),
          ...[
            'run',
            'state',
            'task',
            'method',
            'engine',
            'seed',
            'step',
            'reward',
            'accuracy',
            'last written',
          ].map((name) =>
            element(
              'th',
              {
                scope: 'col',
                class: `${['seed', 'step', 'reward', 'accuracy'].includes(name) ? 'number' : ''} ${WIDE.includes(name) ? 'wide' : ''}`,
              },
              name,
            ),
          ),
        ),
      ),
      body,
    ),
  );

  const axis = element(
    'select',
    { id: 'axis' },
    ...AXES.map(([value, name]) => element('option', { value }, name)),
  );
  const smoothing = element('input', {
    id: 'smoothing',
    type: 'range',
    min: 0,
    max: 0.98,
    step: 0.02,
    value: 0,
  });
  const smoothed = element('output', { for: 'smoothing' }, '0');
  const bands = element('input', { id: 'bands', type: 'checkbox', checked: true });
  const metric = element(
    'select',
    { id: 'metric' },
    ...METRIC_TITLES.map(([value, name]) => element('option', { value }, name)),
  );
  const saveSvg = element('button', { type: 'button' }, 'SVG');
  const saveCsv = element('button', { type: 'button' }, 'CSV');
  const controls = element(
    'div',
    { class: 'controls' },
    element('label', {}, 'metric ', metric),
    element('label', {}, 'x ', axis),
    element('label', {}, 'smoothing ', smoothing, ' ', smoothed),
    element('label', {}, bands, ' mean and 95% band over seeds'),
    element('span', { class: 'save' }, 'save as ', saveSvg, ' ', saveCsv),
  );
  const meaning = element('p', { class: 'lead meaning' });
  const legend = element('ul', { class: 'curve-legend' });
  const under = element('p', { class: 'under', 'aria-hidden': 'true' });
  const large = new Plot({
    height: 340,
    onHover: (at) => {
      const main = curves(focus);
      under.textContent = at
        ? `at ${figure(at.x)}: ${main.flatMap(({ name }, i) => (at.values[i] === null ? [] : `${name} ${figure(at.values[i] as number)}`)).join(' · ')}`
        : '';
    },
  });
  const small = METRIC_TITLES.map(([name, title]) => {
    const plot = new Plot({ height: 132, small: true });
    const button = element('button', { type: 'button', class: 'tile', 'aria-pressed': 'false' }, title);
    button.addEventListener('click', () => {
      focus = name;
      metric.value = name;
      draw();
    });
    return { name, plot, button, element: element('div', { class: 'multiple' }, button, plot.element) };
  });

  const details = (): RunDetail[] => store.selected;
  const curves = (name: MetricName): Curve[] =>
    curvesOf(details(), {
      metric: name,
      x: axis.value as XAxis,
      smoothing: Number(smoothing.value),
      bands: bands.checked,
    });

  function row(run: RunSummary): HTMLElement {
    const box = element('input', {
      type: 'checkbox',
      checked: store.selection.has(run.run),
      'aria-label': `Show ${run.run}`,
    });
    box.addEventListener('change', () => {
      const others = [...store.selection].filter((name) => name !== run.run);
      store.choose(box.checked ? [...others, run.run] : others);
    });
    const link = element('a', { href: `#/groups?${new URLSearchParams({ run: run.run })}` }, run.run);
    const number = (value: number | null, more = '') =>
      element('td', { class: `number${more}` }, value === null ? '–' : figure(value));
    return element(
      'tr',
      { title: run.problem },
      element('td', {}, box),
      element('td', {}, link),
      element(
        'td',
        {},
        element(
          'span',
          { class: `state ${run.problem ? 'broken' : run.state}` },
          run.problem ? 'unreadable' : run.state,
        ),
      ),
      element('td', { class: 'wide' }, run.log === null ? run.task : `${run.log} log`),
      element('td', { class: 'wide' }, run.method),
      element('td', { class: 'wide' }, run.engine),
      element('td', { class: 'number wide' }, run.log === null ? String(run.seed) : '–'),
      element('td', { class: 'number' }, run.steps > 0 ? `${run.step} / ${run.steps}` : String(run.step)),
      number(run.reward),
      number(run.accuracy, ' wide'),
      element('td', { class: 'wide' }, ago(run.updated)),
    );
  }

  function draw(): void {
    const shown = store.selection;
    all.checked = store.runs.length > 0 && store.runs.every(({ run }) => shown.has(run));
    body.replaceChildren(...[...store.runs].sort((a, b) => b.updated - a.updated).map(row));
    note.textContent =
      store.problem ??
      (store.runs.length === 0
        ? `No runs in ${folderName(store.folder)} yet; new runs will appear here.`
        : `${store.runs.length} runs in ${folderName(store.folder)}. The name of a run links to its groups.`);
    note.title = store.folder;
    smoothed.textContent = Number(smoothing.value).toFixed(2);
    const [unit, text] = details()[0]?.units[focus] ?? ['', ''];
    meaning.textContent = text === '' ? '' : `${text}${unit === '' ? '' : ` (${unit})`}`;
    const main = curves(focus);
    const [, xLabel] = AXES.find(([name]) => name === axis.value) as readonly [XAxis, string];
    large.draw(main, xLabel);
    legend.replaceChildren(
      ...main.map(({ name, mean }, i) => {
        const swatch = element('span', { class: 'line' });
        swatch.style.background = colourOf(i);
        const last = mean.at(-1);
        return element('li', {}, swatch, `${name}${last === undefined ? '' : `: ${figure(last)}`}`);
      }),
    );
    for (const { name, plot, button, element: tile } of small) {
      const metricCurves = curves(name);
      tile.hidden = metricCurves.length === 0;
      if (metricCurves.length > 0) plot.draw(metricCurves, xLabel);
      button.setAttribute('aria-pressed', String(name === focus));
    }
  }

  all.addEventListener('change', () => {
    store.choose(all.checked ? store.runs.map(({ run }) => run) : []);
  });
  metric.addEventListener('change', () => {
    focus = metric.value as MetricName;
    draw();
  });
  for (const control of [axis, bands]) control.addEventListener('change', draw);
  smoothing.addEventListener('input', draw);
  saveSvg.addEventListener('click', () => {
    const series = curves(focus).map((curve, i) => ({ ...curve, colour: colourOf(i) }));
    if (series.length === 0) return;
    const [, title] = METRIC_TITLES.find(([name]) => name === focus) as readonly [MetricName, string];
    const [, xLabel] = AXES.find(([name]) => name === axis.value) as readonly [XAxis, string];
    download(
      `${focus}.svg`,
      'image/svg+xml',
      lineChartSvg({ title, xLabel, yLabel: title, series, width: 860 }),
    );
  });
  saveCsv.addEventListener('click', () => download(`${focus}.csv`, 'text/csv', csvOf(details(), focus)));

  const stop = store.listen(draw);
  draw();
  return {
    element: element(
      'div',
      {},
      element('h1', {}, 'Runs'),
      note,
      table,
      element(
        'section',
        { 'aria-label': 'Curves' },
        element('h2', {}, 'Curves'),
        controls,
        meaning,
        large.element,
        under,
        legend,
        element('div', { class: 'multiples' }, ...small.map(({ element: tile }) => tile)),
      ),
    ),
    dispose() {
      stop();
      large.dispose();
      for (const { plot } of small) plot.dispose();
    },
  };
}

function ago(time: number): string {
  const seconds = Math.max(0, (Date.now() - time) / 1000);
  if (seconds < 10) return 'now';
  if (seconds < 120) return `${seconds.toFixed(0)} s ago`;
  if (seconds < 7200) return `${(seconds / 60).toFixed(0)} min ago`;
  if (seconds < 172_800) return `${(seconds / 3600).toFixed(0)} h ago`;
  return new Date(time).toISOString().slice(0, 10);
}

/** The last part of a path; the tooltip has the whole path. */
function folderName(path: string): string {
  return path.split(/[\\/]/).findLast((name) => name !== '') ?? path;
}
