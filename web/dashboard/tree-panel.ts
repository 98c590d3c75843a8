/**
 * A group's tree with the tokens of the completion that is chosen, one by one: step reward, step advantage, |λ|, and the
 * weights that GRPO, λ-GRPO and what is chosen between them give each.
 */
import type { GroupAnalysis } from '../../src/analysis/analyze-group.js';
import { publishedCredit } from '../../src/analysis/group-credit.js';
import { type NodeValuesView, treeView } from '../../src/analysis/tree-view.js';
import { CREDIT_NAMES, CREDIT_RULES } from '../../src/objective/index.js';
import { shownBytes } from '../../src/rollouts/pieces.js';
import { element } from '../components/dom.js';
import { plain, signed, visible } from '../components/format.js';
import { defineProcessTree } from '../components/process-tree.js';

defineProcessTree();

export interface PanelOptions {
  readonly tokenText: (id: number) => string;
  readonly separator?: string;
}

/** Rules that have a button of their own. */
const SHOWN: readonly string[] = ['grpo', 'lambda-grpo', 'lambda-0.5'];
/** Tokens that are written at once; more on request. */
const PAGE = 400;

export function treePanel(analysis: GroupAnalysis, options: PanelOptions): HTMLElement {
  const tokens = element('section', { class: 'tokens', 'aria-label': 'Tokens of the chosen completion' });
  const picture = element('process-tree');
  picture.view = {
    ...treeView(analysis, { ...options, longest: Number.POSITIVE_INFINITY }),
    values: creditValues(analysis),
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

/** What the published rules of credit beside GRPO and λ-GRPO make of each step. */
function creditValues(analysis: GroupAnalysis): NodeValuesView[] {
  return CREDIT_NAMES.filter((name) => !SHOWN.includes(name)).map((name) => ({
    name,
    meaning: `${CREDIT_RULES[name].title}: how hard the step’s tokens are pushed`,
    nodes: Array.from(publishedCredit(name, analysis).push),
  }));
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
