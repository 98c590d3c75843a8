/**
 * TEMPO (Tran et al., arXiv 2509.18314): GRPO's advantage, and at each token where completions part the change of value that
 * this token brings:
 *   bᵢ = aᵢ + (V(λ) − V(parent)) at the first token of step λ,  bᵢ = aᵢ at all others (there V does not change).
 * Both in one scale, (std + ε); the released code is the same, token by token. The only rule here whose coefficients differ
 * within a step. Where a completion ends and others go on, the token that ends it is not among ours, so neither is its term.
 */
import { type CopyRule, everyCopy } from './copies.js';
import { nodeValues } from './values.js';

export const tempo: CopyRule = (tree, _rewards, advantages) => {
  const { gain } = nodeValues(tree, advantages);
  return {
    advantage: (i) => advantages[i],
    first: (i, node) => advantages[i] + gain[node],
    factor: everyCopy(tree),
  };
};
