/** A group's data for pages: its row in a step's table, and all of it. */
import {
  analyzeGroup,
  asTrained,
  describeTrained,
  type GroupAnalysis,
  groupScore,
  promptParts,
  type RunObjective,
  stepMass,
} from '../analysis/index.js';
import { type Group, pieceOf, shownPieces } from '../rollouts/index.js';
import { mean } from '../statistics/index.js';
import type { GroupDetail, GroupRow } from './api.js';

const PROMPT = 200;

/** Analyses a group as its run judged it, or as in the paper if that is unknown. */
export function judgedGroup(group: Group, objective: RunObjective | null): GroupAnalysis {
  return analyzeGroup(group, { asTrained: objective && asTrained(group, objective) });
}

/** The row of a group, with its whole prompt; `withParts` reduces the prompt to the part that differs. */
export function rowOf(group: Group, n: number, analysis: GroupAnalysis): GroupRow {
  const { statistics, rewards, zeroVariance } = analysis;
  return {
    n,
    id: group.id,
    prompt: promptOf(group),
    completions: group.completions.length,
    tokens: statistics.tokens,
    distinctTokens: statistics.distinctTokens,
    meanReward: mean(rewards),
    minReward: rewards.reduce((a, b) => Math.min(a, b)),
    maxReward: rewards.reduce((a, b) => Math.max(a, b)),
    flat: statistics.flat,
    zeroVariance,
    pathDepth: statistics.meanPathDepth,
    intermediateProportion: statistics.meanIntermediateProportion,
    mass: stepMass(analysis.tree, analysis.stepAdvantages),
    ...groupScore(analysis),
  };
}

/** A group with all data for drawing it. */
export function detailOf(
  run: string,
  step: number,
  n: number,
  group: Group,
  objective: RunObjective | null,
): GroupDetail {
  const trained = objective && asTrained(group, objective);
  return {
    run,
    step,
    n,
    id: group.id,
    prompt: promptOf(group),
    completions: group.completions.map(({ tokens, reward, advantage = null, stop = null }) => ({
      tokens: Array.from(tokens),
      reward,
      advantage,
      stop,
    })),
    tokenTexts: group.tokenTexts ?? {},
    judged:
      objective && trained
        ? {
            advantages: Array.from(trained.advantages),
            weights: Array.from(trained.weights),
            text: describeTrained(objective),
          }
        : null,
  };
}

/** The rows, each with the part of its prompt in which it differs from the others. */
export function withParts(rows: readonly GroupRow[]): GroupRow[] {
  const parts = promptParts(rows.map(({ prompt }) => prompt));
  // By code points, so that no character is cut in two.
  return rows.map((row, i) => ({
    ...row,
    prompt: Array.from(parts[i].slice(0, 2 * PROMPT))
      .slice(0, PROMPT)
      .join(''),
  }));
}

/** The text, or the token ids if a log has no text. */
function promptOf({ prompt, tokenTexts = {} }: Group): string {
  return prompt.text ?? shownPieces(Array.from(prompt.tokens, (id) => pieceOf(tokenTexts, id)));
}
