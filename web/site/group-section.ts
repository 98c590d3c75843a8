/**
 * The introduction: six completions whose rewards the reader can drag. The tree, step rewards, advantages and |λ| under
 * GRPO and λ-GRPO are shown side by side and change at once.
 */
import { analyzeGroup } from '../../src/analysis/analyze-group.js';
import { type TreeView, treeView } from '../../src/analysis/tree-view.js';
import { element } from '../components/dom.js';
import { plain, signed, visible } from '../components/format.js';
import { nodeValues, type Weights } from '../components/node-values.js';
import { EXAMPLE, readTyped, type TypedGroup, type Unit } from '../components/typed-group.js';
import type { Address } from './address.js';

/** Characters of a completion beside its slider. */
const SHOWN = 40;

export function groupSection(place: HTMLElement, address: Address): void {
  const input = element('textarea', { id: 'typed', rows: 8, spellcheck: 'false' });
  input.value = address.get('group') ?? EXAMPLE;
  const unit = element(
    'select',
    {},
    element('option', { value: 'characters' }, 'characters'),
    element('option', { value: 'words' }, 'words'),
  );
  if (address.get('tokens') === 'words') unit.value = 'words';
  const problem = element('p', { class: 'problem', role: 'alert' });
  const sliders = element('div', { class: 'sliders', role: 'group', 'aria-label': 'Rewards' });
  const finding = element('p', { class: 'finding', 'aria-live': 'polite' });
  const trees = {
    grpo: element('process-tree', { weights: 'grpo', controls: 'none' }),
    'lambda-grpo': element('process-tree', { weights: 'lambda-grpo', controls: 'none' }),
  };

  function read(): TypedGroup | null {
    try {
      const group = readTyped(input.value, unit.value as Unit);
      draw(group);
      problem.textContent = '';
      address.set('group', input.value, EXAMPLE);
      address.set('tokens', unit.value, 'characters');
      return group;
    } catch (error) {
      // The last picture stays: the reader is still typing.
      problem.textContent = (error as Error).message;
      return null;
    }
  }

  function draw({ completions, texts }: TypedGroup): void {
    const view = treeView(analyzeGroup({ completions }), {
      tokenText: (id) => texts[id],
      longest: Number.POSITIVE_INFINITY,
    });
    for (const tree of Object.values(trees)) {
      const { selected } = tree;
      tree.view = view;
      tree.selected = selected;
    }
    finding.textContent = findingOf(view);
  }

  function drawSliders({ completions }: TypedGroup): void {
    const rewards = completions.map(({ reward }) => reward);
    const low = Math.min(-1, ...rewards);
    const high = Math.max(1, ...rewards);
    sliders.replaceChildren(
      ...completions.map(({ text, reward }, i) => {
        const name = visible(text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text) || '∅';
        const slider = element('input', { type: 'range', min: low, max: high, step: 'any' });
        slider.value = String(reward);
        const value = element('output', {}, plain(reward));
        const move = (next: number): void => {
          const typed = setReward(input.value, i, Number(next.toFixed(2)));
          value.textContent = plain(Number(next.toFixed(2)));
          input.value = typed;
          read();
        };
        slider.addEventListener('input', () => move(Number(slider.value)));
        slider.addEventListener('keydown', (event) => {
          const by = { ArrowRight: 0.05, ArrowUp: 0.05, ArrowLeft: -0.05, ArrowDown: -0.05 }[event.key];
          if (by === undefined) return;
          event.preventDefault();
          slider.value = String(Math.round((Number(slider.value) + by) * 20) / 20);
          move(Number(slider.value));
        });
        return element('label', {}, element('span', { class: 'text' }, name), slider, value);
      }),
    );
  }

  const readAll = (): void => {
    const group = read();
    if (group) drawSliders(group);
  };
  input.addEventListener('input', readAll);
  unit.addEventListener('change', readAll);
  // A completion chosen in one tree is chosen in both.
  for (const tree of Object.values(trees))
    tree.addEventListener('completion-select', ({ target }) => {
      for (const other of Object.values(trees)) if (other !== target) other.selected = tree.selected;
    });
  const back = element('button', { type: 'button' }, 'the paper’s example');
  back.addEventListener('click', () => {
    input.value = EXAMPLE;
    unit.value = 'characters';
    readAll();
  });

  place.append(
    element('h2', { id: 'group-title' }, 'The tree in ten seconds'),
    element(
      'p',
      { class: 'lead' },
      'Six completions from the paper (§3); each letter is a token. Drag a reward. A step’s height is |λ|, the number of completions ' +
        'through it; its colour is how hard its tokens are pushed. GRPO counts a step |λ| times, λ-GRPO once.',
    ),
    sliders,
    finding,
    element(
      'div',
      { class: 'pair' },
      element('div', {}, element('h3', {}, 'GRPO'), trees.grpo),
      element('div', {}, element('h3', {}, 'λ-GRPO'), trees['lambda-grpo']),
    ),
    element(
      'details',
      {},
      element('summary', {}, 'Your own completions'),
      element('label', { for: 'typed' }, 'One completion per line: its reward, a space, its text'),
      input,
      element('div', { class: 'controls' }, element('label', {}, 'tokens are ', unit), back),
    ),
    problem,
  );
  readAll();
  if (sliders.childElementCount === 0) {
    // The address did not contain a group.
    const fault = problem.textContent;
    input.value = EXAMPLE;
    readAll();
    problem.textContent = `the link’s group: ${fault}; the paper’s example is shown`;
  }
}

/** The same lines with another reward for one completion. */
export function setReward(lines: string, completion: number, reward: number): string {
  let seen = -1;
  return lines
    .split('\n')
    .map((line) => {
      if (line.trim() === '' || ++seen !== completion) return line;
      return line.replace(/^\s*\S+/, String(reward));
    })
    .join('\n');
}

/** The sum of the pushes that the tokens of the best completion get. */
export function findingOf(view: TreeView): string {
  const { completions, steps } = view;
  const [best] = [...completions].sort((a, b) => b.reward - a.reward || a.index - b.index);
  if (completions.every(({ reward }) => reward === best.reward))
    return 'All rewards are equal: every step advantage is 0, and nothing is learnt.';
  const pushOf = (weights: Weights): number => {
    const values = nodeValues(view, weights);
    let push = 0;
    for (let node = best.leaf; node >= 0; node = steps[node].parent)
      push += steps[node].tokens * values[node];
    return push;
  };
  const [grpo, lambdaGrpo] = [pushOf('grpo'), pushOf('lambda-grpo')];
  const directionOf = (push: number) =>
    Math.abs(push) < 5e-3 ? 'not moved' : push < 0 ? 'pushed down' : 'pushed up';
  return (
    `Completion ${best.index + 1} is the best (reward ${plain(best.reward)}). Summed over its tokens, ` +
    `GRPO pushes it by ${signed(grpo)} (${directionOf(grpo)}), λ-GRPO by ${signed(lambdaGrpo)} (${directionOf(lambdaGrpo)}).`
  );
}
