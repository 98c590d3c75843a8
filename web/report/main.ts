/** The report's page: a table of groups, and the process tree of the one that is open. */
import type { ReportData, ReportGroup } from '../../src/analysis/report/data.js';
import { type Column, dataTable } from '../components/data-table.js';
import { element } from '../components/dom.js';
import { count, percent, plain, visible } from '../components/format.js';
import { treeMap } from '../components/tree-map.js';
import './report.css';

const { total, groups } = JSON.parse(document.getElementById('data')?.textContent ?? '{}') as ReportData;
const section = document.getElementById('group') as HTMLElement;

const columns: Column<ReportGroup>[] = [
  { name: 'group', text: ({ id }) => visible(id) },
  ...(groups.some(({ step }) => step !== null)
    ? [
        {
          name: 'step',
          text: (g: ReportGroup) => String(g.step ?? ''),
          value: (g: ReportGroup) => g.step ?? -1,
          number: true,
        },
      ]
    : []),
  { name: 'prompt', text: ({ prompt }) => visible(prompt).slice(0, 160) },
  {
    name: 'k',
    meaning: 'completions',
    text: (g) => String(g.completions),
    value: (g) => g.completions,
    number: true,
  },
  {
    name: 'reward',
    meaning: 'mean reward',
    text: (g) => plain(g.meanReward),
    value: (g) => g.meanReward,
    number: true,
  },
  { name: 'tokens', text: (g) => count(g.tokens), value: (g) => g.tokens, number: true },
  {
    name: 'saved',
    meaning: 'tokens that the tree saves',
    text: (g) => percent(saved(g)),
    value: saved,
    number: true,
  },
  {
    name: 'depth',
    meaning: 'path depth: intermediate steps on the way of a completion, mean',
    text: (g) => g.pathDepth.toFixed(2),
    value: (g) => g.pathDepth,
    number: true,
  },
  { name: 'shape', text: (g) => (g.zeroVariance ? 'zero variance' : g.flat ? 'flat' : 'tree') },
  {
    name: 'pushed down',
    meaning: 'good completions most of whose tokens lie in steps with a negative advantage',
    text: (g) => String(g.pushedDown),
    value: (g) => g.pushedDown,
    number: true,
  },
  {
    name: 'worst',
    meaning: 'largest share of a good completion’s tokens in steps with a negative advantage',
    text: (g) => percent(g.worst),
    value: (g) => g.worst,
    number: true,
  },
  {
    name: 'flaw',
    meaning: 'largest (|λ| − 1)·|Â|: what GRPO adds to a step beyond its one share',
    text: (g) => g.flaw.toFixed(2),
    value: (g) => g.flaw,
    number: true,
  },
];

function saved({ tokens, distinctTokens }: ReportGroup): number {
  return tokens > 0 ? 1 - distinctTokens / tokens : 0;
}

const table = dataTable({
  columns,
  rows: [...groups].sort((a, b) => b.flaw - a.flaw),
  sortBy: 'pushed down',
  caption: 'Groups whose trees are in this file',
  search: ({ id, prompt, place }) => `${id}\n${prompt}\n${place}`,
  filters: [
    { name: 'good ones pushed down', keeps: ({ pushedDown }) => pushedDown > 0 },
    { name: 'mixed rewards', keeps: ({ zeroVariance }) => !zeroVariance },
    { name: 'not flat', keeps: ({ flat }) => !flat },
  ],
  onOpen: (group) => {
    open(group);
    section.scrollIntoView({
      block: 'start',
      behavior: matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth',
    });
  },
});

function open(group: ReportGroup): void {
  table.mark(group);
  section.hidden = false;
  const facts = [
    ...(group.step === null ? [] : [`step ${group.step}`]),
    `${group.completions} completions`,
    `${count(group.tokens)} tokens, ${count(group.distinctTokens)} distinct`,
    `mean reward ${plain(group.meanReward)}`,
    `path depth ${group.pathDepth.toFixed(2)}`,
    `intermediate proportion ${group.intermediateProportion.toFixed(2)}`,
    ...(group.tokenSource === 'exact' ? [] : [group.tokenSource]),
  ];
  section.replaceChildren(
    element('h2', { id: 'group-title' }, 'Group ', element('span', { class: 'source' }, visible(group.id))),
    element('p', { class: 'lead' }, facts.join(' · ')),
    ...(group.place ? [element('p', { class: 'place' }, group.place)] : []),
    ...(group.prompt
      ? [
          element(
            'details',
            { class: 'prompt' },
            element('summary', {}, 'Prompt'),
            element('pre', { tabindex: 0, 'aria-label': 'Prompt' }, group.prompt),
          ),
        ]
      : []),
    group.tree
      ? treeMap(group.tree).element
      : element(
          'p',
          { class: 'lead' },
          'This group has too many steps for a page; lambda-grpo tree prints it.',
        ),
    legend(),
  );
}

function legend(): HTMLElement {
  return element(
    'p',
    { class: 'legend' },
    element('span', { class: 'swatch up' }),
    'pushed up ',
    element('span', { class: 'swatch neutral' }),
    'Â = 0 ',
    element('span', { class: 'swatch down' }),
    'pushed down: by GRPO |λ| times over, by λ-GRPO once. “against”: share of a completion’s tokens in steps of the opposite sign. Arrow keys walk the tree, Enter lights a path.',
  );
}

const lead = document.getElementById('groups-lead') as HTMLElement;
lead.textContent =
  groups.length === 0
    ? 'No trees are in this file.'
    : groups.length === total
      ? 'All groups of the log. Open one to see its process tree.'
      : `${count(groups.length)} of ${count(total)} groups: half of the room for those that λ-GRPO changes most, half for every n-th of the log. Open one to see its process tree.`;
document.getElementById('groups')?.append(table.element);
const [first] = table.shown();
if (first) open(first);
