/**
 * Packs trees into the rows of an update: all trees of the batch as one depth-first sequence (a forest), cut into
 * rows of equal length. A row's context is the chain of ancestors of its first token; nothing is computed twice.
 * Every distinct tree token after the prompt is one edge (its parent predicts it).
 */
import { type PackedTree, packTree } from '../../tree/index.js';
import { EngineError, type TreeExample } from '../engine.js';

/** Arrays of one run of the update or score program; shapes as those programs declare them. */
export interface PackedRows {
  readonly rows: number;
  readonly length: number;
  /** Ancestors before each row, padded; 0: no row needs any. */
  readonly contextLength: number;
  readonly tokens: Int32Array;
  readonly positions: Int32Array;
  readonly index: Int32Array;
  readonly subtreeEnd: Int32Array;
  readonly context: Int32Array;
  readonly contextEnd: Int32Array;
  readonly headRows: Int32Array;
  /** Predicted token of each edge, [E]. */
  readonly edgeToken: Int32Array;
  /** Row of headRows for each edge, [E]. */
  readonly edgeRow: Int32Array;
  /** Edges by row, those of a row in their order: what the head's chunks are cut from, [E]. */
  readonly edgeOrder: Int32Array;
  /** Examples of the batch in this run, with the place of each one's first edge. */
  readonly parts: readonly {
    readonly example: number;
    readonly firstEdge: number;
    readonly packed: PackedTree;
  }[];
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
    if (run.edgeRow.length > 0) runs.push(run);
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
  const edgeCount = trees.reduce((n, tree) => n + tree.length - tree.promptLength, 0);
  const edgeToken = new Int32Array(edgeCount);
  const edgeRow = new Int32Array(edgeCount);
  const headRowOf = new Int32Array(slots).fill(-1);
  const headRows: number[] = [];
  const parts: PackedRows['parts'][number][] = [];
  let offset = 0;
  let edge = 0;
  trees.forEach((tree, i) => {
    tokens.set(tree.tokens, offset);
    positions.set(tree.position, offset);
    parts.push({ example: firstExample + i, firstEdge: edge, packed: tree });
    for (let j = 0; j < tree.length; j++) {
      subtreeEnd[offset + j] = offset + tree.subtreeEnd[j];
      if (tree.parent[j] >= 0) parent[offset + j] = offset + tree.parent[j];
      if (j < tree.promptLength) continue;
      const from = offset + tree.parent[j];
      if (headRowOf[from] < 0) {
        headRowOf[from] = headRows.length;
        headRows.push(from);
      }
      edgeRow[edge] = headRowOf[from];
      edgeToken[edge] = tree.tokens[j];
      edge++;
    }
    offset += tree.length;
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
    headRows: Int32Array.from(headRows),
    edgeToken,
    edgeRow,
    edgeOrder: orderByRow(edgeRow, headRows.length),
    parts,
    tokenCount: total,
  };
}

/** Indices of the edges, sorted by row and stable. */
function orderByRow(edgeRow: Int32Array, rowCount: number): Int32Array {
  const next = new Int32Array(rowCount + 1);
  for (const row of edgeRow) next[row + 1]++;
  for (let row = 0; row < rowCount; row++) next[row + 1] += next[row];
  const order = new Int32Array(edgeRow.length);
  edgeRow.forEach((row, edge) => {
    order[next[row]++] = edge;
  });
  return order;
}

/** Rows and edges (in `edgeOrder`) of one chunk of the head. */
export interface HeadChunk {
  readonly rows: readonly [number, number];
  readonly edges: readonly [number, number];
}

/** Cuts the rows that predict into chunks of nearly equal size. */
export function headChunks({ headRows, edgeRow, edgeOrder }: PackedRows, count: number): HeadChunk[] {
  let edge = 0;
  return Array.from({ length: count }, (_, i) => {
    const cut = (k: number): number => Math.floor((k * headRows.length) / count);
    const [from, to] = [cut(i), cut(i + 1)];
    const first = edge;
    while (edge < edgeOrder.length && edgeRow[edgeOrder[edge]] < to) edge++;
    return { rows: [from, to], edges: [first, edge] };
  });
}

/** The tokens before `token` on its path, nearest first. */
function ancestors(parent: Int32Array, token: number): number[] {
  const chain: number[] = [];
  for (let at = parent[token]; at >= 0; at = parent[at]) chain.push(at);
  return chain;
}
