#!/usr/bin/env node
/** The command line `lambda-grpo`: all commands with their options and help texts. */
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
import { siteCommand } from './site.js';
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
  .description('GRPO post-training that shows the hidden process reward model, and λ-GRPO, which corrects it')
  .version(version)
  .showHelpAfterError('(--help lists commands and options)')
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
  .description('train a policy with a configuration; all output goes to one run folder')
  .argument('<config>', 'YAML file, e.g. recipes/arithmetic.yaml')
  .option('--out <folder>', 'run folder (default: runs/<config>-<method>-seed<seed>)')
  .option('--resume', 'continue the run in this folder from its latest checkpoint')
  .addOption(
    new Option('--method <method>', 'method; overrides the configuration').choices(['grpo', 'lambda-grpo']),
  )
  .option('--seed <n>', 'seed of the run; overrides the configuration', wholeNumber('--seed', 0))
  .option('--model <name>', 'model folder, or owner/name on the Hub; overrides the configuration')
  .addOption(setOption())
  .option(
    '--eval [problems]',
    'evaluate before the first step and after the last, even if the configuration has no evaluation; problems: number of held-out problems',
    wholeNumber('--eval', 1),
  )
  .option('--ui', 'serve the dashboard during training and print its address')
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
    'credit rules, separated by commas: names (docs/credit.md) or module files (default: grpo,lambda-grpo)',
    namesOf('--credit'),
  )
  .option(
    '--seeds <n>',
    'number of seeds; they count up from the seed of the configuration',
    wholeNumber('--seeds', 1),
    3,
  )
  .option('--out <folder>', 'folder for all runs (default: runs/<config>-compare)')
  .option('--ui', 'serve the dashboard during training and print its address')
  .option('--jobs <n>', 'number of parallel runs (default: one per core)', wholeNumber('--jobs', 1))
  .option('--resume', 'continue interrupted runs and keep finished ones')
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
  .description('evaluate a policy on problems: greedy accuracy or pass@k, with 95% intervals')
  .argument('<model>', 'run folder, model folder in the Hugging Face layout, or owner/name on the Hub')
  .option(
    '--dataset <files...>',
    'files of problems: .jsonl, .json or .parquet (default: the held-out problems of the run)',
  )
  .option('--problem-column <name>', 'name of the problem column (default: detected from common names)')
  .option('--answer-column <name>', 'name of the answer column (default: detected from common names)')
  .option('--system-prompt <text>', 'system prompt')
  .addOption(
    new Option(
      '--prompt <how>',
      "chat: with the model's chat template; plain: only the text of the problem",
    ).choices(['chat', 'plain']),
  )
  .option('--max-tokens <n>', 'largest number of tokens per completion', wholeNumber('--max-tokens', 1))
  .option('--stop-at-box', 'end a completion after its \\boxed{…}, as in training; only boxed answers count')
  .option('--problems <n>', 'only the first n problems', wholeNumber('--problems', 1))
  .option('--samples <n>', 'samples per problem; 0: one greedy completion', wholeNumber('--samples', 0), 0)
  .option('--show', 'print each completion with its reward and verdict')
  .addOption(
    new Option(
      '--pass-at <k,…>',
      'values of k for pass@k, separated by commas (default: 1 and the number of samples)',
    ).argParser((text) => text.split(',').map(wholeNumber('--pass-at', 1))),
  )
  .option('--temperature <t>', 'sampling temperature', positiveNumber('--temperature'), 0.6)
  .option(
    '--top-p <p>',
    'sample from the most likely tokens that reach this probability',
    positiveNumber('--top-p', 1),
    1,
  )
  .option('--top-k <k>', 'sample from the k most likely tokens; 0: all', wholeNumber('--top-k', 0), 0)
  .option('--seed <n>', 'seed of the samples', wholeNumber('--seed', 0), 0)
  .option(
    '--batch <n>',
    'number of problems sampled at the same time; does not change the results',
    wholeNumber('--batch', 1),
    16,
  )
  .option('--checkpoint <step>', 'checkpoint of a run: a step, or best (default: the latest)', stepOrBest)
  .option('--revision <name>', 'branch, tag or commit on the Hub')
  .option('--threads <n>', 'threads of the runtime (default: all cores)', wholeNumber('--threads', 1))
  .option('--json', 'print one JSON object')
  .option('--out <file>', 'write each problem with its completions and verdicts as JSON lines')
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
  .description(
    'write the policy of a run as a model folder that transformers loads, or its adapter as a PEFT folder',
  )
  .option('--merged', 'for a run with an adapter: write the whole model with the adapter merged')
  .argument('<run>', 'run folder')
  .argument('<folder>', 'new folder')
  .option(
    '--checkpoint <step>',
    'a step, or best: the checkpoint of the best evaluation (default: the latest)',
    stepOrBest,
  )
  .addOption(
    new Option('--dtype <type>', 'type of the stored weights (default: same as the original model)').choices(
      DTYPES,
    ),
  )
  .addHelpText('after', '\nExamples:\n  $ lambda-grpo export runs/sums models/sums')
  .action(exportCommand);

