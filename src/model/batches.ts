/** Batches of a model's programs: the values of all inputs. Shapes as in attention.ts and head.ts. */

/** Weights by name, of the model and the adapter. */
export interface WeightBatch {
  /** A different function for changed values: results derived from it are cached as long as it is the same. */
  readonly weights: (name: string) => Float32Array;
}

/** Tokens of a packed forest: B rows of L tokens in depth-first order, with C ancestors before each row. */
export interface ForestBatch {
  readonly rows: number;
  /** Rows per chunk of attention, R: all, or a divisor of B. */
  readonly chunkRows: number;
  readonly length: number;
  readonly contextLength: number;
  /** [B*L] */
  readonly tokens: Int32Array;
  /** Depth of each token, [B*L]. */
  readonly positions: Int32Array;
  /** Index in depth-first order, [B, L]. */
  readonly index: Int32Array;
  /** End of the token's subtree (exclusive), [B, L]. */
  readonly subtreeEnd: Int32Array;
  /** Indices of each row's ancestors, from the root, [B*C]. */
  readonly context: Int32Array;
  /** Ends of their subtrees; 0: padding, [B, C]. */
  readonly contextEnd: Int32Array;
}

/** A chunk of the predicting rows, and the edges (row, predicted token) that start there. */
export interface HeadChunk {
  /** Indices of the predicting tokens, [M]. */
  readonly headRows: Int32Array;
  /** Row within the chunk and predicted token of each edge, [E, 2]. */
  readonly pairs: BigInt64Array;
  /** Row within the chunk of each edge, [E]. */
  readonly rows: Int32Array;
  /** Selects the chunk's edges from values of all edges. */
  take(values: Float32Array): Float32Array;
}

/** The distribution: ln softmax(logits · inverse temperature + bias). */
export interface DistributionBatch {
  readonly inverseTemperature: number;
  /** 0, or a large negative number for tokens that are not allowed, [V]. */
  readonly logitBias: Float32Array;
}

export interface HeadBatch extends DistributionBatch {
  readonly chunks: readonly HeadChunk[];
}

/** The batch for scoring a forest. */
export interface TreeBatch extends WeightBatch, ForestBatch, HeadBatch {}

/** The sequences of GSPO: the edges of each, and the weight of an edge in its mean. */
export interface SequenceBatch {
  /** Edges in the order of the head's chunks, [P]. */
  readonly edge: BigInt64Array;
  /** [P] */
  readonly sequence: BigInt64Array;
  /** [P] */
  readonly share: Float32Array;
}

/** Inputs of a forest's loss. Values of edges are those of tree tokens, example after example, [E]. */
export interface LossBatch extends HeadBatch {
  /** Sum of positive weighted advantages of each edge, [E]; gspo: of each sequence, [Q]. */
  readonly plus: Float32Array;
  /** Sum of negative ones. */
  readonly minus: Float32Array;
  /** ln π_old; read by programs that clip. */
  readonly oldLogprobs: Float32Array;
  readonly clipLow: number;
  readonly clipHigh: number;
  /** δ, a large number without two-sided clipping. */
  readonly clipBound: number;
  /** ln π_sampler, [E], and the largest importance weight; read by programs that correct for another sampler. */
  readonly samplerLogprobs: Float32Array;
  readonly importanceCap: number;
  /** ln π_ref and the weight of the KL term (β included); read by programs with KL. */
  readonly referenceLogprobs: Float32Array;
  readonly klWeight: Float32Array;
  /** Weight of the entropy bonus; read by programs with the bonus. */
  readonly entropyWeight: Float32Array;
  /** Read by programs of gspo. */
  readonly sequences: SequenceBatch | null;
}

export interface UpdateBatch extends TreeBatch, LossBatch {
  /** Seed of the update's dropout, 0 … 1000; read if the adapter has dropout. */
  readonly dropoutSeed: number;
  /**
   * A unique number for each token in the whole update, independent of its run, [B*L]; read if the adapter has dropout.
   */
  readonly dropoutIndex: Int32Array;
}

