/**
 * Packs trees into the rows of an update: all trees of the batch as one depth-first sequence (a forest), cut into
 * rows of equal length. A row's context is the chain of ancestors of its first token; nothing is computed twice.
 */

import type { ForestBatch } from '../../model/index.js';
import { type PackedTree, packTree } from '../../tree/index.js';
import { EngineError, type TreeExample } from '../engine.js';
import { Edges, type Part } from './edges.js';

/** The forest of one run of the update or score program, and its predicted tokens. */
export interface PackedRows extends ForestBatch {
  readonly edges: Edges;
  /** Real tokens (without padding). */
  readonly tokenCount: number;
}

export interface PackLimits {
  /** Slots of a row. */
  readonly rowLength: number;
  /** Slots of a run; a tree larger than this still goes into one run. */
  readonly maxTokens: number;
  readonly vocabularySize: number;
  readonly contextLength: number;
}

/** Distributes the examples over as few runs as the limit allows, in order. */
export function packBatch(batch: readonly TreeExample[], limits: PackLimits): PackedRows[] {
  const packed = batch.map((example, i) => checkedPack(example, i, limits));
  const runs: PackedRows[] = [];
  let from = 0;
  while (from < packed.length) {
    let to = from;
    let total = 0;
    while (to < packed.length && (to === from || total + packed[to].length <= limits.maxTokens)) {
      total += packed[to++].length;
    }
    const run = packRows(packed.slice(from, to), from, total, limits.rowLength);
    if (run.edges.count > 0) runs.push(run);
    from = to;
  }
  return runs;
}

function checkedPack({ prompt, tree }: TreeExample, i: number, limits: PackLimits): PackedTree {
  if (prompt.length === 0)
    throw new EngineError(`example ${i}: the prompt is empty; it needs at least one token`);
  const packed = packTree(tree, prompt);
  let longest = 0;
  for (const length of tree.lengths) longest = Math.max(longest, length);
  if (prompt.length + longest > limits.contextLength) {
    throw new EngineError(
      `example ${i}: ${prompt.length} prompt and ${longest} completion tokens exceed the context of ${limits.contextLength}`,
    );
  }
  for (const token of packed.tokens) {
    if (token < 0 || token >= limits.vocabularySize) {
      throw new EngineError(
        `example ${i}: token id ${token} is outside the vocabulary 0…${limits.vocabularySize - 1}`,
      );
    }
  }
  return packed;
}

function packRows(
  trees: readonly PackedTree[],
  firstExample: number,
  total: number,
  maxLength: number,
): PackedRows {
  const length = Math.min(maxLength, total);
  const rows = Math.ceil(total / length);
  const slots = rows * length;
  const tokens = new Int32Array(slots);
  const positions = new Int32Array(slots);
  const index = Int32Array.from({ length: slots }, (_, i) => i);
  const subtreeEnd = Int32Array.from({ length: slots }, (_, i) => i + 1);
  const parent = new Int32Array(slots).fill(-1);
  const parts: Part[] = [];
  let offset = 0;
  let edge = 0;
  trees.forEach((tree, i) => {
    tokens.set(tree.tokens, offset);
    positions.set(tree.position, offset);
    parts.push({ example: firstExample + i, packed: tree, firstPlace: offset, firstEdge: edge });
    for (let j = 0; j < tree.length; j++) {
      subtreeEnd[offset + j] = offset + tree.subtreeEnd[j];
      if (tree.parent[j] >= 0) parent[offset + j] = offset + tree.parent[j];
    }
    offset += tree.length;
    edge += tree.length - tree.promptLength;
  });
  const chains = Array.from({ length: rows }, (_, row) => ancestors(parent, row * length));
  const contextLength = chains.reduce((n, chain) => Math.max(n, chain.length), 0);
  const context = new Int32Array(rows * contextLength);
  const contextEnd = new Int32Array(rows * contextLength);
  chains.forEach((chain, row) => {
    chain.forEach((token, i) => {
      context[row * contextLength + i] = token;
      contextEnd[row * contextLength + i] = subtreeEnd[token];
    });
  });
  return {
    rows,
    length,
    contextLength,
    tokens,
    positions,
    index,
    subtreeEnd,
    context,
    contextEnd,
    edges: new Edges(parts),
    tokenCount: total,
  };
}

/** The tokens before `token` on its path, nearest first. */
function ancestors(parent: Int32Array, token: number): number[] {
  const chain: number[] = [];
  for (let at = parent[token]; at >= 0; at = parent[at]) chain.push(at);
  return chain;
}
