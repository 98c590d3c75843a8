/**
 * The 16 paths of a binary tree, animated: the width of a branch is the policy's probability of going there, its colour
 * the step advantage in the newest group.
 */
import { GRPO_COLOUR, LAMBDA_GRPO_COLOUR } from '../../src/analysis/svg.js';
import type { Method } from '../../src/core.js';
import { svgElement } from '../components/dom.js';
import { percent, signed } from '../components/format.js';
import type { StepRecord } from './training.js';

const WIDTH = 560;
const ROW = 22;
const WIDEST = 36;
/** Margin above the first path and below the last: half of a wide branch. */
const MARGIN = 10;
/** Width for the names of the paths. */
const NAMES = 104;

export const COLOUR: Record<string, string> = { grpo: GRPO_COLOUR, 'lambda-grpo': LAMBDA_GRPO_COLOUR };

interface Branch {
  /** Turns up to here. */
  readonly path: string;
  readonly from: readonly [number, number];
  readonly to: readonly [number, number];
}

export class LivingTree {
  readonly element: SVGSVGElement;
  private readonly branches: readonly Branch[];
  private readonly lines: readonly SVGPathElement[];
  private readonly titles: readonly SVGTitleElement[];
  private readonly leaves = new Map<string, SVGTextElement>();

  constructor(
    private readonly method: Method,
    depth: number,
    private readonly target: string,
  ) {
    const height = 2 ** depth * ROW + 2 * MARGIN;
    this.element = svgElement('svg', {
      viewBox: `0 0 ${WIDTH} ${height}`,
      role: 'img',
      class: 'living-tree',
    });
    this.branches = branchesOf(depth);
    this.titles = this.branches.map(() => svgElement('title', {}));
    this.lines = this.branches.map(({ from, to }, i) => {
      const middle = (from[0] + to[0]) / 2;
      const line = svgElement('path', {
        d: `M${from} C${middle},${from[1]} ${middle},${to[1]} ${to}`,
        fill: 'none',
      });
      line.append(this.titles[i]);
      return line;
    });
    this.element.append(...this.lines);
    this.branches.forEach(({ path, to }) => {
      if (path.length < depth) return;
      const text = svgElement('text', { x: to[0] + 8, y: to[1] + 4, class: path === target ? 'target' : '' });
      this.leaves.set(path, text);
      this.element.append(text);
    });
  }

  /** Shows the policy at the beginning of a step, and the step's advantages of each turn. */
  show({ step, logprobs, advantages }: StepRecord): void {
    const probability = new Map<string, number>([['', 1]]);
    const strongest = advantages.reduce<number>((most, value) => Math.max(most, Math.abs(value ?? 0)), 1e-9);
    this.branches.forEach(({ path }, i) => {
      const p = (probability.get(path.slice(0, -1)) as number) * Math.exp(logprobs[i]);
      probability.set(path, p);
      const advantage = advantages[i];
      const line = this.lines[i];
      line.setAttribute('stroke-width', String(0.75 + WIDEST * p));
      line.setAttribute(
        'class',
        advantage === null || Math.abs(advantage) < 5e-7 ? 'neutral' : advantage > 0 ? 'up' : 'down',
      );
      line.style.setProperty('--strength', `${Math.round((100 * Math.abs(advantage ?? 0)) / strongest)}%`);
      this.titles[i].textContent =
        `${path}: ${percent(p)}, ${advantage === null ? 'not sampled' : `step advantage ${signed(advantage)}`}`;
    });
    for (const [path, text] of this.leaves)
      text.textContent = `${path} ${percent(probability.get(path) as number)}${path === this.target ? ' ★' : ''}`;
    const name = this.method === 'grpo' ? 'GRPO' : 'λ-GRPO';
    this.element.setAttribute(
      'aria-label',
      `${name} before the update of step ${step}: the target ${this.target} has probability ${percent(probability.get(this.target) as number)}`,
    );
  }
}

/** All turns of the tree, depth first, L before R: the order of the records. */
function branchesOf(depth: number): Branch[] {
  const level = (WIDTH - NAMES) / depth;
  const height = 2 ** depth * ROW;
  const at = (path: string): [number, number] => {
    const [low, high] = [...path].reduce<readonly [number, number]>(
      ([from, to], turn) => (turn === 'L' ? [from, (from + to) / 2] : [(from + to) / 2, to]),
      [MARGIN, MARGIN + height],
    );
    return [level * path.length, (low + high) / 2];
  };
  const branches = (path: string): Branch[] =>
    path.length === depth
      ? []
      : ['L', 'R'].flatMap((turn) => {
          const next = path + turn;
          return [{ path: next, from: at(path), to: at(next) }, ...branches(next)];
        });
  return branches('');
}
