/**
 * Samples by building the process tree as it grows: completions of a request that still agree are one row of the
 * decoder. At each step every row draws once for each of its samples. If the draws differ, the row splits (its cache is
 * copied); samples that end are dropped, and waiting requests that fit are admitted. Each sample has its own random
 * stream, so its draws do not depend on the rest of the batch.
 */
import type {
  BlockBatch,
  DecodeValues,
  DistributionBatch,
  DrawBatch,
  ModelConfig,
  SlotBatch,
} from '../../model/index.js';
import { Stream } from '../../random/stream.js';
import {
  EngineError,
  NotFiniteError,
  type SampledCompletion,
  type SampleRequest,
  type SampleStatistics,
  type SamplingOptions,
} from '../engine.js';
import { BlockCache } from './block-cache.js';
import { Candidates, greedy } from './choose.js';
import type { KvCache } from './kv-cache.js';
import { PromptCache } from './prompt-cache.js';
import { SlotCache } from './slot-cache.js';

/** Runs the decode program of a cache with fixed weights. */
export type RunDecoder = (
  batch: Omit<SlotBatch, 'weights'> | Omit<BlockBatch, 'weights'>,
) => Promise<DecodeValues>;

export interface DecodeLimits {
  /** Maximum number of rows that are decoded at the same time. */
  readonly maxRows: number;
  /** Maximum number of prompt tokens (with padding) in one prefill run. */
  readonly prefillTokens: number;
  /** Maximum number of tokens of one prompt that go through the model at once. */
  readonly prefillLength: number;
  /** Tokens per block of the cache; sequences of up to two blocks are cached in slots. */
  readonly blockWidth: number;
  /** How many rows fit into memory; absent: any number. */
  readonly rowsThatFit?: (size: CacheSize) => number;
  /** Whether prompts are cached once for all rows that read them. */
  readonly sharesPrompts: boolean;
}

/** What rows and prompts need in the cache, in tokens. */
export interface CacheSize {
  /** Longest sequence, prompt included. */
  readonly longest: number;
  /** Cached for each row. */
  readonly row: number;
  /** Cached for all rows together. */
  readonly shared: number;
}

/** One unfinished sample. */
interface Walker {
  readonly stream: Stream;
  readonly tokens: number[];
  readonly logprobs: number[];
  readonly entropies: number[];
  stop: 'stop' | 'length';
  readonly ends: ((token: number) => boolean) | undefined;
}

/** A distinct live prefix: the samples that share it, and the last token, which all of them drew. */
interface Row {
  readonly walkers: Walker[];
  token: number;
  /** Tokens of its prompt. */
  readonly prompt: number;
}

/** The result of one draw. */
interface Next {
  readonly token: number;
  readonly logprob: number;
  /** Entropy of the distribution, nats. */
  readonly entropy: number;
}

/** Tokens and cache of a run. */
type Input<Batch> = Omit<Batch, 'weights' | keyof DistributionBatch | keyof DrawBatch>;

/** Samples of one request that are admitted together: all of them, unless that many rows can never fit. */
interface Admission {
  readonly prompt: Int32Array;
  readonly walkers: Walker[];
}

/**
 * Waiting requests are admitted when this share of the rows is free; admitted one by one, each prompt would need its
 * own run.
 */
const ADMIT_SHARE = 1 / 8;

/** Prompts that begin with fewer equal tokens are read apart: a run more costs about as much. */
const COMMON_BEGINNING = 16;

/** Tokens with which all sequences begin, at most all but one; 0 if they are few. */
function commonBeginning([first, ...others]: readonly Int32Array[]): number {
  if (others.length === 0) return 0;
  let common = first.length - 1;
  for (const other of others) {
    common = Math.min(common, other.length - 1);
    for (let i = 0; i < common; i++) if (other[i] !== first[i]) common = i;
  }
  return common < COMMON_BEGINNING ? 0 : common;
}

export interface DecodePolicy {
  readonly model: ModelConfig;
  /** 0 or a large negative number for each token, [V]. */
  readonly logitBias: Float32Array;
}

/** Logits that are not finite define no distribution to draw from. */
function notFinite({ tokens }: Walker, logprob: number): NotFiniteError {
  return new NotFiniteError(
    `sampling: expected a finite log-probability, got ${logprob} for token ${tokens.length} of a completion; ` +
      "the model's logits are not finite (the weights may have grown too large: use a smaller learning rate or other weights)",
  );
}

