/**
 * Draws a group's process tree from left to right: one row per completion, one column per level, one box per process
 * step. A box is as high as the number of completions that share it (|λ|) and coloured by its value (blue up, orange
 * down, grey at 0). On the left are each completion's reward and advantage; choosing one highlights its path. Arrow
 * keys move through the tree.
 */
import type { StepView, TreeView } from '../../src/analysis/tree-view.js';
import { element } from './dom.js';
import { percent, plain, signed, visible } from './format.js';

/** Pixels. */
const ROW = 24;
const GAP = 2;
const NARROWEST = 76;
const WIDEST = 380;
/** Minimum width of a level when the tree is fitted into the window. */
const LEAST_WIDE = 150;
/** Width of an empty root: room for its number. */
const ROOT = 46;
/** Width below which levels are drawn closer together. */
const NARROW = 420;
/** Width beside the boxes: padding and a scroll bar. */
const MARGINS = 34;
const CHARACTER = 7.4;
/** Maximum number of characters in a box; more would not be visible. */
const SHOWN = 1200;

export interface TreeMap {
  readonly element: HTMLElement;
  /** Highlights the path of a completion (its row); null highlights none. */
  light(row: number | null): void;
  /** Gives each step its number and colour. @param values [steps] */
  show(values: readonly number[]): void;
  /** Fits the columns to the available width, and says how much of the tree is visible. @param width pixels */
  fit(width: number): void;
}

export interface TreeMapOptions {
  /** Called with the row of the chosen completion. */
  readonly onLight: (row: number | null) => void;
  /** Called with the focused step. */
  readonly onStep: (node: number) => void;
}

export function treeMap({ steps, completions }: TreeView, { onLight, onStep }: TreeMapOptions): TreeMap {
  const children = steps.map((): number[] => []);
  steps.forEach(({ parent }, node) => {
    if (parent >= 0) children[parent].push(node);
  });
  let columns: readonly Span[] = [];
  let focused = 0;
  let lit: number | null = null;

  const folded = new Set<number>();
  const boxes = steps.map((step, node) => box(step, node));
  const field = element('div', { class: 'boxes', role: 'tree', 'aria-label': 'Process tree' }, ...boxes);
  field.style.height = `${completions.length * ROW}px`;

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
      element('span', { class: `reward ${signOf(advantage)}` }, plain(reward)),
      element('span', { class: `advantage ${signOf(advantage)}` }, signed(advantage)),
      element('span', { class: against > 0.5 ? 'against most' : 'against' }, percent(against)),
    );
    button.addEventListener('click', () => choose(lit === row ? null : row));
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
  const fixed = element('div', { class: 'completions' }, head, ...rows);
  const scroller = element(
    'div',
    { class: 'tree-scroll', tabindex: 0, role: 'group', 'aria-label': 'Completions and their process tree' },
    fixed,
    element(
      'div',
      { class: 'tree-field' },
      element('div', { class: 'field-head', 'aria-hidden': 'true' }, 'process steps, as high as |λ|'),
      field,
    ),
  );
  const note = element('p', { class: 'wide-note', hidden: true });
  scroller.addEventListener('scroll', reportVisibleLevels, { passive: true });

  function box(step: StepView, node: number): HTMLElement {
    const empty = step.tokens === 0;
    const label = empty ? '∅' : visible(step.text);
    const treeItem = element(
      'div',
      {
        class: `step${empty ? ' empty' : ''}${empty && step.parent < 0 ? ' root' : ''}${step.size === 1 ? ' single' : ''}`,
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
    if (children[node].length > 0) treeItem.setAttribute('aria-expanded', 'true');
    treeItem.style.top = `${step.row * ROW}px`;
    treeItem.style.height = `${step.size * ROW - GAP}px`;
    treeItem.addEventListener('focus', () => onStep(node));
    treeItem.addEventListener('mouseenter', () => onStep(node));
    treeItem.addEventListener('click', () => focus(node));
    treeItem.addEventListener('dblclick', () => fold(node));
    return treeItem;
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
    boxes.forEach((treeItem, node) => {
      treeItem.classList.toggle('lit', path.has(node));
      treeItem.classList.toggle('faded', row !== null && !path.has(node));
    });
    rows.forEach((button, i) => {
      button.setAttribute('aria-pressed', String(i === row));
    });
  }

  function choose(row: number | null): void {
    light(row);
    onLight(row);
  }

  /** Hides or shows what is below a step. */
  function fold(node: number): void {
    if (children[node].length === 0) return;
    if (!folded.delete(node)) folded.add(node);
    boxes[node].setAttribute('aria-expanded', String(!folded.has(node)));
    boxes[node].classList.toggle('folded', folded.has(node));
    const hidden = steps.map(() => false);
    steps.forEach(({ parent }, step) => {
      hidden[step] = parent >= 0 && (hidden[parent] || folded.has(parent));
      boxes[step].hidden = hidden[step];
    });
  }

  function show(values: readonly number[]): void {
    const strongest = strongestOf(values);
    boxes.forEach((treeItem, node) => {
      colour(treeItem, values[node], strongest);
      (treeItem.children[1] as HTMLElement).textContent = signed(values[node]);
    });
  }

  function fit(width: number): void {
    const room = width - fixed.offsetWidth - MARGINS;
    columns = columnsOf(steps, room);
    field.style.width = `${columns.at(-1)?.end ?? 0}px`;
    steps.forEach(({ depth }, node) => {
      const { start, end } = columns[depth];
      boxes[node].style.left = `${start}px`;
      boxes[node].style.width = `${end - start - GAP}px`;
    });
    scroller.style.scrollPaddingInlineStart = `${fixed.offsetWidth + 8}px`;
    reportVisibleLevels();
  }

  /** Says which levels are visible, if not all of them are. */
  function reportVisibleLevels(): void {
    const { scrollLeft, clientWidth, scrollWidth } = scroller;
    const wide = scrollWidth > clientWidth + 1;
    note.hidden = !wide;
    scroller.classList.toggle('more-after', wide && scrollLeft + clientWidth < scrollWidth - 1);
    scroller.classList.toggle('more-before', wide && scrollLeft > 1);
    if (!wide) return;
    const [from, to] = [scrollLeft, scrollLeft + clientWidth - fixed.offsetWidth];
    const whole = columns.flatMap(({ start, end }, level) => (start >= from - 8 && end <= to ? [level] : []));
    const inView =
      whole.length === 0
        ? 'one level is partly visible'
        : `${whole[0] === whole.at(-1) ? `level ${whole[0]} is` : `levels ${whole[0]} to ${whole.at(-1)} are`} visible`;
    note.textContent = `The tree is wider than the window: ${inView}, the last is ${columns.length - 1}. Scroll sideways, or move through it with the arrow keys.`;
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
    if (event.key === 'Enter' || event.key === ' ') choose(steps[focused].row);
    else if (event.key === 'Escape') choose(null);
    else if (event.key === '-' || event.key === '+') {
      if (folded.has(focused) === (event.key === '+')) fold(focused);
    } else if (target[event.key] !== undefined) focus(target[event.key] as number);
    else return;
    event.preventDefault();
  });

  /** The step before or after in the same column. */
  function neighbour(direction: 1 | -1): number | undefined {
    const { depth } = steps[focused];
    for (let node = focused + direction; node >= 0 && node < steps.length; node += direction) {
      if (steps[node].depth === depth && !boxes[node].hidden) return node;
    }
    return undefined;
  }

  return { element: element('div', { class: 'tree-map' }, note, scroller), light, show, fit };
}

