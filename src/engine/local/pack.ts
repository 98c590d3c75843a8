/**
 * Packs trees into the rows of an update: all trees of the batch as one depth-first sequence (a forest), cut into
 * rows of equal length. A row's context is the chain of ancestors of its first token; nothing is computed twice. Trees
 * whose prompts begin alike (a system prompt, examples of the task) share that beginning: it is packed once.
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

/** Shorter beginnings are not shared: they save too little for a context. */
const LEAST_SHARED = 8;

/** An example's place in the batch. */
interface Placed {
  readonly example: number;
  /** The number of each prompt token in the batch, [P]; the same for a beginning that prompts share. */
  readonly promptTokens: Int32Array;
  /** The number of the tree's first token in the batch. */
  readonly treeToken: number;
}

/** A packed tree or piece of a tree. */
type Packed = Pick<Part, 'packed' | 'piece'> & Placed;

/** A tree in a run. */
type InRun = Packed & {
  /** Number of its first tokens that are those of the tree before it and are not packed again. */
  readonly shared: number;
};

/**
 * Distributes the examples over as few runs as the limit allows: in order, or if prompts begin alike, in the order of
 * their prompts. A tree larger than the limit is cut into pieces (tree/cut.ts); a single path is never cut.
 * @throws EngineError for examples that exceed the model
 */
export function packBatch(batch: readonly TreeExample[], limits: PackLimits): PackedRows[] {
  batch.forEach(({ prompt, tree }, i) => {
    checkExample(prompt, tree, i, limits);
  });
  const packed = placeExamples(batch).flatMap((placed) =>
    packExample(batch[placed.example], limits.maxTokens).map((part) => ({ ...part, ...placed })),
  );
  const runs: PackedRows[] = [];
  let run: InRun[] = [];
  let total = 0;
  const close = (): void => {
    const rows = packRows(run, total, limits);
    if (rows.edges.count > 0) runs.push(rows);
    run = [];
    total = 0;
  };
  for (const tree of packed) {
    const last = run.at(-1);
    let shared = last ? sharedTokens(batch[last.example].prompt, batch[tree.example].prompt) : 0;
    if (last && total + tree.packed.length - shared > limits.maxTokens) {
      close();
      shared = 0;
    }
    run.push({ ...tree, shared });
    total += tree.packed.length - shared;
  }
  if (run.length > 0) close();
  return runs;
}

/** The order in which the examples are packed: prompts that begin alike follow one another. */
function placeExamples(batch: readonly TreeExample[]): Placed[] {
  let count = 0;
  const inOrder = batch.map(({ prompt, tree }, example): Placed => {
    const promptTokens = Int32Array.from(prompt, (_, j) => count + j);
    const treeToken = count + prompt.length;
    count = treeToken + tree.distinctTokenCount;
    return { example, promptTokens, treeToken };
  });
  const order = [...inOrder].sort((a, b) => compareTokens(batch[a.example].prompt, batch[b.example].prompt));
  let shares = false;
  order.forEach(({ example, promptTokens }, i) => {
    if (i === 0) return;
    const shared = sharedTokens(batch[order[i - 1].example].prompt, batch[example].prompt);
    promptTokens.set(order[i - 1].promptTokens.subarray(0, shared));
    shares ||= shared > 0;
  });
  return shares ? order : inOrder;
}

/** Lexicographic order. */
function compareTokens(a: Int32Array, b: Int32Array): number {
  const first = a.findIndex((token, j) => token !== b[j]);
  if (first < 0) return a.length - b.length;
  return first < b.length ? a[first] - b[first] : 1;
}

/** Number of tokens that two prompts share. The last one of the second prompt never is: it predicts for its own tree. */
function sharedTokens(first: Int32Array, second: Int32Array): number {
  const most = Math.min(first.length, second.length - 1);
  let shared = 0;
  while (shared < most && first[shared] === second[shared]) shared++;
  return shared < LEAST_SHARED ? 0 : shared;
}

function packExample({ prompt, tree }: TreeExample, maxTokens: number): Pick<Part, 'packed' | 'piece'>[] {
  if (prompt.length + tree.distinctTokenCount <= maxTokens) {
    return [{ piece: null, packed: packTree(tree, prompt) }];
  }
  return cutTree(tree, maxTokens - prompt.length).map((piece) => ({
    piece,
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
  trees: readonly InRun[],
  total: number,
  { rowLength, maxSeen }: Pick<PackLimits, 'rowLength' | 'maxSeen'>,
): PackedRows {
  const length = Math.ceil(total / Math.ceil(total / rowLength));
  const { parent, prompts } = places(trees, total);
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
  trees.forEach(({ packed: tree, shared, promptTokens, treeToken, ...part }, i) => {
    const firstPlace = offset - shared;
    tokens.set(tree.tokens.subarray(shared), offset);
    positions.set(tree.position.subarray(shared), offset);
    parts.push({ ...part, packed: tree, firstPlace, firstEdge: edge });
    for (let j = shared; j < tree.length; j++) {
      subtreeEnd[firstPlace + j] = firstPlace + tree.subtreeEnd[j];
      const token = tree.treeToken[j];
      batchToken[firstPlace + j] = token < 0 ? promptTokens[j] : treeToken + token;
    }
    offset = firstPlace + tree.length;
    for (const place of prompts[i].subarray(0, shared)) subtreeEnd[place] = offset;
    edge += tree.length - tree.promptLength;
  });
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

interface Places {
  /** Place of each token's parent; −1: none, [total]. */
  readonly parent: Int32Array;
  /** Places of the prompt tokens of each tree, shared ones included, [trees][P]. */
  readonly prompts: readonly Int32Array[];
}

function places(trees: readonly InRun[], total: number): Places {
  const parent = new Int32Array(total).fill(-1);
  const prompts: Int32Array[] = [];
  let offset = 0;
  for (const { packed, shared } of trees) {
    const before = prompts.at(-1);
    const firstPlace = offset - shared;
    const placeOf = (j: number): number => (j < shared && before ? before[j] : firstPlace + j);
    for (let j = shared; j < packed.length; j++) {
      if (packed.parent[j] >= 0) parent[firstPlace + j] = placeOf(packed.parent[j]);
    }
    prompts.push(Int32Array.from({ length: packed.promptLength }, (_, j) => placeOf(j)));
    offset = firstPlace + packed.length;
  }
  return { parent, prompts };
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
