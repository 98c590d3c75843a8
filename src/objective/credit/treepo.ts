/**
 * TreePO (Li et al., arXiv 2508.17445): every token of a completion gets the mean difference between its reward and the
 * means of its subgroups, one for each proper ancestor of its leaf (the root's is the whole group):
 *   bᵢ = mean over ancestors j of (aᵢ − V(j)).
 * The released code has two ways to weight the subgroups: equally (`average`, used in its training script and here) and
 * by size. It whitens the result over the tokens of the batch; here the scale is that of aᵢ (`advantage_scale`).
 */
import { type CopyRule, everyCopy } from './copies.js';
import { nodeValues } from './values.js';

export const treePo: CopyRule = (tree, _rewards, advantages) => {
  const { value, isRounding } = nodeValues(tree, advantages);
  const total = Float64Array.from(advantages, (a, i) => {
    const leaf = tree.leaf[i];
    let [sum, count] = [0, 0];
    for (let node = leaf === 0 ? 0 : tree.parent[leaf]; node >= 0; node = tree.parent[node]) {
      const difference = a - value[node];
      if (!isRounding(difference, node)) sum += difference;
      count++;
    }
    return sum / count;
  });
  return { advantage: (i) => total[i], factor: everyCopy(tree) };
};
