/**
 * Tree-GRPO (Ji et al., arXiv 2509.21240): every token of a completion gets the sum of two z-scores of its reward,
 *   bᵢ = (rᵢ − mean of its tree) / (std of its tree + ε) + aᵢ,
 * within its own tree and within all trees of the prompt. In the paper, trees grow from M independent chains; here a
 * tree is one branch of the root: the completions that begin with the same step. A tree of one completion has no other
 * to compare with: 0 (the released code takes mean 0 and std 1, which adds the raw reward; its sampling never makes
 * such a small tree).
 */
import { groupAdvantages } from '../advantages.js';
import { type CopyRule, everyCopy } from './copies.js';

export const treeGrpo: CopyRule = (tree, rewards, advantages) => {
  const total = Float64Array.from(advantages);
  for (const top of tree.isLeaf(0) ? [0] : tree.childrenOf(0)) {
    const members = tree.membersOf(top);
    const within = groupAdvantages(Float64Array.from(members, (i) => rewards[i]));
    members.forEach((i, place) => {
      total[i] += within[place];
    });
  }
  return { advantage: (i) => total[i], factor: everyCopy(tree) };
};
