/** `lambda-grpo tree`: prints the process tree of one group with step rewards, step advantages and statistics. */
import { analyzeGroup, asTrained, describeTrained, type RunObjective } from '../analysis/index.js';
import { hasZeroVariance } from '../objective/index.js';
import { readRollouts } from '../rollouts/files.js';
import {
  BadRowsError,
  type Group,
  pieceOf,
  type ReadOptions,
  RolloutError,
  shownPieces,
} from '../rollouts/index.js';
import { elide, signedNumber, visible, wantsColour } from './format.js';
import { formatTree } from './format-tree.js';
import { openReading, type ReadCommandOptions, withSkipBad } from './read-options.js';
import { RunObjectives } from './run-objective.js';
import { withStandardInput } from './standard-input.js';
import { formatTable } from './table.js';
import { outputIsTTY, outputWidth, print } from './terminal.js';

export interface TreeCommandOptions extends ReadCommandOptions {
  /** Number of the group in the log, from 1, or its id. */
  readonly group?: string;
  readonly maxNodes: number;
}

export function treeCommand(path: string, options: TreeCommandOptions): Promise<void> {
  return withStandardInput([path], ([file], shown) => showTree(file, shown, options));
}

async function showTree(
  file: string,
  shown: (text: string) => string,
  options: TreeCommandOptions,
): Promise<void> {
  const { read, withTexts } = await openReading(options);
  const { group: raw, number, count } = await find(file, options.group, read);
  const group = withTexts(raw);
  print(
    `${visible(shown(file))}: group ${number} of ${count}, id ${JSON.stringify(group.id)}` +
      `${group.step === null ? '' : `, step ${group.step}`}${group.prompt.text ? `, prompt ${JSON.stringify(group.prompt.text)}` : ''}\n`,
  );
  const { source } = group;
  const objective = source?.format === 'own' ? new RunObjectives().for(source.file) : null;
  if (objective && asTrained(group, objective)) print(`${describeTrained(objective)}\n`);
  printGroup(group, { maxNodes: options.maxNodes, completions: true, objective });
}

/** The requested group; by default the first with mixed rewards, else the first. */
async function find(
  file: string,
  wanted: string | undefined,
  read: ReadOptions,
): Promise<{ group: Group; number: number; count: number }> {
  let match: { group: Group; number: number } | null = null;
  let first: Group | null = null;
  let count = 0;
  try {
    for await (const group of readRollouts(file, read)) {
      count++;
      first ??= group;
      if (match) continue;
      const mixed = !hasZeroVariance(group.completions.map(({ reward }) => reward));
      if (wanted === undefined ? mixed : String(count) === wanted || group.id === wanted)
        match = { group, number: count };
    }
  } catch (error) {
    throw error instanceof BadRowsError ? new RolloutError(withSkipBad(error)) : error;
  }
  if (match) return { ...match, count };
  if (wanted === undefined && first) return { group: first, number: 1, count };
  throw new RolloutError(
    count === 0
      ? `${file}: expected a log with groups, got none`
      : `${file}: --group: expected a number from 1 to ${count} or the id of a group, got '${wanted}'`,
  );
}

/** Without a terminal 100 columns; on a wide one the figures stay near their steps. */
function treeWidth(): number {
  const width = outputWidth();
  return Number.isFinite(width) ? Math.min(width, 140) : 100;
}

export interface PrintOptions {
  readonly maxNodes?: number;
  /** Also print one line for each completion. */
  readonly completions?: boolean;
  /** How the group's run judged it; default: as in the paper. */
  readonly objective?: RunObjective | null;
}

/** Prints a group's tree, its completions and its statistics on standard output. */
export function printGroup(group: Group, { maxNodes, completions = false, objective }: PrintOptions): void {
  const analysis = analyzeGroup(group, { asTrained: objective ? asTrained(group, objective) : null });
  const { tree, statistics } = analysis;
  const texts = group.tokenTexts ?? {};
  const tokenText = (id: number): string => pieceOf(texts, id);
  const joined = Object.values(texts).some((text) => text.length === 1) || group.tokenTexts !== undefined;
  print(
    formatTree(
      { tree, stepRewards: analysis.stepRewards, stepAdvantages: analysis.stepAdvantages, tokenText },
      {
        width: treeWidth(),
        colour: wantsColour({ isTTY: outputIsTTY() }),
        separator: joined ? '' : ' ',
        maxNodes,
      },
    ).trimEnd(),
  );
  if (completions) {
    print(
      `\n${formatTable(
        ['completion', 'tokens', 'reward', 'advantage', 'tokens against it', 'text'],
        group.completions.map((completion, i) => [
          String(i + 1),
          String(completion.tokens.length),
          String(Number(completion.reward.toFixed(4))),
          signedNumber(analysis.advantages[i]),
          `${(100 * analysis.oppositeShare[i]).toFixed(0)}%`,
          elide(visible(shownPieces(Array.from(completion.tokens, tokenText), joined ? '' : ' ')), 48),
        ]),
      )}`,
    );
  }
  const hurt = group.completions.filter(
    (_, i) => analysis.advantages[i] > 0 && analysis.oppositeShare[i] > 0.5,
  ).length;
  const flaw = Math.max(...analysis.stepFlaw);
  print(
    [
      '',
      `${statistics.groupSize} completions, ${statistics.leaves} distinct, ${statistics.nodes} nodes${statistics.flat ? ', flat' : ''}; ` +
        `path depth ${statistics.meanPathDepth.toFixed(2)}, intermediate proportion ${statistics.meanIntermediateProportion.toFixed(2)}`,
      `${statistics.tokens} tokens, ${statistics.distinctTokens} distinct: ` +
        `${(100 * (1 - statistics.distinctTokens / Math.max(1, statistics.tokens))).toFixed(0)}% of the compute is shared`,
      `largest excess weight (|λ| − 1)·|Â|: ${flaw.toFixed(2)}; good completions mostly pushed down: ${hurt}`,
    ].join('\n'),
  );
}