addReadOptions(
  program
    .command('tree')
    .description('print the process tree of one group with step rewards, step advantages and statistics')
    .argument(
      '<rollouts>',
      'rollouts of a run or any log that analyze reads: a file or a folder; -: standard input',
    )
    .option(
      '--group <n|id>',
      'number of the group in the log, from 1, or its id (default: the first group with mixed rewards)',
    )
    .option('--max-nodes <n>', 'largest number of steps to print', wholeNumber('--max-nodes', 1), 200),
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
    .description('show the hidden process rewards in logged rollouts, and where the factor |λ| does harm')
    .argument(
      '<paths...>',
      'files, folders or patterns; -: standard input; docs/formats.md lists the formats',
    ),
)
  .option(
    '--check-tokens',
    'for logs with token ids; needs --tokenizer: count branches with the same text as a sibling, and turns that were tokenized again',
  )
  .addOption(
    new Option(
      '--scale <how>',
      'std: divide advantages by the group’s standard deviation; none: do not divide (default: as the run trained, for rollouts of a run; otherwise std)',
    ).choices(['std', 'none']),
  )
  .option('--follow', 'analyze again whenever the logs change, until Ctrl-C')
  .option('--json', 'print one JSON object instead of the summary')
  .option('--csv <file>', 'write a table with one row per group')
  .option(
    '--weights <file>',
    'write each token’s λ weight, step reward and step advantage (.parquet or .jsonl)',
  )
  .option(
    '--credit <rules>',
    'also compute figures (and, with --weights, token weights) under these credit rules, separated by commas: names (docs/credit.md) or module files',
    namesOf('--credit'),
  )
  .option('--report <file>', 'write an HTML page with figures, groups and trees', 'report.html')
  .option('--no-report', 'write no report')
  .option(
    '--max-groups <n>',
    'largest number of groups with trees in the report',
    wholeNumber('--max-groups', 0),
    200,
  )
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
    .description('watch runs and explore the process trees of their groups in a browser')
    .argument(
      '[folder]',
      'folder of runs, one run folder, the output folder of another framework, or one log',
      'runs',
    )
    .option(
      '--port <n>',
      'port (default: 4780, or a free port if that is in use)',
      wholeNumber('--port', 0, 65535),
    )
    .option(
      '--host <address>',
      'serve on this address instead of 127.0.0.1; pages then require the printed token',
    ),
)
  .addHelpText(
    'after',
    `
Examples:
  $ lambda-grpo dashboard
  $ lambda-grpo dashboard runs/binary-tree-compare --port 8080
  $ lambda-grpo dashboard outputs          (TRL with log_completions: True)
  $ lambda-grpo train recipes/arithmetic.yaml --ui`,
  )
  .action((folder, options) => dashboardCommand(folder, options, version));

program
  .command('site')
  .description(
    'serve the interactive page that explains the paper: edit trees, train in the browser, open a log',
  )
  .option(
    '--port <n>',
    'port (default: 4790, or a free port if that is in use)',
    wholeNumber('--port', 0, 65535),
  )
  .addHelpText(
    'after',
    `
Examples:
  $ lambda-grpo site
  $ lambda-grpo site --port 8080`,
  )
  .action((options) => siteCommand(options));

program
  .command('init')
  .description('create a project: a task in TypeScript, a configuration, package.json; npm start trains it')
  .argument('[folder]', 'new folder, or a folder without task.ts and train.yaml', '.')
  .addHelpText('after', '\nExamples:\n  $ lambda-grpo init my-task')
  .action(initCommand);

program
  .command('doctor')
  .description(
    'print versions, threads, memory and what works on this machine, for bug reports; uses no network',
  )
  .action(() => doctorCommand(version));

program
  .command('config')
  .description('print every configuration key with its default, allowed values and meaning')
  .action(() => print(describeConfig()));

onWarning((line) => say(`warning: ${visible(line)}`));
const finish = guardProcess((error) => say(describeError(error)));

await runCommand(async () => {
  try {
    await program.parseAsync();
    finish();
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // Help and version are not errors; for errors, commander has printed its own message.
    if (error.exitCode !== 0) process.exitCode = 1;
  }
});
if (ranUserCode()) endOnceWritten();
