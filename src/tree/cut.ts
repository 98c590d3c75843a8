/**
 * Cuts a tree into pieces with a bounded number of tokens: subtrees with their ancestors. A token in several pieces is
 * computed in each but counted in one, so that sums over the pieces equal sums over the tree.
 */
import type { ProcessTree } from './process-tree.js';

export interface TreePiece {
  /** 1 for the nodes on the paths of the piece's completions, [nodes]. */
  readonly nodes: Uint8Array;
  /** 1 for those of them that no earlier piece has, [nodes]. */
  readonly owned: Uint8Array;
  /** Completions that end in the piece; each ends in exactly one piece. */
  readonly completions: readonly number[];
  /** Number of tokens in its nodes. */
  readonly tokenCount: number;
}

/**
 * Cuts a tree, leaf by leaf in depth-first order. A path is never cut: a piece of one path may exceed the bound.
 * @param maxTokens of a piece, without the prompt's
 */
export function cutTree(tree: ProcessTree, maxTokens: number): TreePiece[] {
  const membersAt = new Map<number, number[]>();
  for (let i = 0; i < tree.groupSize; i++) {
    const leaf = tree.leaf[i];
    membersAt.set(leaf, [...(membersAt.get(leaf) ?? []), i]);
  }
  const lengthOf = (node: number): number => tree.end[node] - tree.start[node];
  const seen = new Uint8Array(tree.nodeCount);
  const pieces: TreePiece[] = [];
  let nodes = new Uint8Array(tree.nodeCount);
  let completions: number[] = [];
  let tokenCount = 0;
  const close = (): void => {
    const owned = nodes.map((kept, n) => (kept && !seen[n] ? 1 : 0));
    nodes.forEach((kept, n) => {
      if (kept) seen[n] = 1;
    });
    pieces.push({ nodes, owned, completions, tokenCount });
    nodes = new Uint8Array(tree.nodeCount);
    completions = [];
    tokenCount = 0;
  };
  for (const leaf of [...membersAt.keys()].sort((a, b) => a - b)) {
    const members = membersAt.get(leaf) as number[];
    const path = tree.pathOf(members[0]);
    const missing = (): number => path.reduce((n, node) => n + (nodes[node] ? 0 : lengthOf(node)), 0);
    if (completions.length > 0 && tokenCount + missing() > maxTokens) close();
    tokenCount += missing();
    for (const node of path) nodes[node] = 1;
    completions.push(...members);
  }
  if (completions.length > 0) close();
  return pieces;
}
