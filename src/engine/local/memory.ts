/**
 * How much of a memory budget each kind of work may use. Permanent memory (weights, optimizer state, reference,
 * gradients) is subtracted first; the rest is available to one run, because runs do not overlap. The bytes of a run are
 * estimated from the model's shape, with factors measured on real models (docs/decisions/0008): estimates are above the
 * measured values.
 */
import { architectureOf, type ModelConfig } from '../../model/index.js';
import { EngineError } from '../engine.js';
import type { CacheSize } from './decode.js';
import type { Holding } from './program-cache.js';

const FLOAT = 4;
/** Number of arrays of rows × vocabulary in a chunk of the head: logits, their softmax, and what the gradient reads. */
const HEAD_ARRAYS = 4;
/** Share of a run's memory that the head may use. */
const HEAD_SHARE = 0.25;
/** Number of arrays of all scores that attention holds at once. */
const SCORE_ARRAYS = 2;
/**
 * For a chunk of attention at the peak of its gradient: the number of arrays of its scores, and of the keys and values
 * that its rows read; and the number of arrays of all keys and values in which chunks accumulate their gradients.
 */
const [CHUNK_SCORES, CHUNK_READ, CHUNK_SUMS] = [4, 3, 5];
/** Share of a run's memory that a chunk of attention may use. */
const CHUNK_SHARE = 0.25;
/** Share of a layer's values that stays in memory until the gradient, if layers are not recomputed. */
const KEPT_SHARE = 0.6;

/**
 * Shares of the remaining memory. The runtime keeps for each program the memory of its largest run, so sampling has its
 * own share besides that of updates and scores, whose programs share theirs (program-cache.ts).
 */
const [UPDATE_SHARE, SAMPLING_SHARE, PREFILL_SHARE] = [0.5, 0.35, 0.1];

/** Share of the remaining memory that a second copy of the weights may use, and its limit without a budget, bytes. */
const [PACKED_SHARE, PACKED_WITHOUT_BOUND] = [0.25, 2 ** 31];

/** Copies of weights in int8 that the runtime keeps: as they came, and in the layout that products read fastest. */
const RUNTIME_COPIES = 2;

/** Numbers of weights that the engine holds. */
export interface HeldWeights {
  /** All weights of the model. */
  readonly weights: number;
  /** The trainable weights, of the model or the adapter. */
  readonly trainable: number;
  /** Copies of the trainable weights: the optimizer's moments, the reference policy. */
  readonly copies: number;
  /** Weights of which decoding has a second copy, in the layout that products read fastest; absent: none. */
  readonly packed?: number;
  /** Bytes of all copies of weights in int8; absent: none. */
  readonly quantized?: number;
}

/** Limits of one update or score. */
export interface RunLimits {
  /** Tokens of one run. */
  readonly maxTokens: number;
  /** Logits that the head computes at once. */
  readonly maxLogits: number;
  /** Tokens that the rows of one chunk of attention read, all together. */
  readonly maxSeen: number;
  /** Whether layers recompute what the gradient needs. */
  readonly checkpointing: boolean;
}

/** The size of an update or score, which determines its memory. */
export interface RunSize {
  /** Including padding. */
  readonly tokens: number;
  readonly rowLength: number;
  /** Maximum number of earlier tokens that a row reads. */
  readonly context: number;
  /** Rows per chunk of attention; null: all rows at once. */
  readonly chunkRows: number | null;
  /** Logits that the head computes at once. */
  readonly logits: number;
  readonly checkpointing: boolean;
}

export class Memory {
  private readonly layer: { readonly values: number; readonly cached: number };

  /** @param budget bytes; infinite: no limit */
  constructor(
    private readonly model: ModelConfig,
    readonly budget: number,
  ) {
    const { keyValueHeads, headWidth, intermediate } = architectureOf(model);
    this.layer = { values: 12 * model.width + 8 * intermediate, cached: keyValueHeads * headWidth };
  }

