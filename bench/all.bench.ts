/** `npm run bench`: every benchmark with its peer, printed and written to docs/results/bench.md. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { runDashboardBench } from './dashboard.bench.js';
import { runDecodeBench } from './decode.bench.js';
import { runDrawBench } from './draw.bench.js';
import { machine, markdownTable, type Row } from './measure.js';
import { runOptimizerBench } from './optimizer.bench.js';
import { runTreeBench } from './tree.bench.js';
import { runUpdateBench } from './update.bench.js';

const BENCHMARKS: [title: string, note: string, run: () => Promise<readonly Row[]>][] = [
  [
    'Process tree',
    'Nanoseconds for each of the k·n tokens. The peer compares all pairs at every position, O(k²n); the reference implementation reports 121 (k = 36) and 119 (k = 6).',
    async () => (await runTreeBench()) as unknown as readonly Row[],
  ],
  [
    'Training update',
    'Forward, loss, backward and AdamW of groups of k completions of n tokens after a prompt of 16. Peer: the k sequences padded to one length, on the same kernels.',
    runUpdateBench,
  ],
  [
    'Decoding',
    'Completions of 128 tokens after a prompt of 16; peer: one row for each sample. Last: requests admitted as others end; peer: batches that end together.',
    runDecodeBench,
  ],
  [
    'Dashboard',
    'In headless Chromium, from the click until it is painted; the bars are the dashboard’s own.',
    runDrawBench,
  ],
  [
    'Dashboard’s server',
    'Nothing read before; in the same process as what asks. Peer: a viewer that makes its figures from the rollouts.',
    runDashboardBench,
  ],
  ['AdamW step', 'Our loop over the flat weights against the same step as an ONNX graph.', runOptimizerBench],
];

const only = process.argv.slice(2);
const sections: string[] = [];
for (const [title, note, run] of BENCHMARKS) {
  if (only.length > 0 && !only.some((word) => title.toLowerCase().includes(word.toLowerCase()))) continue;
  console.error(`${title} …`);
  const section = `## ${title}\n\n${note}\n\n${markdownTable(await run())}\n`;
  console.log(`\n${section}`);
  sections.push(section);
}
if (only.length === 0) {
  mkdirSync('docs/results', { recursive: true });
  writeFileSync(
    'docs/results/bench.md',
    `# Benchmarks\n\n\`npm run bench\` on ${machine()}, ${new Date().toISOString().slice(0, 10)}. Medians; the machine is shared, so ratios count more than times.\n\n${sections.join('\n')}`,
  );
}
