/**
 * TreeRL (Hou et al., arXiv 2506.11902): every copy of a token of step λ, whose subtree has n = |λ| leaves, gets
 *   b(λ) = ((V(λ) − V(root)) + (V(λ) − V(parent))) / √n,
 * the global and the local advantage. The released code also has ÷ n (`uniform`), ÷ 1 (`original`), and only the global
 * part (`use_value_only`): variants here. Where paper and code differ, the paper's formula is used: the code divides V
 * by √n before it subtracts the parent's V/√n(parent). Its leaves' rewards are centred on the mean of the others and
 * not divided; here aᵢ is as configured. TreeRL builds its tree by search (it branches at uncertain tokens); here the
 * tree is that of the group.
 */
import { type CopyRule, everyCopy } from './copies.js';
import { nodeValues } from './values.js';

export interface TreeRlOptions {
  /** Divisor of a step's advantage. */
  readonly divisor: 'sqrt' | 'n' | '1';
  /** Only the global advantage, or also the local one. */
  readonly difference: 'both' | 'root';
}

export function treeRl({ divisor, difference }: TreeRlOptions): CopyRule {
  return (tree, _rewards, advantages) => {
    const { value, gain } = nodeValues(tree, advantages);
    const power = { sqrt: -0.5, n: -1, '1': 0 }[divisor];
    const step = value.map(
      (v, node) => (v - value[0] + (difference === 'both' ? gain[node] : 0)) * tree.size[node] ** power,
    );
    return { advantage: (_, node) => step[node], factor: everyCopy(tree) };
  };
}
