/** The table of groups that `analyze --csv` writes: RFC 4180, one row per group, in the order of the logs. */

import { type CsvCell, csvLine, type GroupAnalysis, type GroupScore } from '../analysis/index.js';
import type { Group } from '../rollouts/index.js';
import { mean } from '../statistics/index.js';

/** Maximum number of characters of the prompt. */
const PROMPT = 80;
/** Significant digits of a figure. */
const DIGITS = 12;

/** Every column with its value; docs/analyze.md explains each. */
const COLUMNS: readonly [string, (group: Group, analysis: GroupAnalysis, score: GroupScore) => CsvCell][] = [
  ['step', ({ step }) => step],
  ['group_id', ({ id }) => id],
  ['file', ({ source }) => source?.file ?? null],
  ['line', ({ source }) => source?.line ?? null],
  ['prompt', ({ prompt }) => promptStart(prompt.text)],
  ['completions', ({ completions }) => completions.length],
  ['tokens', (_, { statistics }) => statistics.tokens],
  ['distinct_tokens', (_, { statistics }) => statistics.distinctTokens],
  ['token_source', ({ tokens }) => tokens],
  ['group_source', ({ groups }) => groups],
  ['flat', (_, { statistics }) => statistics.flat],
  ['zero_variance', (_, { zeroVariance }) => zeroVariance !== null],
  ['zero_variance_kind', (_, { zeroVariance }) => zeroVariance],
  ['path_depth', (_, { statistics }) => statistics.meanPathDepth],
  ['intermediate_proportion', (_, { statistics }) => statistics.meanIntermediateProportion],
  ['shared_token_share', (_, { statistics }) => statistics.sharedTokenShare],
  ['mean_reward', (_, { rewards }) => mean(rewards)],
  ['pushed_down', (_, __, { pushedDown }) => pushedDown],
  ['worst_opposite_share', (_, __, { worst }) => worst],
  ['largest_flaw', (_, __, { flaw }) => flaw],
  ['source', ({ source }) => source?.label ?? null],
];

/** The header, with line end. */
export const CSV_HEADER = csvLine(COLUMNS.map(([name]) => name));

/** A group's row, with line end. */
export function csvRow(group: Group, analysis: GroupAnalysis, score: GroupScore): string {
  return csvLine(COLUMNS.map(([, value]) => rounded(value(group, analysis, score))));
}

function rounded(value: CsvCell): CsvCell {
  return typeof value === 'number' ? Number(value.toPrecision(DIGITS)) : value;
}

function promptStart(text: string | undefined): string | null {
  return text === undefined ? null : [...text.slice(0, 2 * PROMPT)].slice(0, PROMPT).join('');
}
