/**
 * Depth-first packing: a tree as one sequence that contains every distinct token once. Token i attends to token j iff j
 * ≤ i < subtreeEnd[j], so one integer vector is the whole attention mask.
 */
import type { ProcessTree } from './process-tree.js';

export interface PackedTree {
  /** Number of prompt tokens and distinct tree tokens, N. */
  readonly length: number;
  readonly promptLength: number;
  /** Token ids, [N]: the prompt, then each node's step in preorder. */
  readonly tokens: Int32Array;
  /** Number of tokens before each one on its path, including the prompt, [N]. */
  readonly position: Int32Array;
  /** Index of the previous token on each one's path, −1 for the first, [N]. */
  readonly parent: Int32Array;
  /** Index of the first token after each one's subtree, [N]. */
  readonly subtreeEnd: Int32Array;
  /** Tree node of each token, [N]; 0 for those of the prompt. */
  readonly node: Int32Array;
  /** Index of each token among the distinct tokens of the whole tree, −1 for the prompt, [N]. */
  readonly treeToken: Int32Array;
  /** Index of the first token of each node's step; −1: the node is left out, [nodes]. */
  readonly nodeOffset: Int32Array;
}

/**
 * @param prompt token ids that all completions follow, [P]
 * @param keep 1 for nodes that are packed, with all their ancestors, [nodes]; absent: all are
 */
export function packTree(tree: ProcessTree, prompt: Int32Array, keep?: Uint8Array): PackedTree {
  const promptLength = prompt.length;
  const kept = (n: number): boolean => !keep || keep[n] === 1;
  let length = promptLength;
  for (let n = 0; n < tree.nodeCount; n++) if (kept(n)) length += tree.end[n] - tree.start[n];
  const tokens = new Int32Array(length);
  const position = new Int32Array(length);
  const parent = new Int32Array(length);
  const subtreeEnd = new Int32Array(length);
  const node = new Int32Array(length);
  const treeToken = new Int32Array(length).fill(-1);
  const nodeOffset = new Int32Array(tree.nodeCount).fill(-1);
  /** Start of the next kept node at or after each one, [nodes + 1]. */
  const offsets = new Int32Array(tree.nodeCount + 1).fill(length);
  let offset = promptLength;
  for (let n = 0; n < tree.nodeCount; n++) {
    offsets[n] = offset;
    if (!kept(n)) continue;
    nodeOffset[n] = offset;
    offset += tree.end[n] - tree.start[n];
  }
  tokens.set(prompt);
  for (let i = 0; i < promptLength; i++) {
    position[i] = i;
    parent[i] = i - 1;
    subtreeEnd[i] = length;
  }
  // Index of the last token at or above each node's step; an empty step has that of its parent.
  const last = new Int32Array(tree.nodeCount);
  let token = 0;
  for (let n = 0; n < tree.nodeCount; n++) {
    const first = token;
    token += tree.end[n] - tree.start[n];
    if (!kept(n)) continue;
    const step = tree.stepTokens(n);
    const from = nodeOffset[n];
    const after = offsets[tree.subtreeEnd[n]];
    const before = n === 0 ? promptLength - 1 : last[tree.parent[n]];
    tokens.set(step, from);
    for (let i = 0; i < step.length; i++) {
      position[from + i] = promptLength + tree.start[n] + i;
      parent[from + i] = i === 0 ? before : from + i - 1;
      subtreeEnd[from + i] = after;
      node[from + i] = n;
      treeToken[from + i] = first + i;
    }
    last[n] = step.length > 0 ? from + step.length - 1 : before;
  }
  return { length, promptLength, tokens, position, parent, subtreeEnd, node, treeToken, nodeOffset };
}

/** Index of each token of a completion in the packed sequence, [|g|]. */
export function packedIndices(tree: ProcessTree, packed: PackedTree, completion: number): Int32Array {
  const indices = new Int32Array(tree.lengths[completion]);
  for (const node of tree.pathOf(completion)) {
    for (let t = tree.start[node]; t < tree.end[node]; t++)
      indices[t] = packed.nodeOffset[node] + t - tree.start[node];
  }
  return indices;
}
