/** Draws those figures of the README that do not need a training run: `npx tsx scripts/figures.ts`. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { analyzeGroup, treeSvg } from '../src/analysis/index.js';

const WORKED_EXAMPLE: [string, number][] = [
  ['ABCD', 0.5],
  ['ABEFHI', 0.5],
  ['JKLM', 1],
  ['JKLNQST', 0],
  ['JKLNQU', 0],
  ['VWYZ', 0.5],
];

mkdirSync('docs/figures', { recursive: true });
const analysis = analyzeGroup({
  completions: WORKED_EXAMPLE.map(([text, reward]) => ({
    tokens: Int32Array.from(text, (c) => c.charCodeAt(0)),
    reward,
  })),
});
const tokenText = (id: number): string => String.fromCharCode(id);
writeFileSync(
  'docs/figures/worked-example.svg',
  treeSvg(analysis, {
    title: 'The process tree of six completions (the paper’s worked example)',
    tokenText,
    separator: ' ',
  }),
);