export async function decode(
  requests: readonly SampleRequest[],
  options: SamplingOptions,
  policy: DecodePolicy,
  limits: DecodeLimits,
  run: RunDecoder,
): Promise<{ completions: SampledCompletion[][]; statistics: Required<SampleStatistics> }> {
  requests.forEach((request, i) => {
    checkRequest(request, i, options, policy.model);
  });
  const sampler = new Sampler(requests, options, policy, limits, run);
  const completions = await sampler.finish();
  let sampledTokens = 0;
  for (const group of completions) for (const { tokens } of group) sampledTokens += tokens.length;
  return { completions, statistics: { decodedTokens: sampler.decodedTokens, sampledTokens } };
}

function checkRequest(
  request: SampleRequest,
  i: number,
  options: SamplingOptions,
  config: ModelConfig,
): void {
  if (request.prompt.length === 0)
    throw new EngineError(
      `sample: request ${i}: expected a prompt of at least one token, got an empty prompt`,
    );
  for (const token of request.prompt) {
    if (token < 0 || token >= config.vocabularySize) {
      throw new EngineError(
        `sample: token id ${token} in the prompt of request ${i} is outside the vocabulary 0…${config.vocabularySize - 1}`,
      );
    }
  }
  if (request.prompt.length + options.maxTokens > config.contextLength) {
    throw new EngineError(
      `sample: ${request.prompt.length} prompt and up to ${options.maxTokens} new tokens of request ${i} exceed the context of ${config.contextLength}`,
    );
  }
}

/** All requests of one call. Requests that do not fit wait, in order, until enough rows have ended. */
class Sampler {
  decodedTokens = 0;
  private readonly cache: KvCache;
  private readonly rows: Row[] = [];
  private readonly walkers: Walker[][];
  private readonly stops: Set<number>;
  private readonly inverseTemperature: number;
  private readonly queue: Admission[];

  constructor(
    requests: readonly SampleRequest[],
    private readonly options: SamplingOptions,
    private readonly policy: DecodePolicy,
    private readonly limits: DecodeLimits,
    private readonly run: RunDecoder,
  ) {
    const longest = requests.reduce((n, { prompt }) => Math.max(n, prompt.length + options.maxTokens), 0);
    const { blockWidth } = limits;
    const newCache = (): KvCache =>
      longest <= 2 * blockWidth ? new SlotCache(policy.model) : new BlockCache(policy.model, blockWidth);
    this.cache = limits.sharesPrompts ? new PromptCache(policy.model, newCache(), newCache()) : newCache();
    this.stops = new Set(options.stopTokens);
    this.inverseTemperature = options.temperature > 0 ? 1 / options.temperature : 1;
    this.walkers = requests.map(({ count, key }) =>
      Array.from({ length: count }, (_, sample) => ({
        stream: new Stream(options.seed, 'sampling', ...key, sample),
        tokens: [],
        logprobs: [],
        entropies: [],
        stop: 'length',
        ends: options.watch?.(),
      })),
    );
    this.queue = requests.map(({ prompt }, i) => ({ prompt, walkers: this.walkers[i] }));
  }

  async finish(): Promise<SampledCompletion[][]> {
    if (this.options.maxTokens > 0) {
      while (this.queue.length > 0 || this.rows.length > 0) {
        await this.admit();
        if (this.rows.length > 0) await this.step();
      }
    }
    return this.walkers.map((group) =>
      group.map(({ tokens, logprobs, entropies, stop }) => ({
        tokens: Int32Array.from(tokens),
        logprobs: Float32Array.from(logprobs),
        entropies: Float32Array.from(entropies),
        stop,
      })),
    );
  }

  /** Admits as many requests as fit, in order. Each of their samples may later need its own row. */
  private async admit(): Promise<void> {
    if (this.queue.length === 0) return;
    const { maxTokens } = this.options;
    let samples = this.rows.reduce((n, { walkers }) => n + walkers.length, 0);
    let longest = this.rows.reduce((n, { prompt }) => Math.max(n, prompt), 0);
    let prompts = this.cache.prompts;
    if (samples > 0) {
      const room = this.room(longest, prompts);
      if (room - samples < ADMIT_SHARE * room) return;
    }
    const admitted: Admission[] = [];
    for (let next = this.queue[0]; next; next = this.queue[0]) {
      const prompt = Math.max(longest, next.prompt.length);
      const room = this.room(prompt, prompts + 1) - samples;
      const fits = next.walkers.length <= room;
      if (!fits && samples > 0) break;
      if (room < 1) {
        throw new EngineError(
          `sample: one sequence of ${prompt + maxTokens} tokens does not fit into the memory that sampling may use; raise runtime.memory, or shorten prompts or completions`,
        );
      }
      this.queue.shift();
      if (!fits) this.queue.unshift({ ...next, walkers: next.walkers.slice(room) });
      const walkers = next.walkers.slice(0, room);
      admitted.push({ ...next, walkers });
      samples += walkers.length;
      prompts++;
      longest = prompt;
    }
    if (admitted.length === 0) return;
    const soon = Math.min(maxTokens, 32);
    this.cache.reserve({ rows: samples, prompts, prompt: longest, soon, most: maxTokens });
    await this.prefill(admitted);
  }

