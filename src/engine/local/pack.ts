/**
 * Packs trees into the rows of an update: all trees of the batch as one depth-first sequence (a forest), cut into
 * rows of equal length. A row's context is the chain of ancestors of its first token; nothing is computed twice.
 */

import type { ForestBatch } from '../../model/index.js';
import { cutTree, type ProcessTree, packTree } from '../../tree/index.js';
import { EngineError, type TreeExample } from '../engine.js';
import { Edges, type Part } from './edges.js';

/** The forest of one run of the update or score program, and its predicted tokens. */
export interface PackedRows extends ForestBatch {
  readonly edges: Edges;
  /**
   * A unique number for each token of the batch, independent of how the batch is distributed over runs; 0: padding,
   * [B*L].
   */
  readonly batchToken: Int32Array;
  /** Number of real tokens (without padding). */
  readonly tokenCount: number;
}

export interface PackLimits {
  /** Tokens per row. */
  readonly rowLength: number;
  /** Tokens of a run, prompts included. */
  readonly maxTokens: number;
  readonly vocabularySize: number;
  readonly contextLength: number;
  /**
   * Maximum number of tokens that the rows of one chunk of attention read, all together; a chunk has at least one row.
   */
  readonly maxSeen: number;
}

/** A packed tree or piece of a tree. */
type Packed = Pick<Part, 'example' | 'packed' | 'piece'> & {
  /** Number of tokens of the earlier examples. */
  readonly before: number;
};

/**
 * Distributes the examples over as few runs as the limit allows, in order. A tree larger than the limit is cut into
 * pieces (tree/cut.ts); a single path is never cut.
 * @throws EngineError for examples that exceed the model
 */
export function packBatch(batch: readonly TreeExample[], limits: PackLimits): PackedRows[] {
  let before = 0;
  const packed = batch.flatMap((example, i) => {
    const parts = packExample(example, i, before, limits);
    before += example.prompt.length + example.tree.distinctTokenCount;
    return parts;
  });
  const runs: PackedRows[] = [];
  let from = 0;
  while (from < packed.length) {
    let to = from;
    let total = 0;
    while (to < packed.length && (to === from || total + packed[to].packed.length <= limits.maxTokens)) {
      total += packed[to++].packed.length;
    }
    const run = packRows(packed.slice(from, to), total, limits);
    if (run.edges.count > 0) runs.push(run);
    from = to;
  }
  return runs;
}

function packExample(
  { prompt, tree }: TreeExample,
  example: number,
  before: number,
  limits: PackLimits,
): Packed[] {
  checkExample(prompt, tree, example, limits);
  if (prompt.length + tree.distinctTokenCount <= limits.maxTokens) {
    return [{ example, piece: null, before, packed: packTree(tree, prompt) }];
  }
  return cutTree(tree, limits.maxTokens - prompt.length).map((piece) => ({
    example,
    piece,
    before,
    packed: packTree(tree, prompt, piece.nodes),
  }));
}

function checkExample(prompt: Int32Array, tree: ProcessTree, i: number, limits: PackLimits): void {
  if (prompt.length === 0)
    throw new EngineError(`example ${i}: expected a prompt of at least one token, got an empty prompt`);
  let longest = 0;
  for (const length of tree.lengths) longest = Math.max(longest, length);
  if (prompt.length + longest > limits.contextLength) {
    throw new EngineError(
      `example ${i}: ${prompt.length} prompt and ${longest} completion tokens exceed the context of ${limits.contextLength}`,
    );
  }
  const check = (token: number): void => {
    if (token < 0 || token >= limits.vocabularySize) {
      throw new EngineError(
        `example ${i}: token id ${token} is outside the vocabulary 0…${limits.vocabularySize - 1}`,
      );
    }
  };
  prompt.forEach(check);
  for (let node = 0; node < tree.nodeCount; node++) tree.stepTokens(node).forEach(check);
}

function packRows(
  trees: readonly Packed[],
  total: number,
  { rowLength, maxSeen }: Pick<PackLimits, 'rowLength' | 'maxSeen'>,
): PackedRows {
  const length = Math.min(rowLength, total);
  const parent = parents(trees, total);
  const chains = Array.from({ length: Math.ceil(total / length) }, (_, row) =>
    ancestors(parent, row * length),
  );
  const contextLength = chains.reduce((n, chain) => Math.max(n, chain.length), 0);
  const chunkRows = rowsOfChunk(chains.length, contextLength, length, maxSeen);
  const rows = chunkRows * Math.ceil(chains.length / chunkRows);
  const slots = rows * length;
  const tokens = new Int32Array(slots);
  const positions = new Int32Array(slots);
  const index = Int32Array.from({ length: slots }, (_, i) => i);
  const subtreeEnd = Int32Array.from({ length: slots }, (_, i) => i + 1);
  const batchToken = new Int32Array(slots);
  const parts: Part[] = [];
  let offset = 0;
  let edge = 0;
  for (const { packed: tree, before, ...part } of trees) {
    tokens.set(tree.tokens, offset);
    positions.set(tree.position, offset);
    parts.push({ ...part, packed: tree, firstPlace: offset, firstEdge: edge });
    for (let j = 0; j < tree.length; j++) {
      subtreeEnd[offset + j] = offset + tree.subtreeEnd[j];
      const token = tree.treeToken[j];
      batchToken[offset + j] = before + (token < 0 ? j : tree.promptLength + token);
    }
    offset += tree.length;
    edge += tree.length - tree.promptLength;
  }
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
    chunkRows,
    length,
    contextLength,
    tokens,
    positions,
    index,
    subtreeEnd,
    context,
    contextEnd,
    batchToken,
    edges: new Edges(parts),
    tokenCount: total,
  };
}

/** Place of each token's parent; −1: none. */
function parents(trees: readonly Packed[], total: number): Int32Array {
  const parent = new Int32Array(total).fill(-1);
  let offset = 0;
  for (const { packed } of trees) {
    packed.parent.forEach((place, j) => {
      if (place >= 0) parent[offset + j] = offset + place;
    });
    offset += packed.length;
  }
  return parent;
}

/** Rows are divided evenly into as few chunks as the limit allows; without contexts all rows are one chunk. */
function rowsOfChunk(rows: number, contextLength: number, length: number, maxSeen: number): number {
  const most = Math.max(1, Math.floor(maxSeen / (contextLength + length)));
  if (contextLength === 0 || rows <= most) return rows;
  return Math.ceil(rows / Math.ceil(rows / most));
}

/** The tokens before `token` on its path, from the root. */
function ancestors(parent: Int32Array, token: number): number[] {
  const chain: number[] = [];
  for (let at = parent[token]; at >= 0; at = parent[at]) chain.push(at);
  return chain.reverse();
}
