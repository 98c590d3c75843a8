/** The dashboard: shows the view that the address names, and the navigation around it. */
import './dashboard.css';
import { element } from '../components/dom.js';
import { configView } from './config-view.js';
import { diagnosisView } from './diagnosis-view.js';
import { groupView } from './group-view.js';
import { groupsView } from './groups-view.js';
import { runsView } from './runs-view.js';
import { Store } from './store.js';
import { tryView } from './try-view.js';

/** Pages of the navigation besides the runs; every other page belongs to the runs. */
const OTHERS = ['/diagnosis', '/config', '/try'];
const store = new Store();
const view = document.getElementById('view') as HTMLElement;
const live = document.getElementById('live') as HTMLElement;
let dispose: (() => void) | null = null;
let showing = 0;

async function show(): Promise<void> {
  const turn = ++showing;
  const [path, query = ''] = location.hash.replace(/^#/, '').split('?');
  const params = new URLSearchParams(query);
  const number = (name: string): number | null => (params.has(name) ? Number(params.get(name)) : null);
  const run = params.get('run') ?? '';
  let shown: { element: HTMLElement; dispose?(): void };
  // The visible page belongs to the previous address: a click on it would start from the wrong place.
  const focused = document.activeElement?.id;
  view.inert = true;
  view.setAttribute('aria-busy', 'true');
  try {
    if (path === '/try') shown = { element: tryView() };
    else if (path === '/groups') shown = { element: await groupsView(run, number('step')) };
    else if (path === '/group')
      shown = { element: await groupView(run, number('step') ?? 0, number('n') ?? 0) };
    else if (path === '/diagnosis') shown = diagnosisView(store);
    else if (path === '/config') shown = configView(store);
    else shown = runsView(store);
  } catch (error) {
    shown = {
      element: element(
        'div',
        {},
        element('h1', {}, 'This cannot be shown'),
        element('p', { class: 'problem' }, (error as Error).message),
      ),
    };
  }
  if (turn !== showing) {
    shown.dispose?.();
    return;
  }
  dispose?.();
  dispose = shown.dispose ?? null;
  view.replaceChildren(shown.element);
  view.inert = false;
  view.removeAttribute('aria-busy');
  if (focused) document.getElementById(focused)?.focus();
  for (const link of document.querySelectorAll('nav a')) {
    const href = link.getAttribute('href');
    const isCurrent = href === `#${path}` || (href === '#/' && !OTHERS.includes(path));
    if (isCurrent) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
}

store.listen(() => {
  live.textContent = store.connected ? 'live' : 'not connected';
  live.classList.toggle('on', store.connected);
});
addEventListener('hashchange', () => {
  scrollTo(0, 0);
  void show();
});
await store.start();
await show();
