/**
 * A group's process tree, drawn from left to right: one row a completion, one column a level, and one box a process
 * step, as high as the completions that share it (|λ|), coloured by its advantage (blue up, orange down, grey at 0).
 * On the left each completion's reward and advantage; choosing one lights its path. Arrow keys walk the tree.
 */
import type { StepView, TreeView } from '../../src/analysis/tree-view.js';
import { element } from './dom.js';
import { percent, plain, signed, visible } from './format.js';

/** Pixels. */
const ROW = 24;
const GAP = 2;
const NARROWEST = 76;
const WIDEST = 380;
const CHARACTER = 7.4;
/** Characters that a box is given at most; more would not be seen. */
const SHOWN = 1200;

export interface TreeMap {
  readonly element: HTMLElement;
  /** Lights the path of a completion (its row), or none. */
  light(row: number | null): void;
  /**
   * Boxes show Â(λ); with an exponent p the weight that the objective gives the step's tokens, |λ|^(1 − p)·Â(λ):
   * p = 0 is GRPO, p = 1 λ-GRPO.
   */
  weigh(exponent: number | null): void;
}

export interface TreeMapOptions {
  /** Told which completion is lit, by its row. */
  readonly onLight?: (row: number | null) => void;
}

export function treeMap({ steps, completions }: TreeView, { onLight }: TreeMapOptions = {}): TreeMap {
  const strengthOf = (node: number): number => {
    const { size, advantage } = steps[node];
    return exponent === null ? advantage : size ** (1 - exponent) * advantage;
  };
  let exponent: number | null = null;
  const children = steps.map((): number[] => []);
  steps.forEach(({ parent }, node) => {
    if (parent >= 0) children[parent].push(node);
  });
  const columns = columnsOf(steps);
  let focused = 0;
  let lit: number | null = null;

  const folded = new Set<number>();
  const detail = element('div', { class: 'step-detail', 'aria-live': 'polite' });
  const boxes = steps.map((step, node) => box(step, node));
  const field = element('div', { class: 'boxes', role: 'tree', 'aria-label': 'Process tree' }, ...boxes);
  field.style.height = `${completions.length * ROW}px`;
  field.style.width = `${columns.at(-1)?.end ?? 0}px`;

  const rows = completions.map(({ index, reward, advantage, against }, row) => {
    const button = element(
      'button',
      {
        type: 'button',
        class: 'completion',
        'aria-pressed': 'false',
        title: `completion ${index + 1}: reward ${plain(reward)}, advantage ${signed(advantage)}, ${percent(against)} of its tokens in steps of the opposite sign`,
      },
      element('span', { class: 'index' }, String(index + 1)),
      element('span', { class: 'reward' }, plain(reward)),
      element('span', { class: `advantage ${signOf(advantage)}` }, signed(advantage)),
      element('span', { class: against > 0.5 ? 'against most' : 'against' }, percent(against)),
    );
    button.addEventListener('click', () => light(lit === row ? null : row));
    return button;
  });
  const head = element(
    'div',
    { class: 'completion head', 'aria-hidden': 'true' },
    element('span', { class: 'index' }, '#'),
    element('span', { class: 'reward' }, 'reward'),
    element('span', { class: 'advantage' }, 'adv.'),
    element('span', { class: 'against' }, 'against'),
  );

  function box(step: StepView, node: number): HTMLElement {
    const empty = step.tokens === 0;
    const label = empty ? '∅' : visible(step.text);

    const made = element(
      'div',
      {
        class: `step ${signOf(step.advantage)}${empty ? ' empty' : ''}${step.size === 1 ? ' single' : ''}`,
        role: 'treeitem',
        tabindex: node === 0 ? 0 : -1,
        'aria-level': step.depth + 1,
        'data-node': node,
      },
      element('span', { class: 'text' }, label.length > SHOWN ? `${label.slice(0, SHOWN)}…` : label),
      ' ',
      element('span', { class: 'number' }),
      element(
        'span',
        { class: 'unseen' },
        `, ${step.size} completions, step reward ${plain(step.reward)}, step advantage ${signed(step.advantage)}`,
      ),
    );
    if (children[node].length > 0) made.setAttribute('aria-expanded', 'true');
    const { start, end } = columns[step.depth];
    made.style.left = `${start}px`;
    made.style.top = `${step.row * ROW}px`;
    made.style.width = `${end - start - GAP}px`;
    made.style.height = `${step.size * ROW - GAP}px`;
    made.addEventListener('focus', () => show(node));
    made.addEventListener('mouseenter', () => show(node));
    made.addEventListener('click', () => focus(node));
    made.addEventListener('dblclick', () => fold(node));
    return made;
  }

  function show(node: number): void {
    const { text, textCut, tokens, size, reward, advantage } = steps[node];
    const figures: [string, string][] = [
      ['|λ|', `${size} of ${completions.length}`],
      ['step reward R̂', plain(reward)],
      ['step advantage Â', signed(advantage)],
      ['tokens', String(tokens)],
      ['weight under GRPO', `${size} × ${signed(advantage)}`],
      ['under λ-GRPO', `1 × ${signed(advantage)}`],
    ];
    detail.replaceChildren(
      element(
        'dl',
        {},
        ...figures.map(([name, value]) =>
          element('div', {}, element('dt', {}, name), element('dd', {}, value)),
        ),
      ),
      element(
        'pre',
        { tabindex: 0, 'aria-label': 'Text of the step' },
        tokens === 0 ? '(no tokens)' : text + (textCut ? ' … (cut)' : ''),
      ),
    );
  }

  function focus(node: number): void {
    boxes[focused].tabIndex = -1;
    focused = node;
    boxes[node].tabIndex = 0;
    boxes[node].focus({ preventScroll: false });
  }

  function light(row: number | null): void {
    lit = row;
    const path = new Set<number>();
    if (row !== null)
      for (let node = completions[row].leaf; node >= 0; node = steps[node].parent) path.add(node);
    boxes.forEach((made, node) => {
      made.classList.toggle('lit', path.has(node));
      made.classList.toggle('faded', row !== null && !path.has(node));
    });
    rows.forEach((made, i) => {
      made.setAttribute('aria-pressed', String(i === row));
    });
    onLight?.(row);
  }

  /** Hides or shows what is below a step. */
  function fold(node: number): void {
    if (children[node].length === 0) return;
    if (!folded.delete(node)) folded.add(node);
    boxes[node].setAttribute('aria-expanded', String(!folded.has(node)));
    boxes[node].classList.toggle('folded', folded.has(node));
    const hidden = steps.map(() => false);
    steps.forEach(({ parent }, below) => {
      hidden[below] = parent >= 0 && (hidden[parent] || folded.has(parent));
      boxes[below].hidden = hidden[below];
    });
  }

  function weigh(p: number | null): void {
    exponent = p;
    const strengths = steps.map((_, node) => strengthOf(node));
    const strongest = strengths.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-9);
    boxes.forEach((made, node) => {
      made.style.setProperty('--strength', `${Math.round((100 * Math.abs(strengths[node])) / strongest)}%`);
      (made.children[1] as HTMLElement).textContent = signed(strengths[node]);
    });
  }

  field.addEventListener('keydown', (event) => {
    const { parent } = steps[focused];
    const siblings = parent < 0 ? [focused] : children[parent];
    const at = siblings.indexOf(focused);
    const target: Record<string, number | undefined> = {
      ArrowLeft: parent < 0 ? undefined : parent,
      ArrowRight: folded.has(focused) ? undefined : children[focused][0],
      ArrowUp: siblings[at - 1] ?? neighbour(-1),
      ArrowDown: siblings[at + 1] ?? neighbour(1),
      Home: 0,
      End: boxes.findLastIndex(({ hidden }) => !hidden),
    };
    if (event.key === 'Enter' || event.key === ' ') light(steps[focused].row);
    else if (event.key === 'Escape') light(null);
    else if (event.key === '-' || event.key === '+') {
      if (folded.has(focused) === (event.key === '+')) fold(focused);
    } else if (target[event.key] !== undefined) focus(target[event.key] as number);
    else return;
    event.preventDefault();
  });

  /** The step above or below in the same column. */
  function neighbour(direction: 1 | -1): number | undefined {
    const { depth } = steps[focused];
    for (let node = focused + direction; node >= 0 && node < steps.length; node += direction) {
      if (steps[node].depth === depth && !boxes[node].hidden) return node;
    }
    return undefined;
  }

  show(0);
  weigh(null);
  return {
    element: element(
      'div',
      { class: 'tree-map' },
      element(
        'div',
        {
          class: 'tree-scroll',
          tabindex: 0,
          role: 'region',
          'aria-label': 'Completions and their process tree',
        },
        element('div', { class: 'completions' }, head, ...rows),
        element(
          'div',
          { class: 'tree-field' },
          element(
            'div',
            { class: 'field-head', 'aria-hidden': 'true' },
            'process steps: height |λ|, number Â',
          ),
          field,
        ),
      ),
      detail,
    ),
    light,
    weigh,
  };
}

/** Where each level begins and ends: as wide as its longest text, within bounds. */
function columnsOf(steps: readonly StepView[]): { start: number; end: number }[] {
  const widths: number[] = [];
  for (const { depth, text, tokens, size } of steps) {
    // A box with several rows wraps its text; short texts stay on one line.
    const line = tokens === 0 ? 1 : Math.max(Math.min(text.length, 20), Math.ceil(text.length / size));
    const wanted =
      tokens === 0 && depth === 0 ? 44 : Math.min(WIDEST, Math.max(NARROWEST, 76 + line * CHARACTER));
    widths[depth] = Math.max(widths[depth] ?? 0, wanted);
  }
  let at = 0;
  return widths.map((width) => {
    const start = at;
    at += width;
    return { start, end: at };
  });
}

function signOf(advantage: number): 'up' | 'down' | 'neutral' {
  if (Math.abs(advantage) < 5e-7) return 'neutral';
  return advantage > 0 ? 'up' : 'down';
}