interface Span {
  readonly start: number;
  readonly end: number;
}

/** Start and end of each level. A level is as wide as its longest text, or narrower if that makes the tree fit. */
function columnsOf(steps: readonly StepView[], room: number): Span[] {
  const most = Math.max(NARROWEST, Math.min(WIDEST, room * 0.8));
  const less = room < NARROW ? 16 : 0;
  const drawn = (widest: number) => spansOf(steps, widest, less);
  const fits = (spans: readonly Span[]) => (spans.at(-1)?.end ?? 0) <= room;
  if (fits(drawn(most)) || most <= LEAST_WIDE || !fits(drawn(LEAST_WIDE))) return drawn(most);
  let [low, high] = [LEAST_WIDE, most];
  while (high - low > 1) {
    const middle = (low + high) / 2;
    if (fits(drawn(middle))) low = middle;
    else high = middle;
  }
  return drawn(low);
}

/** @param less pixels that each level gives up */
function spansOf(steps: readonly StepView[], widest: number, less: number): Span[] {
  const widths: number[] = [];
  for (const { depth, text, tokens, size } of steps) {
    // A box with several rows wraps its text; short texts stay on one line.
    const line = tokens === 0 ? 1 : Math.max(Math.min(text.length, 20), Math.ceil(text.length / size));
    const wanted =
      tokens === 0 && depth === 0
        ? ROOT
        : Math.min(widest, Math.max(NARROWEST, 76 + line * CHARACTER)) - less;
    widths[depth] = Math.max(widths[depth] ?? 0, wanted);
  }
  let at = 0;
  return widths.map((width) => {
    const start = at;
    at += width;
    return { start, end: at };
  });
}

/** The largest absolute value; never 0. */
export function strongestOf(values: readonly number[]): number {
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-9);
}

/** Colours an element by a value: the sign gives the hue, the share of the largest value its strength. */
export function colour(target: HTMLElement, value: number, strongest: number): void {
  target.classList.remove('up', 'down', 'neutral');
  target.classList.add(signOf(value));
  target.style.setProperty('--strength', `${Math.round((100 * Math.abs(value)) / strongest)}%`);
}

function signOf(value: number): 'up' | 'down' | 'neutral' {
  if (Math.abs(value) < 5e-7) return 'neutral';
  return value > 0 ? 'up' : 'down';
}
