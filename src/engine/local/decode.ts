/**
 * Sampling walks the process tree while it grows: completions of a request that still agree are one row of the
 * decoder. At each step every row draws once for each of its samples; where the draws differ the row splits
 * (its cache is copied), where they end it is dropped. Each sample has its own random stream, so what it draws
 * does not depend on what else is in the batch.
 */
import { architectureOf, type DecodeBatch, type DecodeValues, type ModelConfig } from '../../model/index.js';
import { Stream } from '../../random/stream.js';
import {
  EngineError,
  NotFiniteError,
  type SampledCompletion,
  type SampleRequest,
  type SampleStatistics,
  type SamplingOptions,
} from '../engine.js';
import { Candidates } from './choose.js';
import { KvCache } from './kv-cache.js';

/** Runs the decode program under fixed weights. */
export type RunDecoder = (batch: Omit<DecodeBatch, 'weights'>) => Promise<DecodeValues>;

export interface DecodeLimits {
  /** Rows decoded at the same time; requests beyond wait for the next wave. */
  readonly maxRows: number;
  /** Prompt tokens (with padding) of one prefill run. */
  readonly prefillTokens: number;
}

/** One sample on its way. */
interface Walker {
  readonly stream: Stream;
  readonly tokens: number[];
  readonly logprobs: number[];
  stop: 'stop' | 'length';
  readonly ends: ((token: number) => boolean) | undefined;
}

/** A distinct live prefix: the samples that share it, and the token all of them drew last. */
interface Row {
  readonly walkers: Walker[];
  token: number;
}

export interface DecodePolicy {
  readonly model: ModelConfig;
  /** 0 or a large negative number for each token, [V]. */
  readonly logitBias: Float32Array;
}

/** Logits that are no numbers give no distribution to draw from: whatever would be drawn means nothing. */
function notFinite({ tokens }: Walker, logprob: number): NotFiniteError {
  return new NotFiniteError(
    `sampling: expected a finite log-probability, got ${logprob} for token ${tokens.length} of a completion; ` +
      "the model's logits are not finite (weights that grew too large do that: a smaller learning rate, or other weights)",
  );
}

export async function decode(
  requests: readonly SampleRequest[],
  options: SamplingOptions,
  policy: DecodePolicy,
  limits: DecodeLimits,
  run: RunDecoder,
): Promise<{ completions: SampledCompletion[][]; statistics: SampleStatistics }> {
  requests.forEach((request, i) => {
    checkRequest(request, i, options, policy.model);
  });
  const completions: SampledCompletion[][] = [];
  let decodedTokens = 0;
  let from = 0;
  while (from < requests.length) {
    let to = from;
    let rows = 0;
    while (to < requests.length && (to === from || rows + requests[to].count <= limits.maxRows)) {
      rows += requests[to++].count;
    }
    const wave = new Wave(requests.slice(from, to), options, policy, limits, run);
    completions.push(...(await wave.finish()));
    decodedTokens += wave.decodedTokens;
    from = to;
  }
  let sampledTokens = 0;
  for (const group of completions) for (const { tokens } of group) sampledTokens += tokens.length;
  return { completions, statistics: { decodedTokens, sampledTokens } };
}

