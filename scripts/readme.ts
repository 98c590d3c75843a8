/**
 * Fills the parts of the README and of pages in docs/ that come from elsewhere (configuration, examples, committed
 * results), between `<!-- begin:name -->` and `<!-- end:name -->`: `npx tsx scripts/readme.ts`. A test holds the pages to it.
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

/** Of what `npm start` prints: the table, and where everything was written. The trees are shown as a picture. */
function startTable(): string {
  const [, printed = ''] = /```text\n([\s\S]*?)```/.exec(read('docs/results/start.md')) ?? [];
  const tree = printed.indexOf('\nprocess tree of');
  const end = printed.indexOf('\n', printed.lastIndexOf(' runs in ') - 4);
  return tree < 0
    ? ''
    : `\`\`\`text\n${printed.slice(0, tree).trim()}\n\n[two process trees]\n\n${printed.slice(end).trimStart()}\`\`\``;
}

/** The parts of each page. */
const PAGES: Record<string, Record<string, () => string>> = {
  'README.md': {
    start: startTable,
    table1: () => table('docs/results/binary-tree.md'),
    claims: () => table('docs/results/claims.md').replaceAll('](', '](docs/results/'),
    arithmetic: () => table('docs/results/arithmetic.md'),
    counting: () => `\`\`\`js\n${read('recipes/counting.mjs').trimEnd()}\n\`\`\``,
    config: describeConfig,
    bench: () =>
      ['Process tree', 'Training update', 'Decoding', 'AdamW step']
        .map((name) => `**${name}**\n\n${table('docs/results/bench.md', name)}`)
        .join('\n\n'),
  },
  'docs/metrics.md': { metrics: describeMetrics },
};

export const PAGE_NAMES = Object.keys(PAGES);

/** A page as it should be. */
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
