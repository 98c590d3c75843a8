#!/usr/bin/env node
/** The command line: parses, calls, prints. */
import { readFileSync } from 'node:fs';
import { Command, CommanderError, Option } from 'commander';
import { DTYPES } from '../model/index.js';
import { describeConfig, guardProcess, onWarning, ranUserCode } from '../train/index.js';
import { type AnalyzeCommandOptions, analyzeCommand } from './analyze.js';
import { compareCommand } from './compare.js';
import { dashboardCommand } from './dashboard.js';
import { doctorCommand } from './doctor.js';
import { describeError, runCommand } from './errors.js';
import { evalCommand } from './eval.js';
import { exportCommand } from './export.js';
import { initCommand } from './init.js';
import { namesOf, positiveNumber, stepOrBest, wholeNumber } from './options.js';
import { addReadOptions } from './read-options.js';
import { addReproduceCommand } from './reproduce.js';
import { visible } from './safe-text.js';
import { endOnceWritten, print, say } from './terminal.js';
import { trainCommand } from './train.js';
import { treeCommand } from './tree.js';

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

const collect = (value: string, before: readonly string[] = []): string[] => [...before, value];
const setOption = (): Option =>
  new Option(
    '--set <key=value...>',
    'change one key of the configuration, e.g. --set train.steps=50',
  ).argParser(collect);

const program = new Command('lambda-grpo')
  .description('GRPO post-training with its hidden process reward model made visible, and λ-GRPO, its repair')
  .version(version)
  .showHelpAfterError('(--help shows what is allowed)')
  .exitOverride()
  .configureOutput({ writeOut: (text) => print(text.trimEnd()), writeErr: (text) => say(text.trimEnd()) })
  .addHelpText(
    'after',
    `
Examples (recipes/ comes with lambda-grpo):
  $ lambda-grpo init my-task
  $ lambda-grpo compare recipes/binary-tree.yaml --seeds 5
  $ lambda-grpo train recipes/arithmetic.yaml --out runs/first
  $ lambda-grpo train recipes/arithmetic.yaml --out runs/first --resume
  $ lambda-grpo tree runs/first/rollouts/step_000100.jsonl --group 3
  $ lambda-grpo analyze outputs/completions`,
  );

program
  .command('train')
  .description('train a policy as a configuration says; everything is written to one run folder')
  .argument('<config>', 'YAML file, e.g. recipes/arithmetic.yaml')
  .option('--out <folder>', 'run folder (default: runs/<config>-<method>-seed<seed>)')
  .option('--resume', 'continue the run in the folder from its latest checkpoint')
  .addOption(new Option('--method <method>', 'overrides the configuration').choices(['grpo', 'lambda-grpo']))
  .option('--seed <n>', 'overrides the configuration', wholeNumber('--seed', 0))
  .option('--model <name>', "a model's folder, or owner/name on the Hub; overrides the configuration")
  .addOption(setOption())
  .option(
    '--eval [problems]',
    'evaluate before the first step and after the last, also where the configuration does not',
    wholeNumber('--eval', 1),
  )
  .option('--ui', 'serve the dashboard while it runs; its address is printed')
  .option('--threads <n>', 'threads of the runtime (default: all cores)', wholeNumber('--threads', 1))
  .addHelpText(
    'after',
    `
Examples:
  $ lambda-grpo train recipes/smollm2-sums.yaml --eval
  $ lambda-grpo train recipes/binary-tree.yaml --out runs/tree --method grpo --seed 3
  $ lambda-grpo train recipes/arithmetic.yaml --out runs/sums --set train.steps=100 --set optimizer.learning_rate=1e-4
  $ lambda-grpo train recipes/arithmetic.yaml --out runs/sums --resume --set train.steps=200`,
  )
  .action((config, options) => trainCommand(config, options, version));

program
  .command('compare')
  .description('run the same configuration under GRPO and λ-GRPO, or other credit rules, over several seeds')
  .argument('<config>', 'YAML file, e.g. recipes/binary-tree.yaml')
  .option(
    '--credit <rules>',
    'credit rules by name (docs/credit.md) or modules of your own, a,b,c (default: grpo,lambda-grpo)',
    namesOf('--credit'),
  )
  .option('--seeds <n>', 'number of seeds, counted from the configuration’s', wholeNumber('--seeds', 1), 3)
  .option('--out <folder>', 'folder of all runs (default: runs/<config>-compare)')
  .option('--ui', 'serve the dashboard while it runs; its address is printed')
  .option('--jobs <n>', 'runs at the same time (default: one for each core)', wholeNumber('--jobs', 1))
  .option('--resume', 'continue runs that were cut off, keep finished ones')
  .option('--seed <n>', 'first seed; overrides the configuration', wholeNumber('--seed', 0))
  .addOption(setOption())
  .addHelpText(
    'after',
    `
Examples:
  $ lambda-grpo compare recipes/binary-tree.yaml --seeds 5
  $ lambda-grpo compare recipes/binary-tree.yaml --credit grpo,lambda-grpo,treerl,spo-tree,tempo
  $ lambda-grpo compare recipes/binary-tree.yaml --seeds 20 --set task.n=2 --out runs/n2`,
  )
  .action((config, options) => compareCommand(config, options, version));

