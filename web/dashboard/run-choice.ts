/** The choice of runs on a page: one checkbox per run; the choice is kept between pages. */
import { element } from '../components/dom.js';
import type { Store } from './store.js';

export function runChoice(store: Store): { element: HTMLElement; draw(): void } {
  const list = element('fieldset', { class: 'controls choice' });
  const legend = element('legend', {}, 'Runs');
  return {
    element: list,
    draw() {
      const focused = document.activeElement?.id;
      list.replaceChildren(
        legend,
        ...[...store.runs]
          .sort((a, b) => b.updated - a.updated)
          .map(({ run }, i) => {
            const box = element('input', {
              id: `choose-${i}`,
              type: 'checkbox',
              checked: store.selection.has(run),
            });
            box.addEventListener('change', () => {
              const others = [...store.selection].filter((name) => name !== run);
              store.choose(box.checked ? [...others, run] : others);
            });
            return element('label', {}, box, ` ${run}`);
          }),
      );
      if (focused?.startsWith('choose-')) document.getElementById(focused)?.focus();
    },
  };
}
