/**
 * A group's process tree as text: one line per step, branches in box-drawing characters, with |λ|, the step's reward R̂
 * and its advantage Â, blue if the step is pushed up and orange if it is pushed down.
 */
import { stepTexts } from '../analysis/index.js';
import type { ProcessTree } from '../tree/index.js';
import { displayWidth, elide, pad, paint, signedNumber, visible } from './format.js';

export interface TreeFigures {
  readonly tree: ProcessTree;
  /** Mean reward of each process set, [nodes]. */
  readonly stepRewards: ArrayLike<number>;
  /** Mean advantage of each process set, [nodes]. */
  readonly stepAdvantages: ArrayLike<number>;
  /** Text of a token id. */
  readonly tokenText: (id: number) => string;
}

export interface TreeFormat {
  /** Width of the terminal, in columns. */
  readonly width?: number;
  readonly colour?: boolean;
  /** Separator between the texts of two tokens: '' if tokens are pieces of a text. */
  readonly separator?: string;
  /** Maximum number of step lines; the other steps are only counted. */
  readonly maxNodes?: number;
}

/** Minimum width of a step's text, however deep the step is. */
const LEAST_TEXT = 8;

/** The tree: a header, then one line per node in depth-first order, with line end. */
export function formatTree(figures: TreeFigures, format: TreeFormat = {}): string {
  const { width = 100, colour = false, separator = '', maxNodes = Number.POSITIVE_INFINITY } = format;
  const { tree, stepRewards, stepAdvantages, tokenText } = figures;
  const texts = stepTexts(tree, { tokenText, separator });
  const style = paint(colour);
  const scale = Math.max(1e-9, ...Array.from(stepAdvantages, Math.abs));
  const shown = Math.min(tree.nodeCount, maxNodes);
  const columns = Array.from({ length: shown }, (_, node) => [
    String(tree.size[node]),
    signedNumber(stepRewards[node]).replace('+', ''),
    signedNumber(stepAdvantages[node]),
  ]);
  const header = ['|λ|', 'R̂', 'Â'];
  const widths = header.map((name, c) =>
    Math.max(displayWidth(name), ...columns.map((row) => displayWidth(row[c]))),
  );
  // On a very narrow terminal the columns of figures are left out one after the other; Â is the last.
  const figuresFrom = header.findIndex((_, c) => width - widthOf(widths.slice(c)) >= LEAST_TEXT);
  const shownFrom = figuresFrom < 0 ? header.length : figuresFrom;
  const room = Math.max(1, width - widthOf(widths.slice(shownFrom)));

  const lines: { branch: string; text: string }[] = [];
  const stems: string[] = []; // prefix of the lines below a node, by depth
  for (let node = 0; node < shown; node++) {
    const depth = tree.depth[node];
    const parent = tree.parent[node];
    const last = parent < 0 || tree.subtreeEnd[node] === tree.subtreeEnd[parent];
    stems[depth] = parent < 0 ? '' : `${stems[depth - 1]}${last ? '   ' : '│  '}`;
    const whole = parent < 0 ? '' : `${stems[depth - 1]}${last ? '└─ ' : '├─ '}`;
    const branch = elideBranch(whole, Math.max(0, room - LEAST_TEXT));
    lines.push({
      branch,
      text: elide(stepText(tree, node, texts[node]), room - displayWidth(branch)),
    });
  }
  const used = Math.max(Math.min(4, room), ...lines.map(({ branch, text }) => displayWidth(branch + text)));
  const row = (cells: readonly string[]) =>
    cells
      .map((cell, c) => `  ${pad(cell, widths[c], 'right')}`)
      .slice(shownFrom)
      .join('');
  const out = [style.dim(`${pad(elide('step', room), used)}${row(header)}`)];
  lines.forEach(({ branch, text }, node) => {
    const signed = (part: string) => style.signed(part, stepAdvantages[node], scale);
    const [size, reward, advantage] = columns[node];
    const step = `${style.dim(branch)}${signed(text)}`;
    out.push(`${pad(step, used)}${row([size, reward, signed(advantage)])}`);
  });
  if (shown < tree.nodeCount) out.push(style.dim(elide(`… and ${tree.nodeCount - shown} more steps`, width)));
  return `${out.join('\n')}\n`;
}

/** Width of the figures, with their gaps. */
function widthOf(widths: readonly number[]): number {
  return widths.reduce((sum, width) => sum + width + 2, 0);
}

/** The text of the step; a step without tokens gets an explanation. */
function stepText(tree: ProcessTree, node: number, text: string): string {
  if (tree.end[node] > tree.start[node]) return visible(text);
  return tree.parent[node] < 0 ? (tree.isLeaf(node) ? '(empty)' : '(root)') : '(ends)';
}

/** The prefix of a very deep branch is cut at its beginning: `…  │  └─ `. */
function elideBranch(branch: string, room: number): string {
  if (branch.length <= room) return branch;
  if (room < 4) return '';
  return `…${branch.slice(branch.length - (room - 1))}`;
}