function checkRequest(
  request: SampleRequest,
  i: number,
  options: SamplingOptions,
  config: ModelConfig,
): void {
  if (request.prompt.length === 0)
    throw new EngineError(`sample: the prompt of request ${i} is empty; it needs a token`);
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

class Wave {
  decodedTokens = 0;
  private readonly cache: KvCache;
  private readonly rows: Row[] = [];
  private readonly walkers: Walker[][];
  private readonly stops: Set<number>;
  private readonly inverseTemperature: number;

  constructor(
    private readonly requests: readonly SampleRequest[],
    private readonly options: SamplingOptions,
    private readonly policy: DecodePolicy,
    private readonly limits: DecodeLimits,
    private readonly run: RunDecoder,
  ) {
    const longest = requests.reduce((n, { prompt }) => Math.max(n, prompt.length), 0);
    const samples = requests.reduce((n, { count }) => n + count, 0);
    this.cache = new KvCache(policy.model, samples, longest + Math.min(options.maxTokens, 32));
    this.stops = new Set(options.stopTokens);
    this.inverseTemperature = options.temperature > 0 ? 1 / options.temperature : 1;
    this.walkers = requests.map(({ count, key }) =>
      Array.from({ length: count }, (_, sample) => ({
        stream: new Stream(options.seed, 'sampling', ...key, sample),
        tokens: [],
        logprobs: [],
        stop: 'length',
        ends: options.watch?.(),
      })),
    );
  }

  async finish(): Promise<SampledCompletion[][]> {
    if (this.options.maxTokens > 0) {
      await this.prefill();
      while (this.rows.length > 0) await this.step();
    }
    return this.walkers.map((group) =>
      group.map(({ tokens, logprobs, stop }) => ({
        tokens: Int32Array.from(tokens),
        logprobs: Float32Array.from(logprobs),
        stop,
      })),
    );
  }

  /** All prompts through the model, several at a time, padded to the longest of the run. */
  private async prefill(): Promise<void> {
    const order = this.requests.map((_, i) => i);
    let from = 0;
    while (from < order.length) {
      let to = from;
      let longest = 0;
      while (to < order.length) {
        const length = Math.max(longest, this.requests[order[to]].prompt.length);
        if (to > from && length * (to - from + 1) > this.limits.prefillTokens) break;
        longest = length;
        to++;
      }
      await this.prefillRun(order.slice(from, to), longest);
      from = to;
    }
  }

  private async prefillRun(requests: readonly number[], length: number): Promise<void> {
    const tokens = new Int32Array(requests.length * length);
    const positions = new Int32Array(requests.length * length);
    const last = new Int32Array(requests.length);
    const counts = requests.map((request, r) => {
      const { prompt } = this.requests[request];
      tokens.set(prompt, r * length);
      for (let i = 0; i < prompt.length; i++) positions[r * length + i] = i;
      last[r] = r * length + prompt.length - 1;
      this.decodedTokens += prompt.length;
      return prompt.length;
    });
    const { keyValueHeads, headWidth } = architectureOf(this.policy.model);
    const empty = new Float32Array(requests.length * keyValueHeads * headWidth);
    this.options.signal?.throwIfAborted();
    const values = await this.run({
      ...this.distribution,
      rows: requests.length,
      newTokens: length,
      slots: 1,
      tokens,
      positions,
      last,
      pastLength: new Int32Array(requests.length),
      past: () => empty,
    });
    const cacheRows = requests.map(() => this.cache.addRow());
    this.cache.append(values.cache, cacheRows, counts, length);
    requests.forEach((request, r) => {
      this.rows.push({ walkers: this.walkers[request], token: -1 });
      if (this.rows.length - 1 !== cacheRows[r])
        throw new EngineError('sample: rows and cache are out of step');
    });
    this.branch(values.logprobs, cacheRows);
  }

  /** One token further for every live row. */
  private async step(): Promise<void> {
    const { rows, cache } = this;
    cache.reserve(1);
    const count = rows.length;
    const lengths = Int32Array.from(cache.lengths);
    this.options.signal?.throwIfAborted();
    const values = await this.run({
      ...this.distribution,
      rows: count,
      newTokens: 1,
      slots: cache.slots,
      tokens: Int32Array.from(rows, ({ token }) => token),
      positions: lengths,
      last: Int32Array.from(rows, (_, i) => i),
      pastLength: lengths,
      past: (layer, kind) => cache.view(layer, kind),
    });
    this.decodedTokens += count;
    const all = rows.map((_, i) => i);
    cache.append(
      values.cache,
      all,
      all.map(() => 1),
      1,
    );
    this.branch(values.logprobs, all);
  }

  private get distribution(): Pick<DecodeBatch, 'inverseTemperature' | 'logitBias'> {
    return { inverseTemperature: this.inverseTemperature, logitBias: this.policy.logitBias };
  }

  /**
   * Draws the next token of every sample of the given rows, splits rows whose samples differ and drops those
   * without a sample that goes on.
   * @param logprobs [rows.length, V]
   */
  private branch(logprobs: Float32Array, rows: readonly number[]): void {
    const { vocabularySize } = this.policy.model;
    const dead: number[] = [];
    rows.forEach((row, r) => {
      const candidates = new Candidates(
        logprobs.subarray(r * vocabularySize, (r + 1) * vocabularySize),
        this.options,
      );
      const going = new Map<number, Walker[]>();
      for (const walker of this.rows[row].walkers) {
        const token = candidates.pick(this.options.temperature === 0 ? 0 : walker.stream.uniform());
        walker.tokens.push(token);
        const logprob = candidates.logprob(token);
        if (!Number.isFinite(logprob)) throw notFinite(walker, logprob);
        walker.logprobs.push(logprob);
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
        if (first) this.rows[row] = { walkers, token };
        else {
          this.cache.copyRow(row);
          this.rows.push({ walkers, token });
        }
        first = false;
      }
      if (going.size === 0) dead.push(row);
    });
    // From the back, so that the row that takes a freed place is never itself waiting to be dropped.
    for (const row of dead.sort((a, b) => b - a)) {
      this.cache.removeRow(row);
      const last = this.rows.pop() as Row;
      if (row < this.rows.length) this.rows[row] = last;
    }
  }
}
