/**
 * Depth-first packing: a tree as one sequence in which every distinct token stands once. Token i sees token j iff
 * j ≤ i < subtreeEnd[j], so one integer vector is the whole attention mask.
 */
import type { ProcessTree } from './process-tree.js';

export interface PackedTree {
  /** Prompt and distinct tree tokens, N. */
  readonly length: number;
  readonly promptLength: number;
  /** Token ids, [N]: the prompt, then each node's step in preorder. */
  readonly tokens: Int32Array;
  /** Tokens before each one on its path, prompt included, [N]. */
  readonly position: Int32Array;
  /** The token before each one on its path, −1 for the first, [N]. */
  readonly parent: Int32Array;
  /** First token after each one's subtree, [N]. */
  readonly subtreeEnd: Int32Array;
  /** Tree node of each token, [N]; the prompt's are 0. */
  readonly node: Int32Array;
  /** First token of each node's step, [nodes]. */
  readonly nodeOffset: Int32Array;
}

/** @param prompt token ids that all completions follow, [P] */
export function packTree(tree: ProcessTree, prompt: Int32Array): PackedTree {
  const promptLength = prompt.length;
  const length = promptLength + tree.distinctTokenCount;
  const tokens = new Int32Array(length);
  const position = new Int32Array(length);
  const parent = new Int32Array(length);
  const subtreeEnd = new Int32Array(length);
  const node = new Int32Array(length);
  const nodeOffset = new Int32Array(tree.nodeCount);
  let offset = promptLength;
  for (let n = 0; n < tree.nodeCount; n++) {
    nodeOffset[n] = offset;
    offset += tree.end[n] - tree.start[n];
  }
  tokens.set(prompt);
  for (let i = 0; i < promptLength; i++) {
    position[i] = i;
    parent[i] = i - 1;
    subtreeEnd[i] = length;
  }
  // Last token at or above each node's step; a node with an empty step passes its parent's on.
  const last = new Int32Array(tree.nodeCount);
  for (let n = 0; n < tree.nodeCount; n++) {
    const step = tree.stepTokens(n);
    const from = nodeOffset[n];
    const after = tree.subtreeEnd[n] < tree.nodeCount ? nodeOffset[tree.subtreeEnd[n]] : length;
    const before = n === 0 ? promptLength - 1 : last[tree.parent[n]];
    tokens.set(step, from);
    for (let i = 0; i < step.length; i++) {
      position[from + i] = promptLength + tree.start[n] + i;
      parent[from + i] = i === 0 ? before : from + i - 1;
      subtreeEnd[from + i] = after;
      node[from + i] = n;
    }
    last[n] = step.length > 0 ? from + step.length - 1 : before;
  }
  return { length, promptLength, tokens, position, parent, subtreeEnd, node, nodeOffset };
}

/** Place of each token of a completion in the packed sequence, [|g|]. */
export function packedIndices(tree: ProcessTree, packed: PackedTree, completion: number): Int32Array {
  const indices = new Int32Array(tree.lengths[completion]);
  for (const node of tree.pathOf(completion)) {
    for (let t = tree.start[node]; t < tree.end[node]; t++)
      indices[t] = packed.nodeOffset[node] + t - tree.start[node];
  }
  return indices;
}