  /**
   * How many rows may live at the same time.
   * @param longest tokens of the longest prompt
   */
  private room(longest: number, prompts: number): number {
    const { maxRows, rowsThatFit, sharesPrompts } = this.limits;
    const { maxTokens } = this.options;
    const size = sharesPrompts
      ? { row: maxTokens, shared: prompts * longest }
      : { row: longest + maxTokens, shared: 0 };
    return Math.min(maxRows, rowsThatFit?.({ longest: longest + maxTokens, ...size }) ?? maxRows);
  }

  /** Runs prompts through the model, several at a time, padded to the longest of the run. */
  private async prefill(admitted: readonly Admission[]): Promise<void> {
    let from = 0;
    while (from < admitted.length) {
      let to = from;
      let longest = 0;
      while (to < admitted.length) {
        const length = Math.max(longest, admitted[to].prompt.length);
        if (to > from && length * (to - from + 1) > this.limits.prefillTokens) break;
        longest = length;
        to++;
      }
      await this.prefillRun(admitted.slice(from, to));
      from = to;
    }
  }

  /** Tokens with which all prompts begin are processed once, and copied. Each prompt has at least one token of its own. */
  private async prefillRun(admitted: readonly Admission[]): Promise<void> {
    const prompts = admitted.map(({ prompt }) => prompt);
    const common = commonBeginning(prompts);
    const rows: number[] = [];
    for (const { prompt, walkers } of admitted) {
      this.rows.push({ walkers, token: -1, prompt: prompt.length });
      rows.push(rows.length > 0 && common > 0 ? this.cache.addRow(rows[0]) : this.cache.addRow());
      if (rows.length === 1 && common > 0)
        await this.readPrompts(rows, [prompt.subarray(0, common)], [[]], 0);
    }
    this.decodedTokens += prompts.reduce((n, { length }) => n + length - common, common);
    const walkers = admitted.map((admission) => admission.walkers);
    const chosen = await this.readPrompts(rows, prompts, walkers, common);
    this.branch(chosen, rows);
  }

  /**
   * Prompts longer than `prefillLength` are processed in parts; each part reads the cache of the earlier parts.
   * @param rows the last rows of the cache
   * @param walkers samples of each row, whose first token is drawn at the end of the prompt
   * @param from tokens of each prompt that are already cached
   * @returns first tokens
   */
  private async readPrompts(
    rows: readonly number[],
    prompts: readonly Int32Array[],
    walkers: readonly (readonly Walker[])[],
    from: number,
  ): Promise<Next[][]> {
    const { cache, limits } = this;
    const count = rows.length;
    const longest = prompts.reduce((n, { length }) => Math.max(n, length), 0);
    const chosen: Next[][] = [];
    for (let start = from; start < longest; start += limits.prefillLength) {
      this.options.signal?.throwIfAborted();
      const length = Math.min(limits.prefillLength, longest - start);
      const tokens = new Int32Array(count * length);
      const positions = new Int32Array(count * length);
      const last = new Int32Array(count);
      const counts = prompts.map((prompt, r) => {
        const part = prompt.subarray(start, start + length);
        tokens.set(part, r * length);
        for (let i = 0; i < part.length; i++) positions[r * length + i] = start + i;
        last[r] = r * length + Math.max(0, part.length - 1);
        return part.length;
      });
      const drawing = prompts.map((prompt, r) =>
        prompt.length > start && prompt.length <= start + length ? walkers[r] : [],
      );
      const { cache: fresh, next } = await this.decode(drawing, {
        rows: count,
        newTokens: length,
        tokens,
        positions,
        last,
        ...cache.past(count),
      });
      cache.append(fresh, rows, counts, length, 'prompt');
      next.forEach((tokensOfRow, r) => {
        if (drawing[r].length > 0) chosen[r] = tokensOfRow;
      });
    }
    return chosen;
  }

  /** Decodes one more token of every live row. */
  private async step(): Promise<void> {
    const { rows, cache } = this;
    const count = rows.length;
    const positions = Int32Array.from(cache.lengths);
    cache.extend();
    this.options.signal?.throwIfAborted();
    const drawing = rows.map(({ walkers }) => walkers);
    const { cache: fresh, next } = await this.decode(drawing, {
      rows: count,
      newTokens: 1,
      tokens: Int32Array.from(rows, ({ token }) => token),
      positions,
      last: Int32Array.from(rows, (_, i) => i),
      ...cache.past(),
    });
    this.decodedTokens += count;
    const all = rows.map((_, i) => i);
    cache.append(
      fresh,
      all,
      all.map(() => 1),
      1,
      'completion',
    );
    this.branch(next, all);
    if (this.queue.length === 0) cache.release(rows.reduce((n, { walkers }) => n + walkers.length, 0));
  }