/** Tokens to be drawn from the distributions of R rows; only for programs that draw. */
export interface DrawBatch {
  /** Row of each draw, at least one, [D]. */
  readonly drawRow: () => BigInt64Array;
  /** A uniform number in [0, 1) for each, [D]. */
  readonly draw: () => Float32Array;
  /** 0 … R − 1 */
  readonly eachRow: () => BigInt64Array;
  /** Whether the distributions themselves are returned. */
  readonly wholeDistributions: boolean;
}

/** One step of decoding: S new tokens for each of R rows, in addition to the cache. */
export interface DecodeBatch extends WeightBatch, DistributionBatch, DrawBatch {
  readonly rows: number;
  readonly newTokens: number;
  /** [R, S] */
  readonly tokens: Int32Array;
  /** [R, S] */
  readonly positions: Int32Array;
  /** Flat index of each row's last real token, [R]. */
  readonly last: Int32Array;
}

/** Cached sequences, each with T slots. */
export interface CachedSlots {
  readonly slots: number;
  /** Number of used slots, [sequences]. */
  readonly pastLength: Int32Array;
  /** Keys (0) or values (1) of a layer, [sequences, keyValueHeads, T, d]. */
  past(layer: number, kind: 0 | 1): Float32Array;
}

/** Cached sequences in N blocks of W slots; each block belongs to one sequence, in any order. */
export interface CachedBlocks {
  readonly blockWidth: number;
  /** Sequence of each block, [N]. */
  readonly blockRow: Int32Array;
  /** Number of used slots of each block, [N]. */
  readonly blockFill: Int32Array;
  readonly blocksPerRow: number;
  /** Blocks of each sequence in order, then padding, [sequences, P]. */
  readonly rowBlocks: Int32Array;
  /** [sequences] */
  readonly rowBlockCount: Int32Array;
  /** Keys (0) or values (1) of a layer, [N, keyValueHeads, W, d]. */
  past(layer: number, kind: 0 | 1): Float32Array;
}

/**
 * Which rows read which cached prompts: G prompts, or blocks of prompts, with up to Q rows each. A row reads one
 * prompt, that is, up to B blocks.
 */
export interface Readers {
  /** Most rows that read the same prompt, Q. */
  readonly mostReaders: number;
  /** Index among [R, keyValueHeads] of each reader, then padding, [G, keyValueHeads, Q]. */
  readonly reader: Int32Array;
  /** Index among [G, keyValueHeads, Q] of what each row reads: slots [R, keyValueHeads], blocks [R, B, keyValueHeads]. */
  readonly place: Int32Array;
}

/** Prompts in slots. */
export interface SharedSlots extends Readers {
  readonly slots: number;
  /** Used slots of the prompt of each row, [R]. */
  readonly pastLength: Int32Array;
  /** Keys (0) or values (1) of a layer, [G, keyValueHeads, U, d]. */
  past(layer: number, kind: 0 | 1): Float32Array;
}

/** Prompts in blocks of the same width as the rows'. */
export interface SharedBlocks extends Readers {
  /** Number of used slots of each block, [G]. */
  readonly blockFill: Int32Array;
  /** Most blocks of a prompt, B. */
  readonly blocksPerRow: number;
  /** Blocks of the prompt of each row, [R]. */
  readonly rowBlockCount: Int32Array;
  /** Keys (0) or values (1) of a layer, [G, keyValueHeads, W, d]. */
  past(layer: number, kind: 0 | 1): Float32Array;
}

/** The cache is in slots; `prompts` only for programs that share prompts. */
export interface SlotBatch extends DecodeBatch, CachedSlots {
  readonly prompts?: SharedSlots;
}

/** The cache is in blocks. */
export interface BlockBatch extends DecodeBatch, CachedBlocks {
  readonly prompts?: SharedBlocks;
}