program
  .command('eval')
  .description('how well a policy solves problems: greedily, or by pass@k, with 95% intervals')
  .argument(
    '<model>',
    "a run's folder, a model's folder in the Hugging Face layout, or owner/name on the Hub",
  )
  .option('--dataset <files...>', "problems: .jsonl, .json or .parquet (default: a run's own held-out ones)")
  .option(
    '--problem-column <name>',
    'column of problems (default: detected by the names that known datasets use)',
  )
  .option('--answer-column <name>', 'column of answers (default: likewise)')
  .option('--system-prompt <text>', 'what the model is told first')
  .addOption(
    new Option('--prompt <how>', "by the model's chat template, or the problem's text alone").choices([
      'chat',
      'plain',
    ]),
  )
  .option('--max-tokens <n>', 'longest completion', wholeNumber('--max-tokens', 1))
  .option('--stop-at-box', 'end a completion when its box closes, as training does; only boxes are answers')
  .option('--problems <n>', 'only the first n problems', wholeNumber('--problems', 1))
  .option('--samples <n>', 'samples of each problem; 0: one, greedily', wholeNumber('--samples', 0), 0)
  .option('--show', 'print each completion with its reward and verdict')
  .addOption(
    new Option('--pass-at <k,…>', 'k of each pass@k (default: 1 and the number of samples)').argParser(
      (text) => text.split(',').map(wholeNumber('--pass-at', 1)),
    ),
  )
  .option('--temperature <t>', 'of the samples', positiveNumber('--temperature'), 0.6)
  .option(
    '--top-p <p>',
    'only the likeliest tokens that reach this probability',
    positiveNumber('--top-p', 1),
    1,
  )
  .option('--top-k <k>', 'only the k likeliest tokens; 0: all', wholeNumber('--top-k', 0), 0)
  .option('--seed <n>', 'of the samples', wholeNumber('--seed', 0), 0)
  .option(
    '--batch <n>',
    'problems sampled at the same time; does not change the figures',
    wholeNumber('--batch', 1),
    16,
  )
  .option('--checkpoint <step>', 'of a run: a step, or best (default: its latest)', stepOrBest)
  .option('--revision <name>', 'branch, tag or commit on the Hub')
  .option('--threads <n>', 'threads of the runtime (default: all cores)', wholeNumber('--threads', 1))
  .option('--json', 'print one JSON object')
  .option('--out <file>', 'write each problem with its completions and verdicts, JSON lines')
  .addHelpText(
    'after',
    `
Examples:
  $ lambda-grpo eval runs/sums
  $ lambda-grpo eval runs/sums --samples 4 --problems 4 --show
  $ lambda-grpo eval models/qwen --dataset math500.jsonl --system-prompt 'Put the answer in \\boxed{}.'
  $ lambda-grpo eval Qwen/Qwen2.5-0.5B-Instruct --dataset aime24.jsonl --samples 16 --pass-at 1,8,16 --out aime.jsonl`,
  )
  .action(evalCommand);

program
  .command('export')
  .description("write a run's policy as a model folder that transformers loads, or its adapter as PEFT does")
  .option('--merged', 'of a run with an adapter: the whole model, the adapter added to its weights')
  .argument('<run>', "a run's folder")
  .argument('<folder>', 'the new folder')
  .option('--checkpoint <step>', 'a step, or best, of those evaluated (default: the latest)', stepOrBest)
  .addOption(
    new Option(
      '--dtype <type>',
      'what weights are stored as (default: as the model it started from)',
    ).choices(DTYPES),
  )
  .addHelpText('after', '\nExamples:\n  $ lambda-grpo export runs/sums models/sums')
  .action(exportCommand);

