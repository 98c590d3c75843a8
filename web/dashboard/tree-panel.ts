/**
 * A group's tree with what one can do to it: the weights of GRPO, λ-GRPO and everything between, and the tokens of
 * the completion that is chosen, one by one.
 */
import type { GroupAnalysis } from '../../src/analysis/analyze-group.js';
import { treeView } from '../../src/analysis/tree-view.js';
import { shownBytes } from '../../src/rollouts/pieces.js';
import { element } from '../components/dom.js';
import { plain, signed, visible } from '../components/format.js';
import { treeMap } from '../components/tree-map.js';

export interface PanelOptions {
  readonly tokenText: (id: number) => string;
  readonly separator?: string;
}

/** Tokens that are written at once; more on request. */
const PAGE = 400;

export function treePanel(analysis: GroupAnalysis, options: PanelOptions): HTMLElement {
  const { tree } = analysis;
  const tokens = element('section', { class: 'tokens', 'aria-label': 'Tokens of the chosen completion' });
  let row: number | null = null;
  const map = treeMap(treeView(analysis, options), {
    onLight(chosen) {
      row = chosen;
      drawTokens();
    },
  });

  const shows = ['step advantage Â', 'GRPO', 'λ-GRPO', 'between'] as const;
  const what = element('fieldset', { class: 'controls' }, element('legend', {}, 'Numbers and colours'));
  const radios = shows.map((name, i) => {
    const radio = element('input', { type: 'radio', name: 'weights', value: name, checked: i === 0 });
    radio.addEventListener('change', update);
    what.append(element('label', {}, radio, ` ${name}`));
    return radio;
  });
  const slider = element('input', {
    type: 'range',
    min: 0,
    max: 1,
    step: 0.05,
    value: 0.5,
    'aria-label': 'Exponent p',
  });
  const value = element('output', {});
  slider.addEventListener('input', () => {
    radios[3].checked = true;
    update();
  });
  what.append(element('label', {}, 'p ', slider, ' ', value));

  function exponent(): number | null {
    const at = radios.findIndex(({ checked }) => checked);
    return [null, 0, 1, Number(slider.value)][at];
  }

  function update(): void {
    const p = exponent();
    value.textContent = p === null ? '' : `p = ${p}: |λ|^${plain(1 - p)}·Â`;
    map.weigh(p);
    drawTokens();
  }

  function drawTokens(from = PAGE): void {
    if (row === null) {
      tokens.replaceChildren(
        element('p', { class: 'lead' }, 'Choose a completion on the left of the tree to see its tokens.'),
      );
      return;
    }
    const completion = tree.members[row];
    const nodes = tree.tokenNodes(completion);
    const ids = tree.tokens[completion];
    const p = exponent() ?? 0.5;
    const header = [
      'token',
      '|λ|',
      'R̂',
      'Â',
      'GRPO',
      'λ-GRPO',
      ...(exponent() === Number(slider.value) && p > 0 && p < 1 ? [`p = ${p}`] : []),
    ];
    const lines = Array.from(nodes.subarray(0, from), (node, t) => {
      const size = tree.size[node];
      const advantage = analysis.stepAdvantages[node];
      const cells = [
        String(size),
        plain(analysis.stepRewards[node]),
        signed(advantage),
        signed(size * advantage),
        signed(advantage),
        ...(header.length > 6 ? [signed(size ** (1 - p) * advantage)] : []),
      ];
      return element(
        'tr',
        { class: t > 0 && nodes[t - 1] === node ? undefined : 'first' },
        element('th', { scope: 'row' }, visible(shownBytes(options.tokenText(ids[t])))),
        ...cells.map((cell) => element('td', { class: 'number' }, cell)),
      );
    });
    const more = element('button', { type: 'button' }, `all ${nodes.length} tokens`);
    more.hidden = nodes.length <= from;
    more.addEventListener('click', () => drawTokens(nodes.length));
    tokens.replaceChildren(
      element('h2', {}, `Completion ${completion + 1}`),
      element(
        'p',
        { class: 'lead' },
        `Reward ${plain(analysis.rewards[completion])}, advantage ${signed(analysis.advantages[completion])}, ${nodes.length} tokens. GRPO and λ-GRPO: the weight that each gives a token’s step, |λ|·Â and Â.`,
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
          element('tbody', {}, ...lines),
        ),
      ),
      more,
    );
  }

  update();
  return element('div', {}, what, map.element, tokens);
}