  /**
   * Memory available to a run beside permanent memory, bytes. @param gradients copies of the trainable weights'
   * gradients
   */
  private left(
    { weights, trainable, copies, packed = 0, quantized = 0 }: HeldWeights,
    gradients: number,
  ): number {
    const adapter = this.model.adapter ? trainable : 0;
    return this.budget - quantized - FLOAT * (weights + packed + adapter + (copies + gradients) * trainable);
  }

  /**
   * Limits of an update or score.
   * @param longest tokens of the longest path, prompt included
   * @param wanted limits that apply regardless of memory
   * @throws EngineError if not even one path fits
   */
  runLimits(longest: number, rowLength: number, held: HeldWeights, wanted: RunLimits): RunLimits {
    if (this.budget === Number.POSITIVE_INFINITY) return wanted;
    const left = UPDATE_SHARE * this.left(held, 2);
    const maxLogits = Math.max(
      this.model.vocabularySize,
      Math.min(wanted.maxLogits, Math.floor((HEAD_SHARE * left) / (HEAD_ARRAYS * FLOAT))),
    );
    const rest = left - HEAD_ARRAYS * FLOAT * maxLogits;
    const tokensIn = (checkpointing: boolean): number =>
      Math.floor(rest / this.bytesPerToken(longest, rowLength, checkpointing));
    const plain = tokensIn(false);
    const checkpointing =
      wanted.checkpointing || plain < Math.max(longest, Math.min(wanted.maxTokens, 2 * longest));
    const fitting = checkpointing ? tokensIn(true) : plain;
    if (fitting >= longest) {
      return {
        maxTokens: Math.min(wanted.maxTokens, fitting),
        maxLogits,
        maxSeen: wanted.maxSeen,
        checkpointing,
      };
    }
    return { ...this.inChunks(longest, rowLength, rest, wanted), maxLogits, checkpointing };
  }

  /**
   * Limits of a run whose attention is computed in chunks.
   * @param rest bytes that the layers may use
   */
  private inChunks(
    longest: number,
    rowLength: number,
    rest: number,
    wanted: RunLimits,
  ): Pick<RunLimits, 'maxTokens' | 'maxSeen'> {
    const { perToken, perSeen } = this.chunkBytes(rowLength);
    const row = perSeen * (longest + rowLength);
    const needed = longest * perToken + row;
    if (needed > rest) {
      const budget = this.budget + (needed - rest) / UPDATE_SHARE;
      throw new EngineError(
        `update: a sequence of ${longest} tokens needs about ${gibibytes(budget)}, but runtime.memory is ${gibibytes(this.budget)}; raise it, shorten completions, or train an adapter (model.lora)`,
      );
    }
    const chunk = Math.max(row, Math.min(CHUNK_SHARE * rest, rest - longest * perToken));
    return {
      maxTokens: Math.min(wanted.maxTokens, Math.max(longest, Math.floor((rest - chunk) / perToken))),
      maxSeen: Math.min(wanted.maxSeen, Math.max(longest + rowLength, Math.floor(chunk / perSeen))),
    };
  }

  /**
   * Memory of a run whose attention is computed in chunks, in bytes: for each of its tokens, and for each token that a
   * chunk's rows read.
   */
  private chunkBytes(rowLength: number): { readonly perToken: number; readonly perSeen: number } {
    const { values, cached } = this.layer;
    const { layers, heads, width } = this.model;
    return {
      perToken: FLOAT * (layers * width + values + CHUNK_SUMS * 2 * cached),
      perSeen: FLOAT * (CHUNK_SCORES * heads * rowLength + CHUNK_READ * 2 * cached),
    };
  }

  /** Memory of an update or score, and the limit for all programs of this kind together. */
  run(size: RunSize, held: HeldWeights): Holding {
    const { tokens, rowLength, context, chunkRows, logits, checkpointing } = size;
    const { perToken, perSeen } = this.chunkBytes(rowLength);
    const layers =
      chunkRows === null
        ? tokens * this.bytesPerToken(context, rowLength, checkpointing)
        : tokens * perToken + chunkRows * (context + rowLength) * perSeen;
    return { bytes: HEAD_ARRAYS * FLOAT * logits + layers, limit: UPDATE_SHARE * this.left(held, 2) };
  }

