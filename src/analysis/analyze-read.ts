/** The analysis of a group that was read from a log. An error names the group's place in the log. */
import { UserError } from '../errors.js';
import { RewardError } from '../objective/index.js';
import { type Group, placed } from '../rollouts/index.js';
import { TreeError } from '../tree/index.js';
import { type AnalysisOptions, analyzeGroup, type GroupAnalysis } from './analyze-group.js';

/** Rewards are squared, so they are bounded. */
const LARGEST_REWARD = 1e150;

/** @throws UserError naming file, line and group */
export function analyzeRead(group: Group, options: AnalysisOptions = {}): GroupAnalysis {
  try {
    for (const { reward } of group.completions) {
      if (Math.abs(reward) <= LARGEST_REWARD) continue;
      throw new RewardError(`expected rewards up to ±${LARGEST_REWARD}, got ${reward}`);
    }
    return analyzeGroup(group, options);
  } catch (error) {
    if (!(error instanceof RewardError || error instanceof TreeError)) throw error;
    const { source, id } = group;
    throw new UserError(placed(source?.file ?? '', source?.line ?? null, `group ${id}: ${error.message}`));
  }
}
