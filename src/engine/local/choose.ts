/** Choosing the next token from a distribution: greedy, or by inverse cumulative sum under top-k and top-p. */

export interface Choice {
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
}

/** The candidates of one distribution, prepared once for all samples that draw from it. */
export class Candidates {
  private readonly tokens: Int32Array | null;
  private readonly cumulative: Float64Array;

  /**
   * @param logprobs ln p of every token, [V]
   */
  constructor(
    private readonly logprobs: Float32Array,
    choice: Choice,
  ) {
    if (choice.temperature === 0) {
      this.tokens = Int32Array.of(argmax(logprobs));
      this.cumulative = Float64Array.of(1);
      return;
    }
    this.tokens = choice.topK > 0 || choice.topP < 1 ? likeliest(logprobs, choice) : null;
    const count = this.tokens?.length ?? logprobs.length;
    this.cumulative = new Float64Array(count);
    let sum = 0;
    for (let i = 0; i < count; i++) {
      sum += Math.exp(logprobs[this.tokens ? this.tokens[i] : i]);
      this.cumulative[i] = sum;
    }
  }

  /** The token at quantile `u` ∈ [0, 1). */
  pick(u: number): number {
    const { cumulative } = this;
    const target = u * cumulative[cumulative.length - 1];
    let low = 0;
    let high = cumulative.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (cumulative[middle] > target) high = middle;
      else low = middle + 1;
    }
    return this.tokens ? this.tokens[low] : low;
  }

  logprob(token: number): number {
    return this.logprobs[token];
  }
}

function argmax(values: Float32Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i;
  return best;
}

/** Token ids by falling probability, cut at k tokens and at cumulative probability p (at least one stays). */
function likeliest(logprobs: Float32Array, { topK, topP }: Choice): Int32Array {
  const order = Int32Array.from(logprobs, (_, i) => i).sort((a, b) => logprobs[b] - logprobs[a] || a - b);
  let count = topK > 0 ? Math.min(topK, order.length) : order.length;
  if (topP < 1) {
    let total = 0;
    for (let i = 0; i < count; i++) total += Math.exp(logprobs[order[i]]);
    let sum = 0;
    let kept = 0;
    while (kept < count && sum < topP * total) sum += Math.exp(logprobs[order[kept++]]);
    count = Math.max(1, kept);
  }
  return order.subarray(0, count);
}
