/** The configuration page: keys that differ between the chosen runs, and each run's config.yaml. */
import type { RunDetail } from '../../src/dashboard/api.js';
import { element } from '../components/dom.js';
import { shownLines, visible } from '../components/format.js';
import { runChoice } from './run-choice.js';
import type { Store } from './store.js';

/** Keys whose values differ between the runs, in the order of the configuration. */
export function differing(runs: readonly Pick<RunDetail, 'settings'>[]): string[] {
  const keys = [...new Set(runs.flatMap(({ settings }) => Object.keys(settings)))];
  return keys.filter((key) => runs.some(({ settings }) => settings[key] !== runs[0].settings[key]));
}

export function configView(store: Store): { element: HTMLElement; dispose(): void } {
  const choice = runChoice(store);
  const body = element('div');
  let drawn = '';
  function draw(): void {
    choice.draw();
    const runs = store.selected.filter(({ settings }) => Object.keys(settings).length > 0);
    // New steps change nothing here, and open sections stay open.
    const now = JSON.stringify(runs.map(({ run, settings }) => [run, settings]));
    if (now === drawn) return;
    drawn = now;
    body.replaceChildren(...(runs.length === 0 ? [nothing()] : [differences(runs), ...runs.map(whole)]));
  }
  const stop = store.listen(draw);
  draw();
  return {
    element: element('div', {}, element('h1', {}, 'Configuration'), choice.element, body),
    dispose: stop,
  };
}

function nothing(): HTMLElement {
  return element(
    'p',
    { class: 'lead' },
    'None of the chosen runs has a configuration; logs of other frameworks have none.',
  );
}

function differences(runs: readonly RunDetail[]): HTMLElement {
  const keys = differing(runs);
  const title = element('h2', {}, 'What differs');
  if (runs.length < 2)
    return element(
      'section',
      {},
      title,
      element('p', { class: 'lead' }, 'Choose a second run to compare with.'),
    );
  if (keys.length === 0)
    return element(
      'section',
      {},
      title,
      element('p', { class: 'lead' }, 'Nothing: the runs have the same configuration.'),
    );
  return element(
    'section',
    {},
    title,
    element(
      'div',
      { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'What differs between the runs' },
      element(
        'table',
        { class: 'settings' },
        element('caption', {}, 'Keys whose values differ'),
        element(
          'thead',
          {},
          element(
            'tr',
            {},
            element('th', { scope: 'col' }, 'key'),
            ...runs.map(({ run }) => element('th', { scope: 'col' }, visible(run))),
          ),
        ),
        element(
          'tbody',
          {},
          ...keys.map((key) =>
            element(
              'tr',
              {},
              element('th', { scope: 'row' }, key),
              ...runs.map(({ settings }) => element('td', {}, visible(unquoted(settings[key] ?? '–')))),
            ),
          ),
        ),
      ),
    ),
  );
}

/** A plain text without its quotes. */
function unquoted(json: string): string {
  return /^"[^"\\]*"$/.test(json) ? json.slice(1, -1) : json;
}

function whole({ run, config }: RunDetail): HTMLElement {
  return element(
    'details',
    { class: 'prompt' },
    element('summary', {}, `config.yaml of ${visible(run)}`),
    element('pre', { tabindex: 0, 'aria-label': `config.yaml of ${visible(run)}` }, shownLines(config)),
  );
}
