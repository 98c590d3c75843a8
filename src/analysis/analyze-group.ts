/**
 * The analysis of one group (paper §2-§4): its process tree, the hidden rewards and advantages of its steps, how much
 * structure it has, and where the factor |λ| does harm.
 */
import {
  type AdvantageOptions,
  groupAdvantages,
  lambdaWeights,
  oppositeShare,
  stepAdvantages,
  stepFlaw,
  stepRewards,
  type ZeroVariance,
  zeroVariance,
} from '../objective/index.js';
import type { Group } from '../rollouts/group.js';
import { ProcessTree, type TreeStatistics, treeStatistics } from '../tree/index.js';
import type { AsTrained } from './as-trained.js';

/** Input of an analysis: token ids and one reward for each completion. */
export type AnalyzableGroup = {
  readonly completions: readonly Pick<Group['completions'][number], 'tokens' | 'reward' | 'success'>[];
};

/** How the group is judged; default: as in the paper, with the standard deviation and equal weights. */
export interface AnalysisOptions extends AdvantageOptions {
  /** Advantages that the run trained with (`asTrained`). */
  readonly asTrained?: AsTrained | null;
}

export interface GroupAnalysis {
  readonly tree: ProcessTree;
  readonly statistics: TreeStatistics;
  /** Outcome rewards rᵢ, [k]. */
  readonly rewards: Float64Array;
  /** Advantages aᵢ, [k]: GRPO's, or those of the run. */
  readonly advantages: Float64Array;
  /** R̂(λ) of each node, [nodes]. */
  readonly stepRewards: Float64Array;
  /** Â(λ) of each node, [nodes]. */
  readonly stepAdvantages: Float64Array;
  /** λ-GRPO's weight 1/|λ| of each node, [nodes]. */
  readonly lambdaWeights: Float64Array;
  /** (|λ| − 1)·|Â(λ)| of each node: how much GRPO adds to a step beyond counting it once, [nodes]. */
  readonly stepFlaw: Float64Array;
  /** Share of each completion's tokens whose step advantage has the opposite sign of its own advantage, [k]. */
  readonly oppositeShare: Float64Array;
  /** If all rewards are equal (so nothing is learnt): what the completions have in common. Null: mixed rewards. */
  readonly zeroVariance: ZeroVariance | null;
}

/**
 * Analyses one group.
 * @throws TreeError for an empty group, RewardError for a reward that is not finite
 * @example
 * const { tree, stepAdvantages } = analyzeGroup({ completions: [
 *   { tokens: Int32Array.of(1, 2), reward: 1 }, { tokens: Int32Array.of(1, 3), reward: 0 } ] });
 */
export function analyzeGroup(
  group: AnalyzableGroup,
  { asTrained: trained, ...options }: AnalysisOptions = {},
): GroupAnalysis {
  const rewards = Float64Array.from(group.completions, ({ reward }) => reward);
  const tree = ProcessTree.build(group.completions.map(({ tokens }) => tokens));
  // Rewards are checked even if the advantages are given.
  const fromRewards = groupAdvantages(rewards, options);
  const advantages = trained ? Float64Array.from(trained.advantages) : fromRewards;
  const steps = stepAdvantages(
    tree,
    advantages,
    trained && !areAlike(trained.weights) ? trained.weights : undefined,
  );
  return {
    tree,
    statistics: treeStatistics(tree),
    rewards,
    advantages,
    stepRewards: stepRewards(tree, rewards),
    stepAdvantages: steps,
    lambdaWeights: lambdaWeights(tree),
    stepFlaw: stepFlaw(tree, steps),
    oppositeShare: oppositeShare(tree, advantages, steps),
    zeroVariance: zeroVariance(
      rewards,
      group.completions.map(({ success }) => success),
    ),
  };
}

function areAlike(weights: ArrayLike<number>): boolean {
  return Array.from(weights).every((weight) => weight === weights[0] && weight > 0);
}
