/** The dashboard: which view the address names, and what lies around it. */
import './dashboard.css';
import { element } from '../components/dom.js';
import { groupView } from './group-view.js';
import { groupsView } from './groups-view.js';
import { runsView } from './runs-view.js';
import { Store } from './store.js';
import { tryView } from './try-view.js';

const store = new Store();
const view = document.getElementById('view') as HTMLElement;
const live = document.getElementById('live') as HTMLElement;
let dispose: (() => void) | null = null;
let showing = 0;

async function show(): Promise<void> {
  const turn = ++showing;
  const [path, query = ''] = location.hash.replace(/^#/, '').split('?');
  const asked = new URLSearchParams(query);
  const number = (name: string): number | null => (asked.has(name) ? Number(asked.get(name)) : null);
  const run = asked.get('run') ?? '';
  let made: { element: HTMLElement; dispose?(): void };
  // What still stands there answers another address: a click on it would lead from the wrong place.
  const focused = document.activeElement?.id;
  view.inert = true;
  view.setAttribute('aria-busy', 'true');
  try {
    if (path === '/try') made = { element: tryView() };
    else if (path === '/groups') made = { element: await groupsView(run, number('step')) };
    else if (path === '/group')
      made = { element: await groupView(run, number('step') ?? 0, number('n') ?? 0) };
    else made = runsView(store);
  } catch (error) {
    made = {
      element: element(
        'div',
        {},
        element('h1', {}, 'This cannot be shown'),
        element('p', { class: 'problem' }, (error as Error).message),
      ),
    };
  }
  if (turn !== showing) {
    made.dispose?.();
    return;
  }
  dispose?.();
  dispose = made.dispose ?? null;
  view.replaceChildren(made.element);
  view.inert = false;
  view.removeAttribute('aria-busy');
  if (focused) document.getElementById(focused)?.focus();
  for (const link of document.querySelectorAll('nav a')) {
    const here = (link.getAttribute('href') === '#/try') === (path === '/try');
    if (here) link.setAttribute('aria-current', 'page');
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
