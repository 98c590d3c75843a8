/** How logs are read, as `analyze`, `tree` and `dashboard` take it from the command line. */
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
  /** With the text of each token, made when something asks for it: only few groups are shown. */
  readonly withTexts: (group: Group) => Group;
}

/** @throws TokenizerError for a tokenizer that cannot be read */
export async function openReading(options: ReadCommandOptions): Promise<Reading> {
  const tokenizer = options.tokenizer === undefined ? undefined : await loadTokenizer(options.tokenizer);
  return { read: readOptions(options, tokenizer), withTexts: (group) => withTexts(group, tokenizer) };
}

/** Declares the options. */
export function addReadOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--format <name>', 'read every file as this (default: detected for each file)').choices(
        FORMAT_NAMES,
      ),
    )
    .option('--tokenizer <file>', 'tokenizer.json of the model: token ids for logs that hold texts alone')
    .option(
      '--prompt-key <path>',
      'for logs of no known format: where a row has its prompt; a.b is b within a, a.0 the first of a list, a.*.b each item’s b',
    )
    .option('--completion-key <path>', 'the completion’s text, messages or token ids')
    .option('--reward-key <path>', 'its reward')
    .option('--group-key <path>', 'what rows of one group share')
    .option('--tokens-key <path>', 'the completion’s token ids')
    .option('--mask-key <path>', 'which token ids were sampled: 0 and 1, labels with −100, or how many')
    .option('--step-key <path>', 'the training step')
    .option(
      '--group-size <n>',
      'completions of a group, where groups are rows in a row or equal prompts',
      wholeNumber('--group-size', 1),
    )
    .addOption(
      new Option(
        '--reward-weight <name=w>',
        'weight of one reward in the total, for logs without a total; repeatable',
      ).argParser(numbersByName('--reward-weight')),
    )
    .option(
      '--split-merged',
      'take a group id with several prompts apart, a group for each, and say how far its advantages were off',
    )
    .option('--by-file', 'every file is a run of its own, with its own figures')
    .option(
      '--skip-bad',
      'leave out bad rows, files whose groups cannot be known and files that are no log, instead of failing',
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

/** What was wrong with rows, and the option that leaves them out. */
export function withSkipBad({ count, message }: BadRowsError): string {
  return count === 1 ? `${message} (--skip-bad leaves it out)` : `${message}\n--skip-bad leaves them out`;
}
