/**
 * Try it: the reader types completions and rewards, and the page shows the resulting tree, step rewards and weights.
 */
import { analyzeGroup } from '../../src/analysis/analyze-group.js';
import { element } from '../components/dom.js';
import { EXAMPLE, readTyped, type Unit } from '../components/typed-group.js';
import { treePanel } from './tree-panel.js';

export function tryView(): HTMLElement {
  const input = element('textarea', { id: 'typed', rows: 9, spellcheck: 'false' });
  input.value = EXAMPLE;
  const unit = element(
    'select',
    { id: 'unit' },
    element('option', { value: 'characters' }, 'characters'),
    element('option', { value: 'words' }, 'words'),
  );
  const problem = element('p', { class: 'problem', role: 'alert' });
  const result = element('div');

  function draw(): void {
    try {
      const { completions, texts } = readTyped(input.value, unit.value as Unit);
      const analysis = analyzeGroup({ completions });
      result.replaceChildren(treePanel(analysis, { tokenText: (id) => texts[id] }));
      problem.textContent = '';
    } catch (error) {
      // The last picture stays: the reader is still typing.
      problem.textContent = (error as Error).message;
    }
  }
  input.addEventListener('input', draw);
  unit.addEventListener('change', draw);
  draw();
  return element(
    'div',
    {},
    element('h1', {}, 'Try it'),
    element(
      'p',
      { class: 'lead' },
      'Completions that begin alike share process steps. A step’s reward is the mean reward of the completions through it; GRPO counts it |λ| times, λ-GRPO once.',
    ),
    element('label', { for: 'typed' }, 'One completion per line: its reward, a space, its text'),
    input,
    element('div', { class: 'controls' }, element('label', {}, 'tokens are ', unit)),
    problem,
    result,
  );
}