  /**
   * One run of the decoder, and the next token of each drawing sample: drawn in the graph, the likeliest, or chosen
   * here from the candidates that top-k and top-p leave.
   * @param drawing samples of each row of the run
   */
  private async decode(
    drawing: readonly (readonly Walker[])[],
    batch: Input<SlotBatch> | Input<BlockBatch>,
  ): Promise<{ readonly cache: Float32Array; readonly next: Next[][] }> {
    const { temperature, topK, topP } = this.options;
    const uniforms = drawing.map((walkers) =>
      walkers.map(({ stream }) => (temperature === 0 ? 0 : stream.uniform())),
    );
    const cut = temperature > 0 && (topK > 0 || topP < 1);
    const values = await this.run({
      ...batch,
      inverseTemperature: this.inverseTemperature,
      logitBias: this.policy.logitBias,
      // A run in which nothing is drawn still draws one number, which is ignored.
      drawRow: () => {
        const rows = uniforms.flatMap((shares, row) => shares.map(() => BigInt(row)));
        return BigInt64Array.from(rows.length > 0 ? rows : [0n]);
      },
      draw: () => {
        const shares = uniforms.flat();
        return Float32Array.from(shares.length > 0 ? shares : [0]);
      },
      eachRow: () => BigInt64Array.from(drawing, (_, row) => BigInt(row)),
      wholeDistributions: cut,
    });
    let draw = 0;
    const next = uniforms.map((shares, row) => {
      if (shares.length === 0) return [];
      const choose = this.chooser(values, row, cut);
      const entropy = values.entropies[row];
      return shares.map((share): Next => {
        const [token, logprob] = choose(share, draw++);
        return { token, logprob, entropy };
      });
    });
    return { cache: values.cache, next };
  }

  /** Returns the token and its ln π at a quantile, for the sample with this index among all drawing samples. */
  private chooser(
    { choice, probabilities }: DecodeValues,
    row: number,
    cut: boolean,
  ): (share: number, draw: number) => [token: number, logprob: number] {
    const isGreedy = this.options.temperature === 0;
    if (choice && !cut) {
      const { drawnTokens, drawnLogprobs, greedyTokens, greedyLogprobs } = choice;
      return isGreedy
        ? () => [greedyTokens[row], greedyLogprobs[row]]
        : (_, draw) => [drawnTokens[draw], drawnLogprobs[draw]];
    }
    const { vocabularySize: size } = this.policy.model;
    const distribution = (probabilities as Float32Array).subarray(row * size, (row + 1) * size);
    if (isGreedy) {
      const likeliest = greedy(distribution);
      return () => likeliest;
    }
    const candidates = new Candidates(distribution, this.options);
    return (share) => candidates.draw(share);
  }

  /**
   * Appends the next token to every sample of the given rows, splits rows whose samples differ, and drops rows without
   * unfinished samples.
   * @param next tokens of each row's samples
   */
  private branch(next: readonly (readonly Next[])[], rows: readonly number[]): void {
    const dead: number[] = [];
    rows.forEach((row, r) => {
      const going = new Map<number, Walker[]>();
      for (const [i, walker] of this.rows[row].walkers.entries()) {
        const { token, logprob, entropy } = next[r][i];
        walker.tokens.push(token);
        if (!Number.isFinite(logprob)) throw notFinite(walker, logprob);
        walker.logprobs.push(logprob);
        walker.entropies.push(entropy);
        const ends = walker.ends?.(token) ?? false;
        if (ends || this.stops.has(token)) walker.stop = 'stop';
        else if (walker.tokens.length < this.options.maxTokens) {
          const same = going.get(token);
          if (same) same.push(walker);
          else going.set(token, [walker]);
        }
      }
      let first = true;
      for (const [token, walkers] of going) {
        const { prompt } = this.rows[row];
        if (first) this.rows[row] = { walkers, token, prompt };
        else {
          this.cache.copyRow(row);
          this.rows.push({ walkers, token, prompt });
        }
        first = false;
      }
      if (going.size === 0) dead.push(row);
    });
    // In reverse, so that the row that moves into a free position is never one that still has to be dropped.
    for (const row of dead.sort((a, b) => b - a)) {
      this.cache.removeRow(row);
      const last = this.rows.pop() as Row;
      if (row < this.rows.length) this.rows[row] = last;
    }
  }
}
