/**
 * TreeRL (Hou et al., arXiv 2506.11902): every copy of a token of step λ, whose subtree has n = |λ| leaves, gets
 *   b(λ) = ((V(λ) − V(root)) + (V(λ) − V(parent))) / √n,
 * the global and the local advantage. The released code also has ÷ n (`uniform`) and ÷ 1 (`original`), and the global part
 * alone (`use_value_only`): variants here. Where the sources differ, the paper's formula is taken: the code divides V by √n
 * before it subtracts the parent's V/√n(parent). Its leaves' rewards are centred on the others' mean and not divided; here
 * aᵢ is as configured. TreeRL searches its tree (it branches at uncertain tokens); here the tree is that of the group.
 */
import { type CopyRule, everyCopy } from './copies.js';
import { nodeValues } from './values.js';

export interface TreeRlOptions {
  /** What a step's advantage is divided by. */
  readonly divisor: 'sqrt' | 'n' | '1';
  /** Global advantage alone, or with the local one. */
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