addReadOptions(
  program
    .command('tree')
    .description("print one group's process tree with step rewards and advantages, and its statistics")
    .argument(
      '<rollouts>',
      'rollouts of a run, or any log that analyze reads: a file, a folder; - for standard input',
    )
    .option(
      '--group <n|id>',
      'number of the group in the log, from 1, or its id (default: the first with mixed rewards)',
    )
    .option('--max-nodes <n>', 'most steps to print', wholeNumber('--max-nodes', 1), 200),
)
  .addHelpText(
    'after',
    `
Examples:
  $ lambda-grpo tree runs/first/rollouts/step_000100.jsonl
  $ lambda-grpo tree runs/first/rollouts/step_000100.jsonl --group 3
  $ lambda-grpo tree outputs/completions/completions_00010.parquet --tokenizer model/tokenizer.json`,
  )
  .action(treeCommand);

addReadOptions(
  program
    .command('analyze')
    .description('show the process rewards hidden in logged rollouts, and where the factor |λ| hurts')
    .argument(
      '<paths...>',
      'files, folders, patterns, or - for standard input; docs/formats.md lists what can be read',
    ),
)
  .option(
    '--check-tokens',
    'with --tokenizer, for logs of token ids: branches whose text goes on as a sibling’s does, turns that were tokenised again',
  )
  .addOption(
    new Option(
      '--scale <how>',
      'advantages: divided by the group’s standard deviation, or not (default: as the run trained, for rollouts in a run’s folder; else std)',
    ).choices(['std', 'none']),
  )
  .option('--follow', 'keep reading logs that grow: all again when they have changed, until Ctrl-C')
  .option('--json', 'print one JSON object instead of the summary')
  .option('--csv <file>', 'write one row for each group')
  .option(
    '--weights <file>',
    'write each token’s λ weight, step reward and step advantage (.parquet or .jsonl)',
  )
  .option(
    '--credit <rules>',
    'figures under credit rules too, and with --weights what they give each token: names (docs/credit.md) or modules of your own, a,b,c',
    namesOf('--credit'),
  )
  .option('--report <file>', 'the page with figures, groups and trees', 'report.html')
  .option('--no-report', 'write no report')
  .option('--max-groups <n>', 'groups whose trees the report shows', wholeNumber('--max-groups', 0), 200)
  .addHelpText(
    'after',
    `
Examples:
  $ lambda-grpo analyze runs/first/rollouts
  $ lambda-grpo analyze outputs/completions --tokenizer model/tokenizer.json --csv groups.csv
  $ lambda-grpo analyze runs/first/rollouts --credit grpo,lambda-grpo,spo-tree,tempo
  $ lambda-grpo analyze 'dumps/*.jsonl' --weights weights.parquet --json > figures.json
  $ zstd -dc log.jsonl.zst | lambda-grpo analyze -
  $ lambda-grpo analyze log.jsonl --prompt-key question --completion-key answer --reward-key score.total`,
  )
  .action((paths: string[], options: AnalyzeCommandOptions) => analyzeCommand(paths, options, version));

addReproduceCommand(program);

addReadOptions(
  program
    .command('dashboard')
    .description('watch runs and walk through the process trees of their groups, in a browser')
    .argument(
      '[folder]',
      'folder that runs are in, a single run’s, the output folder of another framework, or one log',
      'runs',
    )
    .option(
      '--port <n>',
      'port (default: 4780, or any free one where that is taken)',
      wholeNumber('--port', 0, 65535),
    )
    .option(
      '--host <address>',
      'serve on this address instead of 127.0.0.1; asks for the token that is printed',
    ),
)
  .addHelpText(
    'after',
    `
Examples:
  $ lambda-grpo dashboard
  $ lambda-grpo dashboard runs/binary-tree-compare --port 8080
  $ lambda-grpo dashboard outputs          (what TRL writes there with log_completions: True)
  $ lambda-grpo train recipes/arithmetic.yaml --ui`,
  )
  .action((folder, options) => dashboardCommand(folder, options, version));

program
  .command('init')
  .description('start a project: a task in TypeScript, its configuration, package.json; npm start trains it')
  .argument('[folder]', 'a new folder, or one without task.ts and train.yaml', '.')
  .addHelpText('after', '\nExamples:\n  $ lambda-grpo init my-task')
  .action(initCommand);

program
  .command('doctor')
  .description('print versions, threads, memory and what works on this machine; for bug reports, no network')
  .action(() => doctorCommand(version));

program
  .command('config')
  .description('print every key of the configuration with its default, what is allowed and what it means')
  .action(() => print(describeConfig()));

onWarning((line) => say(`warning: ${visible(line)}`));
const finish = guardProcess((error) => say(describeError(error)));

await runCommand(async () => {
  try {
    await program.parseAsync();
    finish();
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // Help and version are no faults; commander has written its own message for what is.
    if (error.exitCode !== 0) process.exitCode = 1;
  }
});
if (ranUserCode()) endOnceWritten();
