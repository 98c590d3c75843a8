/**
 * A group's process tree as a picture: one row per completion, one column per token, and one box per process step. A
 * box is as high as the number of completions that share it (|λ|) and as wide as its tokens. Blue steps are pushed up,
 * orange ones down; Â is printed in each, so it can be read without colours. Self-contained SVG, text escaped.
 */
import type { GroupAnalysis } from './analyze-group.js';
import { stepTexts, type TokenTextOptions } from './step-texts.js';
import { escapeMarkup, PAPER } from './svg.js';

export interface TreeSvgOptions extends TokenTextOptions {
  readonly title?: string;
}

const CELL = 56;
const ROW = 40;
const LEFT = 16;
const TOP = 56;
const GAP = 2;

/** @returns the picture as one `<svg>` element */
export function treeSvg(analysis: GroupAnalysis, { title = '', ...options }: TreeSvgOptions): string {
  const { tree, rewards, advantages, stepAdvantages } = analysis;
  const columns = tree.lengths.reduce((n, length) => Math.max(n, length), 1);
  const right = LEFT + columns * CELL + 16;
  const width = right + 190;
  const height = TOP + tree.groupSize * ROW + 36;
  const strongest = Math.max(1e-9, ...Array.from(stepAdvantages, Math.abs));
  const texts = stepTexts(tree, options);
  const parts: string[] = [];
  for (let node = 0; node < tree.nodeCount; node++) {
    const length = tree.end[node] - tree.start[node];
    if (length === 0) continue;
    const advantage = stepAdvantages[node];
    const x = LEFT + tree.start[node] * CELL;
    const y = TOP + tree.memberStart[node] * ROW;
    const [w, h] = [length * CELL - GAP, tree.size[node] * ROW - GAP];
    const text = texts[node];
    const label = `${text}: |λ| = ${tree.size[node]}, R̂ = ${format(analysis.stepRewards[node])}, Â = ${signed(advantage)}`;
    parts.push(
      `<g><title>${escapeMarkup(label)}</title>`,
      `<rect x="${x}" y="${y}" width="${w}" height="${h}" rx="4" fill="${shade(advantage / strongest)}" stroke="#888"/>`,
      `<text x="${x + w / 2}" y="${y + h / 2 - 2}" text-anchor="middle" font-weight="600">${escapeMarkup(clip(text, length * 6))}</text>`,
      `<text x="${x + w / 2}" y="${y + h / 2 + 13}" text-anchor="middle" font-size="11" fill="#333">${signed(advantage)}</text></g>`,
    );
  }
  tree.members.forEach((completion, row) => {
    const y = TOP + row * ROW + ROW / 2 + 4;
    parts.push(
      `<text x="${right + 40}" y="${y}" text-anchor="end">${format(rewards[completion])}</text>`,
      `<text x="${right + 120}" y="${y}" text-anchor="end">${signed(advantages[completion])}</text>`,
    );
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escapeMarkup(title)}" font-family="system-ui, sans-serif" font-size="14" fill="#111">`,
    `<rect width="${width}" height="${height}" fill="${PAPER}"/>`,
    `<text x="${LEFT}" y="24" font-size="15" font-weight="600">${escapeMarkup(title)}</text>`,
    `<text x="${LEFT}" y="${TOP - 10}" font-size="12" fill="#555">process steps: height |λ|, number Â(λ)</text>`,
    `<text x="${right + 40}" y="${TOP - 10}" font-size="12" fill="#555" text-anchor="end">reward</text>`,
    `<text x="${right + 120}" y="${TOP - 10}" font-size="12" fill="#555" text-anchor="end">advantage</text>`,
    ...parts,
    `<text x="${LEFT}" y="${height - 12}" font-size="12" fill="#555">blue: pushed up, orange: pushed down — by GRPO |λ| times over, by λ-GRPO once</text>`,
    '</svg>',
    '',
  ].join('\n');
}

/** Blue for up, orange for down, near white at 0; −1 … 1. */
function shade(strength: number): string {
  const target = strength > 0 ? [86, 160, 224] : [240, 150, 70];
  const t = Math.min(1, Math.abs(strength)) * 0.85;
  return `rgb(${target.map((c) => Math.round(250 + (c - 250) * t)).join(',')})`;
}

const format = (value: number): string => String(Number(value.toFixed(2)));

function signed(value: number): string {
  const text = Math.abs(value).toFixed(2);
  if (Number(text) === 0) return text;
  return value < 0 ? `−${text}` : `+${text}`;
}

function clip(text: string, room: number): string {
  const characters = [...text];
  return characters.length <= room ? text : `${characters.slice(0, Math.max(1, room - 1)).join('')}…`;
}
