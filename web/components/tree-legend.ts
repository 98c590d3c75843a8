/**
 * The legend above a tree: the choice of numbers in the boxes, the meaning of the colours, and the switch for the
 * completions' figures.
 */
import type { TreeView } from '../../src/analysis/tree-view.js';
import { element } from './dom.js';
import { plain, signed } from './format.js';
import { describeWeights, type Weights } from './node-values.js';
import { strongestOf } from './tree-map.js';

export interface TreeLegend {
  readonly element: HTMLElement;
  /** Marks the current choice. @param values [steps] */
  show(weights: Weights, values: readonly number[]): void;
}

export interface TreeLegendOptions {
  /** Whether the reader may choose the numbers. */
  readonly choosable: boolean;
  readonly onWeights: (weights: Weights) => void;
  /** Whether narrow pages show the advantage of each completion. */
  readonly onNumbers: (shown: boolean) => void;
}

let trees = 0;

export function treeLegend(view: TreeView, options: TreeLegendOptions): TreeLegend {
  // A unique name, because radio buttons with the same name form one group even in a page without shadow roots.
  const name = `weights-${++trees}`;
  const choices: readonly (readonly [Weights, string])[] = [
    ['step', 'step advantage Â'],
    ['grpo', 'GRPO'],
    ['lambda-grpo', 'λ-GRPO'],
  ];
  const radios = choices.map(([weights, label]) => {
    const radio = element('input', { type: 'radio', name, value: String(weights) });
    radio.addEventListener('change', () => options.onWeights(weights));
    return { weights, radio, element: element('label', {}, radio, element('span', {}, label)) };
  });
  const between = element('input', { type: 'radio', name, value: 'between' });
  const slider = element('input', {
    type: 'range',
    min: 0,
    max: 1,
    step: 0.05,
    value: 0.5,
    'aria-label': 'Exponent p',
  });
  const p = element('output', {});
  const exponent = element('span', { class: 'exponent' }, slider, ' ', p);
  between.addEventListener('change', () => options.onWeights(Number(slider.value)));
  slider.addEventListener('input', () => options.onWeights(Number(slider.value)));

  // The view may hold many kinds of values.
  const brought = view.values ?? [];
  const rules = element(
    'select',
    { 'aria-label': 'Other credit rules' },
    element('option', { value: '' }, 'another rule …'),
    ...brought.map((values) => element('option', { value: values.name }, values.name)),
  );
  rules.addEventListener('change', () => options.onWeights(rules.value === '' ? 'step' : rules.value));

  const meaning = element('span', { class: 'meaning' });
  const low = element('span', { class: 'low' });
  const high = element('span', { class: 'high' });
  const numbers = element('button', { type: 'button', class: 'numbers', 'aria-pressed': 'false' }, 'numbers');
  numbers.addEventListener('click', () => {
    const shown = numbers.getAttribute('aria-pressed') !== 'true';
    numbers.setAttribute('aria-pressed', String(shown));
    options.onNumbers(shown);
  });
  return {
    element: element(
      'div',
      { class: 'legend-bar' },
      ...(options.choosable
        ? [
            element(
              'fieldset',
              {},
              element('legend', { class: 'unseen' }, 'Numbers and colours'),
              ...radios.map((choice) => choice.element),
              element('label', {}, between, element('span', {}, 'between')),
              exponent,
              ...(brought.length > 0 ? [rules] : []),
            ),
          ]
        : []),
      element(
        'p',
        { class: 'scale' },
        element('span', { class: 'unseen' }, 'Colours: '),
        low,
        element('span', { class: 'bar', 'aria-hidden': 'true' }),
        high,
      ),
      element('p', { class: 'means' }, meaning),
      numbers,
    ),
    show(weights, values) {
      const strongest = strongestOf(values);
      low.textContent = `pushed down ${signed(-strongest)}`;
      high.textContent = `${signed(strongest)} pushed up`;
      meaning.textContent = describeWeights(view, weights);
      const isExponent = typeof weights === 'number';
      exponent.hidden = !isExponent;
      for (const choice of radios) choice.radio.checked = choice.weights === weights;
      between.checked = isExponent;
      const isBrought = brought.some((values) => values.name === weights);
      rules.value = isBrought ? String(weights) : '';
      rules.classList.toggle('on', isBrought);
      if (!isExponent && !isBrought && radios.every(({ radio }) => !radio.checked))
        radios[0].radio.checked = true;
      if (isExponent) slider.value = String(weights);
      p.textContent = isExponent ? `p = ${plain(weights)}` : '';
    },
  };
}
