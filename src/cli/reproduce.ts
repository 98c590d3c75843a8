/** `lambda-grpo reproduce`: experiments that test the claims of the paper. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { UserError } from '../errors.js';
import {
  EXPERIMENTS,
  type Experiment,
  type Places,
  type Reproduced,
  reproduce,
  rewrite,
} from '../reproduce/index.js';
import { onInterrupt } from './interrupt.js';
import { wholeNumber } from './options.js';
import { formatDuration, Progress } from './progress.js';
import { formatTable } from './table.js';
import { INTERRUPTED, outputWidth, print, say } from './terminal.js';

interface ReproduceCommandOptions extends Places {
  readonly quick?: boolean;
  readonly out?: string;
  readonly work?: string;
  readonly jobs?: number;
  readonly seeds?: number;
  readonly soFar?: boolean;
  readonly rewrite?: boolean;
}

/** Declares the command. */
export function addReproduceCommand(program: Command): void {
  program
    .command('reproduce')
    .description('test the claims of the paper: run or continue an experiment and write its report')
    .argument('<name>', 'an experiment, or all')
    .option('--quick', 'a short version of every experiment, in less than three minutes')
    .option(
      '--out <folder>',
      'folder for reports (default: docs/results; with --quick: results/ in the work folder)',
    )
    .option(
      '--work <folder>',
      'work folder with finished parts (default: runs/reproduce; with --quick: runs/reproduce-quick)',
    )
    .option('--jobs <n>', 'number of parallel jobs (default: one per core)', wholeNumber('--jobs', 1))
    .option('--seeds <n>', 'number of seeds (default: that of the experiment)', wholeNumber('--seeds', 1))
    .option(
      '--so-far',
      'language-model…, credit: write the page from the seeds completed so far; runs nothing, so another process may continue meanwhile',
    )
    .option('--rewrite', 'write the pages again from the JSON files in the report folder; runs nothing')
    .option('--reference <folder>', "overhead: a checkout of the paper's code (coli-saar/grpo-prm)")
    .option('--python <program>', 'overhead: a Python interpreter with torch that runs that code', 'python3')
    .option('--logs <folder>', 'structure: a folder of rollout logs to include')
    .option('--checkpoint <file>', 'binary-tree-gpt2: start from these GPT-2 weights, a safetensors file')
    .option(
      '--pretrained [folder]',
      'credit, process-rewards: also test SmolLM2-135M-Instruct, from this folder, the Hub or its cache (takes hours); language-model…: the folder of that model',
    )
    .option(
      '--problems <file>',
      'language-model-structure: also analyze these word problems with answers, such as GSM8K',
    )
    .addHelpText(
      'after',
      () => `
Experiments:
${indented(describeExperiments())}
Examples:
  $ lambda-grpo reproduce all --quick
  $ lambda-grpo reproduce theorem
  $ lambda-grpo reproduce all --rewrite
  $ lambda-grpo reproduce overhead --reference ../grpo-prm --python .venv/bin/python`,
    )
    .action(reproduceCommand);
}

const INDENT = '  ';

function indented(text: string): string {
  return text.replace(/^(?=.)/gm, INDENT);
}

function describeExperiments(): string {
  const rows = EXPERIMENTS.map(({ name, title, long }) => [name, long ? `${title} (not in all)` : title]);
  return formatTable(['name', 'what is tested'], rows, outputWidth() - INDENT.length);
}

async function reproduceCommand(name: string, options: ReproduceCommandOptions): Promise<void> {
  const quick = options.quick ?? false;
  const chosen = choose(name, quick);
  const work = options.work ?? join('runs', quick ? 'reproduce-quick' : 'reproduce');
  const out = options.out ?? (quick ? join(work, 'results') : join('docs', 'results'));
  if (options.rewrite) {
    // With `all`, only experiments that have been run; a named experiment must have been run.
    for (const experiment of name === 'all' ? EXPERIMENTS : chosen) {
      if (name === 'all' && !existsSync(join(out, `${experiment.name}.json`))) continue;
      const { verdict, summary, page } = await rewrite(experiment, out);
      print(`${experiment.name}: ${verdict}. ${summary}. ${page}`);
    }
    return;
  }
  const bar: { drawn: Progress | null } = { drawn: null };
  const interrupt = onInterrupt(() => {
    bar.drawn?.clear();
    say('stopping; saving checkpoints (Ctrl-C again: stop now) …');
  });
  const rows: string[][] = [];
  try {
    for (const experiment of chosen) {
      const started = performance.now();
      let result: Reproduced | null;
      try {
        result = await reproduce({
          ...options,
          experiment,
          quick,
          places: options,
          out,
          work,
          signal: interrupt.signal,
          progress(done, total, label) {
            bar.drawn ??= new Progress({ label: experiment.name, total, done });
            bar.drawn.update(done, label);
          },
        });
        bar.drawn?.end();
      } finally {
        bar.drawn?.clear();
        bar.drawn = null;
      }
      if (!result) {
        print(`interrupted; run the same command again to continue from ${work}`);
        process.exitCode = INTERRUPTED;
        return;
      }
      const seconds = (performance.now() - started) / 1000;
      print(
        `${experiment.name}: ${result.verdict}. ${result.summary}. ${result.page} (${formatDuration(seconds)})`,
      );
      rows.push([experiment.name, result.verdict]);
    }
  } finally {
    interrupt.release();
  }
  if (rows.length > 1) print(`\n${formatTable(['experiment', 'verdict'], rows)}`);
}

function choose(name: string, quick: boolean): readonly Experiment[] {
  if (name === 'all') return EXPERIMENTS.filter(({ long }) => quick || !long);
  const match = EXPERIMENTS.find((experiment) => experiment.name === name);
  if (match) return [match];
  const allowed = ['all', ...EXPERIMENTS.map((experiment) => experiment.name)].join(', ');
  throw new UserError(`reproduce: expected ${allowed}, got '${name}'`);
}
