/**
 * Speed of `analyze` on a log with token ids: MB/s, tokens/s and peak memory of this process for everything that
 * `analyze --no-report` does (read, build the trees, compute step rewards and advantages, gather the figures). Peers:
 * reading and building the trees alone, and JSON.parse of the same lines.
 *
 *     npx tsx bench/analyze.bench.ts              200 MB for each shape
 *     npx tsx bench/analyze.bench.ts --size 2000  2 GB for each shape (the goal: 150 MB/s on 2 cores, 1 GB of memory)
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { argv, resourceUsage } from 'node:process';
import { analyzeGroup, LogGatherer } from '../src/analysis/index.js';
import { linesOf, readBlocks } from '../src/input/bytes.js';
import { fileSource } from '../src/input/files.js';
import { textOf } from '../src/input/text.js';
import { readRollouts } from '../src/rollouts/files.js';
import { ProcessTree } from '../src/tree/index.js';
import { type GenerateOptions, generateRollouts } from './generate-rollouts.js';
import { isMain, machine, printRows, type Row } from './measure.js';

const SHAPES: readonly GenerateOptions['shape'][] = ['own', 'own-logprobs', 'rows'];

/** Seconds that the work takes: elapsed time and CPU time. */
async function timed(work: () => Promise<void>): Promise<{ wall: number; cpu: number }> {
  const before = { wall: performance.now(), cpu: process.cpuUsage() };
  await work();
  const cpu = process.cpuUsage(before.cpu);
  return { wall: (performance.now() - before.wall) / 1e3, cpu: (cpu.user + cpu.system) / 1e6 };
}

export async function main(): Promise<void> {
  const megabytes = argv.includes('--size') ? Number(argv[argv.indexOf('--size') + 1]) : 200;
  const shapes = argv.includes('--shape') ? [argv[argv.indexOf('--shape') + 1] as 'own'] : SHAPES;
  const folder = await mkdtemp(join(tmpdir(), 'lambda-grpo-bench-'));
  const rows: Row[] = [];
  try {
    for (const shape of shapes) {
      const file = join(folder, `${shape}.jsonl`);
      const generated = await generateRollouts({ file, bytes: megabytes * 1e6, shape });
      const measure = async (what: string, work: () => Promise<void>) => {
        const { wall, cpu } = await timed(work);
        rows.push({
          log: shape,
          what,
          'MB/s': Math.round(generated.bytes / 1e6 / wall),
          'MB/s of processor time': Math.round(generated.bytes / 1e6 / cpu),
          'tokens/s': `${(generated.tokens / wall / 1e6).toFixed(1)} M`,
          'peak memory so far': `${Math.round(resourceUsage().maxRSS / 1024)} MB`,
        });
      };
      const gatherer = new LogGatherer();
      await measure('the whole analysis', async () => {
        for await (const group of readRollouts(file)) gatherer.add(group, analyzeGroup(group));
      });
      const { all } = gatherer.result();
      if (all.tokens !== generated.tokens)
        throw new Error(`analysed ${all.tokens} tokens, wrote ${generated.tokens}`);
      let tokens = 0;
      let treeSeconds = 0;
      await measure('read and build the trees', async () => {
        for await (const group of readRollouts(file)) {
          const begin = performance.now();
          ProcessTree.build(group.completions.map((completion) => completion.tokens));
          treeSeconds += (performance.now() - begin) / 1e3;
          for (const completion of group.completions) tokens += completion.tokens.length;
        }
      });
      if (tokens !== generated.tokens) throw new Error(`read ${tokens} tokens, wrote ${generated.tokens}`);
      rows.push({
        log: shape,
        what: 'of which the trees',
        'MB/s': '',
        'MB/s of processor time': '',
        'tokens/s': `${((treeSeconds / tokens) * 1e9).toFixed(2)} ns a token`,
        'peak memory so far': '',
      });
      await measure('JSON.parse of each line, nothing else', async () => {
        for await (const block of readBlocks(fileSource(file)))
          for (const { bytes, start, end } of linesOf(block)) JSON.parse(textOf(bytes, start, end));
      });
      await rm(file);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  printRows(`Analysing ${megabytes} MB of rollouts (${machine()})`, rows);
}

if (isMain(import.meta.url)) await main();
