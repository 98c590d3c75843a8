/**
 * Inserts the evidence for a claim of the text: verdict, figures and picture of the experiment that tested it, as
 * `reproduce` wrote them to docs/results. No figure is typed here. A section whose experiment has no results is hidden.
 */
import { element } from '../components/dom.js';

export interface Finding {
  readonly title: string;
  readonly verdict: string;
  readonly summary: string;
}

// Imported by name, so that the page contains only these values and not the data of each file.
const TITLES = import.meta.glob<string>(
  '../../docs/results/{theorem,binary-tree,scale-control,scale-control-reasoning,reasoning,process-rewards,structure}.json',
  { eager: true, import: 'title' },
);
const VERDICTS = import.meta.glob<string>(
  '../../docs/results/{theorem,binary-tree,scale-control,scale-control-reasoning,reasoning,process-rewards,structure}.json',
  { eager: true, import: 'verdict' },
);
const SUMMARIES = import.meta.glob<string>(
  '../../docs/results/{theorem,binary-tree,scale-control,scale-control-reasoning,reasoning,process-rewards,structure}.json',
  { eager: true, import: 'summary' },
);
const PICTURES = import.meta.glob<string>(
  '../../docs/results/{binary-tree-sweep,scale-control-adamw,reasoning-arithmetic,process-rewards-mass,structure-depth}.svg',
  { eager: true, query: '?raw', import: 'default' },
);

/** The findings of an experiment; null: it has not been run. */
export function findingOf(experiment: string): Finding | null {
  const file = `../../docs/results/${experiment}.json`;
  const [title, verdict, summary] = [TITLES[file], VERDICTS[file], SUMMARIES[file]];
  if (title === undefined || verdict === undefined || summary === undefined) return null;
  return { title, verdict, summary };
}

/** Fills the elements of the text that name an experiment and, optionally, a picture. */
export function showEvidence(text: ParentNode): void {
  for (const place of text.querySelectorAll<HTMLElement>('[data-result]')) {
    const { result = '', picture } = place.dataset;
    const finding = findingOf(result);
    const section = place.closest('section');
    if (section) section.hidden = finding === null;
    if (!finding) continue;
    place.append(
      element(
        'p',
        { class: 'finding' },
        element('span', { class: 'tested' }, `${finding.title} `, element('strong', {}, finding.verdict)),
        ` ${sentence(finding.summary)} `,
        element('span', { class: 'place' }, `docs/results/${result}.md`),
      ),
    );
    const svg = PICTURES[`../../docs/results/${picture}.svg`];
    if (svg === undefined) continue;
    const figure = element('figure', { tabindex: 0, 'aria-label': `Chart of ${result}` });
    // SVG drawn by this program.
    figure.innerHTML = apart(svg, result);
    place.append(figure);
  }
}

/** Capitalised and with a full stop; symbols and names of variables stay as they are. */
const sentence = (text: string): string =>
  `${text.replace(/^[a-z](?=[a-z])/, (letter) => letter.toUpperCase())}.`;

/** Ids of several charts on one page must differ. */
const apart = (svg: string, name: string): string =>
  svg.replaceAll('id="frame"', `id="frame-${name}"`).replaceAll('url(#frame)', `url(#frame-${name})`);
