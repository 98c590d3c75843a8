/** The groups that were sampled in a step of a run. */
import type { GroupRow } from '../../src/dashboard/api.js';
import { type Column, dataTable } from '../components/data-table.js';
import { element } from '../components/dom.js';
import { count, percent, plain, visible } from '../components/format.js';
import { getRun, getStep } from './api.js';

const number = (
  name: string,
  value: (row: GroupRow) => number,
  text: (value: number) => string,
  meaning?: string,
): Column<GroupRow> => ({
  name,
  value,
  text: (row) => text(value(row)),
  number: true,
  ...(meaning === undefined ? {} : { meaning }),
});

const COLUMNS: readonly Column<GroupRow>[] = [
  { name: 'group', text: ({ id }) => visible(id) },
  { name: 'prompt', text: ({ prompt }) => visible(prompt).slice(0, 160) },
  number('k', ({ completions }) => completions, String, 'completions'),
  number('reward', ({ meanReward }) => meanReward, plain, 'mean reward'),
  {
    name: 'range',
    text: ({ minReward, maxReward }) => `${plain(minReward)} … ${plain(maxReward)}`,
    meaning: 'lowest and highest reward',
  },
  number('tokens', ({ tokens }) => tokens, count),
  number(
    'saved',
    ({ tokens, distinctTokens }) => (tokens > 0 ? 1 - distinctTokens / tokens : 0),
    percent,
    'tokens that the tree saves',
  ),
  number(
    'depth',
    ({ pathDepth }) => pathDepth,
    (value) => value.toFixed(2),
    'path depth',
  ),
  {
    name: 'shape',
    text: ({ zeroVariance, flat }) => (zeroVariance ? 'zero variance' : flat ? 'flat' : 'tree'),
  },
  number(
    'pushed down',
    ({ pushedDown }) => pushedDown,
    String,
    'good completions most of whose tokens lie in steps with a negative advantage',
  ),
  number(
    'worst',
    ({ worst }) => worst,
    percent,
    'largest share of a good completion’s tokens in steps with a negative advantage',
  ),
  number(
    'flaw',
    ({ flaw }) => flaw,
    (value) => value.toFixed(2),
    'largest (|λ| − 1)·|Â|',
  ),
];

/** @param step null: the last one that was written */
export async function groupsView(run: string, step: number | null): Promise<HTMLElement> {
  const { rolloutSteps, task, method, seed } = await getRun(run);
  const title = element('h1', {}, 'Groups of ', element('span', { class: 'source' }, run));
  const facts = `${task}, ${method}, seed ${seed}`;
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
  const { groups } = await getStep(run, shown);
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
  const table = dataTable({
    columns: COLUMNS,
    rows: [...groups].sort((a, b) => b.flaw - a.flaw),
    sortBy: 'pushed down',
    caption: `Groups of step ${shown}`,
    search: ({ id, prompt }) => `${id}\n${prompt}`,
    filters: [
      { name: 'good ones pushed down', keeps: ({ pushedDown }) => pushedDown > 0 },
      { name: 'mixed rewards', keeps: ({ zeroVariance }) => !zeroVariance },
      { name: 'not flat', keeps: ({ flat }) => !flat },
    ],
    onOpen: ({ n }) => {
      location.hash = `#/group?${new URLSearchParams({ run, step: String(shown), n: String(n) })}`;
    },
  });
  return element(
    'div',
    {},
    title,
    element('p', { class: 'lead' }, facts),
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
