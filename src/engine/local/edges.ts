/**
 * The four numberings of a token in a packed forest, and conversions between them:
 *   place  its position in depth-first order, prompts included: used by attention and positions
 *   edge   its number among predicted tokens, part after part, each in depth-first order
 *   rank   its position when edges are sorted by the row that predicts them: the order of the head's output
 *   row    the row that predicts it, counted within its chunk of the head
 * Coefficients and log-probabilities are passed by edge; only this file uses the other three.
 */
import type { HeadChunk } from '../../model/index.js';
import type { PackedTree, TreePiece } from '../../tree/index.js';

/** An example of the batch within a forest, or a piece of one. */
export interface Part {
  /** Its index in the batch. */
  readonly example: number;
  /** The piece of its tree; null: the whole tree. */
  readonly piece: TreePiece | null;
  readonly packed: PackedTree;
  /** Place of its first token. */
  readonly firstPlace: number;
  /** Edge of its first tree token. */
  readonly firstEdge: number;
}

/** A predicted token of a part. */
export interface Edge {
  readonly edge: number;
  /** Its number among the distinct tokens of the example's tree. */
  readonly token: number;
  readonly node: number;
  /** Whether it is the first token of the node's step. */
  readonly isFirst: boolean;
  /** Whether it counts here: a token that several runs compute counts in only one of them. */
  readonly counts: boolean;
}

/** The predicted tokens of a part, in order of their edges. */
export function* edgesOf({ packed, piece, firstEdge }: Part): Generator<Edge> {
  for (let j = packed.promptLength; j < packed.length; j++) {
    const node = packed.node[j];
    yield {
      edge: firstEdge + j - packed.promptLength,
      token: packed.treeToken[j],
      node,
      isFirst: j === packed.nodeOffset[node],
      counts: !piece || piece.owned[node] === 1,
    };
  }
}

export class Edges {
  /** Number of predicted tokens, E. */
  readonly count: number;
  /** Places of the predicting tokens, in order of their first edge, [M]. */
  private readonly headRows: Int32Array;
  /** Predicted token of each edge, [E]. */
  private readonly token: Int32Array;
  /** Index in `headRows` of each edge's predicting token, [E]. */
  private readonly headRow: Int32Array;
  /** Edge of each rank, [E]. */
  private readonly edgeOfRank: Int32Array;

  constructor(readonly parts: readonly Part[]) {
    this.count = parts.reduce((n, { packed }) => n + packed.length - packed.promptLength, 0);
    this.token = new Int32Array(this.count);
    this.headRow = new Int32Array(this.count);
    const headRows: number[] = [];
    for (const { packed, firstPlace, firstEdge } of parts) {
      const rowOf = new Int32Array(packed.length).fill(-1);
      for (let j = packed.promptLength, edge = firstEdge; j < packed.length; j++, edge++) {
        const parent = packed.parent[j];
        if (rowOf[parent] < 0) rowOf[parent] = headRows.push(firstPlace + parent) - 1;
        this.headRow[edge] = rowOf[parent];
        this.token[edge] = packed.tokens[j];
      }
    }
    this.headRows = Int32Array.from(headRows);
    this.edgeOfRank = sortedBy(this.headRow, headRows.length);
  }

  /** Number of predicting tokens, M. */
  get rowCount(): number {
    return this.headRows.length;
  }

  /** Divides the predicting rows into chunks of nearly equal size, with their edges by rank. */
  chunks(count: number): HeadChunk[] {
    let rank = 0;
    return Array.from({ length: count }, (_, i) => {
      const cut = (k: number): number => Math.floor((k * this.rowCount) / count);
      const [from, to] = [cut(i), cut(i + 1)];
      const first = rank;
      while (rank < this.count && this.headRow[this.edgeOfRank[rank]] < to) rank++;
      const edges = this.edgeOfRank.subarray(first, rank);
      const pairs = new BigInt64Array(2 * edges.length);
      edges.forEach((edge, e) => {
        pairs[2 * e] = BigInt(this.headRow[edge] - from);
        pairs[2 * e + 1] = BigInt(this.token[edge]);
      });
      return {
        headRows: this.headRows.subarray(from, to),
        pairs,
        rows: edges.map((edge) => this.headRow[edge] - from),
        take: (values) => Float32Array.from(edges, (edge) => values[edge]),
      };
    });
  }

  /** Rank of each edge, [E]. */
  ranks(): Int32Array {
    const ranks = new Int32Array(this.count);
    this.edgeOfRank.forEach((edge, rank) => {
      ranks[edge] = rank;
    });
    return ranks;
  }

  /**
   * Reorders output of the head by edge.
   * @param ranked by rank, [E]
   */
  byEdge(ranked: Float32Array): Float32Array {
    const values = new Float32Array(this.count);
    this.edgeOfRank.forEach((edge, rank) => {
      values[edge] = ranked[rank];
    });
    return values;
  }

  /**
   * Values of predicting rows, by edge.
   * @param values of the rows of all chunks, [M]
   */
  ofRows(values: Float32Array): Float32Array {
    return Float32Array.from(this.headRow, (row) => values[row]);
  }
}

/** Indices of keys 0 … count − 1, in stable sorted order. */
function sortedBy(keys: Int32Array, count: number): Int32Array {
  const next = new Int32Array(count + 1);
  for (const key of keys) next[key + 1]++;
  for (let key = 0; key < count; key++) next[key + 1] += next[key];
  const order = new Int32Array(keys.length);
  keys.forEach((key, i) => {
    order[next[key]++] = i;
  });
  return order;
}
