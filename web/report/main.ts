/** The report's page: a table of groups, and the process tree of the one that is open. */
import type { ReportData, ReportGroup } from '../../src/analysis/report/data.js';
import type { TreeView } from '../../src/analysis/tree-view.js';
import { element } from '../components/dom.js';
import { count, plain, shownLines, visible } from '../components/format.js';
import { groupTable, numberColumn } from '../components/group-table.js';
import { defineProcessTree } from '../components/process-tree.js';
import './report.css';

defineProcessTree();
const { total, groups } = JSON.parse(document.getElementById('data')?.textContent ?? '{}') as ReportData;
const section = document.getElementById('group') as HTMLElement;

const table = groupTable({
  rows: groups,
  caption: 'Groups whose trees are in this file',
  more: groups.some(({ step }) => step !== null)
    ? {
        group: numberColumn<ReportGroup>(
          'step',
          ({ step }) => step ?? -1,
          (step) => (step < 0 ? '' : String(step)),
        ),
      }
    : {},
  search: ({ id, prompt, place }) => `${id}\n${prompt}\n${place}`,
  onOpen: (group) => {
    open(group);
    const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
    section.scrollIntoView({ block: 'start', behavior: still ? 'auto' : 'smooth' });
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
    ...(group.source === '' ? [] : [group.source]),
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
            element('pre', { tabindex: 0, 'aria-label': 'Prompt' }, shownLines(group.prompt)),
          ),
        ]
      : []),
    group.tree
      ? treeOf(group.tree)
      : element(
          'p',
          { class: 'lead' },
          'This group has too many steps for a page; lambda-grpo tree prints it.',
        ),
  );
}

function treeOf(view: TreeView): HTMLElement {
  const tree = element('process-tree');
  tree.view = view;
  return tree;
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
