/**
 * Draws docs/figures/credit.svg: the paper's worked example (PAPER.md §3: six completions, rewards 0.5, 0.5, 1, 0, 0,
 * 0.5) under every credit rule. Each panel shows the group's tree: one row per completion, one column per token, one
 * block per step. The colour shows how hard the rule pushes the step's tokens, up (blue) or down (orange), relative to
 * the largest push in the panel.
 *
 *     npx tsx scripts/credit-figure.ts
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { analyzeGroup, publishedCredit } from '../src/analysis/index.js';
import { chartHead, escapeMarkup, GRPO_COLOUR, INK, LAMBDA_GRPO_COLOUR, round } from '../src/analysis/svg.js';
import { CREDIT_NAMES, CREDIT_RULES, type CreditName } from '../src/objective/index.js';

const FILE = fileURLToPath(new URL('../docs/figures/credit.svg', import.meta.url));

const COMPLETIONS = ['ABCD', 'ABEFHI', 'JKLM', 'JKLNQST', 'JKLNQU', 'VWYZ'];
const REWARDS = [0.5, 0.5, 1, 0, 0, 0.5];

const CELL = 33;
const ROW = 20;
const ACROSS = 4;
const PANEL = { width: 7 * CELL + 66, height: 6 * ROW + 66 };
const MARGIN = { left: 20, top: 74 };

/** @returns the picture, newline included */
export function renderCredit(): string {
  const analysis = analyzeGroup({
    completions: COMPLETIONS.map((text, i) => ({
      tokens: Int32Array.from(text, (letter) => letter.charCodeAt(0)),
      reward: REWARDS[i],
    })),
  });
  const width = 2 * MARGIN.left + ACROSS * PANEL.width;
  const height = MARGIN.top + Math.ceil(CREDIT_NAMES.length / ACROSS) * PANEL.height + 8;
  const parts = chartHead('One group under every credit rule', width, height, MARGIN.left);
  parts.push(
    `<text x="${MARGIN.left}" y="50" fill="${INK}">Six completions and their rewards. Numbers: what the copies of a step’s token sum up to. Blue is pushed up, orange down.</text>`,
  );
  CREDIT_NAMES.forEach((name, place) => {
    const x = MARGIN.left + (place % ACROSS) * PANEL.width;
    const y = MARGIN.top + Math.floor(place / ACROSS) * PANEL.height;
    parts.push(panel(name, x, y));
  });
  return `${[...parts, '</svg>'].join('\n')}\n`;

  function panel(name: CreditName, left: number, top: number): string {
    const { tree } = analysis;
    const { push, first } = publishedCredit(name, analysis);
    const largest = Math.max(...push.map(Math.abs), ...first.map(Math.abs));
    const marks = [
      `<text x="${left}" y="${top + 14}" fill="${INK}"><tspan font-weight="600">${escapeMarkup(CREDIT_RULES[name].title)}</tspan></text>`,
      `<text x="${left}" y="${top + 29}" font-size="11" fill="#777777">${name}</text>`,
    ];
    const block = (node: number, from: number, to: number, value: number): void => {
      if (to === from) return;
      const x = left + from * CELL;
      const y = top + 36 + tree.memberStart[node] * ROW;
      const [w, h] = [(to - from) * CELL - 2, tree.size[node] * ROW - 2];
      const colour = value >= 0 ? LAMBDA_GRPO_COLOUR : GRPO_COLOUR;
      const opacity = largest > 0 ? Math.abs(value) / largest : 0;
      const letters = COMPLETIONS[tree.representative(node)].slice(from, to);
      const ink = opacity > 0.6 ? '#ffffff' : INK;
      marks.push(
        `<rect x="${x}" y="${y}" width="${w}" height="${h}" rx="3" fill="${colour}" fill-opacity="${round(opacity)}" stroke="#bbbbbb" stroke-width="0.7"/>`,
      );
      const lines = to - from === 1 ? [signed(value)] : [`${letters} ${signed(value)}`];
      if (to - from === 1 && h > 30) lines.unshift(letters);
      lines.forEach((line, i) => {
        const size = to - from === 1 ? 9 : 10;
        const middle = y + h / 2 + 3.5 + (i - (lines.length - 1) / 2) * 12;
        marks.push(
          `<text x="${round(x + w / 2)}" y="${round(middle)}" text-anchor="middle" font-size="${size}" fill="${ink}">${escapeMarkup(line)}</text>`,
        );
      });
    };
    for (let node = 0; node < tree.nodeCount; node++) {
      const [start, end] = [tree.start[node], tree.end[node]];
      if (first[node] === push[node]) block(node, start, end, push[node]);
      else {
        block(node, start, start + 1, first[node]);
        block(node, start + 1, end, push[node]);
      }
    }
    Array.from(tree.members).forEach((i, row) => {
      marks.push(
        `<text x="${left + tree.lengths[i] * CELL + 6}" y="${top + 36 + row * ROW + 13}" font-size="10" fill="#777777">r ${REWARDS[i]}</text>`,
      );
    });
    return marks.join('\n');
  }
}

function signed(value: number): string {
  const text = Math.abs(value).toFixed(2);
  return Number(text) === 0 ? '0' : `${value > 0 ? '+' : '−'}${text}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(FILE, renderCredit());
