/**
 * TEMPO (Tran et al., arXiv 2509.18314): GRPO's advantage plus, at each token where completions diverge, the change of
 * value at this token:
 *   bᵢ = aᵢ + (V(λ) − V(parent)) at the first token of step λ,  bᵢ = aᵢ at all others (there V does not change).
 * Both are divided by (std + ε); the released code is the same, token by token. This is the only rule here whose
 * coefficients differ within a step. If a completion ends where others continue, its end token is not among our tokens,
 * so its term is missing too.
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
