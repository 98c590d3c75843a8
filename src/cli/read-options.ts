/** The options of `analyze`, `tree` and `dashboard` that say how to read a log. */
import { type Command, Option } from 'commander';
import {
  type BadRowsError,
  escapeBytes,
  FORMAT_NAMES,
  type FormatName,
  type Group,
  type ReadOptions,
} from '../rollouts/index.js';
import { loadTokenizer } from '../text/files.js';
import type { TextTokenizer } from '../text/index.js';
import { numbersByName, wholeNumber } from './options.js';

export interface ReadCommandOptions {
  readonly format?: FormatName;
  readonly tokenizer?: string;
  readonly promptKey?: string;
  readonly completionKey?: string;
  readonly rewardKey?: string;
  readonly groupKey?: string;
  readonly tokensKey?: string;
  readonly maskKey?: string;
  readonly stepKey?: string;
  readonly groupSize?: number;
  readonly rewardWeight?: Readonly<Record<string, number>>;
  readonly byFile?: boolean;
  readonly splitMerged?: boolean;
  readonly skipBad?: boolean;
}

export interface Reading {
  readonly read: ReadOptions;
  /** Adds the text of each token. It is computed on demand, because only few groups are shown. */
  readonly withTexts: (group: Group) => Group;
}

/** @throws TokenizerError for a tokenizer that cannot be read */
export async function openReading(options: ReadCommandOptions): Promise<Reading> {
  const tokenizer = options.tokenizer === undefined ? undefined : await loadTokenizer(options.tokenizer);
  return { read: readOptions(options, tokenizer), withTexts: (group) => withTexts(group, tokenizer) };
}

/** Adds the options to a command. */
export function addReadOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--format <name>', 'format of every file (default: detected for each file)').choices(
        FORMAT_NAMES,
      ),
    )
    .option(
      '--tokenizer <file>',
      'tokenizer.json of the model; computes token ids for logs that have only text',
    )
    .option(
      '--prompt-key <path>',
      'for logs of unknown format: key path of the prompt. a.b means key b inside a; a.0 the first item of list a; a.*.b key b of each item',
    )
    .option('--completion-key <path>', 'key path of the completion: text, messages or token ids')
    .option('--reward-key <path>', 'key path of the reward')
    .option('--group-key <path>', 'key path of the group id')
    .option('--tokens-key <path>', 'key path of the completion’s token ids')
    .option(
      '--mask-key <path>',
      'key path of the mask of sampled tokens: a list of 0 and 1, labels with −100, or the number of sampled tokens',
    )
    .option('--step-key <path>', 'key path of the training step')
    .option(
      '--group-size <n>',
      'completions per group, for logs whose groups are consecutive rows or rows with equal prompts',
      wholeNumber('--group-size', 1),
    )
    .addOption(
      new Option(
        '--reward-weight <name=w>',
        'weight of one reward in the total, for logs without a total; repeat the option for each reward',
      ).argParser(numbersByName('--reward-weight')),
    )
    .option(
      '--split-merged',
      'split a group id with several prompts into one group per prompt, and report the error of its advantages',
    )
    .option('--by-file', 'treat every file as a separate run with its own figures')
    .option(
      '--skip-bad',
      'skip bad rows, files whose groups cannot be recovered and files that are not logs, instead of failing',
    );
}

function readOptions(options: ReadCommandOptions, tokenizer: TextTokenizer | undefined): ReadOptions {
  const keys = {
    ...(options.promptKey === undefined ? {} : { prompt: options.promptKey }),
    ...(options.completionKey === undefined ? {} : { completion: options.completionKey }),
    ...(options.rewardKey === undefined ? {} : { reward: options.rewardKey }),
    ...(options.groupKey === undefined ? {} : { group: options.groupKey }),
    ...(options.tokensKey === undefined ? {} : { tokens: options.tokensKey }),
    ...(options.maskKey === undefined ? {} : { mask: options.maskKey }),
    ...(options.stepKey === undefined ? {} : { step: options.stepKey }),
  };
  const { format, groupSize, rewardWeight: rewardWeights, skipBad, byFile, splitMerged } = options;
  return {
    ...(format === undefined ? {} : { format }),
    ...(tokenizer === undefined ? {} : { tokenizer: tokenizer.encode }),
    ...(Object.keys(keys).length === 0 ? {} : { keys }),
    ...(rewardWeights === undefined ? {} : { rewardWeights }),
    ...(groupSize === undefined ? {} : { groupSize }),
    ...(skipBad === undefined ? {} : { skipBad }),
    ...(byFile === undefined ? {} : { byFile }),
    ...(splitMerged === undefined ? {} : { splitMerged }),
  };
}

function withTexts(group: Group, tokenizer: TextTokenizer | undefined): Group {
  if (!tokenizer || group.tokenTexts) return group;
  let texts: Record<number, string> | undefined;
  return {
    ...group,
    get tokenTexts() {
      if (!texts) {
        texts = {};
        for (const { tokens } of group.completions)
          for (const id of tokens) texts[id] ??= escapeBytes(tokenizer.bytes(id));
      }
      return texts;
    },
  };
}

/** The faults of rows, and the option that skips them. */
export function withSkipBad({ count, message }: BadRowsError): string {
  return count === 1 ? `${message} (--skip-bad skips it)` : `${message}\n--skip-bad skips them`;
}
