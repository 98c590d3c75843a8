/**
 * Shows the groups of a log: the table, and the process tree of the open group. Used by the report and by pages that
 * read a log.
 */
import type { ReportData, ReportGroup } from '../../src/analysis/report/data.js';
import { withCreditViews } from './credit-views.js';
import { element } from './dom.js';
import { count, plain, shownLines, visible } from './format.js';
import { groupTable, numberColumn } from './group-table.js';

/**
 * @param group element that shows the open group; hidden until a group is open
 * @param level of its heading
 */
export function logGroups(
  { total, groups }: ReportData,
  group: HTMLElement,
  level: 2 | 4 = 2,
): { readonly lead: string; readonly table: HTMLElement } {
  const table = groupTable({
    rows: groups,
    caption: 'Groups whose trees are shown',
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
    onOpen: (row) => {
      open(row);
      const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
      group.scrollIntoView({ block: 'start', behavior: still ? 'auto' : 'smooth' });
    },
  });

  function open(row: ReportGroup): void {
    table.mark(row);
    group.hidden = false;
    group.replaceChildren(...partsOf(row, level, `${group.id}-title`));
  }

  const [first] = table.shown();
  if (first) open(first);
  return { lead: leadOf(groups.length, total), table: table.element };
}

function leadOf(shown: number, total: number): string {
  if (shown === 0) return 'No trees are shown.';
  if (shown === total) return 'All groups of the log. Open one to see its process tree.';
  return `${count(shown)} of ${count(total)} groups: half of them are those that λ-GRPO changes most, half are every n-th group of the log. Open one to see its process tree.`;
}

function partsOf(group: ReportGroup, level: 2 | 4, titleId: string): HTMLElement[] {
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
  const parts: HTMLElement[] = [
    element(`h${level}`, { id: titleId }, 'Group ', element('span', { class: 'source' }, visible(group.id))),
    element('p', { class: 'lead' }, facts.join(' · ')),
  ];
  if (group.place) parts.push(element('p', { class: 'place' }, group.place));
  if (group.prompt)
    parts.push(
      element(
        'details',
        { class: 'prompt' },
        element('summary', {}, 'Prompt'),
        element('pre', { tabindex: 0, 'aria-label': 'Prompt' }, shownLines(group.prompt)),
      ),
    );
  if (group.tree) {
    const tree = element('process-tree');
    tree.view = withCreditViews(group.tree);
    parts.push(tree);
  } else
    parts.push(
      element(
        'p',
        { class: 'lead' },
        'This group has too many steps for a page; lambda-grpo tree prints it.',
      ),
    );
  return parts;
}
