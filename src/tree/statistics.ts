/** How much structure a tree has (PAPER.md §3): path depth, intermediate proportion, whether it is flat. */
import type { ProcessTree } from './process-tree.js';

export interface TreeStatistics {
  /** k. */
  readonly groupSize: number;
  readonly nodes: number;
  /** Distinct completions. */
  readonly leaves: number;
  /** Σ|g|. */
  readonly tokens: number;
  /** Number of tokens if shared ones count once. */
  readonly distinctTokens: number;
  /** Share of all tokens that are in steps with |λ| > 1, [0, 1]. */
  readonly sharedTokenShare: number;
  /** Whether there is no proper intermediate node. */
  readonly flat: boolean;
  /** Largest |λ| of a step that has tokens; 0 if there are no tokens. */
  readonly maxSize: number;
  readonly maxPathDepth: number;
  readonly meanPathDepth: number;
  readonly meanIntermediateProportion: number;
}

/** Intermediate nodes (neither root nor leaf) on each completion's path, [k]. */
export function pathDepth(tree: ProcessTree): Int32Array {
  return tree.leaf.map((leaf) => Math.max(0, tree.depth[leaf] - 1));
}

/**
 * (s(leaf) − e(root)) / |g| of each completion, [k]: the share of its tokens in intermediate steps. 0 for an empty
 * completion and if the root is the leaf.
 */
export function intermediateProportion(tree: ProcessTree): Float64Array {
  return Float64Array.from(tree.leaf, (leaf, i) =>
    leaf === 0 || tree.lengths[i] === 0 ? 0 : (tree.start[leaf] - tree.end[0]) / tree.lengths[i],
  );
}

/** Whether all steps are those of the root and the leaves. */
export function isFlat(tree: ProcessTree): boolean {
  return tree.nodeCount === 1 || tree.nodeCount === tree.leafCount + 1;
}

export function treeStatistics(tree: ProcessTree): TreeStatistics {
  let shared = 0;
  let maxSize = 0;
  for (let node = 0; node < tree.nodeCount; node++) {
    const length = tree.end[node] - tree.start[node];
    if (length > 0 && tree.size[node] > maxSize) maxSize = tree.size[node];
    if (tree.size[node] > 1) shared += tree.size[node] * length;
  }
  const depths = pathDepth(tree);
  return {
    groupSize: tree.groupSize,
    nodes: tree.nodeCount,
    leaves: tree.leafCount,
    tokens: tree.tokenCount,
    distinctTokens: tree.distinctTokenCount,
    sharedTokenShare: tree.tokenCount > 0 ? shared / tree.tokenCount : 0,
    flat: isFlat(tree),
    maxSize,
    maxPathDepth: depths.reduce((a, b) => Math.max(a, b)),
    meanPathDepth: mean(depths),
    meanIntermediateProportion: mean(intermediateProportion(tree)),
  };
}

function mean(values: Int32Array | Float64Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}
