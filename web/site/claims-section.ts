/**
 * The paper's claims and the verdicts of our experiments: the table that `reproduce` writes, as of the build of the
 * page.
 */
import table from '../../docs/results/claims.md?raw';
import { element } from '../components/dom.js';
import { claimsOf } from './claims.js';

export function claimsSection(place: HTMLElement): void {
  const head = ['experiment', 'verdict', 'figures'].map((title) => element('th', { scope: 'col' }, title));
  const rows = claimsOf(table).map(({ title, file, verdict, figures }) =>
    element(
      'tr',
      {},
      element('td', {}, title, ' ', element('span', { class: 'place' }, `docs/results/${file}`)),
      element('td', {}, verdict),
      element('td', {}, figures),
    ),
  );
  place.append(
    element('h2', { id: 'claims-title' }, 'What our tests of the claims found'),
    element(
      'p',
      { class: 'prose' },
      'Each experiment fixed its prediction, its seeds and its rule before it ran. Figures are means over seeds with 95% intervals. The ' +
        'pages named below are in the repository, and ',
      element('code', {}, 'npx lambda-grpo reproduce'),
      ' runs each experiment again.',
    ),
    element(
      'div',
      { class: 'claims', tabindex: 0, role: 'group', 'aria-labelledby': 'claims-title' },
      element('table', {}, element('thead', {}, element('tr', {}, ...head)), element('tbody', {}, ...rows)),
    ),
  );
}
