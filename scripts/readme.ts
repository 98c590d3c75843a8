/**
 * Fills the generated parts of the README and of pages in docs/ (configuration, examples, committed results), between
 * `<!-- begin:name -->` and `<!-- end:name -->`: `npx tsx scripts/readme.ts`. A test checks that the pages are up to
 * date.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { describeConfig, describeMetrics } from '../src/train/index.js';

const read = (file: string): string => (existsSync(file) ? readFileSync(file, 'utf8') : '');

/** The first table of a Markdown file, or of the section under a heading. */
function table(file: string, heading?: string): string {
  const text = read(file);
  const from = heading ? text.slice(text.indexOf(`## ${heading}`)) : text;
  const lines = from.split('\n');
  const first = lines.findIndex((line) => line.startsWith('|'));
  const last = lines.findIndex((line, i) => i > first && !line.startsWith('|'));
  return first < 0 ? '' : lines.slice(first, last < 0 ? undefined : last).join('\n');
}

/** Part of the output of `npm start`: the table, and where everything was written. The trees are shown as a picture. */
function startTable(): string {
  const [, printed = ''] = /```text\n([\s\S]*?)```/.exec(read('docs/results/start.md')) ?? [];
  const tree = printed.indexOf('\nprocess tree of');
  const end = printed.indexOf('\n', printed.lastIndexOf(' runs in ') - 4);
  return tree < 0
    ? ''
    : `\`\`\`text\n${printed.slice(0, tree).trim()}\n\n[two process trees]\n${printed.slice(end).trim().split('\n')[0]}\n\`\`\``;
}

/** One line per benchmark: the smallest and the largest value of a column of its table. */
function benchLines(): string {
  /** @param isRow which rows of the table */
  const range = (heading: string, column: string, isRow: (row: string) => boolean = () => true): string => {
    const [head, , ...rows] = table('docs/results/bench.md', heading).split('\n');
    const cells = (row: string): string[] => row.split('|').map((cell) => cell.trim());
    const at = cells(head).indexOf(column);
    const values = rows
      .filter(isRow)
      .map((row) => Number(cells(row)[at]))
      .filter(Number.isFinite);
    if (at < 0 || values.length === 0) throw new Error(`bench.md: ${heading}: no column '${column}'`);
    return `${Math.min(...values)} to ${Math.max(...values)}`;
  };
  const isBatched = (row: string): boolean => row.includes('in batches');
  const shared = range('Decoding', 'peer / ours', (row) => !isBatched(row));
  const admitted = range('Decoding', 'peer / ours', isBatched);
  return [
    `Building a process tree: ${range('Process tree', 'pairwise / ours')} times as fast as comparing all pairs.`,
    `An update on the packed tree: ${range('Training update', 'padded / tree')} times as fast as on padded sequences.`,
    `Sampling with one row for all completions that are still equal: ${shared} times as fast as with one row per sample; requests admitted as others end: ${admitted} times as fast as in batches.`,
    `AdamW as a loop: the same step as an ONNX graph takes ${range('AdamW step', 'graph / loop')} times as long.`,
  ]
    .map((line) => `- ${line}`)
    .join('\n');
}

/** Experiments that have a verdict. Those still running are listed in docs/results/claims.md only. */
function decidedClaims(): string {
  const rows = table('docs/results/claims.md').split('\n');
  return rows
    .filter((row) => !row.includes('| not decided yet |'))
    .join('\n')
    .replaceAll('](', '](docs/results/');
}

/** The parts of each page. */
const PAGES: Record<string, Record<string, () => string>> = {
  'README.md': {
    start: startTable,
    claims: decidedClaims,
    benchlines: benchLines,
  },
  'docs/library.md': { counting: () => `\`\`\`js\n${read('recipes/counting.mjs').trimEnd()}\n\`\`\`` },
  'docs/configuration.md': {
    run: () => describeConfig(['seed', 'method']),
    task: () => describeConfig(['task']),
    model: () => describeConfig(['model']),
    engine: () => describeConfig(['engine', 'runtime']),
    objective: () => describeConfig(['objective']),
    optimizer: () => describeConfig(['optimizer']),
    sampling: () => describeConfig(['sampling']),
    train: () => describeConfig(['warmup', 'train', 'evaluation']),
    log: () => describeConfig(['checkpoint', 'log']),
  },
  'docs/performance.md': {
    model: () => table('docs/results/model.md'),
    bench: () =>
      ['Process tree', 'Training update', 'Decoding', 'AdamW step']
        .map((name) => `### ${name}\n\n${table('docs/results/bench.md', name)}`)
        .join('\n\n'),
  },
  'docs/metrics.md': { metrics: describeMetrics },
};

export const PAGE_NAMES = Object.keys(PAGES);

/** A page with its generated parts filled in. */
export function renderPage(file: string, text: string): string {
  let out = text;
  for (const [name, render] of Object.entries(PAGES[file])) {
    const begin = `<!-- begin:${name} -->`;
    const end = `<!-- end:${name} -->`;
    const from = out.indexOf(begin);
    const to = out.indexOf(end);
    if (from < 0 || to < 0) throw new Error(`${file} has no part '${name}'`);
    out = `${out.slice(0, from + begin.length)}\n${render().trim()}\n${out.slice(to)}`;
  }
  return out;
}

if (process.argv[1]?.endsWith('readme.ts'))
  for (const file of PAGE_NAMES) writeFileSync(file, renderPage(file, read(file)));
