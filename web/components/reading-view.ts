/**
 * The text of a completion for reading, with its own line breaks: each step has the colour of its value and begins with
 * a bar, and spaces are shown as dots. The margin shows |λ| of the steps that begin on each line: how many completions
 * share them.
 */
import type { TreeView } from '../../src/analysis/tree-view.js';
import { element } from './dom.js';
import { count, counted, percent, plain, shownLines, signed } from './format.js';
import type { Weights } from './node-values.js';
import { colour, strongestOf } from './tree-map.js';

export interface ReadingOptions {
  /** Value of each step, [steps]. */
  readonly values: readonly number[];
  /** Called with the step under the pointer. */
  readonly onStep: (node: number) => void;
}

interface Piece {
  readonly node: number;
  readonly text: string;
  /** Whether the step begins in this part. */
  readonly first: boolean;
}

/** @param row of the completion */
export function readingView(view: TreeView, row: number, { values, onStep }: ReadingOptions): HTMLElement {
  const { steps, completions } = view;
  const { index, reward, advantage, against, tokens, leaf } = completions[row];
  const path: number[] = [];
  for (let node = leaf; node >= 0; node = steps[node].parent) if (steps[node].tokens > 0) path.unshift(node);
  const strongest = strongestOf(values);
  const lines = linesOf(view, path).map((pieces) => {
    const begun = pieces.filter(({ first }) => first);
    // A line that lies within one step shows faintly how many completions share it.
    const marks = begun.length > 0 ? begun : pieces.slice(0, 1);
    return element(
      'div',
      { class: 'line' },
      element(
        'div',
        { class: begun.length > 0 ? 'margin' : 'margin within' },
        ...marks.map(({ node }) => {
          const { size } = steps[node];
          const mark = element(
            'span',
            { class: 'mark', title: `${counted(size, 'completion')} through this step` },
            String(size),
          );
          colour(mark, values[node], strongest);
          return mark;
        }),
      ),
      element('div', { class: 'words' }, ...pieces.map((piece) => words(piece, values, strongest, onStep))),
    );
  });
  return element(
    'div',
    { class: 'reading' },
    element(
      'p',
      { class: 'reading-head' },
      element('strong', {}, `Completion ${index + 1}`),
      ` reward ${plain(reward)}, advantage ${signed(advantage)}, ${counted(tokens, 'token')} in ${counted(path.length, 'step')}, ${percent(against)} of them against its advantage`,
    ),
    path.length === 0
      ? element('p', { class: 'reading-head' }, 'It has no tokens.')
      : element(
          'div',
          { class: 'lines', tabindex: 0, role: 'group', 'aria-label': `Text of completion ${index + 1}` },
          element(
            'div',
            { class: 'line titles', 'aria-hidden': 'true' },
            element('div', { class: 'margin' }, '|λ|'),
            element('div', { class: 'words' }, 'text; a bar where a step begins'),
          ),
          ...lines,
        ),
  );
}

/** The texts of the path, split at line ends. A line end belongs to the line before it. */
function linesOf({ steps }: TreeView, path: readonly number[]): Piece[][] {
  const lines: Piece[][] = [[]];
  for (const node of path) {
    const { text, textCut } = steps[node];
    const parts = shownLines(text + (textCut ? ' … (cut)' : '')).split(/(?<=\n)/);
    parts.forEach((part, i) => {
      lines[lines.length - 1].push({ node, text: part, first: i === 0 });
      if (part.endsWith('\n')) lines.push([]);
    });
  }
  if (lines.at(-1)?.length === 0) lines.pop();
  return lines;
}

function words(
  { node, text, first }: Piece,
  values: readonly number[],
  strongest: number,
  onStep: (node: number) => void,
): HTMLElement {
  const piece = element('span', {
    class: first ? 'piece first' : 'piece',
    'data-node': node,
    title: signed(values[node]),
  });
  for (const part of text.split(/([ \t\n])/)) {
    if (part === ' ') piece.append(element('span', { class: 'space' }, ' '));
    else if (part === '\t') piece.append(element('span', { class: 'tab' }, '\t'));
    else if (part === '\n') piece.append(element('span', { class: 'end' }, '\n'));
    else piece.append(part);
  }
  colour(piece, values[node], strongest);
  piece.addEventListener('mouseenter', () => onStep(node));
  return piece;
}

/** The figures of one step, and its text if no completion is shown. @param alone whether no completion is shown */
export function stepFigures(view: TreeView, node: number, weights: Weights, alone: boolean): HTMLElement {
  const { steps, completions, values = [] } = view;
  const chosen = values.filter(({ name }) => name === weights);
  const { text, textCut, tokens, size, reward, advantage, parent } = steps[node];
  const figures: [string, string][] = [
    ['|λ|', `${size} of ${completions.length}`],
    ['step reward R̂', plain(reward)],
    ['step advantage Â', signed(advantage)],
    ['tokens', count(tokens)],
    ['weight under GRPO', `${size} × ${signed(advantage)}`],
    ['under λ-GRPO', `1 × ${signed(advantage)}`],
    ...chosen.map(({ name, nodes }): [string, string] => [name, signed(nodes[node])]),
  ];
  const empty =
    parent < 0
      ? 'All completions begin here. Choose one to read it: click its number, or press Enter on a step.'
      : 'A completion ends here, without a token of its own.';
  return element(
    'div',
    { class: 'figures' },
    element(
      'dl',
      {},
      ...figures.map(([name, value]) =>
        element('div', {}, element('dt', {}, name), element('dd', {}, value)),
      ),
    ),
    ...(alone
      ? [
          tokens === 0
            ? element('p', { class: 'hint' }, empty)
            : element(
                'pre',
                { tabindex: 0, 'aria-label': 'Text of the step' },
                shownLines(text) + (textCut ? ' … (cut)' : ''),
              ),
        ]
      : []),
  );
}
