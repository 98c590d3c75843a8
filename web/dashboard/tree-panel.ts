/**
 * A group's tree with a table of the tokens of the chosen completion: step reward, step advantage, |λ|, and the weight
 * of each token under GRPO, λ-GRPO and the chosen exponent.
 */
import type { GroupAnalysis } from '../../src/analysis/analyze-group.js';
import { treeView } from '../../src/analysis/tree-view.js';
import { shownBytes } from '../../src/rollouts/pieces.js';
import { creditViews } from '../components/credit-views.js';
import { element } from '../components/dom.js';
import { plain, signed, visible } from '../components/format.js';
import { defineProcessTree } from '../components/process-tree.js';

defineProcessTree();

export interface PanelOptions {
  readonly tokenText: (id: number) => string;
  readonly separator?: string;
}

/** Tokens shown at once; more on request. */
const PAGE = 400;

export function treePanel(analysis: GroupAnalysis, options: PanelOptions): HTMLElement {
  const tokens = element('section', { class: 'tokens', 'aria-label': 'Tokens of the chosen completion' });
  const picture = element('process-tree');
  picture.view = {
    ...treeView(analysis, { ...options, longest: Number.POSITIVE_INFINITY }),
    values: creditViews(analysis.tree, analysis.rewards, analysis.advantages),
  };
  let open = false;
  const draw = (): void => {
    const { selected } = picture;
    tokens.replaceChildren(
      ...(selected === null ? [] : [tokenTable(analysis, selected, picture.weights, options)]),
    );
    const details = tokens.querySelector('details');
    if (!details) return;
    details.open = open;
    details.addEventListener('toggle', () => {
      open = details.open;
    });
  };
  picture.addEventListener('completion-select', draw);
  picture.addEventListener('weights-change', draw);
  return element('div', {}, picture, tokens);
}

function tokenTable(
  { tree, stepRewards, stepAdvantages }: GroupAnalysis,
  completion: number,
  weights: string | number,
  { tokenText }: PanelOptions,
): HTMLElement {
  const nodes = tree.tokenNodes(completion);
  const ids = tree.tokens[completion];
  const p = typeof weights === 'number' && weights > 0 && weights < 1 ? weights : null;
  const header = ['token', '|λ|', 'R̂', 'Â', 'GRPO', 'λ-GRPO', ...(p === null ? [] : [`p = ${plain(p)}`])];
  const line = (node: number, t: number): HTMLElement => {
    const [size, advantage] = [tree.size[node], stepAdvantages[node]];
    const cells = [
      String(size),
      plain(stepRewards[node]),
      signed(advantage),
      signed(size * advantage),
      signed(advantage),
      ...(p === null ? [] : [signed(size ** (1 - p) * advantage)]),
    ];
    return element(
      'tr',
      { class: t > 0 && nodes[t - 1] === node ? undefined : 'first' },
      element('th', { scope: 'row' }, visible(shownBytes(tokenText(ids[t])))),
      ...cells.map((cell) => element('td', { class: 'number' }, cell)),
    );
  };
  const body = element('tbody');
  const more = element('button', { type: 'button' }, `all ${nodes.length} tokens`);
  const fill = (count: number): void => {
    body.replaceChildren(...Array.from(nodes.subarray(0, count), line));
    more.hidden = nodes.length <= count;
  };
  more.addEventListener('click', () => fill(nodes.length));
  fill(PAGE);
  return element(
    'details',
    {},
    element('summary', {}, `Tokens of completion ${completion + 1}`),
    element(
      'p',
      { class: 'lead' },
      'GRPO and λ-GRPO: the weight that each gives a token’s step, |λ|·Â and Â.',
    ),
    element(
      'div',
      {
        class: 'scroll',
        tabindex: 0,
        role: 'region',
        'aria-label': `Tokens of completion ${completion + 1}`,
      },
      element(
        'table',
        {},
        element('caption', {}, 'Tokens'),
        element(
          'thead',
          {},
          element(
            'tr',
            {},
            ...header.map((name, i) =>
              element('th', { scope: 'col', class: i > 0 ? 'number' : undefined }, name),
            ),
          ),
        ),
        body,
      ),
    ),
    more,
  );
}