  /** Memory of a decoder's own copy of the weights, and the limit for both decoders (slots and blocks) together. */
  decoder(held: HeldWeights): Holding {
    const { packed = 0, quantized = 0 } = held;
    // The remaining memory already excludes one copy of each kind.
    const limit = FLOAT * packed + quantized + PACKED_SHARE * this.left(held, 2);
    return { bytes: FLOAT * packed, limit };
  }

  /** Memory of a decoder that reads weights in int8, and the limit for all decoders together. */
  quantizedDecoder(held: HeldWeights): Holding {
    return { bytes: RUNTIME_COPIES * held.weights, limit: this.decoder(held).limit };
  }

  /**
   * Bytes of the weights in int8: our copy and the runtime's.
   * @param held before they are made
   * @throws EngineError if there is no room for them
   */
  quantizedBytes(held: HeldWeights): number {
    const bytes = (1 + RUNTIME_COPIES) * held.weights;
    const room = PACKED_SHARE * this.left(held, 2);
    if (bytes <= room) return bytes;
    throw new EngineError(
      `sample: weights in int8 need ${gibibytes(bytes)}, but runtime.memory of ${gibibytes(this.budget)} has ${gibibytes(Math.max(0, room))} for them; raise it, or sample in float32`,
    );
  }

  /** Values of one token at the peak of an update, bytes. */
  private bytesPerToken(context: number, rowLength: number, checkpointing: boolean): number {
    const { values, cached } = this.layer;
    const { layers, heads, width } = this.model;
    const seen = context + rowLength;
    const layer = values + SCORE_ARRAYS * heads * seen + (6 * cached * seen) / rowLength;
    return FLOAT * (checkpointing ? layers * width + layer : KEPT_SHARE * layers * layer);
  }

  /**
   * Whether decoding may have a second copy of all weights. Without a budget, only for models that any machine has room
   * for.
   * @param passing further copies that exist while the decoder is made
   */
  packs(held: HeldWeights, passing: number): boolean {
    const bytes = FLOAT * held.weights;
    const most = (1 + passing) * bytes;
    if (this.budget === Number.POSITIVE_INFINITY) return most <= PACKED_WITHOUT_BOUND;
    const left = this.left(held, 2);
    return bytes <= PACKED_SHARE * left && most <= 2 * PACKED_SHARE * left;
  }

  /** How many rows may be decoded at the same time. */
  decodeRows({ longest, row, shared }: CacheSize, held: HeldWeights): number {
    if (this.budget === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY;
    const { vocabularySize, heads, layers } = this.model;
    // One buffer of the cache exists twice while it grows.
    const cache = (tokens: number): number => 1.1 * 2 * layers * this.layer.cached * tokens;
    const step = HEAD_ARRAYS * vocabularySize + this.layer.values + SCORE_ARRAYS * heads * longest;
    const room = (SAMPLING_SHARE * this.left(held, 2)) / FLOAT;
    return Math.floor((room - cache(shared)) / (cache(row) + step));
  }

  /** Prompt tokens per prefill run. @param seen tokens that the last token of a prompt reads */
  prefillTokens(seen: number, held: HeldWeights, wanted: number): number {
    if (this.budget === Number.POSITIVE_INFINITY) return wanted;
    const bytes = FLOAT * (this.layer.values + SCORE_ARRAYS * this.model.heads * seen);
    return Math.max(1, Math.min(wanted, Math.floor(this.prefillBytes(held) / bytes)));
  }

  private prefillBytes(held: HeldWeights): number {
    return PREFILL_SHARE * Math.max(0, this.left(held, 2));
  }
}

const gibibytes = (bytes: number): string =>
  bytes < 2 ** 30 ? `${Math.round(bytes / 2 ** 20)} MiB` : `${(bytes / 2 ** 30).toFixed(1)} GiB`;
