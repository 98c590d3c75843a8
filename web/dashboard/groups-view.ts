/** The groups that were sampled in one step of a run. */
import type { GroupRow } from '../../src/dashboard/api.js';
import type { Column } from '../components/data-table.js';
import { element } from '../components/dom.js';
import { plain } from '../components/format.js';
import { groupTable } from '../components/group-table.js';
import { getStep, getSteps } from './api.js';

const RANGE: Column<GroupRow> = {
  wide: true,
  name: 'range',
  text: ({ minReward, maxReward }) => `${plain(minReward)} … ${plain(maxReward)}`,
  meaning: 'lowest and highest reward',
};

/** @param step null: the last step that was written */
export async function groupsView(run: string, step: number | null): Promise<HTMLElement> {
  const { rolloutSteps, task, method, engine, seed, log } = await getSteps(run);
  const title = element('h1', {}, 'Groups of ', element('span', { class: 'source' }, run));
  const where = engine === 'local' || engine === '' ? '' : `engine ${engine}, `;
  const facts = log === null ? `${task}, ${method}, ${where}seed ${seed}` : `a log of format ${log}`;
  if (rolloutSteps.length === 0) {
    return element('div', {}, title, element('p', { class: 'lead' }, `${facts}. No rollouts were written.`));
  }
  const at =
    step === null
      ? rolloutSteps.length - 1
      : Math.max(
          0,
          rolloutSteps.findIndex((s) => s >= step),
        );
  const shown = rolloutSteps[at];
  const { groups, judged } = await getStep(run, shown);
  const picker = element(
    'select',
    { id: 'step' },
    ...rolloutSteps.map((s) => element('option', { value: s, selected: s === shown }, String(s))),
  );
  const go = (to: number | undefined): void => {
    if (to !== undefined) location.hash = `#/groups?${new URLSearchParams({ run, step: String(to) })}`;
  };
  picker.addEventListener('change', () => go(Number(picker.value)));
  const turn = (name: string, label: string, to: number | undefined): HTMLElement => {
    const button = element(
      'button',
      { type: 'button', disabled: to === undefined, 'aria-label': label },
      name,
    );
    button.addEventListener('click', () => go(to));
    return button;
  };
  const table = groupTable({
    rows: groups.map((group) => ({ ...group, question: group.prompt })),
    caption: `Groups of step ${shown}`,
    more: { reward: RANGE },
    search: ({ id, prompt }) => `${id}\n${prompt}`,
    onOpen: ({ n }) => {
      location.hash = `#/group?${new URLSearchParams({ run, step: String(shown), n: String(n) })}`;
    },
  });
  return element(
    'div',
    {},
    title,
    element('p', { class: 'lead' }, facts),
    ...(judged === undefined
      ? []
      : [
          element(
            'details',
            { class: 'prompt' },
            element('summary', {}, 'How Â was computed'),
            element('p', { class: 'lead judged' }, `Â ${judged}`),
          ),
        ]),
    element(
      'div',
      { class: 'controls' },
      turn('‹', 'Step before', rolloutSteps[at - 1]),
      element('label', {}, 'step ', picker),
      turn('›', 'Step after', rolloutSteps[at + 1]),
    ),
    table.element,
  );
}
